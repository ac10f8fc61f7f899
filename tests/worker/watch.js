// The unchanged Worker, and a second entrypoint that returns the call count and memory size of its wasm.
import { tally } from "tally.js";
export { default } from "index.js";

export const watch = {
  fetch: () => new Response(`${tally.calls} ${tally.memory.buffer.byteLength}`),
};

// The Worker as it is, and beside it an entrance that tells what its wasm did.
import { tally } from "tally.js";
export { default } from "index.js";

export const watch = {
  fetch: () => new Response(`${tally.calls} ${tally.memory.buffer.byteLength}`),
};

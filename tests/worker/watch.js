// The unchanged Worker, and a second entrypoint that returns the call count and memory size of its wasm. `/ahead/MS` and
// `/speed/FACTOR` set its clock.
import { clock, tally } from "tally.js";
export { default } from "index.js";

export const watch = {
  fetch(request) {
    const [, name, value] = new URL(request.url).pathname.split("/");
    if (name) clock[name] = Number(value);
    return new Response(`${tally.calls} ${tally.memory.buffer.byteLength}`);
  },
};

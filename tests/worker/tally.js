// Loaded before the Worker's own module, so that it counts every call into the wasm, and sets its clock.
export const tally = { calls: 0, memory: undefined };

// Added to the time, in milliseconds, or the time itself; a timer fires this many times earlier.
export const clock = { ahead: 0, at: undefined, speed: 1 };

const { Instance } = WebAssembly;
WebAssembly.Instance = function (module, imports) {
  const exports = {};
  for (const [name, value] of Object.entries(new Instance(module, imports).exports)) {
    exports[name] = typeof value === "function" ? (...args) => (tally.calls++, value(...args)) : value;
  }
  tally.memory = exports.memory;
  return { exports };
};

const { now } = Date;
Date.now = () => clock.at ?? now() + clock.ahead;

const { setTimeout } = globalThis;
globalThis.setTimeout = (call, delay, ...more) => setTimeout(call, delay / clock.speed, ...more);

// Loaded before the Worker's own module, so that it counts every call into the wasm.
export const tally = { calls: 0, memory: undefined };

const { Instance } = WebAssembly;
WebAssembly.Instance = function (module, imports) {
  const exports = {};
  for (const [name, value] of Object.entries(new Instance(module, imports).exports)) {
    exports[name] = typeof value === "function" ? (...args) => (tally.calls++, value(...args)) : value;
  }
  tally.memory = exports.memory;
  return { exports };
};

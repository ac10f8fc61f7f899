// Stands before the Worker's own module, so that every call into the wasm is counted.
export const tally = { calls: 0, memory: undefined };

const { Instance } = WebAssembly;
WebAssembly.Instance = function (module, imports) {
  const exports = {};
  for (const [name, thing] of Object.entries(new Instance(module, imports).exports)) {
    exports[name] = typeof thing === "function" ? (...args) => (tally.calls++, thing(...args)) : thing;
  }
  tally.memory = exports.memory;
  return { exports };
};

// A binding of the Secrets Store: its value, or a store that is away.
export default (inner) => ({
  async get() {
    if (inner.value === undefined) throw new Error("the store is away");
    return inner.value;
  },
});

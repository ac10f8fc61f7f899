// A Secrets Store binding: returns its value, or fails if it has none.
export default (inner) => ({
  async get() {
    if (inner.value === undefined) throw new Error("the store is unavailable");
    return inner.value;
  },
});

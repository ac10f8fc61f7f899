// Streams that pass without wasm, and a copy that is read afterwards.

// A random id, as two numbers.
export const randomId = () => crypto.getRandomValues(new BigInt64Array(2));

// The ledger's object. The hint is for its first use only.
export const ledger = (namespace, locationHint) => namespace.getByName("ledger", { locationHint });

// Resolves when the client leaves.
export const left = ({ signal }) =>
  new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener("abort", resolve)));

// Returns the body for the client, the promise of its end, and a copy if it is kept. Nothing of the copy is read before
// the end: that would join events to chunks. `filter` changes each chunk; without it no JavaScript runs per event.
export function tap(body, length, isKept, filter) {
  const [passed, kept] = isKept ? body.tee() : [body];
  const stream = length === undefined ? new IdentityTransformStream() : new FixedLengthStream(length);
  const changed = filter ? passed.pipeThrough(new TransformStream(transformer(filter))) : passed;
  return [stream.readable, changed.pipeTo(stream.writable), kept];
}

// `filter` gets `undefined` at the end.
function transformer(filter) {
  const enqueue = (chunk, controller) => {
    const rest = filter(chunk);
    if (rest.length) controller.enqueue(rest);
  };
  return { transform: enqueue, flush: (controller) => enqueue(undefined, controller) };
}

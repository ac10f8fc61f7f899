// Like watch.js, for a Worker with a ledger: `/ledger` returns the calls of its object and the rows that it wrote. `/down/1`
// lets each call fail. `/object` calls the object.
// The first import, because it must replace the runtime's functions before the Worker uses them.
import { watch as original } from "watch.js";
import { clock } from "tally.js";
import { Ledger as Original } from "index.js";
export { default } from "index.js";

const ledger = { calls: 0, rows: 0, down: 0 };

export class Ledger extends Original {
  constructor(ctx, env) {
    super(ctx, env);
    const { sql } = this;
    this.sql = {
      exec(...statement) {
        const cursor = sql.exec(...statement);
        // A statement that returns no row has run by now.
        ledger.rows += cursor.rowsWritten;
        return cursor;
      },
    };
  }

  run(...call) {
    ledger.calls += 1;
    if (ledger.down) throw new Error("the ledger is down");
    return super.run(...call);
  }

  usage(...question) {
    if (ledger.down) throw new Error("the ledger is down");
    return super.usage(...question);
  }

  response(...question) {
    if (ledger.down) throw new Error("the ledger is down");
    return super.response(...question);
  }
}

// Calls the object as the Worker does, at this time. Returns its result, bytes as an array of numbers.
async function object(request, env) {
  const { at, user, call, row, since, id } = await request.json();
  clock.at = at;
  const ledger = env.LEDGER.getByName("ledger");
  const called = call
    ? ledger.run(user, BigInt64Array.from(call, BigInt), row ?? undefined)
    : id
      ? ledger.response(user, id)
      : ledger.usage(user, since);
  const values = [...(await called), null, null, null].slice(0, 3);
  return Response.json(values.map((value) => (value instanceof Uint8Array ? [...value] : value)));
}

export const watch = {
  fetch(request, env) {
    const [, name, value] = new URL(request.url).pathname.split("/");
    if (name === "object") return object(request, env);
    if (name === "ledger") return new Response(`${ledger.calls} ${ledger.rows}`);
    if (name === "down") ledger.down = Number(value);
    return original.fetch(request);
  },
};

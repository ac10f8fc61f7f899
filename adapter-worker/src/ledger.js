// The ledger: a Durable Object with an SQLite database, one for all users of the owner. The Worker's wasm decides what
// changes; nothing of a limit is written here.
import { DurableObject } from "cloudflare:workers";
import main from "./index.js";

// The tables of the server's ledger (docs/ledger.md): amounts in pico-dollars, days since 1970, instants in microseconds.
const TABLES = `
CREATE TABLE IF NOT EXISTS state (
  user TEXT PRIMARY KEY,
  state BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS usage (
  at INTEGER PRIMARY KEY, id TEXT NOT NULL, day INTEGER NOT NULL, user TEXT NOT NULL, started INTEGER NOT NULL,
  key TEXT NOT NULL, route TEXT NOT NULL, model TEXT NOT NULL, tier TEXT NOT NULL,
  input INTEGER NOT NULL, cached INTEGER NOT NULL, cache_write INTEGER NOT NULL, cache_write_12h INTEGER NOT NULL,
  input_audio INTEGER NOT NULL, cached_audio INTEGER NOT NULL, input_image INTEGER NOT NULL,
  cached_image INTEGER NOT NULL, output INTEGER NOT NULL, reasoning INTEGER NOT NULL, output_audio INTEGER NOT NULL,
  output_image INTEGER NOT NULL, web_search INTEGER NOT NULL, file_search INTEGER NOT NULL,
  containers INTEGER NOT NULL, audio_ms INTEGER NOT NULL, characters INTEGER NOT NULL,
  cost INTEGER NOT NULL, voided INTEGER, prices TEXT NOT NULL, status INTEGER NOT NULL, ended TEXT NOT NULL,
  estimated INTEGER NOT NULL, over INTEGER NOT NULL, retry INTEGER NOT NULL, upstream_id TEXT, response_id TEXT,
  head_us INTEGER, total_us INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS usage_expired ON usage (id) WHERE ended = 'expired';
CREATE TABLE IF NOT EXISTS usage_daily (
  day INTEGER NOT NULL, user TEXT NOT NULL, model TEXT NOT NULL, requests INTEGER NOT NULL,
  estimated INTEGER NOT NULL, input INTEGER NOT NULL, cached INTEGER NOT NULL, output INTEGER NOT NULL,
  cost INTEGER NOT NULL, PRIMARY KEY (user, day, model)
) STRICT, WITHOUT ROWID`;

const SAVE = "INSERT INTO state VALUES (?, ?) ON CONFLICT DO UPDATE SET state = excluded.state";

// Columns that may be absent, counted from `id`.
const OPTIONAL = [26, 33, 34, 35];
// Keys are unique and in order.
const INSERT = `INSERT INTO usage VALUES (max(?, (SELECT coalesce(max(at), 0) + 1 FROM usage)), ${Array.from(
  { length: 37 },
  (_, column) => (OPTIONAL.includes(column) ? "nullif(?, '')" : "?"),
)})`;

// What a row adds to its day's sums, and what an expired one takes out of them when its request was settled after all.
const sums = (sign, rows) =>
  `INSERT INTO usage_daily SELECT day, user, model, ${sign} (ended <> 'credit'), ${sign} estimated, ${sign} input,
  ${sign} cached, ${sign} output, ${sign} cost FROM usage WHERE ${rows} ON CONFLICT DO UPDATE SET
  requests = requests + excluded.requests, estimated = estimated + excluded.estimated, input = input + excluded.input,
  cached = cached + excluded.cached, output = output + excluded.output, cost = cost + excluded.cost`;
const ADD = sums("", "at = (SELECT max(at) FROM usage)");
const EXPIRED = "ended = 'expired' AND id = ?";
const SUBTRACT = sums("-", EXPIRED);

// As text, because a number of JavaScript has 53 bits only. Without the sums of a day whose only row was removed.
const DAYS = `SELECT day, model, CAST(cost AS TEXT), requests, input, output FROM usage_daily
  WHERE user = ? AND day >= ? AND (requests OR cost) ORDER BY day, model`;

// Of the last rows: an index would cost one more written row per request, of which the free plan has fewer.
const RESPONSE = `SELECT model, input + output FROM
  (SELECT * FROM usage ORDER BY at DESC LIMIT 500) WHERE response_id = ? AND user = ? AND route = '/responses' LIMIT 1`;
// Milliseconds before a response is looked up again: it may have ended just now, and its row may be on the way.
const PAUSES = [50, 200];

export class Ledger extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec(TABLES);
  }

  // Runs a call. Returns the state before it, the time, and the state after it: the caller runs the same step on them.
  run(user, call, row) {
    const now = Date.now();
    return this.ctx.storage.transactionSync(() => {
      const before = this.state(user);
      const step = main.prototype.ledger_step(before, user, call, row !== undefined, now);
      const [after, isChanged, day, removed, rows] = step;
      if (isChanged) this.sql.exec(SAVE, user, after);
      if (removed !== undefined) {
        this.sql.exec(SUBTRACT, removed);
        this.sql.exec(`DELETE FROM usage WHERE ${EXPIRED}`, removed);
      }
      for (const lines of rows) this.add(now, lines.split("\n"));
      if (row !== undefined && day !== undefined) {
        const [id, , ...rest] = row.split("\n");
        this.add(now, [id, day, ...rest]);
      }
      return [before, now, after];
    });
  }

  // Returns the state, the time, and what the user used on each day from this one on: a line per value.
  usage(user, since) {
    const days = [...this.sql.exec(DAYS, user, since).raw()];
    return [this.state(user), Date.now(), days.flat().join("\n")];
  }

  // Returns the model and the tokens of a user's response to `/responses`.
  async response(user, id) {
    const find = () => this.sql.exec(RESPONSE, id, user).raw().toArray();
    let [row] = find();
    for (const pause of PAUSES) {
      if (row) break;
      await new Promise((resolve) => setTimeout(resolve, pause));
      [row] = find();
    }
    return row ?? [];
  }

  state(user) {
    const [found] = this.sql.exec("SELECT state FROM state WHERE user = ?", user);
    return found && new Uint8Array(found.state);
  }

  add(now, columns) {
    this.sql.exec(INSERT, now * 1000, ...columns);
    this.sql.exec(ADD);
  }
}

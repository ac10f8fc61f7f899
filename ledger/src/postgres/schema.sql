CREATE SCHEMA IF NOT EXISTS sparekey;

CREATE TABLE sparekey.schema (
  version bigint NOT NULL,
  oldest_reader bigint NOT NULL
);
COMMENT ON TABLE sparekey.schema IS 'Version of the tables, and the oldest version of a program that may use them';

-- Half of each page is free, so that a new version of a row stays on its page and no index changes (HOT).
CREATE TABLE sparekey.state (
  user_name text PRIMARY KEY,
  state bytea NOT NULL,
  version bigint NOT NULL,
  processes bigint[] NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE sparekey.state IS 'Counters, rates and holds of each user, encoded';
COMMENT ON COLUMN sparekey.state.version IS 'Another random number after each change';
COMMENT ON COLUMN sparekey.state.processes IS 'Processes that have holds in the state';

CREATE TABLE sparekey.usage (
  at bigint NOT NULL,
  seq bigint GENERATED ALWAYS AS IDENTITY,
  id uuid NOT NULL,
  day integer NOT NULL,
  user_name text NOT NULL,
  started bigint NOT NULL,
  key text NOT NULL,
  route text NOT NULL,
  model text NOT NULL,
  tier text NOT NULL,
  input bigint NOT NULL,
  cached bigint NOT NULL,
  cache_write bigint NOT NULL,
  cache_write_12h bigint NOT NULL,
  input_audio bigint NOT NULL,
  cached_audio bigint NOT NULL,
  input_image bigint NOT NULL,
  cached_image bigint NOT NULL,
  output bigint NOT NULL,
  reasoning bigint NOT NULL,
  output_audio bigint NOT NULL,
  output_image bigint NOT NULL,
  web_search bigint NOT NULL,
  file_search bigint NOT NULL,
  containers bigint NOT NULL,
  audio_ms bigint NOT NULL,
  characters bigint NOT NULL,
  cost bigint NOT NULL,
  voided bigint,
  prices text NOT NULL,
  status integer NOT NULL,
  ended text NOT NULL,
  estimated boolean NOT NULL,
  over boolean NOT NULL,
  retry bigint NOT NULL,
  upstream_id text,
  response_id text,
  head_us bigint,
  total_us bigint NOT NULL,
  PRIMARY KEY (at, seq)
);
COMMENT ON TABLE sparekey.usage IS 'One row per request. Amounts are in pico-dollars (10^-12 USD), instants in microseconds since 1970-01-01 00:00 UTC, days in days since then in the time zone of the limits. The views requests and days show them as text';
COMMENT ON COLUMN sparekey.usage.at IS 'When the row was written, by the clock of the server that wrote it';
COMMENT ON COLUMN sparekey.usage.day IS 'The day that is charged: when the request was admitted';
COMMENT ON COLUMN sparekey.usage.started IS 'When the request arrived';
COMMENT ON COLUMN sparekey.usage.key IS 'First digits of the access key''s digest';
COMMENT ON COLUMN sparekey.usage.model IS 'As in the price table; other for one that is not in it';
COMMENT ON COLUMN sparekey.usage.input IS 'Tokens; the kinds of input and output are parts of them';
COMMENT ON COLUMN sparekey.usage.web_search IS 'Calls of the tool';
COMMENT ON COLUMN sparekey.usage.audio_ms IS 'Audio that is billed by its duration';
COMMENT ON COLUMN sparekey.usage.characters IS 'Text that is billed by its length';
COMMENT ON COLUMN sparekey.usage.cost IS 'Negative for a credit, 0 if void';
COMMENT ON COLUMN sparekey.usage.voided IS 'The cost before the row was made void';
COMMENT ON COLUMN sparekey.usage.prices IS 'Version of the price table';
COMMENT ON COLUMN sparekey.usage.status IS 'Of the response; 0 without one';
COMMENT ON COLUMN sparekey.usage.ended IS 'complete, client-left, upstream-cut, timeout, shutdown, key-ended, failed, expired, credit';
COMMENT ON COLUMN sparekey.usage.estimated IS 'The usage or the cost is an estimate';
COMMENT ON COLUMN sparekey.usage.over IS 'The cost is above the hold';
COMMENT ON COLUMN sparekey.usage.retry IS 'The repetition that the SDK names; 0 for the first try';
COMMENT ON COLUMN sparekey.usage.upstream_id IS 'The x-request-id of the upstream';
COMMENT ON COLUMN sparekey.usage.response_id IS 'The id in the response';
COMMENT ON COLUMN sparekey.usage.head_us IS 'Microseconds to the response head';
COMMENT ON COLUMN sparekey.usage.total_us IS 'Microseconds to the end';

-- The end of an id is random, and an index of all of it would be as large as the other columns together.
CREATE INDEX usage_response ON sparekey.usage ("right"(response_id, 12)) WHERE route = '/responses';

CREATE INDEX usage_expired ON sparekey.usage (id) WHERE ended = 'expired';

CREATE TABLE sparekey.usage_daily (
  day integer NOT NULL,
  user_name text NOT NULL,
  model text NOT NULL,
  requests bigint NOT NULL,
  estimated bigint NOT NULL,
  input bigint NOT NULL,
  cached bigint NOT NULL,
  output bigint NOT NULL,
  cost bigint NOT NULL,
  PRIMARY KEY (day, user_name, model)
) WITH (fillfactor = 70);
COMMENT ON TABLE sparekey.usage_daily IS 'The sums of the rows, also of those that were deleted';

CREATE TABLE sparekey.process (
  id bigint PRIMARY KEY
);
COMMENT ON TABLE sparekey.process IS 'Servers that use the ledger. Each holds a session advisory lock on its id';

CREATE VIEW sparekey.requests AS SELECT
  to_char(to_timestamp(started / 1e6) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') AS started_utc,
  replace(id::text, '-', '') AS id, date '1970-01-01' + day AS day, user_name, key, route, model, tier, input, cached, output,
  reasoning, round(cost / 1e12, 6) AS usd, ended, status, estimated, over, total_us / 1000 AS total_ms, upstream_id, response_id
FROM sparekey.usage;

CREATE VIEW sparekey.days AS SELECT
  date '1970-01-01' + day AS day, user_name, model, requests, estimated, input, cached, output, round(cost / 1e12, 6) AS usd
FROM sparekey.usage_daily;

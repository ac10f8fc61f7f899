// Errors have the class and the fields of OpenAI's errors, and are retried as often.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ACCESS_KEY, BASE_URL, OpenAI, client, requests, clientWithWrongKey, unique } from "./clients.mjs";

const CLASSES = {
  400: OpenAI.BadRequestError,
  403: OpenAI.PermissionDeniedError,
  404: OpenAI.NotFoundError,
  409: OpenAI.ConflictError,
  422: OpenAI.UnprocessableEntityError,
  429: OpenAI.RateLimitError,
  500: OpenAI.InternalServerError,
};

const rejection = async (promise) => promise.then(() => assert.fail("the request passed"), (error) => error);

for (const [status, type] of Object.entries(CLASSES)) {
  test(`an upstream ${status}`, async () => {
    const error = await rejection(client.responses.create({ model: `error-${status}`, input: "" }, { maxRetries: 0 }));
    assert.ok(error instanceof type);
    assert.deepEqual([error.status, error.requestID], [Number(status), "req_stand_in"]);
    assert.equal(error.code, status === "429" ? "rate_limit_exceeded" : "requested_error");
    assert.equal(error.param, null);
    assert.equal(error.headers.get("retry-after-ms"), status === "429" ? "1" : null);
  });
}

test("an invalid key", async () => {
  const model = unique();
  const error = await rejection(clientWithWrongKey.responses.create({ model, input: "" }));
  assert.ok(error instanceof OpenAI.AuthenticationError);
  assert.deepEqual([error.status, error.code, error.type], [401, "invalid_api_key", "invalid_request_error"]);
  assert.ok(!error.message.includes(ACCESS_KEY.slice(-12, -1)));
  assert.equal((await requests(model)).length, 0);
});

test("a rejected API key", async () => {
  const before = (await requests("error-401")).length;
  const error = await rejection(client.responses.create({ model: "error-401", input: "" }));
  assert.deepEqual([error.status, error.code], [502, "upstream_auth_failed"]);
  assert.equal(error.headers.get("x-echo"), null);
  assert.equal((await requests("error-401")).length - before, 1);
});

const REJECTIONS = [
  ["/models", { authorization: "Bearer sk-unknown-4kGDuXn42Zb7" }, 401, "invalid_api_key"],
  ["/models", { authorization: null }, 401, null],
  ["/models", { "api-key": "sk-unknown-4kGDuXn42Zb7" }, 400, "ambiguous_api_key"],
  ["/files/..%2fmodels", {}, 400, "invalid_path"],
  ["/organization/users", {}, 403, "route_not_allowed"],
];
for (const [path, headers, status, code] of REJECTIONS) {
  test(`a rejection is not retried: ${status} ${code}`, async () => {
    let attempts = 0;
    const counted = (...request) => {
      attempts += 1;
      return fetch(...request);
    };
    const counting = new OpenAI({ baseURL: BASE_URL, apiKey: ACCESS_KEY, fetch: counted });
    const error = await rejection(counting.get(path, { headers }));
    assert.deepEqual([error.status, error.code, error.type, error.param], [status, code, "invalid_request_error", null]);
    assert.equal(error.headers.get("x-should-retry"), "false");
    assert.equal(attempts, 1);
  });
}

for (const maxRetries of [0, 1, 2]) {
  test(`${maxRetries} retries of the client`, async () => {
    const model = `flaky-9-${unique()}`;
    const error = await rejection(client.responses.create({ model, input: "" }, { maxRetries }));
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.equal((await requests(model)).length, maxRetries + 1);
  });
}

test("a retry succeeds", async () => {
  const model = `flaky-2-${unique()}`;
  assert.equal((await client.responses.create({ model, input: "" })).output_text, "Hello from upstream");
  assert.equal((await requests(model)).length, 3);
});

// Requests of a web page, with the CORS checks of a browser.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ACCESS_KEY, BASE_URL, OpenAI, WRONG_KEY } from "./clients.mjs";

const ORIGIN = "https://chat.example";

/**
 * Fetches as a page of ORIGIN: sends the preflight, and checks the CORS headers
 * (https://fetch.spec.whatwg.org/#http-cors-protocol).
 */
async function fetchAsBrowser(url, init) {
  const headers = new Headers(init.headers);
  const simple = ["accept", "accept-language", "content-language"];
  const requested = [...headers.keys()].filter((name) => !simple.includes(name)).sort();
  const preflight = await fetch(url, {
    method: "OPTIONS",
    headers: {
      origin: ORIGIN,
      "access-control-request-method": init.method,
      "access-control-request-headers": requested.join(","),
    },
  });
  assert.ok(preflight.ok, "the preflight passes without a key");
  assert.ok(["*", ORIGIN].includes(preflight.headers.get("access-control-allow-origin")));
  const allowed = preflight.headers.get("access-control-allow-headers").split(",").map((name) => name.trim());
  for (const name of requested) assert.ok(allowed.includes(name), `${name} is allowed`);
  if (!["GET", "HEAD", "POST"].includes(init.method)) {
    assert.ok(preflight.headers.get("access-control-allow-methods").includes(init.method));
  }

  headers.set("origin", ORIGIN);
  const response = await fetch(url, { ...init, headers });
  assert.ok(["*", ORIGIN].includes(response.headers.get("access-control-allow-origin")), "the page may read the response");
  const exposed = response.headers.get("access-control-expose-headers");
  for (const name of ["x-request-id", "retry-after-ms", "x-should-retry"]) assert.ok(exposed.includes(name));
  return response;
}

const page = (apiKey) =>
  new OpenAI({ baseURL: BASE_URL, apiKey, fetch: fetchAsBrowser, dangerouslyAllowBrowser: true, maxRetries: 0 });

test("calls of a page pass", async () => {
  const response = await page(ACCESS_KEY).responses.create({ model: "gpt-one", input: "Hello" });
  assert.equal(response.output_text, "Hello from upstream");
  assert.equal((await page(ACCESS_KEY).models.delete("gpt-one")).deleted, true);
});

test("a page can read a rejection", async () => {
  await assert.rejects(page(WRONG_KEY).models.list(), { status: 401, code: "invalid_api_key" });
});

test("a page can read an upstream error", async () => {
  const promise = page(ACCESS_KEY).responses.create({ model: "error-429", input: "" });
  await assert.rejects(promise, { status: 429, code: "rate_limit_exceeded" });
});

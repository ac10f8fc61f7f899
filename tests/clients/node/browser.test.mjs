// What a browser does before and after a page's request.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ACCESS_KEY, BASE_URL, OpenAI, WRONG_KEY } from "./clients.mjs";

const ORIGIN = "https://chat.example";

/** Fetches as a page of ORIGIN: asks for leave first, and reads only what it may. */
async function fetchAsBrowser(url, init) {
  const headers = new Headers(init.headers);
  const simple = ["accept", "accept-language", "content-language"];
  const asked = [...headers.keys()].filter((name) => !simple.includes(name)).sort();
  const preflight = await fetch(url, {
    method: "OPTIONS",
    headers: {
      origin: ORIGIN,
      "access-control-request-method": init.method,
      "access-control-request-headers": asked.join(","),
    },
  });
  assert.ok(preflight.ok, "the preflight passes without a key");
  assert.ok(["*", ORIGIN].includes(preflight.headers.get("access-control-allow-origin")));
  const allowed = preflight.headers.get("access-control-allow-headers").split(",").map((name) => name.trim());
  for (const name of asked) assert.ok(allowed.includes(name), `${name} is allowed`);
  if (!["GET", "HEAD", "POST"].includes(init.method)) {
    assert.ok(preflight.headers.get("access-control-allow-methods").includes(init.method));
  }

  headers.set("origin", ORIGIN);
  const answer = await fetch(url, { ...init, headers });
  assert.ok(["*", ORIGIN].includes(answer.headers.get("access-control-allow-origin")), "the page may read the answer");
  const exposed = answer.headers.get("access-control-expose-headers");
  for (const name of ["x-request-id", "retry-after-ms", "x-should-retry"]) assert.ok(exposed.includes(name));
  return answer;
}

const page = (apiKey) =>
  new OpenAI({ baseURL: BASE_URL, apiKey, fetch: fetchAsBrowser, dangerouslyAllowBrowser: true, maxRetries: 0 });

test("a page's calls pass", async () => {
  const answer = await page(ACCESS_KEY).responses.create({ model: "gpt-one", input: "Hello" });
  assert.equal(answer.output_text, "Hello from upstream");
  assert.equal((await page(ACCESS_KEY).models.delete("gpt-one")).deleted, true);
});

test("a page may read a rejection", async () => {
  await assert.rejects(page(WRONG_KEY).models.list(), { status: 401, code: "invalid_api_key" });
});

test("a page may read the upstream's error", async () => {
  const asked = page(ACCESS_KEY).responses.create({ model: "error-429", input: "" });
  await assert.rejects(asked, { status: 429, code: "rate_limit_exceeded" });
});

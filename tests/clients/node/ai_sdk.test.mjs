// Vercel's AI SDK gets whole responses and streams, over responses and chat completions.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ACCESS_KEY, BASE_URL, WRONG_KEY, createOpenAI, generateText, openGate, requests, streamText, unique } from "./clients.mjs";

const provider = createOpenAI({ baseURL: BASE_URL, apiKey: ACCESS_KEY });
const MODELS = { "/v1/responses": (name) => provider(name), "/v1/chat/completions": (name) => provider.chat(name) };

for (const [path, model] of Object.entries(MODELS)) {
  test(`a whole response of ${path}`, async () => {
    const name = unique();
    assert.equal((await generateText({ model: model(name), prompt: "Hello" })).text, "Hello from upstream");
    assert.deepEqual((await requests(name)).map((request) => request.target), [path]);
  });

  test(`a stream of ${path}`, async () => {
    const gate = unique();
    const found = [];
    for await (const word of streamText({ model: model(`gated-${gate}`), prompt: "Hello" }).textStream) {
      found.push(word);
      await openGate(gate);
    }
    assert.deepEqual(found, ["Hello", " from", " upstream"]);
  });
}

test("an invalid key", async () => {
  const model = createOpenAI({ baseURL: BASE_URL, apiKey: WRONG_KEY })("gpt-one");
  await assert.rejects(generateText({ model, prompt: "Hello" }), { statusCode: 401, message: /Incorrect API key provided/ });
});

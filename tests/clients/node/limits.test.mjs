// Limits of users: the class of each refusal, and how often the client sends the request.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BASE_URL, LIMITS, MESSAGES, OpenAI, limitedKey, openGate, toFile, unique } from "./clients.mjs";

const skip = !LIMITS && "this platform has no users with limits yet";

/** A client of one user that counts its requests. */
function counting(user) {
  const counted = { attempts: 0 };
  const fetch = (...request) => {
    counted.attempts += 1;
    return globalThis.fetch(...request);
  };
  counted.client = new OpenAI({ baseURL: BASE_URL, apiKey: limitedKey(user), fetch });
  return counted;
}

const rejection = async (promise) => promise.then(() => assert.fail("the request passed"), (error) => error);
const create = (client, body, options) => client.responses.create({ model: "gpt-one", input: "Hello", ...body }, options);

const REFUSALS = [
  ["expired", (client, body) => create(client, body), OpenAI.AuthenticationError, "expired_api_key", null],
  ["disabled", (client, body) => create(client, body), OpenAI.AuthenticationError, "invalid_api_key", null],
  ["elsewhere", (client, body) => create(client, body), OpenAI.PermissionDeniedError, "ip_not_authorized", null],
  ["student", (client, body) => create(client, { model: "o3", ...body }), OpenAI.PermissionDeniedError, "model_not_found", "model"],
  ["student", (client, body) => create(client, { models: ["o3"], ...body }), OpenAI.PermissionDeniedError, "model_not_found", "models[0]"],
  ["student", (client, body) => create(client, { Model: "o3", ...body }), OpenAI.BadRequestError, "invalid_body", "model"],
  ["student", (client) => client.files.list(), OpenAI.PermissionDeniedError, "route_not_allowed", null],
];
for (const [user, send, type, code, param] of REFUSALS) {
  for (const stream of [false, true]) {
    test(`${code} ${param} is sent once, stream: ${stream}`, { skip }, async () => {
      const counted = counting(user);
      const error = await rejection(send(counted.client, { stream }));
      assert.ok(error instanceof type, String(error));
      assert.deepEqual([error.code, error.param, counted.attempts], [code, param, 1]);
    });
  }
}

test("open requests", { skip }, async () => {
  const counted = counting("single_node");
  const gate = unique();
  const stream = await counted.client.chat.completions.create({ model: `gated-${gate}`, messages: MESSAGES, stream: true });
  counted.attempts = 0;
  const error = await rejection(create(counted.client));
  assert.ok(error instanceof OpenAI.RateLimitError);
  assert.deepEqual([error.code, error.type, counted.attempts], ["rate_limit_exceeded", "requests", 3]);
  await openGate(gate);
  for await (const _ of stream);
  assert.ok((await create(counted.client)).output_text);
});

test("a form with the file before the model", { skip }, async () => {
  const { client } = counting("student");
  const transcribe = async (model) =>
    client.audio.transcriptions.create({ file: await toFile(Buffer.alloc(1000), "a.mp3"), model });
  assert.equal((await rejection(transcribe("o3"))).code, "model_not_found");
  assert.ok((await transcribe("gpt-one")).text);
});

// Every kind of call passes.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { ACCESS_KEY, BASE_URL, MESSAGES, OpenAI, client, seen, toFile, unique } from "./clients.mjs";

const EVERY_BYTE = Buffer.from(Array.from({ length: 256 * 256 }, (_, index) => index % 256));
const UPLOAD = Buffer.from(Array.from({ length: 300_000 }, (_, index) => 255 - (index % 256)));
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

test("models", async () => {
  assert.deepEqual((await client.models.list()).data.map((model) => model.id), ["gpt-one", "gpt-two"]);
  assert.equal((await client.models.delete("ft:gpt-one:a")).deleted, true);
});

test("chat", async () => {
  const answer = await client.chat.completions.create({ model: "gpt-one", messages: MESSAGES });
  assert.equal(answer.choices[0].message.content, "Hello from upstream");
});

test("responses", async () => {
  const answer = await client.responses.create({ model: "gpt-one", input: "Hello" });
  assert.equal(answer.output_text, "Hello from upstream");
});

test("embeddings", async () => {
  const answer = await client.embeddings.create({ model: "embed", input: "Hello", encoding_format: "float" });
  assert.deepEqual(answer.data[0].embedding, [0.5, -0.25]);
});

test("audio bytes", async () => {
  const speech = await client.audio.speech.create({ model: "tts", voice: "alloy", input: "Hello" });
  assert.ok(Buffer.from(await speech.arrayBuffer()).equals(EVERY_BYTE));
  const content = await client.files.content("file-1");
  assert.ok(Buffer.from(await content.arrayBuffer()).equals(EVERY_BYTE));
});

test("file upload", async () => {
  const file = await client.files.create({ file: await toFile(UPLOAD, "data.bin"), purpose: "assistants" });
  assert.deepEqual([file.bytes, file.filename], [UPLOAD.length, sha256(UPLOAD)]);
  const answer = await client.audio.transcriptions.create({ model: "whisper-1", file: await toFile(UPLOAD, "a.wav") });
  assert.equal(answer.text, sha256(UPLOAD));
});

test("the query decides the page", async () => {
  const page = await client.files.list({ limit: 2, after: "file-1", order: "asc" });
  assert.deepEqual(page.data.map((file) => file.id), ["file-2", "file-3"]);
  const all = [];
  for await (const file of client.files.list({ limit: 1 })) all.push(file.id);
  assert.deepEqual(all, ["file-1", "file-2", "file-3"]);
});

test("headers pass both ways", async () => {
  const model = unique();
  const options = { headers: { "OpenAI-Beta": "x=1", "OpenAI-Project": "proj_guest" } };
  const { request_id, response } = await client.responses.create({ model, input: "" }, options).withResponse();
  assert.equal(request_id, "req_stand_in");
  assert.equal(response.headers.get("openai-processing-ms"), "1");
  const headers = Object.fromEntries((await seen(model))[0].headers);
  assert.equal(headers["openai-beta"], "x=1");
  assert.equal(headers["x-stainless-lang"], "js");
  assert.equal(headers["openai-project"], undefined);
});

for (const header of ["api-key", "x-api-key", "x-goog-api-key"]) {
  test(`the key in ${header}`, async () => {
    const defaultHeaders = { [header]: ACCESS_KEY, authorization: null };
    const other = new OpenAI({ baseURL: BASE_URL, apiKey: "unused", defaultHeaders });
    assert.equal((await other.models.list()).data.length, 2);
  });
}

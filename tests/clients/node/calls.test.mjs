// Calls of every kind pass.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { ACCESS_KEY, BASE_URL, MESSAGES, OpenAI, client, requests, toFile, unique } from "./clients.mjs";

const EVERY_BYTE = Buffer.from(Array.from({ length: 256 * 256 }, (_, index) => index % 256));
const EVERY_BYTE_BACK = Buffer.from(Array.from({ length: 300_000 }, (_, index) => 255 - (index % 256)));
const UPLOAD = Buffer.concat([EVERY_BYTE_BACK, Buffer.from("\r\n--not-the-boundary")]);
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

test("models", async () => {
  assert.deepEqual((await client.models.list()).data.map((model) => model.id), ["gpt-one", "gpt-two"]);
  assert.equal((await client.models.delete("ft:gpt-one:a")).deleted, true);
});

test("chat", async () => {
  const response = await client.chat.completions.create({ model: "gpt-one", messages: MESSAGES });
  assert.equal(response.choices[0].message.content, "Hello from upstream");
});

test("responses", async () => {
  const response = await client.responses.create({ model: "gpt-one", input: "Hello" });
  assert.equal(response.output_text, "Hello from upstream");
});

test("embeddings", async () => {
  const response = await client.embeddings.create({ model: "embed", input: "Hello", encoding_format: "float" });
  assert.deepEqual(response.data[0].embedding, [0.5, -0.25]);
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
  const response = await client.audio.transcriptions.create({ model: "whisper-1", file: await toFile(UPLOAD, "a.wav") });
  assert.equal(response.text, sha256(UPLOAD));
});

test("the query selects the page", async () => {
  const page = await client.files.list({ limit: 2, after: "file-1", order: "asc" });
  assert.deepEqual(page.data.map((file) => file.id), ["file-2", "file-3"]);
  const all = [];
  for await (const file of client.files.list({ limit: 1 })) all.push(file.id);
  assert.deepEqual(all, ["file-1", "file-2", "file-3"]);
});

test("a compressed response", async () => {
  const { data, response } = await client.models.retrieve("gpt-gzip").withResponse();
  assert.deepEqual([data.id, response.headers.get("content-encoding")], ["gpt-gzip", "gzip"]);
});

test("a redirect stays on the proxy", async () => {
  assert.equal((await client.models.retrieve("moved")).id, "gpt-one");
});

test("the location of a call", async () => {
  const offer = { body: "v=0", headers: { "content-type": "application/sdp" } };
  const response = await client.post("/realtime/calls", offer).asResponse();
  assert.deepEqual([await response.text(), response.headers.get("location")], ["v=0\r\n", "/v1/realtime/calls/rtc_1"]);
});

test("a body passes unchanged", async () => {
  const model = unique();
  let sent;
  const recordingFetch = (url, init) => {
    sent = Buffer.from(init.body);
    return fetch(url, init);
  };
  const recording = new OpenAI({ baseURL: BASE_URL, apiKey: ACCESS_KEY, fetch: recordingFetch });
  await recording.responses.create({ model, input: "é\u2028 \u{1f511}".repeat(1000) });
  const [found] = await requests(model);
  assert.deepEqual([found.method, found.target], ["POST", "/v1/responses"]);
  assert.deepEqual([found.body_len, found.body_sha256], [sent.length, sha256(sent)]);
});

test("headers pass both ways", async () => {
  const model = unique();
  const options = { headers: { "OpenAI-Beta": "x=1", "OpenAI-Project": "proj_guest" } };
  const { request_id, response } = await client.responses.create({ model, input: "" }, options).withResponse();
  assert.equal(request_id, "req_stand_in");
  assert.equal(response.headers.get("openai-processing-ms"), "1");
  const headers = Object.fromEntries((await requests(model))[0].headers);
  assert.equal(headers["openai-beta"], "x=1");
  assert.equal(headers["x-stainless-lang"], "js");
  assert.equal(headers["openai-project"], undefined);
});

const others = {
  "api-key": ACCESS_KEY,
  "x-api-key": ACCESS_KEY,
  "x-goog-api-key": ACCESS_KEY,
  authorization: `Basic ${Buffer.from(`:${ACCESS_KEY}`).toString("base64")}`,
};
for (const [header, value] of Object.entries(others)) {
  test(`the key in another header: ${header}`, async () => {
    const defaultHeaders = { authorization: null, [header]: value };
    const other = new OpenAI({ baseURL: BASE_URL, apiKey: "unused", defaultHeaders });
    assert.equal((await other.models.list()).data.length, 2);
  });
}

test("a base URL without v1", async () => {
  const other = new OpenAI({ baseURL: BASE_URL.replace(/\/v1$/, ""), apiKey: ACCESS_KEY });
  assert.equal((await other.models.list()).data.length, 2);
});

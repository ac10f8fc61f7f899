// Users with a budget: they get what they would get without the proxy, and pay for what the upstream reports.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  API_KEY, BASE_URL, BUDGETS, MESSAGES, OpenAI, PRICES, STAND_IN, createOpenAI, generateText, limitedKey, openGate, requests,
  streamText, toFile, unique,
} from "./clients.mjs";

const skip = !BUDGETS && "this platform has no budgets";
const TEXT = "gpt-5.4-mini";
const PARAMETERS = {
  type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false,
};
const FUNCTION = { name: "weather", description: "The weather", parameters: PARAMETERS, strict: true };
const CHAT_TOOL = { type: "function", function: FUNCTION };
const RESPONSES_TOOL = { type: "function", ...FUNCTION };
const SCHEMA = { name: "weather", schema: PARAMETERS, strict: true };
/** Mono, 8,000 samples of 16 bits per second. */
const wav = (samples) => {
  const header = Buffer.from("RIFF....WAVEfmt \x10\0\0\0\x01\0\x01\0........\x02\0\x10\0data....", "latin1");
  header.writeUInt32LE(36 + samples.length, 4);
  header.writeUInt32LE(8_000, 24);
  header.writeUInt32LE(16_000, 28);
  header.writeUInt32LE(samples.length, 40);
  return Buffer.concat([header, samples]);
};
const AUDIO = wav(Buffer.from(Array.from({ length: 127_744 }, (_, index) => index % 256)));
const SPOKEN = "Grüße aus Köln";

/** A client of one user, or of the stand-in itself, that records its responses. */
function recording(user) {
  const recorded = { responses: [] };
  const fetch = async (...request) => {
    const response = await globalThis.fetch(...request);
    recorded.responses.push(response);
    return response;
  };
  const options = user ? { baseURL: BASE_URL, apiKey: limitedKey(user) } : { baseURL: `${STAND_IN}/v1`, apiKey: API_KEY };
  recorded.client = new OpenAI({ ...options, fetch });
  recorded.provider = createOpenAI({ ...options, fetch });
  recorded.lastHeader = (name) => recorded.responses.at(-1).headers.get(name);
  return recorded;
}

const usage = (client) => client.get("/usage");
/** Dollars in whole 10⁻¹² dollars. */
const pico = (usd) => {
  const [whole, fraction = ""] = String(usd).split(".");
  return BigInt(whole + fraction.padEnd(12, "0"));
};

/** What was charged for this model until now, as soon as nothing is reserved and it has so many requests. */
async function charged(client, model, requests) {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const { by_model, budgets: [budget] } = await usage(client);
    const row = by_model.find((row) => row.model === model) ?? { requests: 0, input_tokens: 0, output_tokens: 0, usd: "0" };
    if (pico(budget.held_usd) === 0n && (requests === undefined || row.requests === requests)) {
      assert.equal(pico(budget.spent_usd), by_model.reduce((sum, row) => sum + pico(row.usd), 0n));
      return row;
    }
    await sleep(50);
  }
  assert.fail(`${model} has no ${requests} requests`);
}

const difference = (now, before) => [
  now.requests - before.requests,
  now.input_tokens - before.input_tokens,
  now.output_tokens - before.output_tokens,
  pico(now.usd) - pico(before.usd),
];

/** The charge for the usage that the upstream reports; speech reports none, and costs its characters. */
function expected(model, reported) {
  const prices = PRICES[model];
  const times = (count, price) => BigInt(count) * (pico(price) / 1_000_000n);
  if (!reported) return [1, 0, 0, times([...SPOKEN].length, prices.per_million_characters)];
  if (reported.type === "duration") return [1, 0, 0, (BigInt(reported.seconds) * pico(prices.per_minute_audio)) / 60n];
  const { standard } = prices;
  const read = reported.prompt_tokens ?? reported.input_tokens;
  const written = reported.completion_tokens ?? reported.output_tokens ?? 0;
  const details = { ...reported.prompt_tokens_details, ...reported.input_tokens_details, ...reported.input_token_details };
  const { cached_tokens: cached = 0, audio_tokens: audio = 0, image_tokens: image = 0 } = details;
  const drawn = reported.output_tokens_details?.image_tokens ?? 0;
  const parts = [
    [read - cached - audio - image, standard.input],
    [cached, standard.cached ?? "0"],
    [audio, standard.audio_in ?? "0"],
    [image, standard.image_in ?? "0"],
    [written - drawn, standard.output ?? "0"],
    [drawn, standard.image_out ?? "0"],
  ];
  const searches = BigInt(reported.web_searches ?? 0) * pico(PRICES.tools.web_search);
  return [1, read, written, parts.reduce((sum, [count, price]) => sum + times(count, price), searches)];
}

const plain = (value) => JSON.parse(JSON.stringify(value));

async function events(stream) {
  const found = [];
  for await (const event of await stream) found.push(plain(event));
  return found;
}

const chat = (client, options) => client.chat.completions.create({ model: TEXT, messages: MESSAGES, ...options });
const responses = (client, options) => client.responses.create({ model: TEXT, input: "Hello", ...options });
const PICTURE = { model: "gpt-image-1.5", prompt: "A cat and a dog", size: "1024x1024", quality: "low" };
const transcribe = async (client, model, options) =>
  client.audio.transcriptions.create({ model, file: await toFile(AUDIO, "a.wav"), ...options });

async function parsed(client) {
  const format = { type: "json_schema", json_schema: SCHEMA };
  const { choices: [choice], usage } = await client.chat.completions.parse({ model: TEXT, messages: MESSAGES, response_format: format });
  assert.deepEqual(choice.message.parsed, { city: "Hello from upstream" });
  return { choice, usage };
}

async function parsedResponse(client) {
  const text = { format: { type: "json_schema", ...SCHEMA } };
  const response = await client.responses.parse({ model: TEXT, input: "Hello", text });
  assert.deepEqual(response.output_parsed, { city: "Hello from upstream" });
  return response;
}

async function generated(promise) {
  const result = await promise;
  const text = await result.text;
  assert.equal(text, "Hello from upstream");
  return { text, usage: await result.usage, reason: await result.finishReason };
}

const CALLS = {
  chat: [TEXT, (client) => chat(client)],
  "chat with a cap": [TEXT, (client) => chat(client, { max_completion_tokens: 500, reasoning_effort: "low", prompt_cache_key: "a" })],
  "chat stream": [TEXT, (client) => events(chat(client, { stream: true }))],
  "chat stream with usage": [TEXT, (client) => events(chat(client, { stream: true, stream_options: { include_usage: true } }))],
  "chat, structured": [TEXT, parsed],
  "chat with a tool": [TEXT, (client) => chat(client, { tools: [CHAT_TOOL] })],
  "chat stream with a tool": [TEXT, async (client) => {
    const stream = client.chat.completions.stream({ model: TEXT, messages: MESSAGES, tools: [CHAT_TOOL] });
    const [call] = (await stream.finalChatCompletion()).choices[0].message.tool_calls;
    assert.deepEqual([call.function.name, JSON.parse(call.function.arguments)], ["weather", { city: "Hello from upstream" }]);
    return call;
  }],
  response: [TEXT, (client) => responses(client, { reasoning: { effort: "low" }, prompt_cache_key: "a" })],
  "response stream": [TEXT, (client) => events(responses(client, { stream: true, reasoning: { effort: "low" } }))],
  "response, structured": [TEXT, parsedResponse],
  "response with a tool": [TEXT, (client) => responses(client, { tools: [RESPONSES_TOOL] })],
  "response stream with a tool": [TEXT, (client) => events(responses(client, { stream: true, tools: [RESPONSES_TOOL] }))],
  "response stream, final": [TEXT, (client) => client.responses.stream({ model: TEXT, input: "Hello" }).finalResponse()],
  "response with a web search": [TEXT, (client) => responses(client, { tools: [{ type: "web_search" }] })],
  embeddings: ["text-embedding-3-small", (client) => client.embeddings.create({ model: "text-embedding-3-small", input: ["Hello", "there"] })],
  pictures: ["gpt-image-1.5", (client) => client.images.generate({ ...PICTURE, n: 2 })],
  "picture stream": ["gpt-image-1.5", (client) => events(client.images.generate({ ...PICTURE, stream: true, partial_images: 2 }))],
  "edited picture": ["gpt-image-1.5", async (client) => {
    const image = [await toFile(AUDIO, "a.png"), await toFile(AUDIO, "b.png")];
    return client.images.edit({ ...PICTURE, image });
  }],
  transcription: ["gpt-4o-transcribe", (client) => transcribe(client, "gpt-4o-transcribe")],
  "transcription stream": ["gpt-4o-transcribe", (client) => events(transcribe(client, "gpt-4o-transcribe", { stream: true }))],
  "transcription by duration": ["whisper-1", (client) => transcribe(client, "whisper-1")],
  "AI SDK, response": [TEXT, (_, provider) => generated(generateText({ model: provider(TEXT), prompt: "Hello" }))],
  "AI SDK, chat": [TEXT, (_, provider) => generated(generateText({ model: provider.chat(TEXT), prompt: "Hello" }))],
  "AI SDK, response stream": [TEXT, (_, provider) => generated(streamText({ model: provider(TEXT), prompt: "Hello" }))],
  "AI SDK, chat stream": [TEXT, (_, provider) => generated(streamText({ model: provider.chat(TEXT), prompt: "Hello" }))],
  speech: ["tts-1", async (client) => {
    const speech = await client.audio.speech.create({ model: "tts-1", voice: "alloy", input: SPOKEN });
    return Buffer.from(await speech.arrayBuffer()).toString("base64");
  }],
};
for (const [name, [model, call]] of Object.entries(CALLS)) {
  test(`same result and exact charge: ${name}`, { skip }, async () => {
    const [direct, budgeted] = [recording(), recording("budgeted")];
    const before = await charged(budgeted.client, model);
    const results = [await call(budgeted.client, budgeted.provider), await call(direct.client, direct.provider)];
    assert.deepEqual(plain(results[0]), plain(results[1]));
    const reported = JSON.parse(budgeted.lastHeader("x-reported-usage"));
    assert.equal(budgeted.lastHeader("x-sparekey-clamped"), null);
    const after = await charged(budgeted.client, model, before.requests + 1);
    assert.deepEqual(difference(after, before), expected(model, reported));
  });
}

for (const stop of ["break", "abort"]) {
  test(`a stop is charged what was generated: ${stop}`, { skip }, async () => {
    const { client } = recording("budgeted");
    const before = await charged(client, TEXT);
    const gate = unique();
    const stream = await chat(client, { stream: true, user: `gated-${gate}` });
    // After an abort, the event that has arrived is still read.
    for await (const _ of stream) {
      if (stop === "break") break;
      stream.controller.abort();
    }
    await sleep(300);
    assert.notEqual(pico((await usage(client)).budgets[0].held_usd), 0n);
    await openGate(gate);
    const { usage: reported } = await chat(recording().client);
    const after = await charged(client, TEXT, before.requests + 1);
    assert.deepEqual(difference(after, before), expected(TEXT, reported));
  });
}

test("a retry passes when another request frees the budget", { skip }, async () => {
  const tight = recording("tight");
  const gate = unique();
  const stream = await chat(tight.client, { stream: true, user: `gated-${gate}` });
  assert.ok(Number(tight.lastHeader("x-sparekey-clamped")) >= 1024);
  setTimeout(() => openGate(gate), 1000);
  const started = Date.now();
  const reading = events(stream);
  assert.equal((await responses(tight.client)).output_text, "Hello from upstream");
  const [, refused, passed] = tight.responses;
  assert.deepEqual([refused.status, refused.headers.get("retry-after"), passed.status], [429, "2", 200]);
  assert.ok(Date.now() - started >= 1500);
  assert.equal((await reading).map((chunk) => chunk.choices[0].delta.content ?? "").join(""), "Hello from upstream");
});

for (const stream of [false, true]) {
  test(`a spent budget is not retried, stream: ${stream}`, { skip }, async () => {
    const poor = recording("poor");
    const user = unique();
    const error = await responses(poor.client, { stream, user }).then(() => assert.fail("it passed"), (error) => error);
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.deepEqual([error.status, error.code, error.type], [429, "insufficient_quota", "insufficient_quota"]);
    assert.deepEqual([error.headers.get("x-should-retry"), error.headers.get("retry-after")], ["false", null]);
    assert.equal(poor.responses.length, 1);
    assert.ok((await requests(TEXT)).every((request) => request.json.user !== user));
  });
}

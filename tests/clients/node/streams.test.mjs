// Events arrive one by one: the upstream sends the second only after the client has read the first.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MESSAGES, client, openGate, unique } from "./clients.mjs";

async function words(gate) {
  const stream = await client.chat.completions.create({ model: `gated-${gate}`, messages: MESSAGES, stream: true });
  const found = [];
  for await (const chunk of stream) {
    found.push(chunk.choices[0].delta.content);
    if (found.length === 2) await openGate(gate);
  }
  return found;
}

test("chat", async () => {
  assert.deepEqual(await words(unique()), ["", "Hello", " from", " upstream", undefined]);
});

test("many streams at once", async () => {
  const all = await Promise.all(Array.from({ length: 20 }, () => words(unique())));
  for (const found of all) assert.equal(found.slice(0, 4).join(""), "Hello from upstream");
});

test("responses", async () => {
  const gate = unique();
  const found = [];
  const stream = client.responses.stream({ model: `gated-${gate}`, input: "Hello" });
  stream.on("response.output_text.delta", (event) => {
    found.push(event.delta);
    openGate(gate);
  });
  assert.equal((await stream.finalResponse()).output_text, "Hello from upstream");
  assert.deepEqual(found, ["Hello", " from", " upstream"]);
});

test("a truncated response raises", async () => {
  const gate = unique();
  const found = [];
  const read = async () => {
    for await (const event of await client.responses.create({ model: `cut-${gate}`, input: "Hello", stream: true })) {
      if (event.type !== "response.output_text.delta") continue;
      found.push(event.delta);
      await openGate(gate);
    }
  };
  await assert.rejects(read, /terminated/);
  assert.deepEqual(found, ["Hello"]);
});

test("an aborted stream does not affect the next one", async () => {
  const stream = await client.chat.completions.create({ model: `gated-${unique()}`, messages: MESSAGES, stream: true });
  for await (const chunk of stream) {
    assert.equal(chunk.choices[0].delta.role, "assistant");
    break;
  }
  assert.equal((await words(unique())).length, 5);
});

test("a truncated stream raises", async () => {
  const gate = unique();
  const stream = await client.chat.completions.create({ model: `cut-${gate}`, messages: MESSAGES, stream: true });
  const found = [];
  const read = async () => {
    for await (const chunk of stream) {
      found.push(chunk.choices[0].delta.content);
      if (found.length === 2) await openGate(gate);
    }
  };
  await assert.rejects(read, /terminated/);
  assert.deepEqual(found, ["", "Hello"]);
});

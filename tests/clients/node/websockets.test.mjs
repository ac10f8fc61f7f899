// The WebSockets, with the key in a header as servers send it, and in a subprotocol as browsers send it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import {
  ACCESS_KEY, BASE_URL, OpenAIRealtimeWS, OpenAIRealtimeWebSocket, ResponsesWS, WITHOUT_WEBSOCKETS, WRONG_KEY, WebSocket, client,
} from "./clients.mjs";

const ITEM = { type: "message", role: "user", content: [{ type: "input_text", text: "é".repeat(500) }] };
const options = { skip: WITHOUT_WEBSOCKETS && "this adapter has no WebSockets" };

async function echoItem(realtime) {
  const next = (name) => new Promise((resolve, reject) => {
    realtime.on(name, resolve);
    realtime.on("error", reject);
  });
  const created = await next("session.created");
  assert.equal(created.session.model, "gpt-realtime");
  const added = next("conversation.item.added");
  realtime.send({ type: "conversation.item.create", item: ITEM });
  assert.deepEqual((await added).item, ITEM);
  realtime.close();
}

// The SDK always uses wss:, but the proxy under test has no TLS.
const createConnection = ({ host, port }) => connect({ host, port });

test("with the key in a header", options, async () => {
  await echoItem(await OpenAIRealtimeWS.create(client, { model: "gpt-realtime", options: { createConnection } }));
});

test("for responses", options, async () => {
  const responses = new ResponsesWS(client, { createConnection });
  const words = [];
  responses.on("response.output_text.delta", (event) => words.push(event.delta));
  const completed = new Promise((resolve, reject) => {
    responses.on("response.completed", resolve);
    responses.on("error", reject);
  });
  responses.send({ type: "response.create", model: "gpt-one", input: "Hello" });
  assert.equal((await completed).response.model, "gpt-one");
  assert.deepEqual(words, ["Hello", " from", " upstream"]);
  responses.close();
});

test("with the key in a subprotocol, by the SDK for browsers", options, async () => {
  globalThis.WebSocket = class extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols, { createConnection });
    }
  };
  await echoItem(new OpenAIRealtimeWebSocket({ model: "gpt-realtime", dangerouslyAllowBrowser: true }, client));
});

test("with the key in a subprotocol, by hand", options, async () => {
  const url = `${BASE_URL.replace("http", "ws")}/realtime?model=gpt-realtime`;
  const protocols = ["realtime", `openai-insecure-api-key.${ACCESS_KEY}`, "openai-beta.realtime-v1"];
  const socket = new WebSocket(url, protocols, { origin: "https://chat.example" });
  const [message] = await once(socket, "message");
  assert.equal(JSON.parse(message).type, "session.created");
  assert.equal(socket.protocol, "realtime");
  socket.close();
  await once(socket, "close");
});

test("a wrong key is rejected", options, async () => {
  const url = `${BASE_URL.replace("http", "ws")}/realtime?model=gpt-realtime`;
  const socket = new WebSocket(url, ["realtime", `openai-insecure-api-key.${WRONG_KEY}`]);
  const [, response] = await once(socket, "unexpected-response");
  const connection = response.socket;
  assert.equal(response.statusCode, 401);
  let body = "";
  for await (const piece of response) body += piece;
  assert.equal(JSON.parse(body).error.code, "invalid_api_key");
  connection.destroy();
});

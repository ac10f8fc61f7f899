// Clients in front of the proxy, and access to the stand-in behind it.

import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";

// The packages are installed in a cache, outside the sources. This is the newest SDK version that supports Node 20.
const require = createRequire(`${process.env.NODE_MODULES}/`);

export const OpenAI = require("openai");
export const { toFile } = OpenAI;
export const { OpenAIRealtimeWS } = require("openai/realtime/ws");
export const { OpenAIRealtimeWebSocket } = require("openai/realtime/websocket");
export const { ResponsesWS } = require("openai/resources/responses/ws");
export const WebSocket = require("ws");
export const { generateText, streamText } = require("ai");
export const { createOpenAI } = require("@ai-sdk/openai");

export const { BASE_URL, ACCESS_KEY, API_KEY, STAND_IN } = process.env;
/** Whether the proxy has users with limits. */
export const LIMITS = process.env.LIMITS === "yes";
/** Whether the proxy has users with budgets. */
export const BUDGETS = process.env.BUDGETS === "yes";
export const PRICES = JSON.parse(process.env.PRICES);
export const limitedKey = (user) => `sk-${user}-limited0limited0`;
export const WITHOUT_WEBSOCKETS = process.env.WEBSOCKETS !== "yes";
export const WRONG_KEY = `${ACCESS_KEY.slice(0, -1)}_`;
export const MESSAGES = [{ role: "user", content: "Hello" }];

export const client = new OpenAI({ baseURL: BASE_URL, apiKey: ACCESS_KEY });
export const clientWithWrongKey = new OpenAI({ baseURL: BASE_URL, apiKey: WRONG_KEY });

/** A name that no other test uses. */
export const unique = () => randomUUID();

export const openGate = (gate) => fetch(`${STAND_IN}/_open/${gate}`);

export async function requests(model) {
  const all = await (await fetch(`${STAND_IN}/_requests`)).json();
  return all.filter((request) => request.model === model);
}

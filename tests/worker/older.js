// The kind of Worker that Sparekey replaces, written anew from what is known of it; the benchmark runs both.
const CORS = {
  "access-control-allow-origin": "*",
  "access-control-allow-methods": "GET, POST, OPTIONS",
  "access-control-allow-headers": "authorization, content-type",
};

export default {
  async fetch(request, env) {
    if (request.method === "OPTIONS") {
      return new Response(null, { status: 204, headers: CORS });
    }
    const url = new URL(request.url);
    if (url.pathname === "/") {
      return new Response("It works!", { headers: { "content-type": "text/plain" } });
    }
    const key = presentedKey(request);
    if (!key) {
      return new Response("Missing access key", { status: 401 });
    }
    if (!isAllowed(key, env)) {
      return new Response("Invalid access key", { status: 403 });
    }
    return fetch(upstreamUrl(url, env), {
      method: request.method,
      headers: upstreamHeaders(env),
      body: hasBody(request) ? request.body : undefined,
    });
  },
};

function presentedKey(request) {
  const header = request.headers.get("authorization");
  if (!header) {
    return null;
  }
  const [, key] = header.split(" ");
  return key;
}

function isAllowed(key, env) {
  return env.ACCESS_KEYS.split(",").includes(key);
}

function upstreamUrl(url, env) {
  const base = env.API_BASE || "https://api.openai.com/v1";
  return `${base}/${url.pathname.replace("/v1", "").replace(/^\//, "")}`;
}

function upstreamHeaders(env) {
  const headers = {
    authorization: `Bearer ${env.OPENAI_API_KEY}`,
    "content-type": "application/json",
  };
  if (env.AI_GATEWAY_TOKEN) {
    headers["cf-aig-authorization"] = `Bearer ${env.AI_GATEWAY_TOKEN}`;
  }
  return headers;
}

function hasBody(request) {
  return request.method !== "GET" && request.method !== "HEAD";
}

// A typical proxy in plain JavaScript, the baseline of the benchmark.
const CORS = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
  "Access-Control-Allow-Headers": "*",
};

function error(status, message) {
  return new Response(message, { status, headers: CORS });
}

function accessKey(request) {
  const authorization = request.headers.get("Authorization") || "";
  const [scheme, key] = authorization.split(" ");
  return scheme && key ? key : null;
}

function upstreamPath(pathname) {
  return pathname.startsWith("/v1") ? pathname.slice(3) : pathname;
}

export default {
  async fetch(request, env) {
    if (request.method === "OPTIONS") {
      return new Response(null, { status: 204, headers: CORS });
    }

    const key = accessKey(request);
    if (!key) {
      return error(401, "Access key missing");
    }

    const keys = (env.ACCESS_KEYS || "").split(",");
    if (!keys.includes(key)) {
      return error(403, "Access key wrong");
    }

    const base = env.API_BASE || "https://api.openai.com/v1";
    const url = base.replace(/\/$/, "") + upstreamPath(new URL(request.url).pathname);

    const headers = new Headers();
    headers.set("Content-Type", "application/json");
    headers.set("Authorization", `Bearer ${env.OPENAI_API_KEY}`);
    if (env.AI_GATEWAY_TOKEN) {
      headers.set("cf-aig-authorization", `Bearer ${env.AI_GATEWAY_TOKEN}`);
    }

    try {
      const response = await fetch(url, {
        method: request.method,
        headers,
        body: request.body,
      });
      return new Response(response.body, response);
    } catch (failure) {
      return error(502, `Upstream failed: ${failure.message}`);
    }
  },
};

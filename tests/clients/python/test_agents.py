"""Requests of agents and apps for a user with a budget: nothing is refused, and little of a body changes.

`agents/` has the shapes of bodies that clients send, with short texts. Codex offers `web_search` with each request, Cline
`image_generation` too.
"""

import json
import os
import threading
import time
from pathlib import Path

import httpx2
import pytest
from charges import charged, expected
from conftest import BASE_URL, RecordingClient, limited_key

BODIES = {path.stem: json.loads(path.read_text()) for path in (Path(__file__).parent / "agents").glob("*.json")}
TEXT = "gpt-5.4-mini"
CODEX_HEADERS = {
    "originator": "codex_cli_rs",
    "session-id": "019ac0de-7a11-7b52-9f39-2b8b7cf6a111",
    "thread-id": "019ac0de-7a11-7b52-9f39-2b8b7cf6a111",
    "x-client-request-id": "019ac0de-7a11-7b52-9f39-2b8b7cf6a111",
    "x-codex-window-id": "019ac0de-7a11-7b52-9f39-2b8b7cf6a111:0",
    "x-codex-turn-metadata": '{"turn_id":"019ac0de"}',
    "accept": "text/event-stream",
}
SESSION_HEADERS = {"x-session-affinity": "ses_5e1f00000ffe", "x-session-id": "ses_5e1f00000ffe"}

# The members that are put in, by the path of a body.
SEARCHES = {"max_tool_calls": 16}
ASKS_USAGE = {"stream_options": {"include_usage": True}}
# Without a tier, the settings of OpenAI's project would choose one.
TIER = {"service_tier": "default"} if os.environ["AT_OPENAI"] == "yes" else {}
# Name: path, headers, members that are put in, tools that are removed.
REQUESTS = {
    "codex": ("responses", CODEX_HEADERS, SEARCHES, []),
    "codex_turn": ("responses", CODEX_HEADERS, SEARCHES, []),
    "cline": ("responses", {}, SEARCHES, ["image_generation"]),
    "opencode": ("responses", {"originator": "opencode", **SESSION_HEADERS}, {}, []),
    "opencode_chat": ("chat/completions", SESSION_HEADERS, {}, []),
    "continue": ("chat/completions", {}, {}, []),
    "aider": ("chat/completions", {}, ASKS_USAGE, []),
    "chat_app": ("chat/completions", {}, ASKS_USAGE, []),
    "llama_index": ("responses", {}, {}, []),
    "home_assistant": ("responses", {}, SEARCHES, []),
}


def post(path, body, headers):
    headers = {"authorization": f"Bearer {limited_key('budgeted')}", "content-type": "application/json", **headers}
    content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return httpx2.post(f"{BASE_URL}/{path}", content=content, headers=headers, timeout=30)


def test_every_body_is_sent():
    assert set(BODIES) == set(REQUESTS)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("name", REQUESTS)
def test_body_passes(upstream, unique, name, separators):
    path, headers, members, removed = REQUESTS[name]
    # Identifies the request at the upstream.
    body = {**BODIES[name], "metadata": {"test": unique}}
    client = RecordingClient("budgeted").openai
    before = charged(client, TEXT)
    response = post(path, json.dumps(body, separators=separators).encode(), headers)
    assert response.status_code == 200, response.text
    assert response.headers.get("x-sparekey-removed-tools") == (", ".join(removed) or None)
    assert "x-sparekey-clamped" not in response.headers

    (request,) = [found for found in upstream.requests(TEXT) if found["json"].get("metadata") == {"test": unique}]
    kept = [tool for tool in body.get("tools", []) if tool["type"] not in removed]
    wanted = {**body, **members, **TIER, **({"tools": kept} if "tools" in body else {})}
    assert request["json"] == wanted
    found = dict(request["headers"])
    assert {header: found.get(header) for header in headers} == headers
    assert found["content-length"] == str(request["body_len"])

    last = "data: [DONE]" if path == "chat/completions" else "event: response.completed"
    assert last in response.text and response.text.endswith("\n\n")
    asked = body.get("stream_options", {}).get("include_usage", path == "responses")
    assert ('"usage":' in response.text) == asked
    reported = json.loads(response.headers["x-reported-usage"])
    assert charged(client, TEXT, before.requests + 1).minus(before) == expected(TEXT, reported)


def test_title_with_another_model():
    """opencode asks a small model for a title, whatever model was chosen."""
    client = RecordingClient("budgeted").openai
    before = charged(client, "gpt-5.4-nano")
    response = post("responses", {**BODIES["opencode"], "model": "gpt-5.4-nano"}, SESSION_HEADERS)
    assert response.status_code == 200, response.text
    charged(client, "gpt-5.4-nano", before.requests + 1)


def test_parallel_streams(upstream, unique):
    client = RecordingClient("budgeted").openai
    before = charged(client, TEXT)
    responses = []

    def run():
        responses.append(post("responses", {**BODIES["codex"], "user": f"gated-{unique}"}, CODEX_HEADERS))

    threads = [threading.Thread(target=run) for _ in range(12)]
    for thread in threads:
        thread.start()
    while len(upstream.requests_of(f"gated-{unique}")) < 12:
        time.sleep(0.02)
    upstream.open(unique)
    for thread in threads:
        thread.join()
    assert [response.status_code for response in responses] == [200] * 12
    one = expected(TEXT, json.loads(responses[0].headers["x-reported-usage"]))
    assert charged(client, TEXT, before.requests + 12).minus(before) == tuple(12 * figure for figure in one)

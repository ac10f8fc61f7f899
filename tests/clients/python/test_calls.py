"""Calls of every kind pass."""

import base64
import hashlib

import openai
import pytest
from conftest import ACCESS_KEY, BASE_URL

MESSAGES = [{"role": "user", "content": "Hello"}]
EVERY_BYTE = bytes(range(256)) * 256
UPLOAD = bytes(range(255, -1, -1)) * 1000 + b"\r\n--not-the-boundary"


def test_models(client):
    assert [model.id for model in client.models.list()] == ["gpt-one", "gpt-two"]
    assert client.models.delete("ft:gpt-one:a").deleted


def test_chat(client):
    response = client.chat.completions.create(model="gpt-one", messages=MESSAGES)
    assert response.choices[0].message.content == "Hello from upstream"
    assert response.usage.completion_tokens == 3


def test_responses(client):
    assert client.responses.create(model="gpt-one", input="Hello").output_text == "Hello from upstream"


def test_embeddings(client):
    response = client.embeddings.create(model="embed", input="Hello", encoding_format="float")
    assert response.data[0].embedding == [0.5, -0.25]


def test_audio_bytes(client):
    assert client.audio.speech.create(model="tts", voice="alloy", input="Hello").read() == EVERY_BYTE
    with client.audio.speech.with_streaming_response.create(model="tts", voice="alloy", input="Hello") as response:
        assert b"".join(response.iter_bytes(1000)) == EVERY_BYTE
    assert client.files.content("file-1").read() == EVERY_BYTE


def test_file_upload(client):
    file = client.files.create(file=("data.bin", UPLOAD), purpose="assistants")
    assert (file.bytes, file.filename) == (len(UPLOAD), hashlib.sha256(UPLOAD).hexdigest())
    text = client.audio.transcriptions.create(model="whisper-1", file=("a.wav", UPLOAD)).text
    assert text == hashlib.sha256(UPLOAD).hexdigest()


def test_query_selects_the_page(client):
    page = client.files.list(limit=2, after="file-1", order="asc")
    assert [file.id for file in page.data] == ["file-2", "file-3"]
    assert [file.id for file in client.files.list(limit=1)] == ["file-1", "file-2", "file-3"]


def test_compressed_response(client):
    response = client.models.with_raw_response.retrieve("gpt-gzip")
    assert (response.parse().id, response.headers["content-encoding"]) == ("gpt-gzip", "gzip")


def test_redirect_stays_on_the_proxy(client):
    assert client.models.retrieve("moved").id == "gpt-one"


def test_location_of_a_call(client):
    response = client.realtime.calls.create(sdp="v=0")
    assert (response.read(), response.response.headers["location"]) == (b"v=0\r\n", "/v1/realtime/calls/rtc_1")


def test_body_passes_unchanged(client, upstream, unique):
    response = client.responses.with_raw_response.create(model=unique, input="é\u2028 \U0001f511" * 1000)
    sent = response.http_request.content
    (request,) = upstream.requests(unique)
    assert (request["method"], request["target"]) == ("POST", "/v1/responses")
    assert (request["body_len"], request["body_sha256"]) == (len(sent), hashlib.sha256(sent).hexdigest())


def test_response_headers_pass(client):
    response = client.models.with_raw_response.list()
    assert response.headers["x-request-id"] == "req_stand_in"
    assert response.headers["openai-processing-ms"] == "1"


def test_request_headers_pass(client, upstream, unique):
    client.responses.create(model=unique, input="", extra_headers={"OpenAI-Beta": "x=1", "OpenAI-Organization": "org-guest"})
    (request,) = upstream.requests(unique)
    headers = dict(request["headers"])
    assert headers["openai-beta"] == "x=1" and headers["x-stainless-lang"] == "python"
    assert "openai-organization" not in headers


@pytest.mark.parametrize("header", ["api-key", "x-api-key", "x-goog-api-key"])
def test_key_in_another_header(client, header):
    assert client.models.list(extra_headers={header: ACCESS_KEY, "Authorization": openai.Omit()}).data


def test_key_as_a_password(client):
    basic = base64.b64encode(f":{ACCESS_KEY}".encode()).decode()
    assert client.models.list(extra_headers={"Authorization": f"Basic {basic}"}).data


def test_base_url_without_v1():
    with openai.OpenAI(base_url=BASE_URL.removesuffix("/v1"), api_key=ACCESS_KEY) as client:
        assert client.models.list().data

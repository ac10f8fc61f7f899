"""The asynchronous client, which has its own transport."""

import asyncio
import hashlib

import openai
import pytest
from conftest import ACCESS_KEY, BASE_URL

UPLOAD = bytes(range(256)) * 5000


def run(use, key=ACCESS_KEY):
    async def with_client():
        async with openai.AsyncOpenAI(base_url=BASE_URL, api_key=key) as client:
            return await use(client)

    return asyncio.run(with_client())


def test_every_page():
    async def ids(client):
        return [file.id async for file in client.files.list(limit=2)]

    assert run(ids) == ["file-1", "file-2", "file-3"]


def test_concurrent_uploads():
    async def upload(client):
        files = [UPLOAD + bytes([number]) for number in range(5)]
        made = await asyncio.gather(*(client.files.create(file=("a", file), purpose="assistants") for file in files))
        return [file.filename for file in made] == [hashlib.sha256(file).hexdigest() for file in files]

    assert run(upload)


def test_responses_streamed(upstream, unique):
    async def words(client):
        found = []
        async for event in await client.responses.create(model=f"gated-{unique}", input="Hello", stream=True):
            if event.type == "response.output_text.delta":
                found.append(event.delta)
                await asyncio.to_thread(upstream.open, unique)
        return found

    assert run(words) == ["Hello", " from", " upstream"]


def test_truncated_response_raises(upstream, unique):
    found = []

    async def read(client):
        async for event in await client.responses.create(model=f"cut-{unique}", input="Hello", stream=True):
            if event.type == "response.output_text.delta":
                found.append(event.delta)
                await asyncio.to_thread(upstream.open, unique)

    with pytest.raises(openai.APIConnectionError):
        run(read)
    assert found == ["Hello"]


def test_wrong_key(upstream, unique):
    with pytest.raises(openai.AuthenticationError) as caught:
        run(lambda client: client.responses.create(model=unique, input=""), ACCESS_KEY[:-1] + "_")
    assert caught.value.code == "invalid_api_key"
    assert caught.value.request.headers["x-stainless-retry-count"] == "0"
    assert upstream.requests(unique) == []


def test_retry_succeeds(upstream, unique):
    model = f"flaky-2-{unique}"
    assert run(lambda client: client.responses.create(model=model, input="")).output_text == "Hello from upstream"
    assert len(upstream.requests(model)) == 3

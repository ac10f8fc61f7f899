"""Events arrive one by one: the upstream sends the second only after the client has read the first."""

import asyncio

import openai
import pytest
from conftest import ACCESS_KEY, BASE_URL

MESSAGES = [{"role": "user", "content": "Hello"}]


def test_chat(client, upstream, unique):
    words = []
    for chunk in client.chat.completions.create(model=f"gated-{unique}", messages=MESSAGES, stream=True):
        words.append(chunk.choices[0].delta.content)
        if len(words) == 2:
            upstream.open(unique)
    assert words == ["", "Hello", " from", " upstream", None]


def test_responses(client, upstream, unique):
    words = []
    with client.responses.stream(model=f"gated-{unique}", input="Hello") as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                words.append(event.delta)
                upstream.open(unique)
        assert stream.get_final_response().output_text == "Hello from upstream"
    assert words == ["Hello", " from", " upstream"]


def test_async(upstream, unique):
    async def request(client, name):
        words = []
        stream = await client.chat.completions.create(model=f"gated-{name}", messages=MESSAGES, stream=True)
        async for chunk in stream:
            words.append(chunk.choices[0].delta.content)
            if len(words) == 2:
                upstream.open(name)
        return words

    async def request_many():
        async with openai.AsyncOpenAI(base_url=BASE_URL, api_key=ACCESS_KEY) as client:
            assert (await client.responses.create(model="gpt-one", input="Hello")).output_text
            return await asyncio.gather(*(request(client, f"{unique}-{number}") for number in range(20)))

    assert asyncio.run(request_many()) == [["", "Hello", " from", " upstream", None]] * 20


def test_truncated_stream_raises(client, upstream, unique):
    words = []
    stream = client.chat.completions.create(model=f"cut-{unique}", messages=MESSAGES, stream=True)
    with pytest.raises(openai.APIConnectionError):
        for chunk in stream:
            words.append(chunk.choices[0].delta.content)
            if len(words) == 2:
                upstream.open(unique)
    assert words == ["", "Hello"]

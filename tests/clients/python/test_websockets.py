"""The realtime and responses WebSockets."""

import asyncio

import openai
import pytest
from conftest import ACCESS_KEY, BASE_URL
from websockets.exceptions import InvalidStatus


def test_realtime(client):
    with client.realtime.connect(model="gpt-realtime") as connection:
        created = connection.recv()
        assert (created.type, created.session.model) == ("session.created", "gpt-realtime")
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "é" * 500}]}
        connection.conversation.item.create(item=item)
        assert connection.recv().item.content[0].text == "é" * 500


def test_responses_over_a_websocket(client):
    words = []
    with client.responses.connect() as connection:
        connection.response.create(model="gpt-one", input="Hello")
        while (event := connection.recv()).type != "response.completed":
            words += [event.delta] if event.type == "response.output_text.delta" else []
    assert words == ["Hello", " from", " upstream"]
    assert event.response.model == "gpt-one"


def test_wrong_key_is_rejected(client_with_wrong_key):
    with pytest.raises(InvalidStatus) as caught:
        client_with_wrong_key.realtime.connect(model="gpt-realtime").enter()
    assert caught.value.response.status_code == 401
    assert b"invalid_api_key" in caught.value.response.body


def test_realtime_async():
    async def converse():
        async with openai.AsyncOpenAI(base_url=BASE_URL, api_key=ACCESS_KEY) as client:
            async with client.realtime.connect(model="gpt-realtime") as connection:
                created = await connection.recv()
                await connection.conversation.item.create(item={"type": "message", "role": "user", "content": []})
                return created.type, (await connection.recv()).type

    assert asyncio.run(converse()) == ("session.created", "conversation.item.added")

"""The WebSockets: realtime, and that of the responses."""

import pytest
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


def test_a_stranger_is_refused(stranger):
    with pytest.raises(InvalidStatus) as caught:
        stranger.realtime.connect(model="gpt-realtime").enter()
    assert caught.value.response.status_code == 401
    assert b"invalid_api_key" in caught.value.response.body

"""Users with a budget: they get what they would get without the proxy, and pay for what the upstream reports."""

import io
import json
import threading
import time
import wave
from decimal import Decimal

import openai
import pytest
from charges import charged, expected, usage
from conftest import RecordingClient
from pydantic import BaseModel

TEXT = "gpt-5.4-mini"
MESSAGES = [{"role": "user", "content": "Hello, how is the weather in Paris?"}]
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
FUNCTION = {"name": "weather", "description": "The weather", "parameters": PARAMETERS, "strict": True}
CHAT_TOOL = {"type": "function", "function": FUNCTION}
RESPONSES_TOOL = {"type": "function", **FUNCTION}


def wav(samples):
    """Mono, 8,000 samples of 16 bits per second."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", None))
        file.writeframes(samples)
    return buffer.getvalue()


AUDIO = wav(bytes(range(256)) * 499)


class Answer(BaseModel):
    city: str
    weather: str


def chat(**options):
    return lambda client: client.chat.completions.create(model=TEXT, messages=MESSAGES, **options).to_dict()


def chat_stream(**options):
    def chunks(client):
        stream = client.chat.completions.create(model=TEXT, messages=MESSAGES, stream=True, **options)
        return [chunk.to_dict() for chunk in stream]

    return chunks


def chat_parsed(client):
    completion = client.chat.completions.parse(model=TEXT, messages=MESSAGES, response_format=Answer)
    assert completion.choices[0].message.parsed == Answer(city="Hello from upstream", weather="Hello from upstream")
    return completion.choices[0].message.content, completion.usage.to_dict()


def chat_tool_stream(client):
    with client.chat.completions.stream(model=TEXT, messages=MESSAGES, tools=[CHAT_TOOL]) as stream:
        (call,) = stream.get_final_completion().choices[0].message.tool_calls
    assert call.function.name == "weather" and json.loads(call.function.arguments) == {"city": "Hello from upstream"}
    return call.to_dict()


def chat_tool_result(client):
    """Both turns of a function call."""
    (choice,) = client.chat.completions.create(model=TEXT, messages=MESSAGES, tools=[CHAT_TOOL]).choices
    (call,) = choice.message.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "content": "Sunny"}
    messages = [*MESSAGES, choice.message, result]
    return client.chat.completions.create(model=TEXT, messages=messages, tools=[CHAT_TOOL]).to_dict()


def responses(**options):
    options = {"model": TEXT, "input": "Hello", **options}
    return lambda client: client.responses.create(**options).to_dict()


def responses_stream(**options):
    def events(client):
        return [event.to_dict() for event in client.responses.create(model=TEXT, input="Hello", stream=True, **options)]

    return events


def responses_parsed(client):
    response = client.responses.parse(model=TEXT, input="Hello", text_format=Answer)
    assert response.output_parsed == Answer(city="Hello from upstream", weather="Hello from upstream")
    return response.to_dict()


def responses_final(client):
    with client.responses.stream(model=TEXT, input="Hello", tools=[RESPONSES_TOOL]) as stream:
        (call,) = stream.get_final_response().output
    assert (call.name, call.parsed_arguments) == ("weather", {"city": "Hello from upstream"})
    return call.to_dict()


def embeddings(client):
    return client.embeddings.create(model="text-embedding-3-small", input=["Hello", "there"]).to_dict()


PICTURE = {"model": "gpt-image-1.5", "prompt": "A cat and a dog", "size": "1024x1024", "quality": "low"}


def pictures(**options):
    return lambda client: client.images.generate(**PICTURE, **options).to_dict()


def picture_stream(client):
    return [event.to_dict() for event in client.images.generate(**PICTURE, stream=True, partial_images=2)]


def edited_picture(client):
    return client.images.edit(**PICTURE, image=[("a.png", AUDIO), ("b.png", AUDIO)]).to_dict()


def transcription(model):
    return lambda client: client.audio.transcriptions.create(model=model, file=("a.wav", AUDIO)).to_dict()


def transcription_stream(client):
    create = client.audio.transcriptions.create
    return [event.to_dict() for event in create(model="gpt-4o-transcribe", file=("a.wav", AUDIO), stream=True)]


SPOKEN = "Grüße aus Köln"


def speech(client):
    return client.audio.speech.create(model="tts-1", voice="alloy", input=SPOKEN).read()


CALLS = {
    "chat": (TEXT, chat()),
    "chat_with_cap": (TEXT, chat(max_completion_tokens=500, reasoning_effort="low", prompt_cache_key="a")),
    "chat_stream": (TEXT, chat_stream()),
    "chat_stream_with_usage": (TEXT, chat_stream(stream_options={"include_usage": True}, prompt_cache_key="a")),
    "chat_stream_without_usage": (TEXT, chat_stream(stream_options={"include_usage": False})),
    "chat_parsed": (TEXT, chat_parsed),
    "chat_tool": (TEXT, chat(tools=[CHAT_TOOL])),
    "chat_tool_stream": (TEXT, chat_tool_stream),
    "responses": (TEXT, responses(reasoning={"effort": "low"}, prompt_cache_key="a")),
    "responses_stream": (TEXT, responses_stream(reasoning={"effort": "low"}, prompt_cache_key="a")),
    "responses_parsed": (TEXT, responses_parsed),
    "responses_tool": (TEXT, responses(tools=[RESPONSES_TOOL])),
    "responses_tool_stream": (TEXT, responses_stream(tools=[RESPONSES_TOOL])),
    "responses_final": (TEXT, responses_final),
    "responses_web_search": (TEXT, responses(tools=[{"type": "web_search"}])),
    "embeddings": ("text-embedding-3-small", embeddings),
    "picture": ("gpt-image-1.5", pictures()),
    "pictures": ("gpt-image-1.5", pictures(n=3)),
    "picture_stream": ("gpt-image-1.5", picture_stream),
    "edited_picture": ("gpt-image-1.5", edited_picture),
    "transcription": ("gpt-4o-transcribe", transcription("gpt-4o-transcribe")),
    "transcription_stream": ("gpt-4o-transcribe", transcription_stream),
    "transcription_by_duration": ("whisper-1", transcription("whisper-1")),
    "speech": ("tts-1", speech),
}


@pytest.mark.parametrize("user", ["budgeted", "metered"])
@pytest.mark.parametrize("name", CALLS)
def test_same_result_and_exact_charge(name, user):
    model, call = CALLS[name]
    direct, budgeted = RecordingClient(), RecordingClient(user)
    before = charged(budgeted.openai, model)
    assert call(budgeted.openai) == call(direct.openai)
    reported = json.loads(budgeted.last_header("x-reported-usage") or "null")
    assert budgeted.last_header("x-sparekey-clamped") is None
    after = charged(budgeted.openai, model, before.requests + 1)
    assert after.minus(before) == expected(model, reported, characters=len(SPOKEN))


def test_both_turns_of_a_function_call():
    direct, budgeted = RecordingClient(), RecordingClient("budgeted")
    before = charged(budgeted.openai, TEXT)
    assert chat_tool_result(budgeted.openai) == chat_tool_result(direct.openai)
    charged(budgeted.openai, TEXT, before.requests + 2)


@pytest.mark.parametrize("words", [1, 2])
def test_stop_is_charged_what_was_generated(upstream, unique, words):
    """The client closes the stream early, and the model goes on."""
    client = RecordingClient("budgeted").openai
    before = charged(client, TEXT)
    stream = client.chat.completions.create(model=TEXT, messages=MESSAGES, user=f"gated-{unique}", stream=True)
    chunks = iter(stream)
    for _ in range(words):
        next(chunks)
    assert Decimal(usage(client)["budgets"][0]["held_usd"]) > 0
    stream.close()
    time.sleep(0.3)
    assert Decimal(usage(client)["budgets"][0]["held_usd"]) > 0
    upstream.open(unique)
    reported = RecordingClient().openai.chat.completions.create(model=TEXT, messages=MESSAGES).usage.to_dict()
    assert charged(client, TEXT, before.requests + 1).minus(before) == expected(TEXT, reported)


def test_stop_of_a_response(upstream, unique):
    client = RecordingClient("budgeted").openai
    before = charged(client, TEXT)
    with client.responses.create(model=TEXT, input="Hello", user=f"gated-{unique}", stream=True) as stream:
        next(iter(stream))
    upstream.open(unique)
    reported = RecordingClient().openai.responses.create(model=TEXT, input="Hello").usage.to_dict()
    assert charged(client, TEXT, before.requests + 1).minus(before) == expected(TEXT, reported)


def test_retry_passes_when_another_request_frees_the_budget(upstream, unique):
    client = RecordingClient("tight")
    stream = client.openai.chat.completions.create(model=TEXT, messages=MESSAGES, user=f"gated-{unique}", stream=True)
    first = client.responses.copy()
    clamped = int(client.last_header("x-sparekey-clamped"))
    (request,) = upstream.requests_of(f"gated-{unique}")
    assert request["json"]["max_completion_tokens"] == clamped >= 1024
    threading.Timer(1, upstream.open, [unique]).start()
    started = time.monotonic()
    assert client.openai.responses.create(model=TEXT, input="Hello").output_text == "Hello from upstream"
    refused, passed = client.responses[len(first) :]
    assert (refused.status_code, refused.headers["retry-after"], passed.status_code) == (429, "2", 200)
    assert passed.request.headers["x-stainless-retry-count"] == "1"
    assert time.monotonic() - started >= 1.5
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "Hello from upstream"


def test_error_while_the_budget_is_held(upstream, unique):
    client = RecordingClient("tight")
    stream = client.openai.chat.completions.create(model=TEXT, messages=MESSAGES, user=f"gated-{unique}", stream=True)
    with pytest.raises(openai.RateLimitError) as caught:
        client.openai.with_options(max_retries=0).responses.create(model=TEXT, input="Hello")
    assert (caught.value.code, caught.value.type) == ("rate_limit_exceeded", "tokens")
    upstream.open(unique)
    assert len(list(stream)) == 5


@pytest.mark.parametrize("stream", [False, True])
def test_spent_budget_is_not_retried(upstream, unique, stream):
    client = RecordingClient("poor")
    with pytest.raises(openai.RateLimitError) as caught:
        client.openai.responses.create(model=TEXT, input="Hello", user=unique, stream=stream)
    error = caught.value
    assert (error.status_code, error.code, error.type) == (429, "insufficient_quota", "insufficient_quota")
    assert error.response.headers["x-should-retry"] == "false" and "retry-after" not in error.response.headers
    assert len(client.responses) == 1
    assert upstream.requests_of(unique) == []

"""Limits of users: the class of each refusal, and how often the client sends the request."""

import httpx2
import openai
import pytest
from conftest import BASE_URL, limited_key

MESSAGES = [{"role": "user", "content": "Hello"}]


class Client:
    """A client of one user that counts its requests."""

    def __init__(self, user):
        self.attempts = 0
        http_client = httpx2.Client(event_hooks={"request": [self._count]})
        self.openai = openai.OpenAI(base_url=BASE_URL, api_key=limited_key(user), http_client=http_client)

    def _count(self, _):
        self.attempts += 1


def create(client, **options):
    return client.responses.create(model="gpt-one", input="Hello", **options)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("user", "request_of", "error", "code", "param"),
    [
        ("expired", create, openai.AuthenticationError, "expired_api_key", None),
        ("disabled", create, openai.AuthenticationError, "invalid_api_key", None),
        ("elsewhere", create, openai.PermissionDeniedError, "ip_not_authorized", None),
        ("student", lambda client, **options: client.responses.create(model="o3", input="Hello", **options),
         openai.PermissionDeniedError, "model_not_found", "model"),
        ("student", lambda client, **options: create(client, extra_body={"models": ["o3"]}, **options),
         openai.PermissionDeniedError, "model_not_found", "models[0]"),
        ("student", lambda client, **options: create(client, extra_headers={"content-encoding": "gzip"}, **options),
         openai.APIStatusError, "unsupported_encoding", None),
        ("student", lambda client, **options: create(client, extra_body={"Model": "o3"}, **options),
         openai.BadRequestError, "invalid_body", "model"),
        ("student", lambda client, **_: client.files.list(), openai.PermissionDeniedError, "route_not_allowed", None),
    ],
)
def test_refusals_are_sent_once(user, request_of, error, code, param, stream):
    client = Client(user)
    with pytest.raises(error) as caught:
        request_of(client.openai, stream=stream)
    assert (caught.value.code, caught.value.param, client.attempts) == (code, param, 1)


def test_rate():
    """The client waits as long as the proxy says, and then succeeds."""
    client, calls = Client("rated"), 0
    while client.attempts == calls:
        client.openai.models.retrieve("gpt-one")
        calls += 1


def test_open_requests(upstream, unique):
    client = Client("single")
    stream = client.openai.chat.completions.create(model=f"gated-{unique}", messages=MESSAGES, stream=True)
    next(iter(stream))
    client.attempts = 0
    with pytest.raises(openai.RateLimitError) as caught:
        create(client.openai)
    assert (caught.value.code, caught.value.type, client.attempts) == ("rate_limit_exceeded", "requests", 3)
    upstream.open(unique)
    assert [chunk.choices[0].delta.content for chunk in stream][-2:] == [" upstream", None]
    assert create(client.openai).output_text


def test_form_and_list(unique):
    client = Client("student").openai
    with pytest.raises(openai.PermissionDeniedError) as caught:
        client.audio.transcriptions.create(model="o3", file=("a.mp3", b"x" * 1000))
    assert caught.value.code == "model_not_found"
    assert client.audio.transcriptions.create(model="gpt-one", file=("a.mp3", b"x" * 1000)).text
    assert create(client).output_text
    assert all(model.id == "gpt-one" or model.id.startswith("gated-") for model in client.models.list())

"""LangChain gets whole responses and streams, over chat completions and responses."""

import openai
import pytest
from conftest import ACCESS_KEY, BASE_URL
from langchain_openai import ChatOpenAI

ROUTES = {False: "/v1/chat/completions", True: "/v1/responses"}


def model(name, responses, key=ACCESS_KEY):
    return ChatOpenAI(model=name, base_url=BASE_URL, api_key=key, use_responses_api=responses)


@pytest.mark.parametrize("responses", ROUTES)
def test_whole(upstream, unique, responses):
    assert model(unique, responses).invoke("Hello").text == "Hello from upstream"
    assert [request["target"] for request in upstream.requests(unique)] == [ROUTES[responses]]


@pytest.mark.parametrize("responses", ROUTES)
def test_stream(upstream, unique, responses):
    words = []
    for chunk in model(f"gated-{unique}", responses).stream("Hello"):
        if chunk.text:
            words.append(chunk.text)
            upstream.open(unique)
    assert words == ["Hello", " from", " upstream"]


def test_wrong_key():
    with pytest.raises(openai.AuthenticationError, match="Incorrect API key provided"):
        model("gpt-one", False, ACCESS_KEY[:-1] + "_").invoke("Hello")

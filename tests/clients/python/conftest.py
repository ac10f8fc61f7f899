"""Clients in front of the proxy, and access to the stand-in behind it."""

import json
import os
import urllib.request
import uuid

import httpx2
import openai
import pytest

BASE_URL = os.environ["BASE_URL"]
ACCESS_KEY = os.environ["ACCESS_KEY"]
STAND_IN = os.environ["STAND_IN"]
API_KEY = os.environ["API_KEY"]


def limited_key(user):
    """The key of a user with limits."""
    return f"sk-{user}-limited0limited0"


class RecordingClient:
    """A client of one user, or of the stand-in itself, that records its responses."""

    def __init__(self, user=None):
        self.responses = []
        http_client = httpx2.Client(event_hooks={"response": [self.responses.append]})
        base_url, key = (BASE_URL, limited_key(user)) if user else (f"{STAND_IN}/v1", API_KEY)
        self.openai = openai.OpenAI(base_url=base_url, api_key=key, http_client=http_client)

    def last_header(self, name):
        return self.responses[-1].headers.get(name)


class Upstream:
    """The stand-in: its recorded requests and its gates."""

    def requests(self, model):
        return [request for request in self._all() if request["model"] == model]

    def requests_of(self, user):
        """Those with this `user` in the body."""
        return [request for request in self._all() if request["json"] and request["json"].get("user") == user]

    def _all(self):
        with urllib.request.urlopen(f"{STAND_IN}/_requests") as response:
            return json.load(response)

    def open(self, gate):
        urllib.request.urlopen(f"{STAND_IN}/_open/{gate}").close()


@pytest.fixture
def upstream():
    return Upstream()


@pytest.fixture
def client():
    with openai.OpenAI(base_url=BASE_URL, api_key=ACCESS_KEY) as client:
        yield client


@pytest.fixture
def client_with_wrong_key():
    with openai.OpenAI(base_url=BASE_URL, api_key=ACCESS_KEY[:-1] + "_") as client:
        yield client


@pytest.fixture
def unique():
    """A name that no other test uses."""
    return uuid.uuid4().hex


def pytest_collection_modifyitems(config, items):
    needs = {
        "test_websockets.py": "WEBSOCKETS",
        "test_limits.py": "LIMITS",
        "test_budgets.py": "BUDGETS",
        "test_agents.py": "BUDGETS",
    }
    missing = [item for item in items if item.path.name in needs and os.environ[needs[item.path.name]] != "yes"]
    items[:] = [item for item in items if item not in missing]
    config.hook.pytest_deselected(items=missing)

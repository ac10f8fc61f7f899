"""What a user is charged, by `GET /v1/usage`, and what a response should cost."""

import json
import os
import time
from decimal import Decimal
from typing import NamedTuple

PRICES = json.loads(os.environ["PRICES"])
MILLION = 1_000_000


class Charge(NamedTuple):
    requests: int
    input_tokens: int
    output_tokens: int
    usd: Decimal

    def minus(self, other):
        return Charge(*(now - before for now, before in zip(self, other)))


def usage(client):
    return client.get("/usage", cast_to=object)


def charged(client, model, requests=None):
    """What was charged for this model until now, as soon as nothing is reserved and it has so many requests."""
    for _ in range(200):
        report = usage(client)
        rows = [row for row in report["by_model"] if row["model"] == model]
        row = rows[0] if rows else {"requests": 0, "input_tokens": 0, "output_tokens": 0, "usd": "0"}
        is_open = any(Decimal(budget["held_usd"]) for budget in report["budgets"])
        if not is_open and requests in (None, row["requests"]):
            for budget in report["budgets"]:
                assert Decimal(budget["spent_usd"]) == sum(Decimal(row["usd"]) for row in report["by_model"])
            return Charge(row["requests"], row["input_tokens"], row["output_tokens"], Decimal(row["usd"]))
        time.sleep(0.05)
    raise AssertionError(report)


def expected(model, reported, characters=0):
    """The charge for the usage that the upstream reports; `None` for speech, which costs its characters."""
    prices = PRICES[model]
    reported = reported or {}
    if not reported:
        return Charge(1, 0, 0, characters * Decimal(prices["per_million_characters"]) / MILLION)
    if reported.get("type") == "duration":
        return Charge(1, 0, 0, reported["seconds"] * Decimal(prices["per_minute_audio"]) / 60)
    tokens = {kind: Decimal(price) for kind, price in prices["standard"].items()}
    details = {}
    for side in ("prompt_tokens", "input_tokens", "input_token"):
        details |= reported.get(f"{side}_details", {})
    read = reported.get("prompt_tokens", reported.get("input_tokens"))
    written = reported.get("completion_tokens", reported.get("output_tokens", 0))
    cached, audio, image = (details.get(f"{kind}_tokens", 0) for kind in ("cached", "audio", "image"))
    drawn = reported.get("output_tokens_details", {}).get("image_tokens", 0)
    cost = (
        (read - cached - audio - image) * tokens["input"]
        + cached * tokens.get("cached", 0)
        + audio * tokens.get("audio_in", 0)
        + image * tokens.get("image_in", 0)
        + (written - drawn) * tokens.get("output", 0)
        + drawn * tokens.get("image_out", 0)
    ) / MILLION
    searches = reported.get("web_searches", 0) * Decimal(PRICES["tools"]["web_search"])
    return Charge(1, read, written, cost + searches)

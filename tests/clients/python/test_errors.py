"""Errors have the class and the fields of OpenAI's errors, and are retried as often."""

import openai
import pytest
from conftest import ACCESS_KEY, BASE_URL

CLASSES = {
    400: openai.BadRequestError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
}


@pytest.mark.parametrize("status", CLASSES)
def test_upstream_error(client, status):
    with pytest.raises(CLASSES[status]) as caught:
        client.with_options(max_retries=0).responses.create(model=f"error-{status}", input="")
    error = caught.value
    assert error.status_code == status and error.request_id == "req_stand_in"
    assert error.code == ("rate_limit_exceeded" if status == 429 else "requested_error")
    assert error.type == ("server_error" if status == 500 else "invalid_request_error")
    assert error.param is None and error.body["message"]
    assert error.response.headers.get("retry-after-ms") == ("1" if status == 429 else None)


def test_wrong_key(client_with_wrong_key, upstream, unique):
    with pytest.raises(openai.AuthenticationError) as caught:
        client_with_wrong_key.responses.create(model=unique, input="")
    error = caught.value
    assert (error.status_code, error.code, error.type, error.param) == (401, "invalid_api_key", "invalid_request_error", None)
    assert ACCESS_KEY[-12:-1] not in str(error)
    assert upstream.requests(unique) == []


def test_no_key(client, upstream, unique):
    with pytest.raises(openai.AuthenticationError) as caught:
        client.responses.create(model=unique, input="", extra_headers={"Authorization": openai.Omit()})
    assert (caught.value.code, caught.value.type) == (None, "invalid_request_error")
    assert upstream.requests(unique) == []


def test_rejected_api_key(client, upstream):
    """The upstream's 401 contains the API key; the proxy replaces it by a 502, which is not retried."""
    before = len(upstream.requests("error-401"))
    with pytest.raises(openai.InternalServerError) as caught:
        client.responses.create(model="error-401", input="")
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_auth_failed")
    assert "x-echo" not in caught.value.response.headers
    assert len(upstream.requests("error-401")) - before == 1


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("/models", {"Authorization": "Bearer sk-unknown-4kGDuXn42Zb7"}, 401, "invalid_api_key"),
        ("/models", {"api-key": "sk-unknown-4kGDuXn42Zb7"}, 400, "ambiguous_api_key"),
        ("/files/..%2fmodels", {}, 400, "invalid_path"),
        ("/organization/users", {}, 403, "route_not_allowed"),
    ],
)
def test_rejection_is_not_retried(path, headers, status, code):
    requests = []
    http_client = openai.DefaultHttpxClient(event_hooks={"request": [requests.append]})
    with openai.OpenAI(base_url=BASE_URL, api_key=ACCESS_KEY, http_client=http_client) as client:
        with pytest.raises(openai.APIStatusError) as caught:
            client.get(path, cast_to=object, options={"headers": headers})
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(requests) == 1


@pytest.mark.parametrize("retries", [0, 1, 2])
def test_retry_count_is_the_clients(client, upstream, unique, retries):
    model = f"flaky-9-{unique}"
    with pytest.raises(openai.RateLimitError):
        client.with_options(max_retries=retries).responses.create(model=model, input="")
    assert len(upstream.requests(model)) == retries + 1


def test_retry_succeeds(client, upstream, unique):
    model = f"flaky-2-{unique}"
    assert client.responses.create(model=model, input="").output_text == "Hello from upstream"
    assert len(upstream.requests(model)) == 3
    assert [dict(request["headers"])["x-stainless-retry-count"] for request in upstream.requests(model)] == ["0", "1", "2"]

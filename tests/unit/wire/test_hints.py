"""What clients say in headers."""

import pytest

from perllm.wire.errors import CallError
from perllm.wire.hints import Hints, read_hints


def test_headers_without_hints_tell_nothing() -> None:
    assert Hints() == read_hints({"content-type": "application/json"})


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-perllm-requirement-ms": "2500"}, Hints(requirement_s=2.5)),
        ({"x-perllm-requirement-ms": "0.5"}, Hints(requirement_s=0.0005)),
        ({"x-llm-d-slo-ttft-ms": "300"}, Hints(first_token_s=0.3)),
        ({"x-litellm-timeout": "30"}, Hints(client_timeout_s=30.0)),
        ({"x-stainless-read-timeout": "600.0"}, Hints(client_timeout_s=600.0)),
        ({"x-litellm-timeout": "30", "x-stainless-read-timeout": "6"}, Hints(client_timeout_s=6.0)),
        ({"x-litellm-timeout": "30", "x-stainless-read-timeout": "none"}, Hints(client_timeout_s=30.0)),
        ({"x-perllm-service": " chat "}, Hints(service="chat")),
        ({"x-perllm-service": " "}, Hints()),
        ({"x-request-id": "req-1"}, Hints(request_id="req-1")),
        ({"x-request-id": "r" * 128}, Hints(request_id="r" * 128)),
    ],
)
def test_a_hint_is_read_in_seconds(headers: dict[str, str], expected: Hints) -> None:
    assert expected == read_hints(headers)


@pytest.mark.parametrize("told", ["not-given", "", "0", "-5", "nan", "inf", "1e999"])
@pytest.mark.parametrize("name", ["x-llm-d-slo-ttft-ms", "x-litellm-timeout", "x-stainless-read-timeout"])
def test_what_an_sdk_fills_in_without_sense_is_ignored(name: str, told: str) -> None:
    assert Hints() == read_hints({name: told})


@pytest.mark.parametrize("told", ["soon", "", "0", "-5", "nan", "inf", "1e999", "1e-323"])
def test_a_requirement_that_is_no_time_is_refused(told: str) -> None:
    with pytest.raises(CallError, match=r"^x-perllm-requirement-ms: .* Send milliseconds above 0") as caught:
        read_hints({"x-perllm-requirement-ms": told})

    assert ("x-perllm-requirement-ms", 400) == (caught.value.param, caught.value.status)


@pytest.mark.parametrize("told", ["", "a b", "r" * 129, "é", "a\tb", "a\x7f"])
def test_a_request_id_that_cannot_stand_in_a_log_is_ignored(told: str) -> None:
    assert Hints() == read_hints({"x-request-id": told})

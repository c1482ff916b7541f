"""What an engine's answer says it cost."""

import json

import pytest

from perllm.wire.reply import Usage, is_event_stream, is_json_content_type, read_usage


def test_an_answer_of_llama_cpp_tells_tokens_and_times() -> None:
    body = (
        b'{"choices":[{"finish_reason":"length","index":0,"message":{"content":"a"}}],"object":"chat.completion",'
        b'"usage":{"completion_tokens":3,"prompt_tokens":13,"prompt_tokens_details":{"cached_tokens":12}},'
        b'"timings":{"cache_n":12,"prompt_n":1,"prompt_ms":250,"predicted_n":3,"predicted_ms":1500.5}}'
    )

    assert Usage(
        prompt_tokens=13, completion_tokens=3, cached_tokens=12, prompt_s=0.25, predicted_s=1.5005
    ) == read_usage(body)


def test_an_engine_with_a_meter_tells_joules() -> None:
    body = b'{"usage": {"prompt_tokens": 1, "completion_tokens": 2, "energy_j": 3}}'

    assert Usage(prompt_tokens=1, completion_tokens=2, energy_j=3.0) == read_usage(body)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        5,
        [],
        {},
        {"prompt_tokens": 1},
        {"prompt_tokens": -1, "completion_tokens": 2},
        {"prompt_tokens": 1, "completion_tokens": -2},
        {"prompt_tokens": "1", "completion_tokens": 2},
        {"prompt_tokens": True, "completion_tokens": 2},
        {"prompt_tokens": 1.5, "completion_tokens": 2},
        {"prompt_tokens": 10**30, "completion_tokens": 2},
        {"prompt_tokens": 1, "completion_tokens": 2, "energy_j": -1},
        {"prompt_tokens": 1, "completion_tokens": 2, "energy_j": "3"},
        {"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": -1}},
    ],
)
def test_a_usage_that_lies_is_not_believed(usage: object) -> None:
    assert read_usage(json.dumps({"usage": usage}).encode()) is None


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"<html>", b"{}", b'{"usage":' + b"[" * 9999, b'{"usage":"\xff"}'])
def test_an_answer_without_usage_tells_nothing(body: bytes) -> None:
    assert read_usage(body) is None


@pytest.mark.parametrize("timings", [None, [], {"prompt_ms": -1}, {"prompt_ms": "1"}])
def test_timings_that_lie_leave_the_tokens_standing(timings: object) -> None:
    body = json.dumps({"usage": {"prompt_tokens": 1, "completion_tokens": 2}, "timings": timings}).encode()

    assert Usage(prompt_tokens=1, completion_tokens=2) == read_usage(body)


@pytest.mark.parametrize(
    ("content_type", "json_expected", "stream_expected"),
    [
        ("application/json", True, False),
        ("Application/JSON; charset=utf-8", True, False),
        ("application/problem+json", True, False),
        ("text/event-stream; charset=utf-8", False, True),
        ("text/html", False, False),
        ("", False, False),
        (None, False, False),
    ],
)
def test_content_types_are_told_apart(content_type: str | None, json_expected: bool, stream_expected: bool) -> None:
    assert (json_expected, stream_expected) == (
        is_json_content_type(content_type),
        is_event_stream(content_type),
    )

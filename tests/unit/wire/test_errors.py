"""Errors as OpenAI clients expect them."""

import json
from typing import Any

import pytest

from perllm.domain.reason import Refusal
from perllm.wire.errors import CallError, ErrorKind, error_body, normalise_engine_error, status_for


def normalised(status: int, body: bytes) -> Any:
    return json.loads(normalise_engine_error(status, body))["error"]


def test_an_error_body_holds_all_four_fields() -> None:
    assert b'{"error":{"message":"no \\"x\\"","type":"server_error","param":null,"code":"internal"}}' == error_body(
        'no "x"', "server_error", None, "internal"
    )


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("invalid_request", 400),
        ("body_too_large", 413),
        ("body_timeout", 408),
        ("model_not_found", 404),
        ("not_found", 404),
        ("method_not_allowed", 405),
        ("overloaded", 429),
        ("queue-full", 429),
        ("too_late", 503),
        ("infeasible", 503),
        ("no_server", 503),
        ("upstream_failed", 502),
        ("upstream_timeout", 504),
        ("internal", 500),
    ],
)
def test_each_kind_has_its_status(kind: str, status: int) -> None:
    told = status_for(kind)

    assert (status, kind.replace("-", "_")) == (told.status, told.code)


@pytest.mark.parametrize("reason", list(Refusal))
def test_each_refusal_of_the_scheduler_has_its_own_answer(reason: Refusal) -> None:
    assert reason.replace("-", "_") == status_for(reason).code


def test_a_kind_nobody_listed_is_our_fault() -> None:
    assert ErrorKind(500, "server_error", "internal") == status_for("moon-phase")


def test_a_call_error_keeps_what_the_body_needs() -> None:
    error = CallError("Send less.", param="prompt", code="c", status=413)

    assert ("Send less.", "prompt", "c", 413) == (str(error), error.param, error.code, error.status)


def test_an_error_in_openai_shape_passes_once() -> None:
    body = b'{"error": {"code":400,"message":"too long","type":"exceed_context_size_error","n_ctx":512}}'

    assert body is normalise_engine_error(400, body)


def test_a_flat_error_is_wrapped() -> None:
    body = b'{"object":"error","message":"too long","type":"BadRequestError","param":"prompt","code":400}'

    assert {"message": "too long", "type": "BadRequestError", "param": "prompt", "code": 400} == normalised(400, body)


@pytest.mark.parametrize(
    ("status", "body", "message", "kind"),
    [
        (404, b'{"error": "model not found"}', "model not found", "invalid_request_error"),
        (404, b'{"detail": "Not Found"}', "Not Found", "invalid_request_error"),
        (429, b"slow down\n", "slow down", "rate_limit_error"),
        (502, b"<html>bad \xff gateway</html>", "<html>bad � gateway</html>", "server_error"),
        (500, b"x" * 9999, "x" * 500, "server_error"),
        (500, b"[1]", "[1]", "server_error"),
        (500, b"", "The engine answered with status 500 and no explanation.", "server_error"),
        (500, b'{"error": {}}', "The engine answered with status 500 and no explanation.", "server_error"),
        (500, b'{"error": null}', "The engine answered with status 500 and no explanation.", "server_error"),
        (
            500,
            b'{"error": {"type": "overload"}}',
            "The engine answered with status 500 and no explanation.",
            "overload",
        ),
        (
            500,
            b'{"message": 5, "code": []}',
            "The engine answered with status 500 and no explanation.",
            "server_error",
        ),
    ],
)
def test_any_other_error_gets_the_openai_shape(status: int, body: bytes, message: str, kind: str) -> None:
    assert {"message": message, "type": kind, "param": None, "code": None} == normalised(status, body)

"""What a failure means: whose fault it is, and when to come again."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey, RequestInfo
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from perllm.errors import UpstreamError
from perllm.machines.failures import CLIENT_EXCEPTIONS, attempt_error, status_error

KEY: Any = ConnectionKey("edge", 80, False, True, None, None, None)
INFO = RequestInfo(URL("http://edge"), "POST", CIMultiDictProxy(CIMultiDict()), URL("http://edge"))


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (aiohttp.ClientConnectorError(KEY, OSError(111, "refused")), "connection refused"),
        (aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "no such name")), "unknown host"),
        (aiohttp.ConnectionTimeoutError(), "no connection in time"),
        (aiohttp.ServerDisconnectedError(), "connection closed before an answer"),
        (aiohttp.ClientOSError(104, "reset"), "connection reset"),
        (ConnectionResetError(), "connection reset"),
        (aiohttp.ClientPayloadError(), "answer cut"),
        (aiohttp.ClientResponseError(INFO, ()), "not an HTTP answer"),
        (aiohttp.InvalidURL("x"), "not an address"),
        (aiohttp.ClientError(), "connection failed"),
    ],
)
def test_every_exception_of_the_http_client_has_a_meaning(error: Exception, meaning: str) -> None:
    failure = attempt_error(error)

    assert isinstance(error, CLIENT_EXCEPTIONS)
    assert isinstance(failure, UpstreamError)
    assert meaning == str(failure)
    assert failure.blame_server


@pytest.mark.parametrize("status", [301, 401, 403, 404, 408, 425, 429, 500, 502, 503, 504])
def test_a_status_the_client_cannot_mend_is_the_servers_fault(status: int) -> None:
    assert status_error(status, None, b"").blame_server


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_status_that_speaks_of_the_request_is_the_requests_fault(status: int) -> None:
    failure = status_error(status, None, b"why")

    assert (False, status, b"why") == (failure.blame_server, failure.status, failure.body)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("7", 7.0), ("0", 0.0), (None, None), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None), ("²", None)],
)
def test_retry_after_counts_in_seconds(told: str | None, seconds: float | None) -> None:
    assert seconds == status_error(503, told, b"").retry_after_s

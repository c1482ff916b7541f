"""How an attempt at an engine fails, and the one table that turns the HTTP client's exceptions into our own."""

from __future__ import annotations

from typing import Final

import aiohttp

from perllm.errors import UpstreamError

CLIENT_EXCEPTIONS: Final = (aiohttp.ClientError, OSError)


class AttemptError(UpstreamError):
    """An attempt came to nothing.

    `blame_server` is false where the request itself was at fault, so that no other server need try it. Such an error
    carries the engine's `status` and `body` for the client.
    """

    def __init__(
        self,
        message: str,
        *,
        blame_server: bool = True,
        retry_after_s: float | None = None,
        status: int = 502,
        body: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.blame_server = blame_server
        self.retry_after_s = retry_after_s
        self.status = status
        self.body = body


# The first row that fits counts, so a special case stands above its general one.
_MEANINGS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (aiohttp.ConnectionTimeoutError, "no connection in time"),
    (aiohttp.ClientSSLError, "no trusted connection"),
    (aiohttp.ClientConnectorDNSError, "unknown host"),
    (aiohttp.ClientConnectorError, "connection refused"),
    (aiohttp.ServerDisconnectedError, "connection closed before an answer"),
    (aiohttp.ClientPayloadError, "answer cut"),
    (aiohttp.ClientResponseError, "not an HTTP answer"),
    (aiohttp.InvalidURL, "not an address"),
    (OSError, "connection reset"),
    (aiohttp.ClientError, "connection failed"),
)


def attempt_error(error: Exception) -> AttemptError:
    """Say what one of `CLIENT_EXCEPTIONS` means. Its own words name addresses, which are not for clients."""
    return AttemptError(next(meaning for kind, meaning in _MEANINGS if isinstance(error, kind)))


# Not the client's to mend: the gateway's own key, path or model name is wrong there (401 to 405), or the engine is
# slow or busy. Any other status of the 400s speaks of the request.
_SERVER_FAULTS: Final = frozenset({401, 403, 404, 405, 407, 408, 425, 429})


def status_error(status: int, retry_after: str | None, body: bytes) -> AttemptError:
    """Say what an answer with a status other than 200 means."""
    blame_server = not 400 <= status < 500 or status in _SERVER_FAULTS
    return AttemptError(
        f"status {status}",
        blame_server=blame_server,
        retry_after_s=_seconds(retry_after),
        status=status,
        body=body,
    )


def _seconds(text: str | None) -> float | None:
    """Read Retry-After where it counts seconds; a date would need a wall clock."""
    return float(text) if text is not None and text.isdecimal() and text.isascii() else None

"""The gateway's settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """Where the gateway listens, what it accepts, how long it waits.

    A client must send the head of its request within `header_timeout_s` of connecting and the body within
    `body_timeout_s` of the head. `drain_s` is how long running requests may go on once the gateway has to stop.
    """

    host: str = "127.0.0.1"
    port: int = 8400
    max_body_bytes: int = 20 * 2**20
    max_reply_bytes: int = 64 * 2**20
    header_timeout_s: float = 10.0
    body_timeout_s: float = 30.0
    probe_interval_s: float = 5.0
    probe_timeout_s: float = 2.0
    drain_s: float = 30.0

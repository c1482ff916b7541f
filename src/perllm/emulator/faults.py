"""The faults: what can go wrong with one request, where it strikes, and how."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import fsum
from types import MappingProxyType
from typing import Final, Self

from aiohttp import web

from perllm.emulator.exchange import Exchange, for_ever, refusal, unavailable
from perllm.errors import ConfigError

Strike = Callable[[Exchange], Awaitable[web.StreamResponse | None]]
"""Does the harm, and returns what the client gets instead of its answer; None: all goes on from here."""

_PAGE: Final = "<!doctype html><title>Welcome</title><p>Please sign in."
_ROUNDING: Final = 1e-9


async def _late(exchange: Exchange) -> None:
    await asyncio.sleep(exchange.late_s)


async def _slow_load(exchange: Exchange) -> None:
    exchange.loader.unload()


async def _stall(exchange: Exchange) -> web.StreamResponse:
    await for_ever()


async def _reset(exchange: Exchange) -> web.StreamResponse:
    await exchange.reset()


async def _cut(exchange: Exchange) -> web.StreamResponse:
    await exchange.cut()


async def _bad_request(exchange: Exchange) -> web.StreamResponse:
    return refusal(400, "The engine cannot serve such a request.", "invalid_request_error")


async def _too_many(exchange: Exchange) -> web.StreamResponse:
    head = {"Retry-After": str(exchange.retry_after_s)}
    return refusal(429, "The engine has too many requests.", "rate_limit_error", "rate_limit_exceeded", head)


async def _unavailable(exchange: Exchange) -> web.StreamResponse:
    return unavailable()


async def _wrong_type(exchange: Exchange) -> web.StreamResponse:
    return web.Response(text=_PAGE, content_type="text/html")


async def _internal(exchange: Exchange) -> web.StreamResponse:
    return refusal(500, "The engine failed.", "server_error", "internal")


def _lie(factor: int | None) -> Strike:
    async def strike(exchange: Exchange) -> None:
        exchange.answer.usage_factor = factor

    return strike


class Where(StrEnum):
    """The points of an exchange at which a fault can strike."""

    BEFORE = "before the engine"
    HEAD = "at the head"
    MIDWAY = "midway"
    END = "at the end"


class Fault(StrEnum):
    """One row for each: its name (in `emulate.fault`, and as an option that takes a share), where it strikes, what it
    does to a request, and the code that does it."""

    where: Where
    does: str
    strike: Strike

    def __new__(cls, name: str, where: Where, does: str, strike: Strike) -> Self:
        """Make a member whose value is its name."""
        fault = str.__new__(cls, name)
        fault._value_, fault.where, fault.does, fault.strike = name, where, does, strike
        return fault

    LATE = "late", Where.BEFORE, "Reaches the engine --late-s later; head, first token and all else follow.", _late
    SLOW_LOAD = "slow-load", Where.BEFORE, "Finds the model unloaded: it must be loaded first, in --load-s.", _slow_load
    STALL_HEAD = "stall-head", Where.BEFORE, "Is never answered.", _stall
    RESET = "reset", Where.BEFORE, "Has its connection reset (RST) before any answer.", _reset
    BAD_REQUEST = "400", Where.BEFORE, "Is refused at once, as if it were at fault itself.", _bad_request
    TOO_MANY = "429", Where.BEFORE, "Is refused at once, with Retry-After: --retry-after-s.", _too_many
    UNAVAILABLE = "503", Where.BEFORE, "Is refused at once.", _unavailable
    WRONG_TYPE = "wrong-type", Where.BEFORE, "Gets an HTML page with status 200, streamed or not.", _wrong_type
    INTERNAL = (
        "500",
        Where.HEAD,
        "Fails where its first byte would have come: the work is done, for nothing.",
        _internal,
    )
    STALL_STREAM = "stall-stream", Where.MIDWAY, "Gets a part of its answer, then silence.", _stall
    CUT = "cut", Where.MIDWAY, "Gets a part of its answer, then the connection is closed.", _cut
    ZERO_USAGE = "zero-usage", Where.END, "Is told that all it used is 0, tokens and joules.", _lie(0)
    DOUBLED_USAGE = "doubled-usage", Where.END, "Is told twice what it used.", _lie(2)
    MISSING_USAGE = "missing-usage", Where.END, "Is not told what it used, though it asked.", _lie(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRates:
    """The share of requests that meets each fault; what is not named, none. Raises ConfigError above 1 together."""

    shares: Mapping[Fault, float] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Refuse shares of which no whole can be made."""
        total = fsum(self.shares.values())
        if not (total <= 1.0 + _ROUNDING and all(share >= 0.0 for share in self.shares.values())):
            raise ConfigError(
                f"the shares of faults add up to {total:g}: each is at least 0, all together are at most 1",
                key=", ".join(f"--{fault}" for fault, share in self.shares.items() if share),
                remedy="Lower them.",
            )

    def pick(self, draw: float) -> Fault | None:
        """Choose a fault, or none, by a uniform draw between 0 and 1."""
        for fault, share in self.shares.items():
            if draw < share:
                return fault
            draw -= share
        return None

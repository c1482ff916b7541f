"""An attempt is closed exactly once, after its engine was left, whatever that leads to."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import cast

import pytest

from perllm.accounting.declared import DeclaredMeters
from perllm.domain.attempt import EndingKind, Usage
from perllm.domain.service import Service
from perllm.gateway.attempt import Attempt
from perllm.gateway.backend import Backend
from perllm.gateway.services import ServiceRules
from perllm.gateway.settings import GatewaySettings
from perllm.live.driver import Driver
from perllm.machines.engines import EngineKind, Upstream
from perllm.machines.failures import AttemptError
from perllm.machines.http import Reply, UpstreamClient
from perllm.wire.reply import Usage as ToldUsage
from tests.unit.gateway.fleet import server
from tests.unit.live.port import ScriptedPort, dispatch, request


class FakeReply:
    """Notes when it is closed among the events of the brain."""

    def __init__(self, events: list[tuple[object, ...]], error: Exception | None = None) -> None:
        self._events = events
        self._error = error

    def close(self) -> None:
        self._events.append(("hang up", 0.0))
        if self._error is not None:
            raise self._error


class Bench:
    """An open attempt and its brain."""

    def __init__(self, error: Exception | None = None) -> None:
        self.port = ScriptedPort()
        self.port.answers = [[dispatch("a")]]
        driver = Driver(self.port, asyncio.get_running_loop())
        chat = Service(name="chat")
        backend = Backend(
            settings=GatewaySettings(),
            rules=ServiceRules(services={"chat": chat}, default="chat"),
            servers={"edge": server("edge")},
            upstreams={"edge": Upstream(server_id="edge", base_url="http://x", kind=EngineKind.VLLM, models={})},
            client=cast(UpstreamClient, None),
            driver=driver,
            meters=DeclaredMeters([server("edge")]),
            ids=(str(number) for number in count()),
        )
        self.attempt = Attempt(backend, driver.submit(request("a")), dispatch("a"), stream=True)
        self.attempt.reply = cast(Reply, FakeReply(self.port.events, error))


async def test_the_engine_is_left_before_the_attempt_is_closed() -> None:
    bench = Bench()

    bench.attempt.close(EndingKind.CANCELLED)

    assert [("hang up",), ("close", "a#1", EndingKind.CANCELLED)] == bench.port.kinds()[1:]


async def test_an_engine_that_cannot_be_left_does_not_keep_the_attempt_open() -> None:
    bench = Bench(error=OSError("broken"))

    with pytest.raises(OSError, match="broken"):
        bench.attempt.close(EndingKind.CANCELLED)

    assert ("close", "a#1", EndingKind.CANCELLED) == bench.port.kinds()[-1]


async def test_the_first_close_counts() -> None:
    bench = Bench()

    bench.attempt.close(EndingKind.COMPLETED)
    bench.attempt.close(EndingKind.FAILED, AttemptError("late news"))
    bench.attempt.abandon()

    assert [("close", "a#1", EndingKind.COMPLETED), ("hang up",)] == bench.port.kinds()[1:]


async def test_what_the_engine_told_is_put_into_our_words() -> None:
    bench = Bench()
    bench.attempt.told = ToldUsage(
        prompt_tokens=7, completion_tokens=3, cached_tokens=2, prompt_s=0.5, predicted_s=1.5, energy_j=None
    )

    bench.attempt.close(EndingKind.COMPLETED)

    usage = Usage(prompt_tokens=7, output_tokens=3, cached_tokens=2, prefill_s=0.5, decode_s=1.5)
    assert usage == bench.port.endings[0].usage


async def test_without_usage_the_tokens_heard_count() -> None:
    bench = Bench()
    bench.attempt.heard(4)

    bench.attempt.close(EndingKind.CANCELLED)

    assert (None, 4) == (bench.port.endings[0].usage, bench.port.endings[0].output_tokens)


async def test_a_failure_is_kept_with_its_cause() -> None:
    bench = Bench()
    failure = AttemptError("connection reset", retry_after_s=3.0)
    failure.__cause__ = OSError("by peer")

    bench.attempt.close(EndingKind.FAILED, failure, retryable=True)

    ending = bench.port.endings[0]
    assert ("connection reset: by peer", 3.0, True, True) == (
        ending.detail,
        ending.retry_after_s,
        ending.retryable,
        ending.blame_server,
    )

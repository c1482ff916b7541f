"""When the client leaves, crossed with what the engine does: whatever happens, nothing is left behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

import pytest

from perllm.domain.action import Fate
from perllm.domain.attempt import Ending, EndingKind
from perllm.domain.entry import EventKind
from perllm.domain.request import Request, Requirement
from perllm.domain.service import Service
from perllm.emulator.settings import EmulatorSettings, FaultRates
from perllm.gateway.settings import GatewaySettings
from perllm.scheduling.settings import SchedulerSettings
from perllm.simulation.lengths import Lengths
from tests.parity.harness import serve_emulator
from tests.unit.gateway import engine
from tests.unit.gateway.engine import Behaviour, FakeEngine
from tests.unit.gateway.fleet import MESSAGES, Fleet, assert_nothing_left, running, server

NEVER, BEFORE_HEAD, AFTER_HEAD, MIDWAY, WHILE_HELD = "never", "before head", "after head", "midway", "while held"
LEAVES = (NEVER, BEFORE_HEAD, AFTER_HEAD, MIDWAY, WHILE_HELD)


def emulated(**faults: float) -> AbstractAsyncContextManager[str]:
    """The emulator, all of whose requests meet the fault."""
    return serve_emulator(
        EmulatorSettings(
            server=server("edge", slots=1),
            model="engine-small",
            frames_every_s=0.005,
            output_tokens=Lengths(median_tokens=200, sigma=0.0, minimum=200, maximum=200),
            faults=FaultRates(**faults),
        )
    )


@asynccontextmanager
async def scripted(behaviour: Behaviour) -> AsyncIterator[str]:
    """An engine that goes wrong in ways of which the emulator knows nothing."""
    async with FakeEngine(behaviour) as fake:
        yield fake.url


BEHAVIOURS: dict[str, Callable[[], AbstractAsyncContextManager[str]]] = {
    "fine": emulated,
    "refuses": lambda: nullcontext(engine.closed_port()),
    "resets": lambda: scripted(engine.reset),
    "503": lambda: emulated(unavailable=1.0),
    "400": lambda: scripted(engine.bad_request),
    "stalls before head": lambda: emulated(stall_head=1.0),
    "stalls midway": lambda: emulated(stall_stream=1.0),
    "cuts midway": lambda: emulated(cut=1.0),
    "wrong content type": lambda: scripted(engine.wrong_content_type),
}

# What a client that stays gets: the status, or for a stream that has begun how it ends.
CUT = "an error, no [DONE], no end"
TOLD: dict[str, tuple[int | str, int | str]] = {
    "fine": (200, 200),
    "refuses": (502, 502),
    "resets": (502, 502),
    "503": (502, 502),
    "400": (400, 400),
    "stalls before head": (504, 504),
    "stalls midway": (504, CUT),
    "cuts midway": (502, CUT),
    "wrong content type": (502, 502),
}
FATES = {
    "fine": Fate.COMPLETED,
    "stalls before head": Fate.TIMED_OUT,
    "stalls midway": Fate.TIMED_OUT,
}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
@pytest.mark.parametrize("leaves", LEAVES)
async def test_nothing_is_left_behind(leaves: str, behaviour: str, stream: bool) -> None:
    async with fleet_with(behaviour, patient=leaves != NEVER) as fleet:
        if leaves == WHILE_HELD:
            await leave_while_held(fleet, stream)
        else:
            received = await talk(fleet, stream, leaves)
            await fleet.settled()
            if leaves == NEVER:
                assert_told(received, TOLD[behaviour][stream])
                assert [FATES.get(behaviour, Fate.FAILED)] == [one.fate for one in fleet.outcomes()]
            elif behaviour.startswith("stalls"):
                assert [Fate.CANCELLED] == [one.fate for one in fleet.outcomes()]

        assert_nothing_left(fleet)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("behaviour", [engine.stalls_before_head, engine.stalls_midway])
async def test_an_engine_is_left_as_soon_as_the_client_is_gone(behaviour: Behaviour, stream: bool) -> None:
    async with FakeEngine(behaviour) as fake, running({"edge": fake.url}) as fleet:
        _, writer = await connect(fleet, stream)
        await fake.called.wait()
        writer.close()
        await fake.left.wait()
        await fleet.settled()

        assert [Fate.CANCELLED] == [outcome.fate for outcome in fleet.outcomes()]
        assert [EndingKind.CANCELLED] == [ending.kind for ending in fleet.endings()]
        assert [EventKind.CANCEL, EventKind.CLOSE] == [entry.kind for entry in fleet.entries[-2:]]


@asynccontextmanager
async def fleet_with(behaviour: str, *, patient: bool) -> AsyncIterator[Fleet]:
    """One server of one slot that behaves so. Who never leaves is relieved by the service's time limit."""
    service = Service(name="chat", timeout_s=5.0 if patient else 0.2)
    async with (
        BEHAVIOURS[behaviour]() as url,
        running(
            {"edge": url},
            servers=[server("edge", slots=1)],
            services=[service],
            scheduler_settings=SchedulerSettings(hold=True),
            settings=GatewaySettings(port=0, drain_s=0.0),
        ) as fleet,
    ):
        yield fleet


async def connect(fleet: Fleet, stream: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send one call on a connection of its own."""
    reader, writer = await asyncio.open_connection(*fleet.address)
    body = json.dumps({"model": "small", "messages": MESSAGES, "stream": stream}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    return reader, writer


async def talk(fleet: Fleet, stream: bool, leaves: str) -> bytes:
    """Make one call, leave when told, and return what had come until then."""
    reader, writer = await connect(fleet, stream)
    received = b""
    try:
        await fleet.submitted(1)
        if leaves == NEVER:
            received = await reader.read()
        elif leaves == AFTER_HEAD:
            received = await up_to(reader, b"\r\n\r\n")
        elif leaves == MIDWAY:
            received = await up_to(reader, b"data: ") + await up_to(reader, b"data: ")
    finally:
        writer.close()
    return received


async def up_to(reader: asyncio.StreamReader, mark: bytes) -> bytes:
    """Read up to a mark, or to the end. Where neither comes the client gives up, as it would in life."""
    try:
        async with asyncio.timeout(0.1):
            return await reader.readuntil(mark)
    except (asyncio.IncompleteReadError, TimeoutError):
        return b""


async def leave_while_held(fleet: Fleet, stream: bool) -> None:
    """Take the only slot, let a client wait for it and leave, then give the slot back."""
    blocker = fleet.gateway.driver.submit(
        Request(
            request_id="blocker",
            service="chat",
            model="small",
            requirement=Requirement(),
            payload_bytes=10,
            prompt_bytes=10,
        )
    )
    _, writer = await connect(fleet, stream)
    await fleet.submitted(2)
    assert 1 == fleet.scheduler.counts().held
    writer.close()
    await fleet.until(lambda counts: not counts.held)
    fleet.gateway.driver.close(blocker, Ending(kind=EndingKind.COMPLETED))
    await fleet.settled()
    assert [Fate.CANCELLED, Fate.COMPLETED] == [outcome.fate for outcome in fleet.outcomes()]


def assert_told(received: bytes, expected: int | str) -> None:
    head, _, body = received.partition(b"\r\n\r\n")
    if expected == CUT:
        assert b"200" == head.split()[1]
        assert b'data: {"error":' in body
        assert b"[DONE]" not in body
        assert not body.endswith(b"0\r\n\r\n")
    else:
        assert str(expected).encode() == head.split()[1]
        assert (b"error" in body) == (expected != 200)

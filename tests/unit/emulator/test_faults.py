"""Every fault, as a client meets it and when."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from aiohttp import ClientOSError, ClientPayloadError, ClientSession

from perllm.emulator.faults import Fault, FaultRates, Where
from perllm.errors import ConfigError
from tests.parity.virtual_loop import virtual_loop
from tests.unit.emulator.talking import SETTINGS, TRUTH, ask, chat
from tests.unit.simulation.machines import SERVER

# As worked out for the engine model: the first token of a stream, its end, and a plain answer.
FIRST_S, LAST_S, PLAIN_S = 0.1275, 0.3375, 0.117 + 0.21 + 0.01071
WAIT_S = 100.0
AT_ONCE = (0.0, 0.0, 0.0)
GOOD = ("application/json", "text/event-stream")

# What comes of it, when the head of a stream comes, when its end, and when that of a plain answer.
MET: dict[Fault, tuple[str, tuple[float | None, float, float]]] = {
    Fault.LATE: ("whole", (5 + FIRST_S, 5 + LAST_S, 5 + PLAIN_S)),
    Fault.SLOW_LOAD: ("whole", (10 + FIRST_S, 10 + LAST_S, 10 + PLAIN_S)),
    Fault.STALL_HEAD: ("silence", (None, WAIT_S, WAIT_S)),
    Fault.RESET: ("reset", (None, 0.0, 0.0)),
    Fault.BAD_REQUEST: ("400", AT_ONCE),
    Fault.TOO_MANY: ("429", AT_ONCE),
    Fault.UNAVAILABLE: ("503", AT_ONCE),
    Fault.WRONG_TYPE: ("text/html", AT_ONCE),
    Fault.INTERNAL: ("500", (FIRST_S, FIRST_S, PLAIN_S)),
    Fault.STALL_STREAM: ("silence", (FIRST_S, WAIT_S, WAIT_S)),
    Fault.CUT: ("cut", (FIRST_S, LAST_S, PLAIN_S)),
    Fault.ZERO_USAGE: ("whole", (FIRST_S, LAST_S, PLAIN_S)),
    Fault.DOUBLED_USAGE: ("whole", (FIRST_S, LAST_S, PLAIN_S)),
    Fault.MISSING_USAGE: ("whole", (FIRST_S, LAST_S, PLAIN_S)),
}


async def meet(session: ClientSession, url: str, call: dict[str, Any]) -> tuple[str, float | None, float]:
    """Make a call, and say what came of it, when its head came and when it was over."""
    head_at_s, loop = None, virtual_loop()
    try:
        async with asyncio.timeout(WAIT_S), session.post(f"{url}/chat/completions", json=call) as answer:
            head_at_s = loop.time()
            await answer.read()
        came = "whole" if answer.content_type in GOOD else answer.content_type
        return (came if answer.status == 200 else str(answer.status)), head_at_s, loop.time()
    except TimeoutError:
        return "silence", head_at_s, loop.time()
    except ClientPayloadError:
        return "cut", head_at_s, loop.time()
    except ClientOSError:
        return "reset", head_at_s, loop.time()


def order(fault: Fault, *, stream: bool = False, **wishes: Any) -> dict[str, Any]:
    return chat(
        stream=stream, stream_options={"include_usage": stream}, emulate={**TRUTH, "fault": fault.value, **wishes}
    )


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("fault", Fault)
def test_a_fault_can_be_ordered(fault: Fault, stream: bool) -> None:
    expected, (stream_head_s, stream_end_s, plain_s) = MET[fault]

    came, head_at_s, end_at_s = ask(lambda session, url: meet(session, url, order(fault, stream=stream)))

    assert expected == came
    assert pytest.approx(stream_end_s if stream else plain_s) == end_at_s
    if stream:
        assert pytest.approx(stream_head_s) == head_at_s


def test_a_request_after_one_that_met_a_fault_is_served_as_ever() -> None:
    one_slot = replace(SETTINGS, server=msgspec.structs.replace(SERVER, slots=1))
    for fault in Fault:

        async def talk(session: ClientSession, url: str, fault: Fault = fault) -> float:
            await meet(session, url, order(fault, stream=True))
            begun_at_s = virtual_loop().time()
            assert "whole" == (await meet(session, url, chat()))[0]
            return virtual_loop().time() - begun_at_s

        assert pytest.approx(PLAIN_S) == ask(talk, one_slot), fault


def test_how_late_and_when_to_come_again_can_be_ordered_too() -> None:
    async def talk(session: ClientSession, url: str) -> tuple[float, str, str]:
        late = order(Fault.LATE, late_s=0.5)
        _, _, at_s = await meet(session, url, late)
        url = f"{url}/chat/completions"
        async with session.post(url, json=order(Fault.TOO_MANY, retry_after_s=7)) as ordered:
            pass
        async with session.post(url, json=order(Fault.TOO_MANY)) as set_once:
            return at_s, ordered.headers["Retry-After"], set_once.headers["Retry-After"]

    at_s, ordered, set_once = ask(talk, replace(SETTINGS, retry_after_s=3))

    assert pytest.approx(0.5 + PLAIN_S) == at_s
    assert ("7", "3") == (ordered, set_once)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(
    ("fault", "factor"), [(Fault.ZERO_USAGE, 0), (Fault.DOUBLED_USAGE, 2), (Fault.MISSING_USAGE, None)]
)
def test_usage_can_contradict_what_was_sent(fault: Fault, factor: int | None, stream: bool) -> None:
    async def talk(session: ClientSession, url: str) -> Any:
        async with session.post(f"{url}/chat/completions", json=order(fault, stream=stream)) as answer:
            body = await answer.read()
            last = body.split(b"data: ")[-2] if stream else body
            assert 11 == body.count(b" word")
            return msgspec.json.decode(last).get("usage")

    told = ask(talk)

    if factor is None:
        assert told is None
    else:
        assert (100 * factor, 11 * factor, 111 * factor) == (
            told["prompt_tokens"],
            told["completion_tokens"],
            told["total_tokens"],
        )
        assert (told["energy_j"] > 0) == (factor > 0)


def test_refusals_have_the_shape_that_clients_read() -> None:
    async def talk(session: ClientSession, url: str) -> list[tuple[str, str | None]]:
        errors = []
        for fault in (Fault.BAD_REQUEST, Fault.TOO_MANY, Fault.INTERNAL, Fault.UNAVAILABLE):
            async with session.post(f"{url}/chat/completions", json=order(fault)) as answer:
                error = (await answer.json())["error"]
                errors.append((error["type"], error["code"]))
        return errors

    assert [
        ("invalid_request_error", None),
        ("rate_limit_error", "rate_limit_exceeded"),
        ("server_error", "internal"),
        ("server_error", "unavailable"),
    ] == ask(talk)


def test_faults_come_at_their_shares() -> None:
    async def talk(session: ClientSession, url: str) -> Counter[str]:
        return Counter([(await meet(session, url, chat()))[0] for _ in range(400)])

    shares = {Fault.UNAVAILABLE: 0.3, Fault.RESET: 0.2}
    came = ask(talk, replace(SETTINGS, faults=FaultRates(shares=shares)))

    assert [pytest.approx(120, abs=40), pytest.approx(80, abs=35)] == [came["503"], came["reset"]]
    assert 400 == came["503"] + came["reset"] + came["whole"]


def test_an_ordered_fault_moves_no_other() -> None:
    """Who orders a fault takes his turn in the draw like all others."""

    def met(ordered: int | None) -> list[str]:
        async def talk(session: ClientSession, url: str) -> list[str]:
            calls = [order(Fault.BAD_REQUEST) if number == ordered else chat() for number in range(20)]
            return [(await meet(session, url, call))[0] for call in calls]

        return ask(talk, replace(SETTINGS, faults=FaultRates(shares={Fault.UNAVAILABLE: 0.5})))

    drawn, with_order = met(None), met(4)

    assert [*drawn[:4], "400", *drawn[5:]] == with_order
    assert 2 == len(set(drawn))


@pytest.mark.parametrize("shares", [{Fault.CUT: 1.0}, dict.fromkeys(Fault, 1 / len(Fault)), {}])
def test_shares_may_add_up_to_all(shares: dict[Fault, float]) -> None:
    picked = {FaultRates(shares=shares).pick((draw + 0.5) / 100) for draw in range(100)}

    assert set(shares or {None}) == picked


@pytest.mark.parametrize("share", [0.41, float("nan"), -1.0])
def test_shares_that_make_no_whole_are_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="--cut, --503"):
        FaultRates(shares={Fault.CUT: 0.6, Fault.LATE: 0.0, Fault.UNAVAILABLE: share})


def test_every_fault_says_what_it_does_in_one_sentence_and_strikes_somewhere() -> None:
    assert set(Where) == {fault.where for fault in Fault}
    assert [] == [fault for fault in Fault if not fault.does.endswith(".") or fault.does.count(". ")]

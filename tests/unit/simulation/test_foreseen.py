"""What is foreseen of a request is what comes of it if nothing else arrives, and foreseeing changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from perllm.domain.attempt import Ending, Progress
from perllm.domain.profile import Batching, Rest
from perllm.domain.server import Server
from perllm.simulation.engine import Engine
from perllm.simulation.foreseen import Foreseen
from perllm.simulation.job import Job
from tests.unit.simulation.machines import SERVER, exactly, instants, job, reports

# Five for four slots, so that one waits, and two that are still on their way when the sixth is asked for.
SENT_AT_S = (0.0, 0.3, 0.31, 0.9, 1.198, 1.1995)
ASKED_AT_S = 1.2
MACHINES = {
    "prefill-first": SERVER,
    "chunked": replace(SERVER, batching=Batching.CHUNKED, step_tokens=64),
    "caching": replace(SERVER, caches_prefixes=True),
    "small cache": replace(SERVER, kv_tokens=700),
    "resting": replace(SERVER, rests=(Rest(after_s=0.1, watts=2.0, wake_s=0.5, wake_j=7.0),)),
}


def busy(server: Server, sent_at_s: tuple[float, ...] = SENT_AT_S) -> Engine:
    """Return an engine that is at work on jobs of many lengths."""
    engine = Engine(server)
    for number, at_s in enumerate(sent_at_s):
        while engine.next_at_s <= at_s:
            engine.advance(engine.next_at_s)
        each = job(60 + 40 * number, 20 + 13 * number, service_factor=1.0 + 0.05 * number, blocks=(1, number))
        engine.arrive(f"a{number}", replace(each, request=replace(each.request, request_id=f"a{number}")), at_s)
    while engine.next_at_s <= ASKED_AT_S:
        engine.advance(engine.next_at_s)
    return engine


def lived(engine: Engine, newcomer: Job) -> Foreseen:
    """Send the newcomer and return what really came of it; joules are all the engine draws for everybody."""
    engine.arrive("new", newcomer, ASKED_AT_S)
    known = {
        type(report.event): report.at_s - ASKED_AT_S
        for report in reversed(reports(engine))
        if report.attempt_id == "new"
    }
    return Foreseen(known[Ending], known.get(Progress, known[Ending]), engine.infer_j + engine.transmit_j, [])


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("sent_at_s", [SENT_AT_S, ()], ids=["busy", "idle"])
@pytest.mark.parametrize("server", MACHINES.values(), ids=MACHINES.keys())
def test_what_is_foreseen_comes_true(server: Server, sent_at_s: tuple[float, ...], stream: bool) -> None:
    newcomer = job(150, 40, stream=stream, service_factor=1.3, link_factor=0.7, blocks=(1, 9))
    alone = busy(server, sent_at_s)
    reports(alone)

    foreseen = busy(server, sent_at_s).foresee(newcomer, ASKED_AT_S)

    real = lived(busy(server, sent_at_s), newcomer)
    assert exactly(real.total_s) == foreseen.total_s
    assert exactly(real.first_token_s) == foreseen.first_token_s
    assert pytest.approx(real.energy_j - alone.infer_j - alone.transmit_j, rel=1e-9) == foreseen.energy_j


@pytest.mark.parametrize("server", MACHINES.values(), ids=MACHINES.keys())
def test_whoever_is_delayed_is_foreseen_to_be_and_nobody_else(server: Server) -> None:
    newcomer, engine = job(150, 40, blocks=(1, 9)), busy(server)
    foreseen = {delay.request_id: delay for delay in engine.foresee(newcomer, ASKED_AT_S).delays}
    without = instants(reports(engine), Ending)
    engine = busy(server)
    engine.arrive("new", newcomer, ASKED_AT_S)
    with_it = instants(reports(engine), Ending)

    later = {name for name, at_s in without.items() if with_it[name] > at_s + 1e-9}
    assert later
    assert later == {name for name, delay in foreseen.items() if delay.with_at_s > delay.without_at_s + 1e-9}
    for name in later:
        assert exactly(without[name]) == foreseen[name].without_at_s
        assert exactly(with_it[name]) == foreseen[name].with_at_s


@pytest.mark.parametrize("server", MACHINES.values(), ids=MACHINES.keys())
def test_looking_ahead_touches_nothing(server: Server) -> None:
    def history(engine: Engine) -> list[Any]:
        return [*reports(engine), engine.infer_j, engine.transmit_j, engine.idle_joules(100.0)]

    looked_at = busy(server)
    for tokens in (1, 50, 400):
        looked_at.foresee(job(tokens, tokens, blocks=(1, tokens)), ASKED_AT_S)

    assert history(busy(server)) == history(looked_at)


def test_an_answer_that_the_context_cuts_is_foreseen_as_cut() -> None:
    narrow = replace(SERVER, context_tokens=110)

    assert busy(narrow, ()).foresee(job(100, 10), ASKED_AT_S) == busy(narrow, ()).foresee(job(100, 999), ASKED_AT_S)

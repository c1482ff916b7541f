"""Laws of the simulated world: joules and tokens are conserved, time goes forward, and looking changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from perllm.domain.attempt import Ending, EndingKind, Progress
from perllm.domain.profile import Batching, Rest
from perllm.domain.request import Request, Requirement
from perllm.domain.server import Server
from perllm.simulation import engine as engine_module
from perllm.simulation.agenda import Report
from perllm.simulation.bandwidth import Fluctuation, Network, Site
from perllm.simulation.job import Job, Truth
from perllm.simulation.processor import Processor
from perllm.simulation.replies import reply_bytes
from perllm.simulation.scenario import WorldSettings
from perllm.simulation.trouble import Drift, LinkOutage, Outage, OutageKind, Slowdown, Tenant, Trouble
from perllm.simulation.world import World
from tests.unit.simulation.machines import SERVER

NAMES = ("edge", "other")
END_S = 1e4
INSTANTS = st.floats(min_value=0.0, max_value=6.0)
FACTORS = st.floats(min_value=0.5, max_value=2.0)
# Some prompts begin alike; all of them fit every server.
TRUTHS = st.builds(
    lambda prompt, output, text, upload, engine, link: Truth(
        prompt_tokens=prompt,
        output_tokens=output,
        upload_bytes=upload,
        service_factor=engine,
        link_factor=link,
        blocks=tuple(range(text, text + prompt // 512)),
    ),
    st.integers(1, 1400),
    st.integers(1, 150),
    st.sampled_from([0, 10]),
    st.integers(1, 5000),
    FACTORS,
    FACTORS,
)
REQUESTS = st.builds(
    Request,
    request_id=st.just("r"),
    service=st.just("chat"),
    model=st.just("m"),
    requirement=st.just(Requirement()),
    payload_bytes=st.just(1),
    prompt_bytes=st.just(1),
    stream=st.booleans(),
)


class Sent(NamedTuple):
    """A request of a plan: aborted at `leaves_at_s` if it is not over by then."""

    at_s: float
    server_id: str
    job: Job
    leaves_at_s: float | None


PLANS = st.lists(
    st.builds(
        Sent,
        INSTANTS,
        st.sampled_from(NAMES),
        st.builds(Job, request=REQUESTS, truth=TRUTHS),
        st.none() | INSTANTS,
    ),
    min_size=1,
    max_size=10,
)
REST = Rest(after_s=0.7, watts=2.5, wake_s=0.3, wake_j=7.0)
SERVERS = st.builds(
    lambda slots, kv_tokens, batching, step_tokens, caches, rests: replace(
        SERVER,
        slots=slots,
        kv_tokens=kv_tokens,
        batching=batching,
        step_tokens=step_tokens,
        caches_prefixes=caches,
        rests=rests,
        speed=replace(
            SERVER.speed, context_token_s=2e-5, attention_pair_s=1e-7, sequence_overhead_s=1e-3, serial_fraction=0.2
        ),
    ),
    st.integers(1, 4),
    st.integers(1600, 4000),
    st.sampled_from(Batching),
    st.integers(16, 600),
    st.booleans(),
    st.sampled_from([(), (REST,)]),
)


SERVER_IDS = st.sampled_from(NAMES)


def lasting(what: type[Any], **more: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    """Return up to two things of a kind that last for a while."""
    return several(
        st.builds(
            lambda at_s, for_s, rest: what(from_s=at_s, to_s=at_s + for_s, **rest),
            INSTANTS,
            FACTORS,
            st.fixed_dictionaries(more),
        )
    )


def several(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=2).map(tuple)


TROUBLES = st.builds(
    Trouble,
    outages=lasting(Outage, server_id=SERVER_IDS, kind=st.sampled_from(OutageKind)),
    slowdowns=lasting(Slowdown, server_id=SERVER_IDS, factor=st.floats(0.3, 5.0)),
    drifts=several(
        st.builds(Drift, server_id=SERVER_IDS, factor_per_hour=st.floats(0.1, 10.0), limit=st.sampled_from([0.5, 3.0]))
    ),
    tenants=several(
        st.builds(
            Tenant,
            server_id=SERVER_IDS,
            rate_per_s=st.floats(0.2, 3.0),
            prompt_tokens=st.floats(1.0, 800.0),
            output_tokens=st.floats(1.0, 80.0),
            to_s=st.floats(0.1, 8.0),
        )
    ),
)
NETWORKS = st.builds(
    Network,
    change=st.sampled_from([None, Fluctuation(spread=0.5, every_s=0.3)]),
    sites=st.sampled_from([(), (Site(name="house", servers=NAMES, up_bytes_per_s=4e5, down_bytes_per_s=2e5),)]),
    outages=lasting(LinkOutage, place=st.sampled_from([*NAMES, "house"])),
)
SETTINGS = st.builds(WorldSettings, trouble=TROUBLES, network=NETWORKS)


@dataclass
class Case:
    """A world to be made, and what is done in it."""

    servers: tuple[Server, Server]
    settings: WorldSettings
    seed: int
    plan: list[Sent]

    def world(self) -> World:
        return World(self.servers, self.settings, self.seed, report_every_s=0.5)


CASES = st.builds(
    lambda one, other, settings, seed, plan: Case((one, replace(other, server_id="other")), settings, seed, plan),
    SERVERS,
    SERVERS,
    SETTINGS,
    st.integers(0, 5),
    PLANS,
)


class Played(NamedTuple):
    """What became of a plan: reports in their order, how each attempt ended, and which had to be given up at last."""

    known: list[Report]
    endings: dict[str, Ending]
    given_up: set[str]


def play(world: World, plan: list[Sent], looks: Sequence[float] = ()) -> Played:
    """Carry out a plan, looking at the world at some instants more; what is still open in the end is given up."""
    todo = [(sent.at_s, number, "send") for number, sent in enumerate(plan)]
    todo += [(sent.leaves_at_s, number, "abort") for number, sent in enumerate(plan) if sent.leaves_at_s is not None]
    todo += [(at_s, -1, "look") for at_s in [*looks, END_S]]
    known: list[Report] = []
    endings: dict[str, Ending] = {}
    open_attempts: set[str] = set()
    for at_s, number, what in sorted(todo):
        while world.next_at_s <= at_s:
            report = world.advance(at_s if what == "look" else world.next_at_s)
            if report is not None:
                known.append(report)
                if isinstance(report.event, Ending):
                    open_attempts.remove(report.attempt_id)
                    endings[report.attempt_id] = report.event
        name = str(number)
        if what == "send":
            open_attempts.add(name)
            world.send(plan[number].server_id, name, plan[number].job, at_s)
        elif what == "abort" and name in open_attempts:
            open_attempts.remove(name)
            endings[name] = world.abort(name, EndingKind.CANCELLED, at_s)
    given_up = {name: world.abort(name, EndingKind.TIMED_OUT, END_S) for name in sorted(open_attempts)}
    return Played(known, {**endings, **given_up}, set(given_up))


@given(CASES)
def test_joules_are_conserved(case: Case) -> None:
    world = case.world()
    endings = play(world, case.plan).endings
    world.finish(END_S)

    charged_j = dict.fromkeys(NAMES, 0.0)
    for name, ending in endings.items():
        assert (ending.infer_j or 0.0) >= -1e-9
        charged_j[case.plan[int(name)].server_id] += ending.infer_j or 0.0
    assert world.joules() == {name: pytest.approx(joules, rel=1e-9, abs=1e-6) for name, joules in charged_j.items()}


@given(CASES)
def test_bytes_that_moved_are_paid_for(case: Case) -> None:
    world = case.world()
    endings = play(world, case.plan).endings

    for name, ending in endings.items():
        sent = case.plan[int(name)]
        answered = sent.job.request.stream or ending.usage is not None
        moved_bytes = sent.job.truth.upload_bytes + (reply_bytes(sent.job, ending.output_tokens) if answered else 0.0)
        assert pytest.approx(moved_bytes * SERVER.link.j_per_byte) == ending.transmit_j


@given(CASES)
def test_a_machine_is_powered_or_at_rest_all_the_time(case: Case) -> None:
    world = case.world()
    play(world, case.plan)
    idle = world.idle_joules(END_S)

    for server in world.servers:
        joules = idle[server.server_id]
        if not server.rests:
            assert pytest.approx(server.power.idle_w * END_S) == joules.powered_j
            assert (0.0, 0.0) == (joules.resting_j, joules.waking_j)
            continue
        [rest] = server.rests
        powered_s, resting_s = joules.powered_j / server.power.idle_w, joules.resting_j / rest.watts
        assert pytest.approx(END_S) == powered_s + resting_s
        wakes = joules.waking_j / rest.wake_j
        assert wakes == round(wakes)


@given(CASES)
def test_every_attempt_ends_once_unless_its_server_has_vanished(case: Case) -> None:
    world = case.world()
    _, endings, given_up = play(world, case.plan)

    assert {str(number) for number in range(len(case.plan))} == set(endings)
    vanished = {each.server_id for each in case.settings.trouble.outages if each.kind is OutageKind.VANISHES}
    assert {case.plan[int(name)].server_id for name in given_up} <= vanished
    assert (0, inf) == (world.open_attempts, world.next_at_s)


@given(CASES)
def test_tokens_are_conserved(case: Case) -> None:
    world = case.world()
    known, endings, _ = play(world, case.plan)

    for name, ending in endings.items():
        sent = case.plan[int(name)]
        truth = sent.job.truth
        told = [
            report.event.tokens for report in known if report.attempt_id == name and isinstance(report.event, Progress)
        ]
        assert sorted(set(told)) == told
        assert max(told, default=0) <= ending.output_tokens <= truth.output_tokens
        if ending.kind is EndingKind.COMPLETED:
            assert ending.usage is not None
            assert (truth.prompt_tokens, truth.output_tokens) == (
                ending.usage.prompt_tokens,
                ending.usage.output_tokens,
            )
            assert 0 <= ending.usage.cached_tokens < truth.prompt_tokens


@given(CASES)
def test_time_goes_forward(case: Case) -> None:
    known = play(case.world(), case.plan).known

    assert all(earlier.at_s <= later.at_s for earlier, later in pairwise(known))
    for report in known:
        assert report.at_s > case.plan[int(report.attempt_id)].at_s


@given(CASES, st.lists(INSTANTS, max_size=8))
def test_looking_changes_nothing(case: Case, looks: list[float]) -> None:
    seldom, often = case.world(), case.world()

    assert play(seldom, case.plan) == play(often, case.plan, looks)
    assert seldom.joules() == often.joules()


@given(CASES)
def test_nobody_is_told_of_tenants(case: Case) -> None:
    known = play(case.world(), case.plan).known

    assert {report.attempt_id for report in known} <= {str(number) for number in range(len(case.plan))}


class Watched(Processor):
    """A processor that looks at itself whenever it has gone on to something else."""

    __slots__ = ("_own",)

    def __init__(self, server: Server, *parts: Any) -> None:
        self._own = server
        super().__init__(server, *parts)

    def _proceed(self, at_s: float) -> None:
        super()._proceed(at_s)
        batch, readers = self._batch, self._readers
        steps = batch._planned if batch.turn_at_s < inf else 0
        # The newest token of a writer gets its place in the cache with the step that writes the next one.
        writers_tokens = batch.context_tokens + (steps - 1) * batch.size
        assert batch.size + len(readers) <= self._own.slots
        assert writers_tokens + sum(reader.context_tokens for reader in readers) <= self._own.kv_tokens
        assert batch.context_tokens == sum(
            member.job.truth.prompt_tokens + self.tokens(member, at_s) for _, _, member in batch._members
        )
        assert batch.size == len(batch._members)
        # Nobody waits in vain: somebody works, or nobody is there.
        assert self.busy or not self._waiting


@given(CASES)
def test_slots_and_cache_are_never_exceeded(case: Case) -> None:
    with patch.object(engine_module, "Processor", Watched):
        play(case.world(), case.plan)

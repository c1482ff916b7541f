"""The engine that leaps from change to change does what one does that makes step after step."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from perllm.domain.attempt import Ending, EndingKind, Progress
from perllm.domain.profile import Batching, PowerProfile, Rest, SpeedProfile
from perllm.domain.server import Server
from perllm.simulation.engine import Engine
from perllm.simulation.job import Truth
from perllm.simulation.pace import Pace
from perllm.simulation.trouble import Outage, Slowdown
from tests.laws.stepwise import BLOCK_TOKENS, Event, Guest, StepwiseEngine
from tests.unit.simulation.machines import AT_HAND, job


def instants(most_s: float, unit_s: float = sqrt(2.0) / 1000.0) -> st.SearchStrategy[float]:
    """Return irrational instants, where all durations are rational: the order of two at once is a matter of taste."""
    return st.integers(1, int(most_s / unit_s)).map(lambda number: number * unit_s)


def seconds(most: float) -> st.SearchStrategy[float]:
    """Return durations of six digits, none among them."""
    return st.integers(0, 1000).map(lambda thousandth: round(thousandth * most / 1000, 9))


SPEEDS = st.builds(
    SpeedProfile,
    prefill_token_s=st.integers(1, 1000).map(lambda number: number * 1e-6),
    decode_token_s=seconds(0.005),
    weights_read_s=seconds(0.02),
    attention_pair_s=seconds(1e-6),
    context_token_s=seconds(1e-4),
    step_overhead_s=st.integers(1, 5).map(lambda number: number * 0.001),
    sequence_overhead_s=seconds(0.001),
    batching_overhead_s=seconds(0.002),
    serial_fraction=st.sampled_from([0.0, 0.3]),
)
POWERS = st.builds(
    lambda idle, one, more, reading: PowerProfile(
        idle_w=idle, decode_w=idle + one, decode_full_w=idle + one + more, prefill_w=idle + reading
    ),
    *[st.integers(0, 50).map(float)] * 4,
)
RESTS = st.just(()) | st.just(
    (Rest(after_s=0.05, watts=5.0, wake_s=0.031), Rest(after_s=0.4, watts=1.0, wake_s=0.217, wake_j=3.0))
)
COMMANDED = st.sampled_from(
    [
        (Rest(watts=1.0, wake_s=0.217, wake_j=3.0, on_command=True),),
        (Rest(after_s=0.05, watts=5.0, wake_s=0.031), Rest(watts=1.0, wake_s=0.217, wake_j=3.0, on_command=True)),
        (Rest(watts=5.0, wake_s=0.031, on_command=True), Rest(after_s=0.4, watts=1.0, wake_s=0.217, wake_j=3.0)),
    ]
)
FACTORS = st.integers(5, 20).map(lambda tenths: tenths / 10)
Plan = list[tuple[float, Truth, float | None]]
"""When each request enters, and when it is aborted if it is not over by then."""


def truths(longest: int, block_tokens: int) -> st.SearchStrategy[Truth]:
    """Return requests whose prompts begin as one of two texts do, as far as they are long enough for that to matter.

    Of some of them the answer is what the text goes on with.
    """
    return st.builds(
        lambda prompt, output, factor, text, goes_on, size: Truth(
            prompt_tokens=prompt,
            output_tokens=output,
            upload_bytes=1,
            service_factor=factor,
            blocks=tuple(range(text, text + prompt // size)),
            answer_blocks=tuple(range(text + prompt // size, text + (prompt + output) // size)) if goes_on else (),
            block_tokens=size,
        ),
        st.integers(1, longest),
        st.integers(1, 60),
        FACTORS,
        st.sampled_from([0, 1000]),
        st.booleans(),
        st.just(block_tokens),
    )


def plans(longest: int, block_tokens: int = BLOCK_TOKENS) -> st.SearchStrategy[Plan]:
    """Return plans in which no two things happen at once."""
    entry = st.tuples(instants(0.6), truths(longest, block_tokens), st.none() | st.none() | instants(3.0))
    return st.lists(entry, min_size=1, max_size=10).filter(
        lambda plan: len(events := events_of(plan)) == len({event.at_s for event in events})
    )


def servers(least_kv_tokens: int, most_kv_tokens: int) -> st.SearchStrategy[Server]:
    """Return engines of any speed whose cache is so small."""
    return st.builds(
        lambda slots, kv_tokens, context_tokens, speed, power, batching, step_tokens, caches, rests: replace(
            AT_HAND,
            slots=slots,
            kv_tokens=kv_tokens,
            context_tokens=context_tokens,
            speed=speed,
            power=power,
            batching=batching,
            step_tokens=step_tokens,
            caches_prefixes=caches,
            rests=rests,
        ),
        st.integers(1, 5),
        st.integers(least_kv_tokens, most_kv_tokens),
        st.sampled_from([8192, 8192, 8192, 150]),
        SPEEDS,
        POWERS,
        st.sampled_from(Batching),
        st.integers(8, 1024),
        st.booleans(),
        RESTS,
    )


# Short prompts in a cache that runs full, and long ones that share their starts.
CASES = (
    st.tuples(servers(130, 400), plans(100))
    | st.tuples(servers(2500, 8000), plans(2000))
    | st.tuples(servers(2500, 8000), plans(2000, 64))
)
SLOWDOWNS = st.lists(
    st.builds(
        lambda at_s, for_s, factor: Slowdown(server_id="edge", from_s=at_s, to_s=at_s + for_s, factor=factor),
        instants(2.0),
        instants(2.0),
        st.sampled_from([0.5, 1.7, 3.0]),
    ),
    max_size=2,
)
NO_OUTAGES: st.SearchStrategy[list[Outage]] = st.just([])
OUTAGES = st.one_of(
    NO_OUTAGES,
    NO_OUTAGES,
    st.builds(
        lambda at_s, for_s: [Outage(server_id="edge", from_s=at_s, to_s=at_s + for_s)],
        instants(2.0, sqrt(3.0) / 1000.0),
        instants(1.0, sqrt(3.0) / 1000.0),
    ),
)


def events_of(plan: Plan) -> list[Event]:
    """List what is done to an engine, in order."""
    enter = [Event(at_s, "enter", number) for number, (at_s, _, _) in enumerate(plan)]
    abort = [Event(at_s, "abort", number) for number, (_, _, at_s) in enumerate(plan) if at_s is not None]
    return sorted([*enter, *abort])


def play(
    engine: Engine, plan: Plan, commands: Sequence[Event] = ()
) -> tuple[dict[int, float], dict[int, tuple[float, Ending]]]:
    """Carry out a plan on the engine; return the instants of first tokens, and of endings what they tell."""
    first_at_s: dict[int, float] = {}
    ended: dict[int, tuple[float, Ending]] = {}

    def go_on(until_s: float) -> None:
        while engine.next_at_s <= until_s and engine.next_at_s < inf:
            report = engine.advance(engine.next_at_s)
            if report is None:
                continue
            number = int(report.attempt_id)
            if isinstance(report.event, Progress):
                first_at_s[number] = report.at_s
            else:
                assert number not in ended
                ended[number] = report.at_s, report.event

    for at_s, what, number in sorted([*events_of(plan), *commands]):
        go_on(at_s)
        if what == "sleep":
            engine.sleep(at_s)
        elif what == "wake":
            engine.wake(at_s)
        elif what == "enter":
            engine.arrive(str(number), replace(job(), truth=plan[number][1]), at_s)
        elif engine.knows(str(number)):
            ended[number] = at_s, engine.abort(str(number), EndingKind.CANCELLED, at_s)
    go_on(inf)
    return first_at_s, ended


@settings(max_examples=250)
@given(CASES, SLOWDOWNS, OUTAGES)
def test_leaping_over_steps_is_making_each(
    case: tuple[Server, Plan], slowdowns: list[Slowdown], outages: list[Outage]
) -> None:
    server, plan = case
    slow = StepwiseEngine(server, slowdowns, outages)
    slow.play(events_of(plan), [truth for _, truth, _ in plan])
    fast = Engine(server, pace=Pace(slowdowns), outages=outages, report_every_s=inf)
    first_at_s, ended = play(fast, plan)

    assert {number: (guest.fate, near(guest.ended_at_s)) for number, guest in slow.guests.items()} == {
        number: (FATES[ending.kind], at_s) for number, (at_s, ending) in ended.items()
    }
    assert {number: near(guest.first_at_s) for number, guest in slow.guests.items() if guest.first_at_s} == first_at_s
    assert {number: told(guest) for number, guest in slow.guests.items()} == {
        number: (ending.infer_j, ending.output_tokens, ending.usage.cached_tokens if ending.usage else None)
        for number, (_, ending) in ended.items()
    }
    over_at_s = 10.0 + max(at_s for at_s, _ in ended.values())
    idle = fast.idle_joules(over_at_s)
    assert slow.idle_joules(over_at_s) == near_joules(idle.powered_j, idle.resting_j, idle.waking_j)


@settings(max_examples=150)
@given(CASES, COMMANDED, st.lists(st.tuples(instants(0.9, sqrt(7.0) / 1000.0), st.booleans()), max_size=8), OUTAGES)
def test_who_obeys_commands_draws_what_the_rules_say(
    case: tuple[Server, Plan], rests: tuple[Rest, ...], commands: list[tuple[float, bool]], outages: list[Outage]
) -> None:
    server, plan = replace(case[0], rests=rests), case[1]
    told = [Event(at_s, "sleep" if sleeps else "wake", -1) for at_s, sleeps in dict(commands).items()]
    slow = StepwiseEngine(server, outages=outages)
    slow.play(sorted([*events_of(plan), *told]), [truth for _, truth, _ in plan])
    fast = Engine(server, outages=outages, report_every_s=inf)
    _, ended = play(fast, plan, told)

    assert {number: (guest.fate, near(guest.ended_at_s)) for number, guest in slow.guests.items()} == {
        number: (FATES[ending.kind], at_s) for number, (at_s, ending) in ended.items()
    }
    over_at_s = 20.0 + max(at_s for at_s, _ in ended.values())
    idle = fast.idle_joules(over_at_s)
    assert slow.idle_joules(over_at_s) == near_joules(idle.powered_j, idle.resting_j, idle.waking_j)


FATES = {EndingKind.COMPLETED: "completed", EndingKind.CANCELLED: "aborted", EndingKind.FAILED: "failed"}


def near(at_s: float) -> float:
    return pytest.approx(at_s, rel=0.0, abs=1e-9)  # type: ignore[return-value]


def near_joules(*joules: float) -> tuple[float, ...]:
    return pytest.approx(joules, rel=1e-9, abs=1e-9)  # type: ignore[return-value]


def told(guest: Guest) -> tuple[float, int, int | None]:
    """Return the joules, tokens and cached tokens that an ending tells."""
    joules: float = pytest.approx(guest.joules, rel=1e-9, abs=1e-9)  # type: ignore[assignment]
    return joules, guest.written, guest.cached if guest.fate == "completed" else None

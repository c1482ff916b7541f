"""Engines and links are queues: they make requests wait as long as theory says.

Intervals hold the true mean with 99 %, by the means of twenty batches; the draws are always the same. The same with
many more requests: benchmarks/queues.py.
"""

from __future__ import annotations

from dataclasses import replace as changed
from math import sqrt
from statistics import fmean, stdev

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from perllm.accounting import IdleJoules
from perllm.domain.attempt import Ending
from perllm.domain.profile import Batching, PowerProfile, SpeedProfile
from perllm.domain.server import Server
from perllm.simulation.engine import Engine
from perllm.simulation.link import Pipe
from perllm.simulation.scenario import WorldSettings
from perllm.simulation.simulator import run
from perllm.simulation.streams import stream
from perllm.simulation.world import World
from tests.unit.simulation.machines import AT_HAND, LOAD, SERVER, endings, exactly, instants, job, reports, scenario

REQUESTS = 8000
# A token takes a tenth of a millisecond, reading or writing, and a request a second on average.
TOKEN_S = 1e-4
TOKENS = 10_000
SINGLE = replace(
    AT_HAND,
    slots=1,
    kv_tokens=2**40,
    context_tokens=2**40,
    speed=SpeedProfile(prefill_token_s=TOKEN_S, decode_token_s=TOKEN_S),
    power=PowerProfile(idle_w=10.0, prefill_w=30.0, decode_w=30.0, decode_full_w=30.0),
)
# Arithmetic alone: n requests take n times as long for a token each.
SHARING = replace(SINGLE, slots=500)
# Memory alone, prompts beside it: everybody in a slot is as fast as if alone.
SEVERAL = replace(
    SINGLE,
    slots=3,
    batching=Batching.CHUNKED,
    speed=SpeedProfile(prefill_token_s=TOKEN_S / 1000, decode_token_s=0.0, weights_read_s=TOKEN_S),
)
Floats = NDArray[np.float64]


def poisson(mean_gap_s: float) -> Floats:
    return stream(3, "gaps").exponential(mean_gap_s, REQUESTS)


def exponential_tokens() -> Floats:
    return np.ceil(stream(3, "tokens").exponential(TOKENS, REQUESTS))


def waits_s(server: Server, gaps_s: Floats, tokens: Floats) -> Floats:
    """Return how much longer than its own work each request took; its work is its answer's length."""
    engine = Engine(server)
    arrives_at_s = np.cumsum(gaps_s)
    for number, at_s in enumerate(arrives_at_s.tolist()):
        engine.arrive(str(number), job(1, int(tokens[number]), stream=False), at_s)
    ended_at_s = {int(name): at_s for name, at_s in instants(reports(engine, until_s=1e9), Ending).items()}
    return np.array([ended_at_s[number] for number in range(REQUESTS)]) - arrives_at_s - tokens * TOKEN_S


def holds(expected: float, values: Floats) -> bool:
    """Say whether the interval of the values' mean holds what is expected; the first batch is left out."""
    means = [float(batch.mean()) for batch in np.array_split(values, 21)][1:]
    # Student's t for 19 degrees of freedom and 99 %.
    return abs(fmean(means) - expected) <= 2.861 * stdev(means) / sqrt(20)


def lindley_s(gaps_s: Floats, work_s: Floats) -> list[float]:
    """Return the waits of a queue with one server, each from the one before."""
    waits = [0.0]
    for gap_s, before_s in zip(gaps_s[1:].tolist(), work_s[:-1].tolist(), strict=True):
        waits.append(max(waits[-1] + before_s - gap_s, 0.0))
    return waits


@pytest.mark.parametrize("utilisation", [0.4, 0.7])
def test_one_slot_and_exponential_work_are_m_m_1(utilisation: float) -> None:
    waits = waits_s(SINGLE, poisson(1.0 / utilisation), exponential_tokens())

    assert holds(utilisation / (1.0 - utilisation), waits)


@pytest.mark.parametrize("utilisation", [0.4, 0.7])
def test_one_slot_and_constant_work_are_m_d_1(utilisation: float) -> None:
    waits = waits_s(SINGLE, poisson(1.0 / utilisation), np.full(REQUESTS, float(TOKENS)))

    assert holds(utilisation / (2.0 * (1.0 - utilisation)), waits)


def test_with_one_slot_every_request_waits_as_lindley_says() -> None:
    gaps_s, tokens = poisson(1.0 / 0.9), exponential_tokens()

    assert lindley_s(gaps_s, tokens * TOKEN_S) == pytest.approx(waits_s(SINGLE, gaps_s, tokens).tolist(), abs=1e-8)


def test_slots_that_do_not_hinder_each_other_are_m_m_c() -> None:
    utilisation, slots = 0.7, SEVERAL.slots
    waits = waits_s(SEVERAL, poisson(1.0 / (utilisation * slots)), exponential_tokens())

    # Erlang's C for three servers: the probability of waiting at all.
    load = utilisation * slots
    last = load**3 / 6 / (1.0 - utilisation)
    waiting = last / (1.0 + load + load**2 / 2 + last)
    assert holds(waiting / (slots * (1.0 - utilisation)), waits)


@pytest.mark.parametrize("constant", [False, True])
def test_a_batch_that_shares_arithmetic_is_a_shared_processor_whatever_the_law_of_the_work(constant: bool) -> None:
    tokens = np.full(REQUESTS, float(TOKENS)) if constant else exponential_tokens()
    waits = waits_s(SHARING, poisson(1.0 / 0.6), tokens)

    assert holds(0.6 / (1.0 - 0.6), waits)


@pytest.mark.parametrize(("constant", "expected_s"), [(False, 0.7 / 0.3), (True, 0.7 / 0.6)])
def test_a_link_is_a_queue_of_bytes(constant: bool, expected_s: float) -> None:
    gaps_s = poisson(1.0 / 0.7)
    work_s = np.ones(REQUESTS) if constant else stream(3, "bytes").exponential(1.0, REQUESTS)
    pipe, waits = Pipe(1e6), []
    for at_s, moves_s in zip(np.cumsum(gaps_s).tolist(), work_s.tolist(), strict=True):
        waits.append(pipe.send(at_s, moves_s * 1e6) - at_s - moves_s)

    assert holds(expected_s, np.array(waits))
    assert lindley_s(gaps_s, work_s) == pytest.approx(waits, abs=1e-8)


def test_without_load_a_request_takes_and_costs_the_sum_of_its_parts() -> None:
    engine = Engine(SERVER)
    for number in range(5):
        engine.arrive(str(number), job(prompt_tokens=200, output_tokens=51), 100.0 * number)

    known = reports(engine)

    # 1 kB up, overhead, 200 tokens, 50 steps, and the last event back.
    took_s = 0.011 + 0.005 + 0.201 + 50 * 0.021 + 0.0105
    assert [exactly(100.0 * number + took_s) for number in range(5)] == list(instants(known, Ending).values())
    assert [exactly(40 * 0.201 + 20 * 50 * 0.021)] * 5 == [ending.infer_j for ending in endings(known).values()]


def test_nothing_to_do_costs_idle_watts_times_the_time() -> None:
    world = World((SERVER,), WorldSettings(prior_error=0.0), 1)

    assert {"edge": IdleJoules(powered_j=exactly(10.0 * 3600))} == world.idle_joules(3600.0)
    assert {"edge": 0.0} == world.joules()


def test_the_power_of_a_machine_rises_with_its_load() -> None:
    for utilisation in (0.2, 0.5, 0.8):
        engine = Engine(SINGLE)
        at_s = np.cumsum(poisson(1.0 / utilisation))[: REQUESTS // 4]
        tokens = exponential_tokens()
        for number, arrives_at_s in enumerate(at_s.tolist()):
            engine.arrive(str(number), job(1, int(tokens[number]), stream=False), arrives_at_s)
        over_at_s = reports(engine, until_s=1e9)[-1].at_s
        worked_s = float(tokens[: REQUESTS // 4].sum()) * TOKEN_S
        mean_w = (engine.infer_j + engine.idle_joules(over_at_s).powered_j) / over_at_s

        # 10 W idle and 20 W above that while it works.
        assert pytest.approx(10.0 + 20.0 * worked_s / over_at_s, rel=1e-9) == mean_w
        assert pytest.approx(10.0 + 20.0 * utilisation, rel=0.05) == mean_w


def test_a_run_costs_more_in_all_and_less_of_it_idle_the_fuller_it_is() -> None:
    def energy(rate_per_s: float) -> dict[str, float]:
        traffic = scenario(rate_per_s=rate_per_s, load=changed(LOAD, leaving_fraction=0.0), policy="cloud-only")
        result = run(traffic, 1).result
        return {name: joules / result["makespan_s"] for name, joules in result["energy_j"].items() if name != "method"}

    calm, busy = energy(0.5), energy(3.0)

    assert calm["infer"] + calm["idle"] < busy["infer"] + busy["idle"]
    # A makespan counts from the first request, idling from the start.
    assert pytest.approx(calm["idle"], rel=1e-3) == busy["idle"]

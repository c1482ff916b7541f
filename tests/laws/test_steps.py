"""The closed form of many steps is the sum of single ones."""

from math import isclose

from hypothesis import given
from hypothesis import strategies as st

from perllm.costs.steps import Steps
from perllm.costs.time import busy_s
from perllm.domain.profile import SpeedProfile

SECONDS = st.floats(0.0, 0.5)
STEPS = st.builds(
    Steps,
    arithmetic_s=SECONDS,
    memory_s=SECONDS,
    growth_s=st.just(0.0) | st.floats(1e-9, 1e-2),
    overhead_s=st.floats(1e-4, 0.1),
    serial_fraction=st.just(0.0) | st.floats(0.0, 1.0),
)


def walked_s(steps: Steps, count: int) -> float:
    return sum(step_s(steps, number) for number in range(count))


def step_s(steps: Steps, number: int) -> float:
    profile = SpeedProfile(prefill_token_s=0.0, decode_token_s=0.0, serial_fraction=steps.serial_fraction)
    memory_s = steps.memory_s + number * steps.growth_s
    return busy_s(profile, steps.arithmetic_s, memory_s) + steps.overhead_s


@given(STEPS, st.integers(0, 300))
def test_the_time_of_many_steps_is_the_sum_of_each(steps: Steps, count: int) -> None:
    assert isclose(walked_s(steps, count), steps.total_s(count), rel_tol=1e-9, abs_tol=1e-12)


@given(STEPS, st.floats(0.0, 60.0))
def test_until_is_the_first_number_of_steps_that_takes_so_long(steps: Steps, elapsed_s: float) -> None:
    count = steps.until(elapsed_s)

    assert steps.total_s(count) >= elapsed_s
    assert count == 0 or steps.total_s(count - 1) < elapsed_s


@given(STEPS, st.floats(0.0, 60.0))
def test_within_is_the_last_number_of_steps_that_is_over(steps: Steps, elapsed_s: float) -> None:
    count = steps.within(elapsed_s)

    assert steps.total_s(count) <= elapsed_s < steps.total_s(count + 1)


@given(STEPS, st.floats(-60.0, 0.0))
def test_before_the_first_step_has_begun_none_is_over(steps: Steps, elapsed_s: float) -> None:
    assert (0, 0) == (steps.within(elapsed_s), steps.until(elapsed_s))

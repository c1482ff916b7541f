from hypothesis import given
from hypothesis import strategies as st

from perllm.accounting.samples import percentile, ratio, samples, summarise

NUMBERS = st.lists(st.floats(min_value=-1e6, max_value=1e6), min_size=1)


def test_no_samples_have_no_mean_and_no_percentiles() -> None:
    assert {"mean": None, "p50": None, "p95": None, "p99": None} == summarise(samples())


def test_percentiles_of_a_hundred_are_the_samples_of_those_ranks() -> None:
    assert {"mean": 50.5, "p50": 50, "p95": 95, "p99": 99} == summarise(range(100, 0, -1))


def test_high_percentiles_of_few_samples_are_the_largest() -> None:
    assert 3.0 == percentile((1.0, 2.0, 3.0), 95)


@given(values=NUMBERS, percent=st.integers(1, 100))
def test_a_percentile_is_the_smallest_sample_that_enough_samples_do_not_exceed(
    values: list[float], percent: int
) -> None:
    ordered = sorted(values)
    value = percentile(ordered, percent)

    enough = [sample for sample in ordered if sum(other <= sample for other in ordered) * 100 >= percent * len(ordered)]
    assert min(enough) == value


def test_nothing_is_divided_by_nothing() -> None:
    assert (None, None, 2.0) == (ratio(1.0, 0.0), ratio(1.0, None), ratio(6, 3))

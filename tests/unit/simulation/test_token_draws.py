"""Lengths of many requests: each load's own distribution, and no load moved by another's."""

from collections.abc import Sequence
from statistics import quantiles

import numpy as np
import pytest

from perllm.simulation.lengths import LengthModel, Lengths, TableLengths, fixed, uniform
from perllm.simulation.token_draws import TokenDraws

LOG_NORMAL = Lengths(median_tokens=50, sigma=0.7, minimum=1, maximum=500)


def drawn(lengths: Sequence[LengthModel], kinds: Sequence[int], seed: int = 1) -> list[int]:
    tokens: list[int] = TokenDraws(lengths, seed, "prompts").draw(np.array(kinds)).tolist()
    return tokens


def test_fixed_lengths_are_always_the_same() -> None:
    assert {17} == set(drawn([fixed(17)], [0] * 200))


def test_uniform_lengths_are_all_as_likely() -> None:
    tokens = drawn([uniform(3, 7)], [0] * 50_000)

    counts = [tokens.count(length) for length in range(3, 8)]
    assert 50_000 == sum(counts)
    assert pytest.approx([10_000] * 5, rel=0.05) == counts


def test_a_table_is_met_at_its_quantiles_and_straight_between() -> None:
    table = TableLengths(probabilities=(0.0, 0.5, 0.9, 1.0), tokens=(10, 100, 500, 2000), minimum=1, maximum=1500)

    tokens = drawn([table], [0] * 100_000)

    found = quantiles(tokens, n=100)
    assert pytest.approx([55, 100, 300, 500], rel=0.03) == [found[place - 1] for place in (25, 50, 70, 90)]
    assert (10, 1500) == (min(tokens), max(tokens))


def test_another_load_of_another_kind_moves_no_length() -> None:
    kinds = [0, 1, 1, 0, 1] * 40
    mine = [place for place, kind in enumerate(kinds) if kind == 0]

    for other in (fixed(9), uniform(1, 9)):
        for length in (LOG_NORMAL, uniform(10, 4000)):
            alone, beside = drawn([length, LOG_NORMAL], kinds), drawn([length, other], kinds)
            assert [alone[place] for place in mine] == [beside[place] for place in mine]

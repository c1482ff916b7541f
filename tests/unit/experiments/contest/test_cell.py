"""Lists on the command line, and grids."""

import pytest

from perllm.errors import ConfigError
from perllm.experiments.contest.cell import World, grid, rates_of, seeds_of


def test_a_number_of_seeds_or_a_range_of_them() -> None:
    assert (1, 2, 3) == seeds_of("3")
    assert (1001, 1002) == seeds_of("1001-1002")


@pytest.mark.parametrize("text", ["", "0", "x", "5-3", "1,2", "-4"])
def test_other_seeds_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="Write 10"):
        seeds_of(text)


def test_rates_or_none() -> None:
    assert (2.0, 3.5) == rates_of("2,3.5,2")
    assert (None,) == rates_of(None)


@pytest.mark.parametrize("text", ["fast", "2,", "0", "-1", "nan", "1e12"])
def test_other_rates_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no list of rates"):
        rates_of(text)


def test_every_contender_meets_every_seed_in_every_world() -> None:
    worlds = [World(file="a"), World(file="b")]

    cells = list(grid(worlds, ["x", "y"], [1, 2], curve=True))

    assert 8 == len({(cell.world.file, cell.policy, cell.seed) for cell in cells})
    assert [1] * 4 + [2] * 4 == [cell.seed for cell in cells]

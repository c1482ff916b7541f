"""Runs on disk: a killed process leaves at most half a line, which costs one run and nothing else."""

from pathlib import Path

import msgspec
import pytest

from perllm.errors import ConfigError
from perllm.experiments.contest.play import play
from perllm.experiments.contest.store import Store
from tests.unit.experiments.contest.worlds import WORLD, cells


@pytest.fixture
def filled(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    for cell in cells("cs-ucb"):
        store.append(play(cell))
    return store


def test_what_was_kept_is_found_again(filled: Store) -> None:
    again = Store(filled.path.parent)

    assert [filled.find(cell) for cell in cells("cs-ucb")] == [again.find(cell) for cell in cells("cs-ucb")]
    assert again.find(cells("cloud-only")[0]) is None


def test_half_a_line_is_cut_off_and_the_next_run_begins_a_new_one(filled: Store) -> None:
    whole = filled.path.read_bytes()
    filled.path.write_bytes(whole[:-20])

    again = Store(filled.path.parent)
    first, second = cells("cs-ucb")
    assert again.find(first) is not None
    assert again.find(second) is None

    again.append(play(second))
    assert 2 == len(filled.path.read_bytes().splitlines())
    assert Store(filled.path.parent).find(second) is not None


def test_a_line_that_is_no_run_is_named(filled: Store) -> None:
    filled.path.write_bytes(b'{"key": 1}\n' + filled.path.read_bytes())

    with pytest.raises(ConfigError, match=r"runs\.jsonl:1: this is no run"):
        Store(filled.path.parent)


def test_a_run_of_another_world_is_not_taken_for_this_one(filled: Store) -> None:
    other = cells("cs-ucb", world=msgspec.structs.replace(WORLD, requests=41))[0]

    assert filled.find(other) is None
    assert filled.outdated(other, "small")
    assert not filled.outdated(cells("cs-ucb")[0], "small")
    assert not filled.outdated(cells("cloud-only")[0], "small")


def test_a_run_that_two_grids_name_differently_is_one_run(filled: Store) -> None:
    named = cells("cs-ucb", world=msgspec.structs.replace(WORLD, variant="as it is"))[0]

    found = filled.find(named)

    assert found is not None
    assert "as it is" == found.variant

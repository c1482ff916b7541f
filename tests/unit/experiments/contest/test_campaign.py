"""A campaign runs what was not run before, in this process or in others, and keeps what it has when it is stopped."""

from pathlib import Path

import pytest

from perllm.errors import ConfigError
from perllm.experiments.contest import campaign
from perllm.experiments.contest.campaign import drive
from perllm.experiments.contest.cell import Cell
from perllm.experiments.contest.play import play
from perllm.experiments.contest.row import Row
from perllm.experiments.contest.store import Store
from tests.unit.experiments.contest.worlds import cells

CELLS = cells("cs-ucb", "round-robin")


def follow_with(seen: list[Cell], *more: Cell) -> campaign.Follow:
    def follow(cell: Cell, row: Row) -> tuple[Cell, ...]:
        assert (cell.policy, cell.seed) == (row.policy, row.seed)
        seen.append(cell)
        return more if len(seen) == 1 else ()

    return follow


def test_what_was_run_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drive(CELLS[:2], follow_with([]), Store(tmp_path), workers=1)
    played: list[Cell] = []
    monkeypatch.setattr(campaign, "play", lambda cell: played.append(cell) or play(cell))  # type: ignore[func-returns-value]

    seen: list[Cell] = []
    drive(CELLS, follow_with(seen), Store(tmp_path), workers=1)

    assert CELLS[2:] == played
    assert set(CELLS) == set(seen)


def test_cells_that_follow_from_others_are_run_too(tmp_path: Path) -> None:
    seen: list[Cell] = []

    drive(CELLS[:1], follow_with(seen, *CELLS[1:]), Store(tmp_path), workers=1)

    assert set(CELLS) == set(seen)


def test_a_stop_keeps_what_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(cell: Cell) -> Row:
        if cell == CELLS[2]:
            raise KeyboardInterrupt
        return play(cell)

    monkeypatch.setattr(campaign, "play", stopped)

    with pytest.raises(KeyboardInterrupt):
        drive(CELLS, follow_with([]), Store(tmp_path), workers=1)

    kept = Store(tmp_path)
    assert [True, False] == [kept.find(cell) is not None for cell in (CELLS[0], CELLS[2])]


def test_a_world_that_changes_while_it_is_run_ends_the_campaign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign, "play", lambda cell: play(CELLS[1]))

    with pytest.raises(ConfigError, match="was changed while it was run"):
        drive(CELLS[:1], follow_with([]), Store(tmp_path), workers=1)


def test_a_mistake_in_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no policy"):
        drive(cells("best-of-all"), follow_with([]), Store(tmp_path), workers=1)

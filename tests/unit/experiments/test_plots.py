"""Figures are drawn of any series, however little happened in it."""

from pathlib import Path

import pytest

from perllm.accounting.interval import IntervalRow
from perllm.accounting.series import Series
from perllm.domain.entry import Entry, Fleet
from perllm.domain.service import Service
from perllm.experiments.plots import draw
from tests.unit.accounting.entries import (
    CHAT,
    close_entry,
    completed,
    configure_entry,
    dispatch,
    finish,
    request,
    server,
    submit_entry,
    wake_entry,
)

PNG = b"\x89PNG\r\n\x1a\n"
FLEET = configure_entry(server())


def rows_of(*entries: Entry) -> list[IntervalRow]:
    rows: list[IntervalRow] = []
    series = Series(1.0, rows.append)
    for entry in (FLEET, *entries):
        series(entry)
    series.close()
    return rows


BUSY = (submit_entry(request(), dispatch()), close_entry("r1#1", completed(), finish(), at_s=2.5))


@pytest.mark.parametrize(("entries", "services"), [(BUSY, 1), ((wake_entry(at_s=5.0),), 5)])
def test_every_figure_is_a_picture(entries: tuple[Entry, ...], services: int, tmp_path: Path) -> None:
    fleet = Fleet(servers=(server(),), services=(CHAT, *(Service(name=f"other-{n}") for n in range(services - 1))))

    files = draw(rows_of(*entries), fleet, "scenario small, policy cs-ucb, seed 0", tmp_path)

    assert 4 == len(files)
    assert all(file.read_bytes().startswith(PNG) for file in files)

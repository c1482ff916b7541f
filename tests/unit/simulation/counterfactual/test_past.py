"""What is read out of a journal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from perllm.domain.action import Fate
from perllm.domain.attempt import EndingKind
from perllm.domain.entry import Entry, EventKind, Fleet
from perllm.errors import ConfigError
from perllm.journal.header import make_header
from perllm.journal.writer import BlockingWriter
from perllm.simulation.counterfactual import EXACT, read_past
from perllm.simulation.counterfactual.past import past_of
from perllm.simulation.simulator import run
from perllm.simulation.trouble import Outage, Trouble
from tests.unit.simulation.counterfactual.pasts import NOBODY_LEAVES, SEED, entries_of, past, told
from tests.unit.simulation.machines import CHAT, LOAD, SERVER, scenario

HEADER = make_header(policy="round-robin", seed=SEED, settings=scenario().scheduler, started_at="")


def test_a_journal_file_tells_all_that_its_entries_tell(tmp_path: Path) -> None:
    played = scenario(load=NOBODY_LEAVES, world=EXACT)
    writer = BlockingWriter(tmp_path / "journal", HEADER)
    run(played, SEED, sinks=[writer])
    writer.close()

    assert past().lived == read_past(tmp_path / "journal").lived


def test_every_request_has_its_attempts_and_its_end() -> None:
    outage = Outage(server_id="edge", from_s=5.0, to_s=12.0)
    happened = past(world=replace(EXACT, trouble=Trouble(outages=(outage,))))

    assert 200 == len(happened.lived)
    twice = [lived for lived in happened.lived if len(lived.tried) == 2]
    assert twice
    for lived in twice:
        first, second = lived.tried
        assert first.ending is not None
        assert (EndingKind.FAILED, False, True) == (first.ending.kind, first.completed, second.completed)
        assert first.ended_at_s == second.dispatched_at_s
        assert lived.outcome is not None
        assert lived.finished_at_s == lived.outcome.finished_at_s


def test_who_left_is_known_to_have_left() -> None:
    happened = past(load=replace(LOAD, leaving_fraction=0.5, leaving_after_s=0.3))

    left = [lived for lived in happened.lived if lived.left_at_s is not None]
    assert left
    assert {Fate.CANCELLED} == {lived.outcome.fate for lived in left if lived.outcome is not None}


def test_instants_count_from_the_beginning() -> None:
    entries = entries_of(scenario(load=NOBODY_LEAVES, world=EXACT))
    later = [Entry(entry.at_s + 1000.0, entry.kind, entry.subject, entry.value, entry.actions) for entry in entries]

    earlier, moved = told(entries), told(later)

    assert 1000.0 == moved.began_at_s
    assert [one.arrived_at_s for one in earlier.lived] == pytest.approx([one.arrived_at_s for one in moved.lived])
    assert pytest.approx(earlier.ended_at_s) == moved.ended_at_s


def test_lost_entries_are_counted_and_what_belongs_to_them_is_left_out() -> None:
    numbered = list(enumerate(entries_of(scenario(load=NOBODY_LEAVES, world=EXACT))))
    submitted = next(number for number, entry in numbered if entry.kind is EventKind.SUBMIT)

    happened = past_of(HEADER, [one for one in numbered if one[0] != submitted])

    assert (1, 199) == (happened.lost_entries, len(happened.lived))


def test_a_second_fleet_is_counted() -> None:
    entries = entries_of(scenario(load=NOBODY_LEAVES, world=EXACT))
    fleet = Fleet(servers=(SERVER,), services=(CHAT,))
    changed = Entry(entries[-1].at_s, EventKind.CONFIGURE, "", fleet, ())

    happened = told([*entries, changed])

    assert (2, 2) == (happened.fleets, len(happened.fleet.servers))


def test_a_journal_that_does_not_begin_with_its_fleet_cannot_be_replayed() -> None:
    with pytest.raises(ConfigError, match="nobody knows what served it"):
        told(entries_of(scenario())[1:])
    with pytest.raises(ConfigError, match="nobody knows what served it"):
        told([])

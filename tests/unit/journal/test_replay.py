from pathlib import Path

import pytest

from perllm.domain.entry import Entry, EventKind
from perllm.errors import ConfigError
from perllm.journal.header import make_header
from perllm.journal.replay import Verification, verify
from perllm.journal.store import JournalFile
from perllm.journal.writer import BlockingWriter
from perllm.scheduling.settings import SchedulerSettings
from tests.unit.accounting.entries import close_entry, completed, configure_entry, progress_entry
from tests.unit.journal.runs import DEAR, SERVERS, header, recording, serve_some


def some_entries() -> list[Entry]:
    entries: list[Entry] = []
    serve_some(recording([entries.append]))
    return entries


def verified(path: Path, entries: list[Entry], **header_changes: object) -> Verification:
    file = JournalFile(path, header(**header_changes))
    file.append(enumerate(entries))
    file.close()
    return verify(path)


def test_a_journal_replayed_decides_as_it_did(tmp_path: Path) -> None:
    writer = BlockingWriter(tmp_path / "journal", header())
    serve_some(recording([writer]))
    writer.close()
    result = verify(tmp_path / "journal")

    assert (0, None, None) == (result.mismatches, result.first_mismatch, result.gap_at)
    assert (81, True) == (result.entries, result.decisions > 20)


def test_another_policy_decides_otherwise_and_the_first_difference_is_shown(tmp_path: Path) -> None:
    result = verified(tmp_path / "journal", some_entries(), policy="round-robin")

    assert result.mismatches > 0
    assert result.first_mismatch is not None
    assert result.first_mismatch.recorded != result.first_mismatch.replayed
    assert EventKind.SUBMIT is result.first_mismatch.entry.kind


def test_a_policy_is_replayed_with_the_way_of_queueing_that_its_text_names(tmp_path: Path) -> None:
    assert 0 == verified(tmp_path / "as told", some_entries(), policy="energy-greedy").mismatches
    assert verified(tmp_path / "pushed", some_entries(), policy="energy-greedy+push").mismatches > 0


def test_another_seed_draws_ties_otherwise(tmp_path: Path) -> None:
    assert verified(tmp_path / "journal", some_entries(), seed=4).mismatches > 0


def test_what_was_learned_before_is_in_the_header(tmp_path: Path) -> None:
    entries: list[Entry] = []
    serve_some(recording([entries.append], learned=DEAR))
    told = make_header(
        policy="energy-greedy",
        seed=3,
        settings=SchedulerSettings(max_held=50),
        started_at="",
        learned=DEAR,
    )

    assert (0, True) == (
        verified(tmp_path / "told", entries, **told).mismatches,
        verified(tmp_path / "untold", entries).mismatches > 0,
    )


def test_verification_ends_where_entries_were_lost(tmp_path: Path) -> None:
    entries = some_entries()
    file = JournalFile(tmp_path / "journal", header())
    file.append((number, entry) for number, entry in enumerate(entries) if number != 10)
    file.close()
    result = verify(tmp_path / "journal")

    assert (10, 10, 0) == (result.gap_at, result.entries, result.mismatches)


def test_an_event_that_cannot_be_is_a_mismatch_and_the_end(tmp_path: Path) -> None:
    impossible = close_entry("nobody#1", completed())
    result = verified(tmp_path / "journal", [configure_entry(*SERVERS), impossible, *some_entries()])

    assert (2, 1) == (result.entries, result.mismatches)
    assert result.first_mismatch is not None
    assert "nobody#1 is not open" in (result.first_mismatch.error or "")


@pytest.mark.parametrize("entries", [[], [progress_entry()]], ids=["empty", "no fleet"])
def test_a_journal_without_its_fleet_cannot_be_verified(tmp_path: Path, entries: list[Entry]) -> None:
    with pytest.raises(ConfigError, match="does not begin with its fleet"):
        verified(tmp_path / "journal", entries)


@pytest.mark.parametrize(
    ("change", "key"),
    [({"seed": None}, "seed"), ({"policy": 3}, "policy"), ({"settings": {"max_held": "x"}}, "max_held")],
)
def test_a_header_that_does_not_say_how_to_replay_is_explained(
    tmp_path: Path, change: dict[str, object], key: str
) -> None:
    with pytest.raises(ConfigError, match=rf"does not say how its scheduler was built: .*{key}"):
        verified(tmp_path / "journal", some_entries(), **change)


def test_a_policy_nobody_knows_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no policy called 'wishful'"):
        verified(tmp_path / "journal", some_entries(), policy="wishful")

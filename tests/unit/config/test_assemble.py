"""A gateway put together from a file serves, and its journal can be verified."""

from pathlib import Path

import pytest

from perllm.config.assemble import assembled, overridden
from perllm.domain.entry import Entry, EventKind
from perllm.errors import ConfigError
from perllm.journal.replay import verify
from perllm.journal.store import read
from tests.unit.config.files import gateway_file, parts_of


def test_what_the_command_line_says_goes_before_the_file() -> None:
    file = gateway_file(listen={"host": "127.0.0.2", "port": 1}, scheduler={"max_held": 5})

    changed = overridden(file, host="127.0.0.3", port=0, policy="round-robin")

    assert ("127.0.0.3", 0) == (changed.listen.host, changed.listen.port)
    assert ("round-robin", 5) == (changed.scheduler.policy, changed.scheduler.max_held)
    assert file == overridden(file)


@pytest.mark.parametrize("policy", ["round-robin+hold", "energy-greedy+push"])
def test_a_policy_may_come_with_its_own_way_of_queueing(tmp_path: Path, policy: str) -> None:
    path = tmp_path / "journal.sqlite"
    file = gateway_file(journal={"path": str(path)}, scheduler={"policy": policy})

    with assembled(file, parts_of(file), started_at="now"):
        pass

    assert policy == read(path)[0]["policy"]


async def test_a_gateway_records_its_fleet_first(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    file = gateway_file(
        listen={"port": 0}, journal={"path": str(path)}, scheduler={"seed": 7, "policy": "energy-greedy"}
    )
    heard: list[Entry] = []

    with assembled(file, parts_of(file), started_at="now", sinks=[heard.append]) as gateway:
        async with gateway:
            assert gateway.url.startswith("http://127.0.0.1:")

    header, entries = read(path)
    assert ("energy-greedy", 7, "now") == (header["policy"], header["seed"], header["started_at"])
    assert [EventKind.CONFIGURE] == [entry.kind for entry in entries] == [entry.kind for entry in heard]
    assert 0 == verify(path).mismatches


def test_a_journal_that_is_off_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = gateway_file(journal="off")

    with assembled(file, parts_of(file), started_at="now"):
        pass

    assert [] == list(tmp_path.iterdir())


def test_a_journal_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    file = gateway_file(journal={"path": str(tmp_path / "missing" / "journal.sqlite")})

    with (
        pytest.raises(ConfigError, match="the journal cannot be opened"),
        assembled(file, parts_of(file), started_at=""),
    ):
        pass


def test_an_unknown_policy_from_the_command_line_is_refused() -> None:
    file = overridden(gateway_file(journal="off"), policy="best")

    with (
        pytest.raises(ConfigError, match="there is no policy called 'best'"),
        assembled(file, parts_of(file), started_at=""),
    ):
        pass

"""A truthful sink hears of the fleet as it is, and of all else as it happens."""

from perllm.domain.entry import Entry, Fleet
from perllm.simulation.truthful import truthful
from tests.unit.accounting.entries import CHAT, configure_entry, server, wake_entry


def test_the_fleet_as_believed_is_not_heard() -> None:
    heard: list[Entry] = []

    sink = truthful(heard.append, [server(idle_w=12.0)], [CHAT])
    for entry in (configure_entry(server(idle_w=10.0)), wake_entry(at_s=1.0)):
        sink(entry)

    assert [Fleet(servers=[server(idle_w=12.0)], services=[CHAT]), None] == [entry.value for entry in heard]

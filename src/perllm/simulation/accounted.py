"""The brain's port with nothing but a ledger listening: a recording without entries, for runs that keep no record."""

from __future__ import annotations

from perllm.accounting import Ledger
from perllm.domain.action import Actions
from perllm.domain.attempt import Ending, Progress
from perllm.domain.entry import Entry
from perllm.domain.request import Request
from perllm.domain.telemetry import Fact
from perllm.journal.recording import Port, Recording


class Accounted(Recording):
    """Passes events on and lets the ledger count what it would read from their entries.

    No entry is made, except of what seldom happens. The ledger knows the fleet as it really is, so it is not told
    what is believed of it.
    """

    __slots__ = ("_ledger",)

    def __init__(self, port: Port, ledger: Ledger) -> None:
        super().__init__(port, ())
        self._ledger = ledger

    def submit(self, request: Request, now_s: float) -> Actions:
        """Pass on and count an arrival."""
        actions = self._port.submit(request, now_s)
        self._ledger.submitted(request, now_s)
        self._ledger.acted(actions, now_s)
        return actions

    def progress(self, attempt_id: str, progress: Progress, now_s: float) -> Actions:
        """Pass on that an attempt moved on."""
        actions = self._port.progress(attempt_id, progress, now_s)
        if actions:
            self._ledger.acted(actions, now_s)
        return actions

    def close(self, attempt_id: str, ending: Ending, now_s: float) -> Actions:
        """Pass on and count the end of an attempt."""
        actions = self._port.close(attempt_id, ending, now_s)
        self._ledger.closed(attempt_id, ending, now_s)
        self._ledger.acted(actions, now_s)
        return actions

    def observe(self, fact: Fact, now_s: float) -> Actions:
        """Pass on a fact and count what was done about it."""
        actions = self._port.observe(fact, now_s)
        if actions:
            self._ledger.acted(actions, now_s)
        return actions

    def wake(self, now_s: float) -> Actions:
        """Pass on that a timer fired and count what was done then."""
        actions = self._port.wake(now_s)
        self._ledger.acted(actions, now_s)
        return actions

    def _record(self, entry: Entry) -> None:
        self._ledger.acted(entry.actions, entry.at_s)

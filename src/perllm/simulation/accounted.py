"""The brain's port with nothing but a ledger listening: a recording without entries, for runs that keep no record."""

from __future__ import annotations

from collections.abc import Sequence

from perllm.accounting import Ledger
from perllm.domain.action import Actions
from perllm.domain.attempt import Ending, Progress
from perllm.domain.counts import Counts
from perllm.domain.request import Request
from perllm.domain.server import Server
from perllm.domain.service import Service
from perllm.domain.telemetry import Fact
from perllm.journal.recording import Port
from perllm.scheduling.learned import Learned


class Accounted:
    """Passes events on and lets the ledger count what it would read from their entries.

    The ledger knows the fleet as it really is, so it is not told what is believed of it.
    """

    __slots__ = ("_ledger", "_port")

    def __init__(self, port: Port, ledger: Ledger) -> None:
        self._port = port
        self._ledger = ledger

    def submit(self, request: Request, now_s: float) -> Actions:
        actions = self._port.submit(request, now_s)
        self._ledger.submitted(request, now_s)
        self._ledger.acted(actions, now_s)
        return actions

    def progress(self, attempt_id: str, progress: Progress, now_s: float) -> Actions:
        return self._counted(self._port.progress(attempt_id, progress, now_s), now_s)

    def close(self, attempt_id: str, ending: Ending, now_s: float) -> Actions:
        actions = self._port.close(attempt_id, ending, now_s)
        self._ledger.closed(attempt_id, ending, now_s)
        self._ledger.acted(actions, now_s)
        return actions

    def cancel(self, request_id: str, now_s: float) -> Actions:
        return self._counted(self._port.cancel(request_id, now_s), now_s)

    def observe(self, fact: Fact, now_s: float) -> Actions:
        return self._counted(self._port.observe(fact, now_s), now_s)

    def configure(self, servers: Sequence[Server], services: Sequence[Service], now_s: float) -> Actions:
        return self._counted(self._port.configure(servers, services, now_s), now_s)

    def wake(self, now_s: float) -> Actions:
        return self._counted(self._port.wake(now_s), now_s)

    @property
    def wake_at_s(self) -> float | None:
        return self._port.wake_at_s

    @property
    def report_every_s(self) -> float:
        return self._port.report_every_s

    def counts(self) -> Counts:
        return self._port.counts()

    def snapshot(self) -> Learned:
        return self._port.snapshot()

    def absorb(self, learned: Learned) -> None:
        self._port.absorb(learned)

    def _counted(self, actions: Actions, now_s: float) -> Actions:
        if actions:
            self._ledger.acted(actions, now_s)
        return actions

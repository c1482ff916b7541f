"""The hidden truth: every server as it really is, and the meter of every joule that is published."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush

from perllm.domain.attempt import Ending, EndingKind
from perllm.domain.server import Server
from perllm.simulation.engine import Engine, Report
from perllm.simulation.job import Job
from perllm.simulation.scenario import WorldSettings
from perllm.simulation.streams import stream
from perllm.simulation.truth import true_server


class World:
    """All engines on one clock, moved by whoever holds it when `next_at_s` has come.

    `servers` are what they really are. `next_at_s` is infinite while nothing will happen by itself.
    """

    def __init__(
        self, servers: Iterable[Server], settings: WorldSettings, seed: int, *, report_every_s: float = 1.0
    ) -> None:
        self.servers = tuple(
            true_server(server, settings.prior_error, stream(seed, f"world/{server.server_id}")) for server in servers
        )
        self._engines = [
            Engine(
                server,
                report_every_s=report_every_s,
                outages=(outage for outage in settings.outages if outage.server_id == server.server_id),
            )
            for server in self.servers
        ]
        self._row = {server.server_id: row for row, server in enumerate(self.servers)}
        self._where: dict[str, int] = {}
        self._followed_at_s = [engine.next_at_s for engine in self._engines]
        self._soonest = sorted((at_s, row) for row, at_s in enumerate(self._followed_at_s))
        self.next_at_s = self._soonest[0][0]

    @property
    def open_attempts(self) -> int:
        """Attempts that were sent and are not over."""
        return len(self._where)

    def healthy(self, server_id: str, now_s: float) -> bool:
        """Say whether the server answers a probe."""
        return self._engines[self._row[server_id]].healthy(now_s)

    def send(self, server_id: str, attempt_id: str, job: Job, now_s: float) -> None:
        """Begin to send a request to a server."""
        row = self._where[attempt_id] = self._row[server_id]
        self._engines[row].arrive(attempt_id, job, now_s)
        self._follow(row)

    def abort(self, attempt_id: str, kind: EndingKind, now_s: float) -> Ending:
        """Stop an attempt at once and return its ending."""
        row = self._where.pop(attempt_id)
        ending = self._engines[row].abort(attempt_id, kind, now_s)
        self._follow(row)
        return ending

    def advance(self, until_s: float) -> Report | None:
        """Move on to what becomes known next and return it, or to `until_s` if nothing becomes known by then."""
        while self.next_at_s <= until_s:
            row = self._soonest[0][1]
            report = self._engines[row].advance(self.next_at_s)
            self._follow(row)
            if report is not None:
                if isinstance(report.event, Ending):
                    del self._where[report.attempt_id]
                return report
        return None

    def joules(self) -> dict[str, float]:
        """Return what each server's own meter has counted above idle."""
        return {server_id: self._engines[row].infer_j for server_id, row in self._row.items()}

    def _follow(self, row: int) -> None:
        """Note when an engine that was touched needs moving next."""
        engines, soonest = self._engines, self._soonest
        next_at_s = engines[row].next_at_s
        if next_at_s != self._followed_at_s[row]:
            self._followed_at_s[row] = next_at_s
            heappush(soonest, (next_at_s, row))
        # An engine's instant moves with every arrival and abort: entries it no longer stands by are dropped here.
        while soonest[0][0] != engines[soonest[0][1]].next_at_s:
            heappop(soonest)
        self.next_at_s = soonest[0][0]

"""When servers were down, by what a journal tells: for a replay in which the scheduler decides anew."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from statistics import median
from typing import Final

from perllm.domain.attempt import Ending, EndingKind
from perllm.simulation.counterfactual.past import Past
from perllm.simulation.trouble import Outage

_FAILURES: Final = (EndingKind.FAILED, EndingKind.LOST)
# Where a journal has too few probes to tell: the gateway's default.
_PROBE_INTERVAL_S: Final = 5.0


def outages_of(past: Past) -> tuple[Outage, ...]:
    """Return the times between a probe that failed and the next that did not.

    An outage began with the first attempt that failed, by the server's fault, since the last probe that was answered;
    failures that no probe confirms are nobody's outage.
    """
    return tuple(outage for server in past.fleet.servers for outage in _of_server(past, server.server_id))


def probe_interval_s(past: Past) -> float:
    """Return how often servers were probed."""
    gaps: list[float] = []
    for server in past.fleet.servers:
        told = [fact.measured_at_s for fact in past.health if fact.server_id == server.server_id]
        gaps += [later - earlier for earlier, later in pairwise(told)]
    return (median(gaps) if gaps else 0.0) or _PROBE_INTERVAL_S


def _of_server(past: Past, server_id: str) -> Iterator[Outage]:
    failed_at_s = _failures_at_s(past, server_id)
    well_at_s, down_since_s = 0.0, None
    for fact in past.health:
        if fact.server_id != server_id:
            continue
        at_s = fact.measured_at_s - past.began_at_s
        if not fact.healthy and down_since_s is None:
            down_since_s = min((failed for failed in failed_at_s if well_at_s < failed < at_s), default=at_s)
        elif fact.healthy:
            if down_since_s is not None:
                yield Outage(server_id=server_id, from_s=down_since_s, to_s=at_s)
            well_at_s, down_since_s = at_s, None
    if down_since_s is not None:
        yield Outage(server_id=server_id, from_s=down_since_s, to_s=past.ended_at_s)


def _failures_at_s(past: Past, server_id: str) -> list[float]:
    return [
        tried.ended_at_s
        for lived in past.lived
        for tried in lived.tried
        if tried.dispatch.server_id == server_id and tried.ended_at_s is not None and _blamed(tried.ending)
    ]


def _blamed(ending: Ending | None) -> bool:
    return ending is not None and ending.kind in _FAILURES and ending.blame_server

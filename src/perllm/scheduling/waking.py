"""What it costs to put a machine to work that rests by itself: it wakes, and then stays awake for a while."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from perllm.domain.server import Server
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.fleet import ServerState


def waking_j(server: Server) -> float:
    """Return the joules of waking from the deepest rest that comes by itself, and of idling until it comes again."""
    for rest in reversed(server.rests):
        if rest.after_s is not None and not rest.on_command:
            return rest.wake_j + (rest.wake_s + rest.after_s) * max(server.power.idle_w - rest.watts, 0.0)
    return 0.0


def charge_waking(candidates: Candidates, states: Sequence[ServerState], rows: Sequence[int]) -> None:
    """Add to the joules of each server that must wake first what that costs."""
    energy_j = cast("list[float]", candidates.energy_j)
    for row in rows:
        state = states[row]
        if state.ready_in_s > 0.0:
            energy_j[row] += waking_j(state.server)

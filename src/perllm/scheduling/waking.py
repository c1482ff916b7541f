"""What it costs to put a machine to work that rests by itself: it wakes, and then stays awake for a while."""

from __future__ import annotations

from perllm.domain.server import Server


def waking_j(server: Server) -> float:
    """Return the joules of waking from the deepest rest that comes by itself, and of idling until it comes again."""
    for rest in reversed(server.rests):
        if rest.after_s is not None and not rest.on_command:
            return rest.wake_j + (rest.wake_s + rest.after_s) * max(server.power.idle_w - rest.watts, 0.0)
    return 0.0

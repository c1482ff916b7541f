"""An event loop on virtual time: its clock stands still while anything can be done, then jumps to the next timer."""

from __future__ import annotations

import asyncio
import select
import selectors
from collections.abc import Callable, Coroutine
from functools import wraps
from math import ulp
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# What one socket sends has nearly always reached the other when `send` returns; a busy kernel may need a moment.
GRACE_S = 100e-6
# Longer than anything real (a name lookup, a thread) takes that a test may wait for without a timer.
STUCK_S = 20.0


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Sockets work as ever, but take no time; timers fire in order, each exactly at its instant."""

    def __init__(self) -> None:
        self._now_s = 0.0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        """Return the virtual instant, in seconds since the loop was made."""
        return self._now_s

    def jump(self) -> None:
        """Move the clock to the next timer: to that very float, and with it no timer that is due later."""
        self._now_s = self._scheduled[0].when()  # type: ignore[attr-defined]
        self._clock_resolution = ulp(self._now_s)

    async def until(self, at_s: float) -> None:
        """Wait for an instant. `asyncio.sleep` would add to the clock, and round."""
        if at_s > self._now_s:
            reached = self.create_future()
            timer = self.call_at(at_s, reached.set_result, None)
            try:
                await reached
            finally:
                timer.cancel()


class _JumpingSelector(selectors.EpollSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        # Epoll itself counts in milliseconds, but its descriptor can be waited for in microseconds.
        if timeout is None:
            if not select.select([self.fileno()], [], [], STUCK_S)[0]:
                raise RuntimeError("nothing can ever happen again: no timer is set and no socket has anything")
        elif not select.select([self.fileno()], [], [], GRACE_S)[0]:
            self._loop.jump()
        return super().select(0)


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` on a virtual clock that starts at 0."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


def on_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Make a test of a coroutine that runs on a virtual clock."""

    @wraps(test)
    def run(*args: P.args, **named: P.kwargs) -> None:
        run_virtual(test(*args, **named))

    return run


def virtual_loop() -> VirtualTimeLoop:
    """Return the running loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return loop

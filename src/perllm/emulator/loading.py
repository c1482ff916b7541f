"""Whether the model is in memory: what needs it waits for it to be loaded, and it is unloaded when idle for long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """How long a load takes, whether one is needed at the start, and after how long without a request again."""

    load_s: float = 10.0
    cold: bool = False
    unload_after_s: float | None = None


class Loader:
    """Loads on demand. A load goes on when the client that asked for it leaves, and all who come meanwhile share it."""

    def __init__(self, settings: Loading) -> None:
        self._settings = settings
        self._users = 0
        self._loaded = asyncio.Event()
        # The end of the load, or of the idle time after which the model goes.
        self._timer: asyncio.TimerHandle | None = None
        self.loading = False
        if not settings.cold:
            self._finish()

    @asynccontextmanager
    async def in_use(self) -> AsyncIterator[None]:
        """Wait until the model is there, and keep it."""
        self._users += 1
        try:
            if not self.loading:
                self.close()
                if not self._loaded.is_set():
                    self._begin()
            await self._loaded.wait()
            yield
        finally:
            self._users -= 1
            self._rest()

    def unload(self) -> None:
        """Drop the model: whoever comes next waits for it. One that is being loaded is loaded to the end."""
        if not self.loading:
            self._loaded.clear()

    def close(self) -> None:
        """Drop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self) -> None:
        self.loading = True
        self._arm(self._settings.load_s, self._finish)

    def _finish(self) -> None:
        self.loading = False
        self._loaded.set()
        self._rest()

    def _rest(self) -> None:
        unload_after_s = self._settings.unload_after_s
        if unload_after_s is not None and not self._users and not self.loading:
            self._arm(unload_after_s, self.unload)

    def _arm(self, delay_s: float, then: Callable[[], None]) -> None:
        self.close()
        self._timer = asyncio.get_running_loop().call_later(delay_s, then)

"""What a gateway's probes would find, as late as they would tell it, and as wrong."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from perllm.domain.telemetry import Health
from perllm.simulation.scenario import WorldSettings
from perllm.simulation.world import World


class Probes:
    """Looks at every server each `probe_interval_s`, from the start on; what it saw is told after the delay."""

    def __init__(self, world: World, settings: WorldSettings) -> None:
        self._world = world
        self._interval_s = settings.probe_interval_s
        self._delay_s = settings.trouble.telemetry_delay_s
        self._lies = settings.trouble.lies
        self._looks = 0
        self._untold: deque[list[Health]] = deque()

    @property
    def next_at_s(self) -> float:
        """The next instant at which something is seen or told."""
        looks_at_s = self._looks * self._interval_s
        return min(looks_at_s, self._tells_at_s) if self._untold else looks_at_s

    def due(self, now_s: float) -> Iterator[Health]:
        """Look if it is time to, and tell what is due."""
        if now_s == self._looks * self._interval_s:
            self._looks += 1
            self._untold.append([self._look(server.server_id, now_s) for server in self._world.servers])
        while self._untold and self._tells_at_s <= now_s:
            yield from self._untold.popleft()

    @property
    def _tells_at_s(self) -> float:
        return self._untold[0][0].measured_at_s + self._delay_s

    def _look(self, server_id: str, now_s: float) -> Health:
        return Health(
            server_id=server_id,
            healthy=self._seems_healthy(server_id, now_s),
            measured_at_s=now_s,
            ready_in_s=self._world.ready_in_s(server_id, now_s),
        )

    def _seems_healthy(self, server_id: str, now_s: float) -> bool:
        for lie in self._lies:
            if lie.server_id == server_id and lie.from_s <= now_s < lie.to_s:
                return lie.healthy
        return self._world.healthy(server_id, now_s)

"""Joules of servers that have no meter: declared power, shared among the attempts that were there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from perllm.costs.attribution import OccupancyMeter
from perllm.costs.energy import decode_w, prefill_w
from perllm.domain.server import Server
from perllm.errors import InvariantError


@dataclass(slots=True)
class _DeclaredMeter:
    """One server's meter and the attempts whose prompts are still being read."""

    server: Server
    meter: OccupancyMeter = field(default_factory=OccupancyMeter)
    reading: set[str] = field(default_factory=set)

    def settle(self) -> None:
        """Set the watts that the attempts now present draw."""
        power = self.server.power
        if self.reading:
            self.meter.watts = prefill_w(power)
        else:
            self.meter.watts = decode_w(power, self.meter.occupants, self.server.slots)


class DeclaredMeters:
    """Meter every server by its declared power profile (`EnergyMethod.DECLARED`).

    The rule: while any streamed attempt on a server waits for its first token the server draws its prefill
    power, else the decode power of as many sequences as there are attempts. An answer that is not streamed shows
    no first token, so it counts as decoding throughout. What is drawn above idle is shared equally by the
    attempts present.
    """

    def __init__(self, servers: Iterable[Server]) -> None:
        self._meters: dict[str, _DeclaredMeter] = {}
        self._where: dict[str, tuple[_DeclaredMeter, float]] = {}
        self.configure(servers)

    def configure(self, servers: Iterable[Server]) -> None:
        """Take new or changed servers; a changed power profile is drawn from that server's next event on."""
        for server in servers:
            known = self._meters.setdefault(server.server_id, _DeclaredMeter(server))
            known.server = server

    def start(self, attempt_id: str, server_id: str, now_s: float, *, streamed: bool = False) -> None:
        """Begin charging an attempt. `streamed`: its first token will be told."""
        if attempt_id in self._where:
            raise InvariantError(f"attempt {attempt_id} was started twice")
        metered = self._meters[server_id]
        self._where[attempt_id] = (metered, metered.meter.join(now_s))
        if streamed:
            metered.reading.add(attempt_id)
        metered.settle()

    def first_token(self, attempt_id: str, now_s: float) -> None:
        """Note that an attempt's prompt has been read."""
        metered, _ = self._of(attempt_id)
        metered.meter.advance(now_s)
        metered.reading.discard(attempt_id)
        metered.settle()

    def end(self, attempt_id: str, now_s: float) -> float:
        """Stop charging an attempt and return its joules above idle."""
        metered, level_j = self._of(attempt_id)
        del self._where[attempt_id]
        joules = metered.meter.leave(now_s, level_j)
        metered.reading.discard(attempt_id)
        metered.settle()
        return joules

    def server_joules(self) -> Mapping[str, float]:
        """Return each server's joules above idle, up to its latest event."""
        return {server_id: metered.meter.spent_j for server_id, metered in self._meters.items()}

    def _of(self, attempt_id: str) -> tuple[_DeclaredMeter, float]:
        found = self._where.get(attempt_id)
        if found is None:
            raise InvariantError(f"attempt {attempt_id} was not started, or has ended")
        return found

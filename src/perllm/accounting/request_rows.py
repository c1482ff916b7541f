"""One row per request: what became of it, with what was predicted beside what came true."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from perllm.domain.action import Finish, Outcome
from perllm.domain.entry import Entry


class RequestRow(Struct, frozen=True, kw_only=True):
    """A request whose life is over. Instants are the run's; `latency_s` runs from arrival to end, whatever the fate.

    `server`, `dispatched_at_s` and both predictions belong to the last attempt, None where there was none;
    `predicted_total_s` runs from that dispatch. Joules are those of all attempts.
    """

    request_id: str
    service: str
    fate: str
    refusal: str | None
    server: str | None
    attempts: int
    arrived_at_s: float
    dispatched_at_s: float | None
    first_token_at_s: float | None
    finished_at_s: float
    latency_s: float
    requirement_s: float | None
    in_time: bool
    counted: bool
    prompt_tokens: int
    output_tokens: int
    transmit_j: float
    infer_j: float
    energy_method: str | None
    predicted_total_s: float | None
    predicted_energy_j: float | None


class RequestRows:
    """Tells `write` one row for each request that ends: a sink that remembers nothing."""

    def __init__(self, write: Callable[[RequestRow], None]) -> None:
        self._write = write

    def __call__(self, entry: Entry) -> None:
        """Take in one entry."""
        for action in entry.actions:
            if isinstance(action, Finish):
                self._write(request_row(action.outcome))


def request_row(outcome: Outcome) -> RequestRow:
    """Return an outcome as a row of plain values."""
    return RequestRow(
        request_id=outcome.request_id,
        service=outcome.service,
        fate=outcome.fate.value,
        refusal=None if outcome.refusal is None else outcome.refusal.value,
        server=outcome.server_id,
        attempts=outcome.attempts,
        arrived_at_s=float(outcome.arrived_at_s),
        dispatched_at_s=_plain(outcome.dispatched_at_s),
        first_token_at_s=_plain(outcome.first_token_at_s),
        finished_at_s=float(outcome.finished_at_s),
        latency_s=float(outcome.finished_at_s - outcome.arrived_at_s),
        requirement_s=_plain(outcome.requirement.total_s),
        in_time=bool(outcome.in_time),
        counted=bool(outcome.counted),
        prompt_tokens=int(outcome.prompt_tokens),
        output_tokens=int(outcome.output_tokens),
        transmit_j=float(outcome.energy.transmit_j),
        infer_j=float(outcome.energy.infer_j),
        energy_method=outcome.energy_method.value if outcome.attempts else None,
        predicted_total_s=_plain(outcome.predicted_total_s),
        predicted_energy_j=_plain(outcome.predicted_energy_j),
    )


def _plain(value: float | None) -> float | None:
    """The simulator's numbers may be NumPy's, which no file format knows."""
    return None if value is None else float(value)

"""What became of a request, put together when its life ends."""

from __future__ import annotations

from perllm.domain.action import Fate, Outcome
from perllm.domain.energy import Energy
from perllm.domain.reason import Refusal
from perllm.scheduling.records import RequestRecord

# Looking a member up in its enumeration costs as much as three calls where that is done for every request.
_COMPLETED, _CANCELLED = Fate.COMPLETED, Fate.CANCELLED


def outcome_of(record: RequestRecord, fate: Fate, refusal: Refusal | None, now_s: float) -> Outcome:
    """Sum a request up at the instant it ended."""
    request, dispatch = record.request, record.dispatch
    late = _was_late(record, now_s)
    return Outcome(
        request_id=request.request_id,
        service=request.service,
        fate=fate,
        refusal=refusal,
        server_id=dispatch.server_id if dispatch is not None else None,
        attempts=record.attempts,
        arrived_at_s=record.arrived_at_s,
        dispatched_at_s=record.dispatched_at_s,
        first_token_at_s=record.first_token_at_s,
        finished_at_s=now_s,
        requirement=request.requirement,
        in_time=fate is _COMPLETED and not late,
        counted=fate is not _CANCELLED or late,
        prompt_tokens=record.prompt_tokens,
        output_tokens=record.output_tokens,
        energy=Energy(transmit_j=record.transmit_j, infer_j=record.infer_j),
        energy_method=record.energy_method,
        predicted_total_s=dispatch.predicted_total_s if dispatch is not None else None,
        predicted_energy_j=dispatch.predicted_energy_j if dispatch is not None else None,
    )


def _was_late(record: RequestRecord, now_s: float) -> bool:
    """Whether the requirement has been missed by now: its total time, or for streams its first token."""
    if now_s > record.deadline_at_s:
        return True
    first_token_s = record.request.requirement.first_token_s
    if first_token_s is None or not record.request.stream:
        return False
    started_at_s = now_s if record.first_token_at_s is None else record.first_token_at_s
    return started_at_s - record.arrived_at_s > first_token_s

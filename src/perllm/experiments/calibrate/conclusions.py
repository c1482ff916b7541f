"""From samples to the constants of a profile: decode steps first, for reading a prompt takes a step too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perllm.domain.profile import SpeedProfile
from perllm.errors import UpstreamError
from perllm.experiments.calibrate.least_squares import Fit
from perllm.experiments.calibrate.reading_fit import Known, fit_first_tokens
from perllm.experiments.calibrate.samples import FirstToken, LinkTimes, Step
from perllm.experiments.calibrate.writing_fit import fit_steps, most_decode_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """The constants, and what must be said of them."""

    profile: SpeedProfile
    remarks: Sequence[str]


def conclude(first_tokens: Sequence[FirstToken], steps: Sequence[Step], link: LinkTimes, chunk: int | None) -> Speed:
    """Fit the constants. Raises UpstreamError where the measurements make no sense."""
    writing = fit_steps(steps)
    if writing is None:
        raise UpstreamError("no decode step could be measured: answers were too short, or came in too few pieces")
    told = dict(writing.constants)
    reading, around_s, remarks = _reading(first_tokens, told, link, chunk)
    prefill_token_s = reading.constants["prefill"]
    remarks += _what_could_not_be_told(told, reading, steps)
    if "decode" not in told:
        told["decode"] = min(prefill_token_s, most_decode_s(told, steps))
    profile = SpeedProfile(
        prefill_token_s=prefill_token_s,
        decode_token_s=told["decode"],
        weights_read_s=told.get("weights", 0.0),
        attention_pair_s=reading.constants.get("attention", 0.0),
        context_token_s=told.get("context", 0.0),
        step_overhead_s=told.get("step", 0.0),
        sequence_overhead_s=told.get("sequence", 0.0),
        batching_overhead_s=told.get("batching", 0.0),
        request_overhead_s=max(around_s - link.rtt_s, 0.0),
    )
    return Speed(profile=profile, remarks=remarks)


def _reading(
    first_tokens: Sequence[FirstToken], told: dict[str, float], link: LinkTimes, chunk: int | None
) -> tuple[Fit, float, list[str]]:
    """Fit first tokens; return also the time around their steps, and a remark where they contradict the steps."""
    step_s = told.get("step", 0.0)
    known = Known(
        weights_s=told.get("weights", 0.0), step_s=step_s, chunk_tokens=chunk, up_bytes_per_s=link.up_bytes_per_s
    )
    found = fit_first_tokens(first_tokens, known)
    if found is not None:
        return found, found.constants.get("around", 0.0), []
    found = fit_first_tokens(first_tokens, Known(up_bytes_per_s=link.up_bytes_per_s))
    if found is None:
        raise UpstreamError("first tokens take no longer for long prompts than for short ones: nothing can be fitted")
    remark = "first tokens come sooner than the decode steps allow: prompts were fitted without regard to those"
    return found, max(found.constants.get("around", 0.0) - step_s, 0.0), [remark]


def _what_could_not_be_told(told: dict[str, float], reading: Fit, steps: Sequence[Step]) -> list[str]:
    most = max(step.batch for step in steps)
    remarks = []
    if "decode" not in told:
        remarks.append(
            f"up to {most} answers at once, arithmetic never ruled a step: decode_us_per_sequence is that of a prompt"
            " token, or less where that would have shown"
        )
    if "weights" not in told and "context" not in told:
        remarks.append("batching gains nothing here: steps grow with every answer, so no memory traffic shows")
    if "context" not in told:
        remarks.append("steps took no longer with more context than without, as far as was measured")
    if "attention" not in reading.constants:
        remarks.append("first tokens grow in proportion to the prompt: no attention shows at these lengths")
    return remarks

"""How much the engine takes at once: by its own words, else as it was seen, else as it was said or assumed."""

from __future__ import annotations

from perllm.experiments.calibrate.asked import Asked, Prospect
from perllm.experiments.calibrate.parts import Measured
from perllm.experiments.calibrate.result import Capacity
from perllm.experiments.calibrate.writing import Written

_TOLD = "told by the engine"
_OPTION = "given on the command line"


def capacity(asked: Asked, expected: Prospect, written: Written) -> Capacity:
    """Put the figures together, each with where it comes from."""
    slots, slots_from = _slots(expected, written)
    context_from = _from(asked.context_tokens, expected.told.context_tokens, "ASSUMED: the engine does not tell it")
    kv_tokens = asked.kv_tokens or expected.told.kv_tokens or slots * expected.limits.context_tokens
    return Capacity(
        slots=slots,
        slots_from=slots_from,
        context_tokens=expected.limits.context_tokens,
        context_from=context_from,
        kv_tokens=kv_tokens,
        kv_from=_from(asked.kv_tokens, expected.told.kv_tokens, "slots × context_tokens"),
    )


def surprises(expected: Prospect, measured: Measured) -> list[str]:
    """Say what was not as it should be."""
    told, seen = expected.told.slots, measured.written.slots_seen
    found = []
    if told is not None and seen is not None:
        found.append(f"the engine tells of {told} slots, but only {seen} answers were under way at once: is it in use?")
    if measured.cut_short:
        found.append("prompts are longer than expected (a long template?): no tokens were left to measure everything")
    if not measured.ignores_end:
        found.append("the engine cannot be told to write on past the end of an answer: steps were taken from what came")
    if expected.limits.context_tokens != expected.told.context_tokens and expected.told.context_tokens is not None:
        found.append(f"the engine tells of a context of {expected.told.context_tokens:,} tokens")
    return found


def _slots(expected: Prospect, written: Written) -> tuple[int, str]:
    if expected.told.slots is not None:
        return expected.told.slots, _TOLD
    if written.slots_seen is not None:
        return written.slots_seen, f"of more than {written.slots_seen} at once some had to wait"
    most = written.most_at_once
    return most, f"AT LEAST: {most} at once were tried, and none had to wait"


def _from(option: int | None, told: int | None, otherwise: str) -> str:
    if option is not None:
        return _OPTION
    return _TOLD if told is not None else otherwise

"""The parts of a calibration, one after the other, each with its share of the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from yarl import URL

from perllm.experiments.calibrate.again import read_again
from perllm.experiments.calibrate.asked import Prospect
from perllm.experiments.calibrate.beside import Curve, Manner, read_beside
from perllm.experiments.calibrate.budget import SpentError
from perllm.experiments.calibrate.link import measure_link
from perllm.experiments.calibrate.pace import Pace
from perllm.experiments.calibrate.reading import longest_in_time, read_prompts
from perllm.experiments.calibrate.reading_fit import Known, fit_first_tokens
from perllm.experiments.calibrate.samples import FirstToken, LinkTimes
from perllm.experiments.calibrate.subject import Subject
from perllm.experiments.calibrate.warming import reference, warm_up
from perllm.experiments.calibrate.writing import Written, write_answers

# The share of the time that is over when a part ends. What is left at last is for the reference.
_READING_UNTIL: Final = 0.35
_WRITING_UNTIL: Final = 0.80
_BESIDE_UNTIL: Final = 0.88
_AGAIN_UNTIL: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Everything that was measured, and what had changed when it was over."""

    link: LinkTimes
    first_tokens: Sequence[FirstToken]
    written: Written
    manner: Manner | None
    caches_prefixes: bool | None
    drift: Sequence[str]
    ignores_end: bool
    cut_short: bool


async def measure(subject: Subject, url: str, expected: Prospect) -> Measured:
    """Measure all parts; the same reference at the beginning and at the end shows whether they belong together."""
    limits, watcher, until = expected.limits, subject.watcher, subject.budget.until
    watcher.stage("waking it up")
    pace = await warm_up(subject, limits)
    before = await reference(subject, limits)
    if before is None:
        raise SpentError("prompts are so long already (a long template?) that the announced tokens are used up")
    pace.heard_step(1, before.step_s)
    watcher.stage("the way there")
    link = await measure_link(subject.client, URL(url), expected.model)
    watcher.stage("reading prompts")
    longest = longest_in_time(limits, pace, until(_READING_UNTIL) - subject.budget.elapsed_s)
    first_tokens = await read_prompts(subject, pace, longest, until(_READING_UNTIL))
    watcher.stage("writing answers")
    slots_known = expected.told.slots is not None
    written = await write_answers(subject, limits, pace, until(_WRITING_UNTIL), slots_known=slots_known)
    watcher.stage("reading beside writing, and again")
    around_s = _around_s(first_tokens)
    manner = await _manner(subject, expected, pace, written, Curve(first_tokens, around_s), longest)
    caches = await read_again(subject, pace, longest, around_s, until(_AGAIN_UNTIL))
    return Measured(
        link=link,
        first_tokens=first_tokens,
        written=written,
        manner=manner,
        caches_prefixes=caches,
        drift=before.drift(await reference(subject, limits)),
        ignores_end=subject.dialect.ignores_end,
        cut_short=subject.cut_short,
    )


def _around_s(first_tokens: Sequence[FirstToken]) -> float:
    """Estimate what a first token takes beside reading."""
    found = fit_first_tokens(first_tokens, Known())
    around_s = 0.0 if found is None else found.constants.get("around", 0.0)
    return min(around_s, min(sample.seconds for sample in first_tokens))


async def _manner(
    subject: Subject, expected: Prospect, pace: Pace, written: Written, curve: Curve, longest: int
) -> Manner | None:
    """Set prompts beside answers, where more than one of them fits."""
    if expected.limits.most_batch == 1 or written.slots_seen == 1:
        return None
    until_s = subject.budget.until(_BESIDE_UNTIL)
    return await read_beside(subject, expected.limits, pace, curve, longest, until_s)

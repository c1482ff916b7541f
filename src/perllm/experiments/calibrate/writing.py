"""Measure decode steps: so many answers written at once, behind prompts of a certain length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import sqrt
from statistics import mean, median
from typing import Final, NamedTuple

from perllm.experiments.calibrate.heard import Heard
from perllm.experiments.calibrate.pace import Pace
from perllm.experiments.calibrate.plan import SHORT_TOKENS, WRITING_ROUNDS, Limits, batches
from perllm.experiments.calibrate.samples import Step
from perllm.experiments.calibrate.subject import Subject
from perllm.machines.failures import AttemptError

_BLOCKS: Final = 8
_LEAST_STEPS: Final = 8
_BLOCK_EVENTS: Final = 8
_PAUSE: Final = 3.0
"""A block that takes so many times as long as the others is a pause, not a slow step."""
_ARRIVING_S: Final = 0.05
_PIECE_TOKENS: Final = 256
"""Engines that read prompts in pieces take larger ones (vLLM 2048, llama.cpp 2048, SGLang 8192 by default)."""
_MOST_STEPS: Final = 64
_FIRST_SHARE: Final = 0.6
"""How much of the time the first look at all batches may take: the rest is for long prompts, and for doing it again."""
_LONGER: Final = 3
"""A context that is not so many times the short one tells nothing."""
_TOO_MANY: Final = frozenset({429, 503})


@dataclass(slots=True, kw_only=True)
class Written:
    """The steps that were measured, and how many answers were seen under way at once when more were asked for."""

    steps: list[Step] = field(default_factory=list)
    slots_seen: int | None = None

    @property
    def most_at_once(self) -> int:
        """The most answers that were under way at once."""
        return max((step.batch for step in self.steps), default=1)

    def saw(self, batch: int, at_once: int) -> None:
        """Note how many of a batch were under way at once.

        A listener that was held up sees too few, and never more than there were: the most seen counts.
        """
        if at_once < batch:
            self.slots_seen = max(self.slots_seen or 1, at_once)
        elif self.slots_seen is not None and self.slots_seen < batch:
            self.slots_seen = None


class _Time(NamedTuple):
    """How long one point may take, and how long at most if it cannot be measured in that."""

    fair_s: float
    left_s: float


async def write_answers(subject: Subject, limits: Limits, pace: Pace, until_s: float, *, slots_known: bool) -> Written:
    """Measure all batches with short prompts, then the smallest and the largest with long ones, while there is time."""
    written = Written()
    to_try = batches(limits.most_batch)
    first_until_s = subject.budget.elapsed_s + _FIRST_SHARE * (until_s - subject.budget.elapsed_s)
    for place, batch in enumerate(to_try):
        time = _share(subject, first_until_s, len(to_try) - place)
        await _measure(subject, limits, pace, written, batch, SHORT_TOKENS, time)
        if written.slots_seen is not None and not slots_known:
            # Whoever was held up for a moment would take a pause for a queue: only what is seen twice ends it.
            await _measure(subject, limits, pace, written, batch, SHORT_TOKENS, time)
        if written.slots_seen is not None and not slots_known:
            break
    largest = written.slots_seen or (limits.most_batch if slots_known else written.most_at_once)
    points = [(batch, SHORT_TOKENS) for batch in batches(largest)]
    points += _long_points(limits, pace, largest, until_s - subject.budget.elapsed_s)
    measured = {(step.batch, step.told_tokens) for step in written.steps}
    unmeasured = [point for point in points if point not in measured]
    for planned in (unmeasured, *[points] * (WRITING_ROUNDS - 1)):
        for place, (batch, tokens) in enumerate(planned):
            time = _share(subject, until_s, len(planned) - place + 1)
            await _measure(subject, limits, pace, written, batch, tokens, time)
    return written


def steady_step(heard: Sequence[Heard], told_tokens: int) -> Step | None:
    """Take the time of a step from while all the answers were under way.

    The first step is left out: it may have waited for the last prompt. Engines and networks send tokens in bursts, so
    time is taken over blocks of several arrivals. Their mean counts, for an answer waits for its slow steps as well;
    only blocks in which something came between are left out.
    """
    from_s = max(answer.first_at_s for answer in heard)
    to_s = min(answer.arrivals[-1][0] if answer.arrivals else answer.ended_at_s for answer in heard)
    blocks: list[float] = []
    context = 0.0
    for answer in heard:
        within = [arrival for arrival in answer.arrivals if from_s <= arrival[0] <= to_s][1:]
        if len(within) < 2:
            return None
        blocks += (seconds / answer.tokens_per_frame for seconds in _blocks(within))
        context += answer.told.prompt_tokens + (within[0][1] + within[-1][1]) / 2 * answer.tokens_per_frame
    return Step(batch=len(heard), context_tokens=context, seconds=_undisturbed_s(blocks), told_tokens=told_tokens)


def _undisturbed_s(blocks: Sequence[float]) -> float:
    limit_s = _PAUSE * median(blocks)
    return mean(seconds for seconds in blocks if seconds <= limit_s)


def under_way_at_once(heard: Sequence[Heard]) -> int:
    """Count the answers that began before any had ended: more than an engine's slots never do.

    One that came all at once begins when it ends, and has been under way nevertheless.
    """
    first_end_s = min(answer.ended_at_s for answer in heard)
    return sum(answer.first_at_s <= first_end_s for answer in heard)


def _blocks(arrivals: Sequence[tuple[float, int]]) -> list[float]:
    """Return the seconds per event of blocks of arrivals of about equal length."""
    spans = len(arrivals) - 1
    events = arrivals[-1][1] - arrivals[0][1]
    count = max(min(_BLOCKS, spans // 2, events // _BLOCK_EVENTS), 1)
    marks = [arrivals[spans * place // count] for place in range(count + 1)]
    return [(later_s - earlier_s) / (later - earlier) for (earlier_s, earlier), (later_s, later) in pairwise(marks)]


async def _measure(
    subject: Subject, limits: Limits, pace: Pace, written: Written, batch: int, tokens: int, time: _Time
) -> None:
    """Measure one point, unless there is no time for it."""
    start_s = batch * pace.first_token_s(tokens)
    longest = limits.longest_answer(batch, tokens)
    # While the other prompts arrive and are read, the first answers may be written already: a token beside each piece.
    early = max(int(_ARRIVING_S / pace.step_s(1)), 1 + batch * tokens // _PIECE_TOKENS)
    early = min(int(start_s / pace.step_s(1)) + 1, early, longest // 2)
    fitting, possible = (int((seconds - start_s) / pace.step_s(batch)) - early for seconds in time)
    if possible < _LEAST_STEPS and written.steps:
        return
    answer_tokens = min(early + max(min(fitting, _MOST_STEPS), _LEAST_STEPS), longest)
    if not subject.may_ask(tokens, answer_tokens, batch):
        return
    try:
        heard = await subject.ask_together(batch, tokens, answer_tokens)
    except AttemptError as error:
        if error.status not in _TOO_MANY or batch == 1:
            raise
        written.saw(batch, batch // 2)
        return
    _note(pace, written, heard, tokens, answer_tokens)


def _note(pace: Pace, written: Written, heard: Sequence[Heard], tokens: int, answer_tokens: int) -> None:
    """Note what a point has shown. An answer that ended by itself says nothing of who had to wait for whom."""
    batch, at_once = len(heard), under_way_at_once(heard)
    whole = all(answer.told.completion_tokens >= answer_tokens for answer in heard)
    if whole:
        written.saw(batch, at_once)
    step = steady_step(heard, tokens)
    if step is not None:
        written.steps.append(step)
        pace.heard_step(batch, step.seconds)


def _share(subject: Subject, until_s: float, points: int) -> _Time:
    """Give one point its part of the time that is left, so that the others have theirs."""
    left_s = until_s - subject.budget.elapsed_s
    return _Time(left_s / points, left_s)


def _long_points(limits: Limits, pace: Pace, largest: int, seconds: float) -> list[tuple[int, int]]:
    """Choose long prompts, for one answer and for the most at once, that take at most an eighth of the time to read.

    And some between the short and the long ones: two lengths alone cannot tell a sum from the larger of two terms.
    """
    points = []
    for batch in sorted({1, largest}):
        tokens = int(min(pace.prompt_tokens_in(seconds / 8) / batch, limits.longest_together(batch, _MOST_STEPS)))
        if tokens >= _LONGER * SHORT_TOKENS:
            points += [(batch, round(sqrt(SHORT_TOKENS * tokens))), (batch, tokens)]
    return points

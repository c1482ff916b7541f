"""The requests of a past as jobs: what was true of them, and what must be guessed because nobody ever knew.

Lengths are those the engines told. An answer that was never finished is taken to be as long as the median of its
service's finished answers that were longer than what was seen of it. A prompt that no engine counted has as many tokens
as its bytes had in the service's other prompts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median_high
from typing import Final

from perllm.domain.attempt import EndingKind, Usage
from perllm.simulation.counterfactual.past import Lived, Past
from perllm.simulation.job import Job, Truth

# Where no prompt was ever counted: English text at about four bytes a token.
_BYTES_PER_TOKEN: Final = 4.0
# Longer than any context, in which every answer ends.
_ENDLESS: Final = 2**40


@dataclass(frozen=True, slots=True, kw_only=True)
class Guesses:
    """How many requests are not played as they were.

    `outputs` and `prompts`: their lengths are guessed. `cached`: the engine knew a part of the prompt, which is read
    again. `unfinished`: the journal ended before they did.
    """

    outputs: int = 0
    prompts: int = 0
    cached: int = 0
    unfinished: int = 0


def jobs_of(past: Past, *, open_end: bool) -> tuple[list[tuple[float, Job]], Guesses]:
    """Return (arrival instant, job) in the order of arrival, and what had to be guessed.

    With `open_end`, answers that were never finished have no end, and nobody leaves: for a replay that stops attempts
    when they were stopped.
    """
    known = _Known(past.lived)
    reply_bytes = {service.name: service.reply_bytes_per_token for service in past.fleet.services}
    arrivals = [
        (lived.arrived_at_s, _job(lived, known, reply_bytes[lived.request.service], open_end=open_end))
        for lived in past.lived
    ]
    return arrivals, _guesses(past.lived)


def _guesses(all_lived: Sequence[Lived]) -> Guesses:
    usages = [_usage(lived) for lived in all_lived]
    return Guesses(
        outputs=sum(_output_tokens(lived) is None for lived in all_lived),
        prompts=sum(usage is None for usage in usages),
        cached=sum(usage is not None and usage.cached_tokens > 0 for usage in usages),
        unfinished=sum(lived.outcome is None for lived in all_lived),
    )


def _job(lived: Lived, known: _Known, token_bytes: float, *, open_end: bool) -> Job:
    request = lived.request
    usage, output_tokens = _usage(lived), _output_tokens(lived)
    if output_tokens is None:
        output_tokens = _ENDLESS if open_end else known.guessed_output_tokens(lived)
    truth = Truth(
        prompt_tokens=max(known.guessed_prompt_tokens(lived) if usage is None else usage.prompt_tokens, 1),
        output_tokens=max(output_tokens, 1),
        upload_bytes=request.payload_bytes,
        leaves_at_s=None if open_end else lived.left_at_s,
        token_bytes=token_bytes,
    )
    return Job(request=request, truth=truth)


def _usage(lived: Lived) -> Usage | None:
    """Return what an engine told of its tokens: the last one, where several did."""
    told = [tried.ending.usage for tried in lived.tried if tried.ending is not None and tried.ending.usage is not None]
    return told[-1] if told else None


def _output_tokens(lived: Lived) -> int | None:
    """Return the length of a finished answer, as told or, where nobody told, as seen."""
    for tried in reversed(lived.tried):
        if tried.ending is not None and tried.ending.kind is EndingKind.COMPLETED:
            usage = tried.ending.usage
            return usage.output_tokens if usage is not None else (tried.tokens or None)
    return None


class _Known:
    """What the finished requests tell of the others."""

    def __init__(self, all_lived: Iterable[Lived]) -> None:
        self._outputs: defaultdict[str, list[int]] = defaultdict(list)
        self._prompts: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        for lived in all_lived:
            service, usage, output_tokens = lived.request.service, _usage(lived), _output_tokens(lived)
            if output_tokens is not None:
                self._outputs[service].append(output_tokens)
            if usage is not None:
                self._prompts[service].append((usage.prompt_tokens, lived.request.prompt_bytes))

    def guessed_output_tokens(self, lived: Lived) -> int:
        """Guess how long an answer would have become."""
        seen = max((tried.tokens for tried in lived.tried), default=0)
        longer = [tokens for tokens in self._outputs[lived.request.service] if tokens > seen]
        guess = median_high(longer) if longer else seen + 1
        return min(guess, lived.request.max_output_tokens or guess)

    def guessed_prompt_tokens(self, lived: Lived) -> int:
        """Guess the tokens of a prompt from its bytes."""
        service = lived.request.service
        pairs = self._prompts[service] or [pair for each in self._prompts.values() for pair in each]
        tokens, text_bytes = (sum(column) for column in zip(*pairs, strict=True)) if pairs else (1, _BYTES_PER_TOKEN)
        return round(lived.request.prompt_bytes * tokens / max(text_bytes, 1))

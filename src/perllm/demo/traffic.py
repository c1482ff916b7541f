"""The demo's traffic: four services, their arrivals and lengths, drawn once so that two runs get the very same.

Lengths follow published statistics, in tokens as median and 90th percentile: ShareGPT prompts 20 and 198, Alpaca
prompts 11 and 23 (82,814 and 47,379 conversations); mean answers 228.6 and 48.3. Answers end where the model says so:
with the same probability after every token, which is near Alpaca's own quantiles (33 and 110 against 37 and 102).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from pydoc_data.topics import topics

import numpy as np

from perllm.domain.request import Requirement
from perllm.domain.server import Tier
from perllm.domain.service import Service

# The standard normal quantile of 0.9: turns a published 90th percentile into a spread.
_Z_90 = 1.2816
# English text: about four bytes a token, as most tokenizers have it.
_BYTES_PER_TOKEN = 4
_LONGEST_PROMPT_TOKENS = 400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A service, its share of the traffic and the lengths of its prompts and answers."""

    service: Service
    about: str
    share: float
    stream_fraction: float
    prompt_median_tokens: float
    prompt_p90_tokens: float
    answer_mean_tokens: float
    answer_limit_tokens: int


LOADS: Sequence[Load] = (
    Load(
        service=Service(name="chat", requirement=Requirement(total_s=4.0, first_token_s=1.5), output_tokens=100.0),
        about="a person reads along",
        share=0.3,
        stream_fraction=1.0,
        prompt_median_tokens=20.0,
        prompt_p90_tokens=198.0,
        answer_mean_tokens=228.6,
        answer_limit_tokens=128,
    ),
    Load(
        service=Service(name="assist", requirement=Requirement(total_s=0.8), output_tokens=48.0),
        about="an editor waits for it",
        share=0.3,
        stream_fraction=0.0,
        prompt_median_tokens=11.0,
        prompt_p90_tokens=23.0,
        answer_mean_tokens=48.3,
        answer_limit_tokens=96,
    ),
    Load(
        service=Service(
            name="private", requirement=Requirement(total_s=6.0), tiers=frozenset({Tier.EDGE}), output_tokens=48.0
        ),
        about="its data may not leave the edge",
        share=0.2,
        stream_fraction=0.5,
        prompt_median_tokens=11.0,
        prompt_p90_tokens=23.0,
        answer_mean_tokens=48.3,
        answer_limit_tokens=96,
    ),
    Load(
        service=Service(name="digest", requirement=Requirement(total_s=15.0), output_tokens=100.0),
        about="nobody waits for it",
        share=0.2,
        stream_fraction=0.3,
        prompt_median_tokens=20.0,
        prompt_p90_tokens=198.0,
        answer_mean_tokens=228.6,
        answer_limit_tokens=128,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a client, at an instant counted from the start of the traffic."""

    at_s: float
    service: str
    stream: bool
    prompt: str
    answer_mean_tokens: float
    answer_limit_tokens: int


def draw_calls(seconds: float, calls_per_s: float, seed: int, loads: Sequence[Load] = LOADS) -> list[Call]:
    """Draw Poisson arrivals over `seconds` and what each of them asks."""
    generator = np.random.default_rng(seed)
    shares = np.array([load.share for load in loads])
    words = _words()
    calls: list[Call] = []
    at_s = generator.exponential(1 / calls_per_s)
    # At least one: a demo of nothing shows nothing.
    while at_s < seconds or not calls:
        load = loads[int(generator.choice(len(loads), p=shares / shares.sum()))]
        calls.append(_call(load, at_s, words, generator, number=len(calls)))
        at_s += generator.exponential(1 / calls_per_s)
    return calls


def _call(load: Load, at_s: float, words: Sequence[str], generator: np.random.Generator, number: int) -> Call:
    spread = log(load.prompt_p90_tokens / load.prompt_median_tokens) / _Z_90
    tokens = min(load.prompt_median_tokens * exp(spread * generator.standard_normal()), _LONGEST_PROMPT_TOKENS)
    return Call(
        at_s=at_s,
        service=load.service.name,
        stream=bool(generator.random() < load.stream_fraction),
        prompt=_prompt(words, tokens * _BYTES_PER_TOKEN, generator, number),
        answer_mean_tokens=load.answer_mean_tokens,
        answer_limit_tokens=load.answer_limit_tokens,
    )


def _prompt(words: Sequence[str], size_bytes: float, generator: np.random.Generator, number: int) -> str:
    """Compose a prompt of about `size_bytes`. Its number comes first, so that no prompt is another's prefix."""
    prompt = f"{number}:"
    while len(prompt) < size_bytes:
        prompt = f"{prompt} {words[int(generator.integers(len(words)))]}"
    return prompt


def _words() -> Sequence[str]:
    text = " ".join(topics[name] for name in sorted(topics)).split()
    return sorted({word for word in text if word.isascii() and word.isalpha()})

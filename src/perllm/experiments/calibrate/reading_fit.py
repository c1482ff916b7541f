"""From first-token times to constants: max(L·prefill + pairs·attention, weights) + what surrounds the reading.

Short prompts may all take the same time, that of reading the weights once: where that ends is tried out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from math import ceil
from typing import Final

import numpy as np

from perllm.costs.time import attention_pairs
from perllm.experiments.calibrate.least_squares import Fit, Floats, fit, simplest
from perllm.experiments.calibrate.samples import FirstToken

_OPTIONAL: Final = ("attention", "around")
_NOISE: Final = 1.1
"""How far beyond the dividing line a prompt may be found on the wrong side of it: our choice, above usual noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What other measurements have told that a first token takes too."""

    weights_s: float = 0.0
    step_s: float = 0.0
    chunk_tokens: int | None = None
    up_bytes_per_s: float | None = None


def fit_first_tokens(samples: Sequence[FirstToken], known: Known) -> Fit | None:
    """Find the simplest constants (seconds): `prefill`, `attention`, and `around`, the time outside the steps."""
    tokens = np.array([float(sample.prompt_tokens - sample.cached_tokens) for sample in samples])
    pairs = np.array(
        [attention_pairs(one_tokens, sample.cached_tokens) for one_tokens, sample in zip(tokens, samples, strict=True)]
    )
    seconds = np.array([sample.seconds - _told_s(sample, known) for sample in samples])
    if np.any(seconds <= 0.0):
        return None
    return simplest(
        found
        for extra in chain.from_iterable(combinations(_OPTIONAL, size) for size in range(3))
        for found in _fits(("prefill", *extra), tokens, pairs, seconds, known.weights_s)
    )


def _told_s(sample: FirstToken, known: Known) -> float:
    """Time of the upload and of the overhead of every step that the prompt takes."""
    steps = 1 if known.chunk_tokens is None else ceil(sample.prompt_tokens / known.chunk_tokens)
    upload_s = 0.0 if known.up_bytes_per_s is None else sample.payload_bytes / known.up_bytes_per_s
    return steps * known.step_s + upload_s


def _fits(terms: tuple[str, ...], tokens: Floats, pairs: Floats, seconds: Floats, weights_s: float) -> Iterator[Fit]:
    """Try every length from which on arithmetic rules, and keep what agrees with itself."""
    for least in np.unique(tokens):
        ruled = (tokens >= least).astype(np.float64)
        columns = {"prefill": tokens * ruled, "attention": pairs * ruled, "around": np.ones_like(tokens)}
        found = fit({term: columns[term] for term in terms}, seconds, weights_s * (1.0 - ruled))
        if found is not None and _agrees(found, tokens, pairs, weights_s, ruled):
            yield found


def _agrees(found: Fit, tokens: Floats, pairs: Floats, weights_s: float, ruled: Floats) -> bool:
    arithmetic = tokens * found.constants["prefill"] + pairs * found.constants.get("attention", 0.0)
    return bool(np.all(np.where(ruled > 0.0, arithmetic >= weights_s / _NOISE, arithmetic <= weights_s * _NOISE)))

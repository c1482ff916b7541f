"""How many tokens a prompt or an answer has: the two kinds of distribution a load may be given."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from statistics import NormalDist, mean
from typing import TypeAlias

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Token counts: log-normal around a median, rounded, and cut at both ends. `sigma` is the logarithm's deviation."""

    median_tokens: float
    sigma: float
    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLengths:
    """Token counts: a quantile function in straight pieces, rounded, and cut at both ends.

    A share `probabilities[i]` of them is at most `tokens[i]`; the first share is 0, the last 1.
    """

    probabilities: tuple[float, ...]
    tokens: tuple[float, ...]
    minimum: int
    maximum: int


LengthModel: TypeAlias = Lengths | TableLengths

# Quantiles over which a mean is taken.
_PARTS = 1000


def fixed(tokens: int) -> Lengths:
    """Return lengths that are all the same."""
    return Lengths(median_tokens=tokens, sigma=0.0, minimum=tokens, maximum=tokens)


def uniform(lowest: int, highest: int) -> TableLengths:
    """Return lengths of which every one between two, both included, is as likely as another."""
    # Rounding gives each count the half token on either side of it.
    tokens = (lowest - 0.5, highest + 0.5)
    return TableLengths(probabilities=(0.0, 1.0), tokens=tokens, minimum=lowest, maximum=highest)


def mean_tokens(lengths: LengthModel) -> float:
    """Return the mean of what is drawn, rounding and cuts included."""
    shares = [(part + 0.5) / _PARTS for part in range(_PARTS)]
    if isinstance(lengths, TableLengths):
        drawn = np.interp(shares, lengths.probabilities, lengths.tokens).tolist()
    else:
        normal = NormalDist()
        drawn = [lengths.median_tokens * exp(lengths.sigma * normal.inv_cdf(share)) for share in shares]
    return mean(min(max(float(round(tokens)), lengths.minimum), lengths.maximum) for tokens in drawn)

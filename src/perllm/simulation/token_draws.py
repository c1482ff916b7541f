"""Token counts drawn for many requests at once: each load from its own distribution, each request from its own draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perllm.simulation.lengths import LengthModel, Lengths, TableLengths
from perllm.simulation.streams import stream

Values = NDArray[Any]

# Stands where a load is not log-normal; its draw is overwritten.
_ONE = Lengths(median_tokens=1.0, sigma=0.0, minimum=1, maximum=1)


class TokenDraws:
    """Draws one quantity, chunk after chunk; what comes out does not depend on where the chunks end.

    Every request takes a draw from each stream in use, whatever its load, so that changing one load moves no other.
    """

    def __init__(self, lengths: Sequence[LengthModel], seed: int, name: str) -> None:
        normal = [each if isinstance(each, Lengths) else _ONE for each in lengths]
        self._medians = np.array([float(each.median_tokens) for each in normal])
        self._sigmas = np.array([each.sigma for each in normal])
        self._lowest = np.array([each.minimum for each in lengths])
        self._highest = np.array([each.maximum for each in lengths])
        self._tables = [(kind, each) for kind, each in enumerate(lengths) if isinstance(each, TableLengths)]
        self._deviations = stream(seed, name)
        self._quantiles = stream(seed, f"{name}/quantiles")

    def draw(self, kinds: Values) -> Values:
        """Draw for the next requests, of which each is of one of the loads."""
        deviations = self._deviations.standard_normal(len(kinds))
        drawn = self._medians[kinds] * np.exp(self._sigmas[kinds] * deviations)
        if self._tables:
            self._look_up(drawn, kinds, self._quantiles.random(len(kinds)))
        tokens: Values = np.clip(np.rint(drawn), self._lowest[kinds], self._highest[kinds]).astype(int)
        return tokens

    def _look_up(self, drawn: Values, kinds: Values, quantiles: Values) -> None:
        for kind, table in self._tables:
            mine = kinds == kind
            drawn[mine] = np.interp(quantiles[mine], table.probabilities, table.tokens)

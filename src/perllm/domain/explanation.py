"""Why a decision was taken: every candidate's estimate, violation and score, kept as columns and rendered on demand."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, nan
from typing import Any

from msgspec import Struct

from perllm.domain.reason import Violation


class Explanation(Struct, frozen=True, kw_only=True, gc=False):
    """One row per server, in the fleet's order. Seconds count from the decision.

    `scores` holds a value for each row the policy judged, in the order of `judged`. Columns of large fleets are arrays.
    """

    policy: str
    server_ids: Sequence[str]
    total_s: Sequence[float]
    first_token_s: Sequence[float]
    in_time_probability: Sequence[float]
    energy_j: Sequence[float]
    violations: Sequence[Violation | None]
    judged: Sequence[int] = ()
    scores: Sequence[float] = ()
    chosen: int | None = None

    def rows(self) -> list[dict[str, Any]]:
        """Render one mapping per server, ready for JSON: what is not known is None."""
        score_of = dict(zip(self.judged, self.scores, strict=True))
        return [
            {
                "server": server_id,
                "chosen": row == self.chosen,
                "violation": self.violations[row],
                "total_s": _known(self.total_s[row]),
                "first_token_s": _known(self.first_token_s[row]),
                "in_time_probability": _known(self.in_time_probability[row]),
                "energy_j": _known(self.energy_j[row]),
                "score": _known(score_of.get(row, nan)),
            }
            for row, server_id in enumerate(self.server_ids)
        ]


def _known(value: float) -> float | None:
    return float(value) if isfinite(value) else None

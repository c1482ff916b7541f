"""Everything to the edge."""

from __future__ import annotations

from typing import ClassVar

from perllm.domain.server import Tier
from perllm.scheduling.one_tier import OneTier


class EdgeOnly(OneTier):
    """Everything to the edge, the least busy one; what may only be served elsewhere goes there all the same."""

    name: ClassVar[str] = "edge-only"
    tier: ClassVar[Tier] = Tier.EDGE

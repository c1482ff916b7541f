"""Everything to the cloud."""

from __future__ import annotations

from typing import ClassVar

from perllm.domain.server import Tier
from perllm.scheduling.one_tier import OneTier


class CloudOnly(OneTier):
    """Everything to the cloud, the least busy one; what may not leave the edge stays there all the same."""

    name: ClassVar[str] = "cloud-only"
    tier: ClassVar[Tier] = Tier.CLOUD

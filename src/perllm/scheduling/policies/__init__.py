"""The policies, one file each, and the list of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from perllm.errors import ConfigError
from perllm.scheduling.policies.cloud_only import CloudOnly
from perllm.scheduling.policies.cs_ucb import CsUcb
from perllm.scheduling.policies.cs_ucb_paper import CsUcbPaper
from perllm.scheduling.policies.discounted_ucb import DiscountedUcb
from perllm.scheduling.policies.drift_plus_penalty import DriftPlusPenalty
from perllm.scheduling.policies.energy_greedy import EnergyGreedy
from perllm.scheduling.policies.fineinfer_cloud import FineInferCloud
from perllm.scheduling.policies.fineinfer_rr import FineInferRoundRobin
from perllm.scheduling.policies.least_outstanding import LeastOutstanding
from perllm.scheduling.policies.lin_ucb import LinUcb
from perllm.scheduling.policies.round_robin import RoundRobin
from perllm.scheduling.policies.sla_queue import SlaQueue
from perllm.scheduling.policies.sliding_window_ucb import SlidingWindowUcb
from perllm.scheduling.policy import Policy

REGISTRY: Mapping[str, type[Policy]] = MappingProxyType(
    {
        policy.name: policy
        for policy in (
            CsUcb,
            CsUcbPaper,
            FineInferCloud,
            FineInferRoundRobin,
            DiscountedUcb,
            SlidingWindowUcb,
            LinUcb,
            DriftPlusPenalty,
            SlaQueue,
            EnergyGreedy,
            LeastOutstanding,
            RoundRobin,
            CloudOnly,
        )
    }
)


def make_policy(name: str) -> Policy:
    """Return a fresh policy by its name; ConfigError names the known ones."""
    policy = REGISTRY.get(name)
    if policy is None:
        raise ConfigError(f"no policy is called {name!r}", remedy=f"known policies: {', '.join(sorted(REGISTRY))}")
    return policy()

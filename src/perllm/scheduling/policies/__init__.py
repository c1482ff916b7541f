"""The policies, one file each, and the list of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from perllm.errors import ConfigError
from perllm.scheduling.policies.cloud_only import CloudOnly
from perllm.scheduling.policies.cs_ucb import CsUcb
from perllm.scheduling.policies.cs_ucb_paper import CsUcbPaper
from perllm.scheduling.policies.energy_greedy import EnergyGreedy
from perllm.scheduling.policies.least_outstanding import LeastOutstanding
from perllm.scheduling.policies.round_robin import RoundRobin
from perllm.scheduling.policy import Policy

REGISTRY: Mapping[str, type[Policy]] = MappingProxyType(
    {
        policy.name: policy
        for policy in (
            CsUcb,
            CsUcbPaper,
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

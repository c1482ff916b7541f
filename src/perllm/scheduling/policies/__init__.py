"""The policies, one file each, the list of them, and how one is chosen by its text."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from perllm.scheduling.contender import Contender, make_contender, read_contender
from perllm.scheduling.policies.cloud_only import CloudOnly
from perllm.scheduling.policies.cs_ucb import CsUcb
from perllm.scheduling.policies.cs_ucb_paper import CsUcbPaper
from perllm.scheduling.policies.edge_only import EdgeOnly
from perllm.scheduling.policies.energy_greedy import EnergyGreedy
from perllm.scheduling.policies.least_outstanding import LeastOutstanding
from perllm.scheduling.policies.lowest_latency import LowestLatency
from perllm.scheduling.policies.power_of_two import PowerOfTwo
from perllm.scheduling.policies.random import Random
from perllm.scheduling.policies.round_robin import RoundRobin
from perllm.scheduling.policies.shortest_expected_delay import ShortestExpectedDelay
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
            EdgeOnly,
            Random,
            PowerOfTwo,
            LowestLatency,
            ShortestExpectedDelay,
        )
    }
)


def contender_of(text: str) -> Contender:
    """Read `NAME[+hold|+push][:option=value]...`; ConfigError says what in it is wrong."""
    return read_contender(text, REGISTRY)


def make_policy(contender: Contender | str) -> Policy:
    """Return a fresh policy with its options; ConfigError where there is none such."""
    return make_contender(contender_of(contender) if isinstance(contender, str) else contender, REGISTRY)

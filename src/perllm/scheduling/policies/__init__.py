"""The policies, one file each, the list of them, and how one is chosen by its text."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from perllm.errors import ConfigError
from perllm.scheduling.contender import Contender, make_contender, read_contender
from perllm.scheduling.policies.agod import Agod
from perllm.scheduling.policies.cloud_only import CloudOnly
from perllm.scheduling.policies.cs_ucb import CsUcb
from perllm.scheduling.policies.cs_ucb_paper import CsUcbPaper
from perllm.scheduling.policies.discounted_ucb import DiscountedUcb
from perllm.scheduling.policies.drift_plus_penalty import DriftPlusPenalty
from perllm.scheduling.policies.edge_only import EdgeOnly
from perllm.scheduling.policies.energy_greedy import EnergyGreedy
from perllm.scheduling.policies.fineinfer_cloud import FineInferCloud
from perllm.scheduling.policies.fineinfer_rr import FineInferRoundRobin
from perllm.scheduling.policies.least_outstanding import LeastOutstanding
from perllm.scheduling.policies.lin_ucb import LinUcb
from perllm.scheduling.policies.lowest_latency import LowestLatency
from perllm.scheduling.policies.power_of_two import PowerOfTwo
from perllm.scheduling.policies.random import Random
from perllm.scheduling.policies.rewardless_guidance import RewardlessGuidance
from perllm.scheduling.policies.round_robin import RoundRobin
from perllm.scheduling.policies.shortest_expected_delay import ShortestExpectedDelay
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
            Agod,
            RewardlessGuidance,
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


# Policies that see what is hidden are made where it is: in the simulator.
CLAIRVOYANT = frozenset({"oracle-greedy"})


def contender_of(text: str) -> Contender:
    """Read `NAME[+hold|+push][:option=value]...`; ConfigError says what in it is wrong."""
    name = text.partition(":")[0].partition("+")[0]
    if name in CLAIRVOYANT:
        raise ConfigError(f"{name} sees what only a simulator knows", remedy="Use it with `perllm simulate`.")
    return read_contender(text, REGISTRY)


def make_policy(contender: Contender | str) -> Policy:
    """Return a fresh policy with its options; ConfigError where there is none such."""
    return make_contender(contender_of(contender) if isinstance(contender, str) else contender, REGISTRY)

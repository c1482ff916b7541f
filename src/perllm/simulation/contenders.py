"""What can be simulated: every policy, and those that see what only a simulator knows."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from perllm.scheduling.contender import Contender, make_contender, read_contender
from perllm.scheduling.policies import REGISTRY
from perllm.scheduling.policy import Policy
from perllm.simulation.oracle import OracleGreedy

SIMULATED: Mapping[str, type[Policy]] = MappingProxyType({**REGISTRY, OracleGreedy.name: OracleGreedy})


def contender_of(text: str) -> Contender:
    """Read `NAME[+hold|+push][:option=value]...`; ConfigError says what in it is wrong."""
    return read_contender(text, SIMULATED)


def make_policy(contender: Contender | str) -> Policy:
    """Return a fresh policy with its options; ConfigError where there is none such."""
    return make_contender(contender_of(contender) if isinstance(contender, str) else contender, SIMULATED)

"""What a file says of a service: its requirement, its target and where its data may go."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from perllm.config.kinds import ContenderText, Count, Name, Positive, Section, Target
from perllm.domain.server import Tier
from perllm.domain.service import WhenInfeasible, WhenLate


class RequirementSection(Section, frozen=True, kw_only=True):
    """How soon an answer is needed, from the request fully read to its last byte and to its first token."""

    total_s: Positive | None = None
    first_token_s: Positive | None = None


class PrivacySection(Section, frozen=True, kw_only=True):
    """Where the service's data may go; what is left out does not restrict."""

    tiers: Annotated[tuple[Tier, ...], Meta(min_length=1, description="a list of tiers")] | None = None
    servers: Annotated[tuple[Name, ...], Meta(min_length=1, description="a list of servers")] | None = None


class ExpectSection(Section, frozen=True, kw_only=True):
    """What is believed of answers before the first is seen; their lengths, unlike bytes, are learned while serving."""

    output_tokens: Positive = 128.0
    output_spread: Positive = 0.8
    reply_bytes_per_token: Positive = 250.0


class ServiceSection(Section, frozen=True, kw_only=True):
    """A service as both files describe it."""

    requirement: RequirementSection = RequirementSection()
    attainment: Target = 0.95
    when_infeasible: WhenInfeasible = WhenInfeasible.SERVE
    when_late: WhenLate = WhenLate.SERVE
    timeout_s: Positive = 600.0
    privacy: PrivacySection = PrivacySection()
    expect: ExpectSection = ExpectSection()


class SchedulerSection(Section, frozen=True, kw_only=True):
    """How requests are scheduled, and whether servers sleep. Left out, `hold`, `power`, `sessions` are the policy's."""

    policy: ContenderText = "cs-ucb"
    hold: bool | None = None
    power: bool | None = None
    sessions: bool | None = None
    max_attempts: Count = 3
    max_held: Count = 1000

"""Which service a call belongs to, and how soon it must be served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from perllm.domain.request import Requirement
from perllm.domain.service import Service
from perllm.wire.call import Call
from perllm.wire.errors import CallError
from perllm.wire.hints import Hints


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRules:
    """How calls match services, by name.

    A call that names a service belongs to it; else its model decides, then its service tier, then there is the default.
    """

    services: Mapping[str, Service]
    default: str
    by_model: Mapping[str, str] = field(default_factory=dict)
    by_service_tier: Mapping[str, str] = field(default_factory=dict)

    def service_of(self, call: Call, hints: Hints) -> Service:
        """Return the service of a call. Raises CallError where it names one that does not exist."""
        named = hints.service or call.service_hint
        if named is not None and named not in self.services:
            raise CallError(
                f"There is no service {named[:80]!r}. Name one of {', '.join(sorted(self.services))}, or none.",
                param="x-perllm-service" if hints.service else "metadata.service",
                code="unknown_service",
            )
        matched = named or self.by_model.get(call.model) or self.by_service_tier.get(call.service_tier or "")
        return self.services[matched or self.default]


def requirement_of(service: Service, hints: Hints) -> Requirement:
    """Return the service's requirement, replaced by what the call asks for, and never later than its client waits."""
    standing = service.requirement
    return Requirement(
        total_s=_sooner(hints.requirement_s or standing.total_s, hints.client_timeout_s),
        first_token_s=hints.first_token_s or standing.first_token_s,
    )


def _sooner(limit_s: float | None, bound_s: float | None) -> float | None:
    if limit_s is None or bound_s is None:
        return limit_s or bound_s
    return min(limit_s, bound_s)

"""What a config will lead to, judged before anything is sent: what each service can expect, and what looks wrong."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final

import numpy as np

from perllm.config.values import ASSUMED_SPEED, UNKNOWN_POWER, speed_profile
from perllm.domain.action import Dispatch, Refuse
from perllm.domain.explanation import Explanation
from perllm.domain.request import Request
from perllm.domain.server import Server
from perllm.domain.service import Service, WhenLate
from perllm.scheduling.policies import make_policy
from perllm.scheduling.scheduler import Scheduler

ASSUMED_PROMPT_TOKENS: Final = 100
_PROMPT_BYTES: Final = 4 * ASSUMED_PROMPT_TOKENS
_REST_OF_BODY_BYTES: Final = 300
# Judges every server that the service's data may go to, and none by its load.
_POLICY: Final = "least-outstanding"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What a service can expect of one idle server: time to the last token, and the chance of being in time."""

    server_id: str
    total_s: float
    in_time_probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """By service, the servers its requests may go to, the most promising first; and what its owner should know."""

    prospects: Mapping[str, Sequence[Prospect]]
    warnings: Sequence[str]


def review(servers: Sequence[Server], services: Sequence[Service], models: Mapping[str, Collection[str]]) -> Review:
    """Judge servers and services by the figures they declare.

    `models` are the names that a service is known to ask for; one that is not there may ask for any.
    """
    any_model = {model for server in servers for model in server.models}
    prospects = {
        service.name: _prospects(service, servers, models.get(service.name) or any_model) for service in services
    }
    warnings = [warning for server in servers for warning in _server_warnings(server)]
    for service in services:
        warnings += _model_warnings(service, servers, models.get(service.name, ()))
        warnings += _service_warnings(service, prospects[service.name])
    return Review(prospects=prospects, warnings=warnings)


def _prospects(service: Service, servers: Sequence[Server], models: Collection[str]) -> list[Prospect]:
    explanations = [_explained(service, servers, model) for model in models]
    found = {
        server_id: Prospect(server_id=server_id, total_s=total_s, in_time_probability=probability)
        for explained in explanations
        for server_id, total_s, probability in zip(
            explained.server_ids, explained.total_s, explained.in_time_probability, strict=True
        )
        if isfinite(total_s)
    }
    return sorted(found.values(), key=lambda prospect: (-prospect.in_time_probability, prospect.total_s))


def _explained(service: Service, servers: Sequence[Server], model: str) -> Explanation:
    """Ask a scheduler that has seen nothing yet where it would send a request."""
    scheduler = Scheduler(
        servers=servers, services=(service,), policy=make_policy(_POLICY), rng=np.random.default_rng(0)
    )
    request = Request(
        request_id="typical",
        service=service.name,
        model=model,
        requirement=service.requirement,
        payload_bytes=_PROMPT_BYTES + _REST_OF_BODY_BYTES,
        prompt_bytes=_PROMPT_BYTES,
        stream=True,
        hold_until_s=0.0,
    )
    decisions = [action for action in scheduler.submit(request, 0.0) if isinstance(action, Dispatch | Refuse)]
    return next(decision.explanation for decision in decisions if decision.explanation is not None)


def _server_warnings(server: Server) -> Iterator[str]:
    if server.power == UNKNOWN_POWER:
        yield f"server {server.server_id}: no power figures, so its joules count as zero and it looks free."
    if server.speed == speed_profile(ASSUMED_SPEED):
        yield (
            f"server {server.server_id}: no speed figures; {ASSUMED_SPEED.decode_tokens_per_s:g} tokens/s are assumed"
            " until it has been seen at work."
        )


def _service_warnings(service: Service, prospects: Sequence[Prospect]) -> Iterator[str]:
    requirement = service.requirement
    if not prospects:
        yield f"service {service.name}: no server may serve it; all its requests will be refused."
    elif prospects[0].in_time_probability < service.attainment:
        best = prospects[0]
        yield (
            f"service {service.name}: even on {best.server_id}, idle, only {best.in_time_probability:.0%} are"
            f" expected in time; {service.attainment:.0%} are asked for."
        )
    if service.when_late is WhenLate.CANCEL and requirement.total_s is None:
        yield f"service {service.name}: when_late: cancel has no effect without requirement.total_s."
    if requirement.total_s is not None and service.timeout_s < requirement.total_s:
        yield f"service {service.name}: timeout_s ends its requests before their requirement has passed."


def _model_warnings(service: Service, servers: Sequence[Server], models: Collection[str]) -> Iterator[str]:
    for model in models:
        if not any(_may_answer(server, service, model) for server in servers):
            yield f"service {service.name}: no server that its data may go to serves {model}."


def _may_answer(server: Server, service: Service, model: str) -> bool:
    in_tiers = service.tiers is None or server.tier in service.tiers
    in_servers = service.servers is None or server.server_id in service.servers
    return in_tiers and in_servers and model in server.models

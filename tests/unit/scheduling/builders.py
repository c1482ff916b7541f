"""Small fleets and requests for tests of the brain."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, log
from typing import Any

import numpy as np
from msgspec.structs import replace

from perllm.domain.action import Action, Dispatch, Finish, Outcome, Refuse
from perllm.domain.attempt import Ending, EndingKind, Usage
from perllm.domain.explanation import Explanation
from perllm.domain.profile import PowerProfile, SpeedProfile
from perllm.domain.request import Request, Requirement
from perllm.domain.server import Link, Server, Tier
from perllm.domain.service import Service
from perllm.scheduling.need import Need
from perllm.scheduling.policies import make_policy
from perllm.scheduling.policy import Policy
from perllm.scheduling.scheduler import Scheduler
from perllm.scheduling.settings import SchedulerSettings

EDGE = Server(
    server_id="edge",
    tier=Tier.EDGE,
    models=frozenset({"chat"}),
    slots=2,
    kv_tokens=8192,
    context_tokens=4096,
    link=Link(),
    speed=SpeedProfile(prefill_token_s=0.001, decode_token_s=0.01),
    power=PowerProfile(idle_w=10.0, prefill_w=30.0, decode_w=30.0, decode_full_w=30.0),
)
CLOUD = replace(
    EDGE,
    server_id="cloud",
    tier=Tier.CLOUD,
    slots=8,
    kv_tokens=65536,
    link=Link(rtt_s=0.04, j_per_byte=1e-6),
    speed=SpeedProfile(prefill_token_s=0.0001, decode_token_s=0.0005, weights_read_s=0.002),
    power=PowerProfile(idle_w=100.0, prefill_w=400.0, decode_w=2400.0, decode_full_w=2500.0),
)
CHAT = Service(name="chat", output_tokens=50.0, output_spread=0.5)
# A prompt of 100 tokens, an answer of 45 in the median, and all the time in the world.
NEED = Need(
    prompt_tokens=100.0,
    prompt_log_sd=0.3,
    limit=inf,
    mean_tokens=51.0,
    log_mean=log(45.0),
    log_variance=0.25,
    upper_tokens=85.0,
    payload_bytes=1000,
    moved_bytes=5000.0,
    budget_s=inf,
    first_token_budget_s=inf,
    taught=True,
)


def request(request_id: str = "r1", **changes: Any) -> Request:
    """Return a small chat request."""
    base = Request(
        request_id=request_id,
        service="chat",
        model="chat",
        requirement=Requirement(total_s=5.0),
        payload_bytes=600,
        prompt_bytes=400,
        max_output_tokens=200,
    )
    return replace(base, **changes)


def scheduler(
    *servers: Server,
    services: Sequence[Service] = (CHAT,),
    policy: str | Policy = "cs-ucb",
    **settings: Any,
) -> Scheduler:
    """Return a scheduler over `servers` (an edge and a cloud where none are given)."""
    return Scheduler(
        servers=servers or (EDGE, CLOUD),
        services=services,
        policy=make_policy(policy) if isinstance(policy, str) else policy,
        rng=np.random.default_rng(0),
        settings=SchedulerSettings(**settings),
    )


def completed(output_tokens: int = 50, **changes: Any) -> Ending:
    """Return a good ending."""
    usage = Usage(prompt_tokens=100, output_tokens=output_tokens)
    return replace(Ending(kind=EndingKind.COMPLETED, usage=usage), **changes)


def failed(**changes: Any) -> Ending:
    """Return a failure before any byte reached the client."""
    return replace(Ending(kind=EndingKind.FAILED, retryable=True), **changes)


def teach(brain: Scheduler, answers: int = 6) -> None:
    """Let the chat service answer as predicted, at instant 0, until its lengths are known."""
    for number in range(answers):
        dispatch = dispatch_of(brain.submit(request(f"lesson-{number}", requirement=Requirement()), 0.0))
        brain.close(dispatch.attempt_id, completed(), 0.0)


def dispatch_of(actions: Sequence[Action]) -> Dispatch:
    """Return the only dispatch among `actions`."""
    (dispatch,) = [action for action in actions if isinstance(action, Dispatch)]
    return dispatch


def predicted(dispatch: Dispatch) -> tuple[float, float]:
    """Return the seconds and joules that a dispatch foresees."""
    assert dispatch.predicted_total_s is not None
    assert dispatch.predicted_energy_j is not None
    return dispatch.predicted_total_s, dispatch.predicted_energy_j


def explanation_of(dispatch: Dispatch) -> Explanation:
    assert dispatch.explanation is not None
    return dispatch.explanation


def refusal_of(actions: Sequence[Action]) -> Refuse:
    """Return the only refusal among `actions`."""
    (refuse,) = [action for action in actions if isinstance(action, Refuse)]
    return refuse


def outcome_of(actions: Sequence[Action]) -> Outcome:
    """Return the only outcome among `actions`."""
    (outcome,) = [action.outcome for action in actions if isinstance(action, Finish)]
    return outcome

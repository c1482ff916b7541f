"""Laws of the brain, whatever happens in whatever order: conservation, one way out, capacity, lateness."""

from __future__ import annotations

from collections.abc import Sequence

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace

from perllm.domain.action import Action, Cancel, Dispatch, Fate, Finish, Outcome, Refuse
from perllm.domain.attempt import Ending, EndingKind, Progress, Stage, Usage
from perllm.domain.request import Request, Requirement
from perllm.domain.server import Server, Tier
from perllm.domain.service import Service, WhenInfeasible, WhenLate
from perllm.domain.telemetry import Health
from perllm.scheduling.policies import REGISTRY, make_policy
from tests.unit.scheduling.builders import CHAT, CLOUD, EDGE, scheduler

SERVICES = (
    CHAT,
    replace(CHAT, name="private", tiers=frozenset({Tier.EDGE}), when_infeasible=WhenInfeasible.REFUSE),
    replace(CHAT, name="strict", when_late=WhenLate.CANCEL, when_infeasible=WhenInfeasible.REFUSE),
    replace(CHAT, name="hasty", timeout_s=3.0),
)
FLEET = (EDGE, replace(EDGE, server_id="small", slots=1, kv_tokens=300), replace(CLOUD, slots=2))
# Every rule, and those that defer in ways that they do not by default.
POLICIES = (*sorted(REGISTRY), "cs-ucb-paper:slot_s=0.5", "fineinfer-rr:cap=2:join=false")
SECONDS = st.floats(min_value=0.0, max_value=5.0)


class Brain(RuleBasedStateMachine):
    """Any order of submissions, progress, ends, departures, probes and timers."""

    fleet: Sequence[Server] = FLEET
    sleeps: bool | None = None

    @initialize(policy=st.sampled_from(POLICIES), hold=st.sampled_from([None, True]))
    def start(self, policy: str, hold: bool | None) -> None:
        self.policy = policy
        self.brain = scheduler(*self.fleet, services=SERVICES, policy=policy, hold=hold, power=self.sleeps, max_held=3)
        self.holds = make_policy(policy).holds if hold is None else hold
        self.now_s = 0.0
        self.requests: dict[str, Request] = {}
        self.arrived_at_s: dict[str, float] = {}
        self.open: dict[str, Dispatch] = {}
        self.stopping: set[str] = set()
        self.streaming: set[str] = set()
        self.outcomes: dict[str, Outcome] = {}
        self.refused: set[str] = set()

    @rule(
        service=st.sampled_from([service.name for service in SERVICES]),
        total_s=st.one_of(st.none(), st.floats(min_value=0.01, max_value=30.0)),
        model=st.sampled_from(["chat", "chat", "chat", "unknown"]),
        prompt_bytes=st.integers(min_value=1, max_value=3000),
        limit=st.one_of(st.none(), st.integers(min_value=1, max_value=500)),
        stream=st.booleans(),
    )
    def submit(
        self, service: str, total_s: float | None, model: str, prompt_bytes: int, limit: int | None, stream: bool
    ) -> None:
        request = Request(
            request_id=f"r{len(self.requests)}",
            service=service,
            model=model,
            requirement=Requirement(total_s=total_s),
            payload_bytes=prompt_bytes + 200,
            prompt_bytes=prompt_bytes,
            max_output_tokens=limit,
            stream=stream,
        )
        self.requests[request.request_id] = request
        self.arrived_at_s[request.request_id] = self.now_s
        self.take(self.brain.submit(request, self.now_s))

    @precondition(lambda self: self.open)
    @rule(data=st.data(), kind=st.sampled_from(list(EndingKind)), tokens=st.integers(0, 300), retryable=st.booleans())
    def close(self, data: st.DataObject, kind: EndingKind, tokens: int, retryable: bool) -> None:
        attempt_id = data.draw(st.sampled_from(sorted(self.open)))
        self.shut(attempt_id, kind, tokens, retryable)

    def shut(self, attempt_id: str, kind: EndingKind, tokens: int, retryable: bool) -> None:
        del self.open[attempt_id]
        self.stopping.discard(attempt_id)
        self.streaming.discard(attempt_id)
        usage = Usage(prompt_tokens=40, output_tokens=tokens) if tokens % 2 else None
        ending = Ending(
            kind=kind,
            usage=usage,
            output_tokens=tokens,
            retryable=retryable and kind in (EndingKind.FAILED, EndingKind.LOST),
            infer_j=float(tokens),
        )
        self.take(self.brain.close(attempt_id, ending, self.now_s))

    @precondition(lambda self: set(self.open) - self.streaming)
    @rule(data=st.data())
    def first_token(self, data: st.DataObject) -> None:
        attempt_id = data.draw(st.sampled_from(sorted(set(self.open) - self.streaming)))
        self.streaming.add(attempt_id)
        self.take(self.brain.progress(attempt_id, Progress(stage=Stage.FIRST_TOKEN, tokens=1), self.now_s))

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        self.take(self.brain.cancel(data.draw(st.sampled_from(sorted(self.requests))), self.now_s))

    @rule(server=st.sampled_from(FLEET), healthy=st.booleans())
    def probe(self, server: Server, healthy: bool) -> None:
        fact = Health(server_id=server.server_id, healthy=healthy, measured_at_s=self.now_s)
        self.take(self.brain.observe(fact, self.now_s))

    @rule(seconds=SECONDS)
    def wait(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        wakes = 0
        while (at_s := self.brain.wake_at_s) is not None and at_s <= until_s:
            wakes += 1
            assert wakes < 1000, "a timer asks for the same instant again and again"
            self.now_s = max(self.now_s, at_s)
            self.take(self.brain.wake(self.now_s))
        self.now_s = until_s

    @rule(fewer=st.booleans())
    def reconfigure(self, fewer: bool) -> None:
        servers: Sequence[Server] = self.fleet[:2] if fewer else self.fleet
        services: Sequence[Service] = SERVICES
        self.take(self.brain.configure(servers, services, self.now_s))

    def take(self, actions: Sequence[Action]) -> None:
        """Do what a shell does, and check each action against what went before."""
        for action in actions:
            match action:
                case Dispatch():
                    assert action.request_id not in self.outcomes
                    assert action.request_id not in {other.request_id for other in self.open.values()}
                    assert self.allowed(action)
                    self.open[action.attempt_id] = action
                case Cancel():
                    assert action.attempt_id in self.open
                    assert action.attempt_id not in self.stopping
                    self.stopping.add(action.attempt_id)
                case Refuse():
                    assert action.request_id not in self.refused
                    self.refused.add(action.request_id)
                case Finish(outcome=outcome):
                    assert outcome.request_id not in self.outcomes, "a request ended twice"
                    self.outcomes[outcome.request_id] = outcome
                    self.check_lateness(outcome)

    def allowed(self, dispatch: Dispatch) -> bool:
        private = self.requests[dispatch.request_id].service == "private"
        return not private or dispatch.server_id != "cloud"

    def check_lateness(self, outcome: Outcome) -> None:
        total_s = self.requests[outcome.request_id].requirement.total_s
        late = total_s is not None and self.now_s > self.arrived_at_s[outcome.request_id] + total_s
        assert outcome.in_time is (outcome.fate is Fate.COMPLETED and not late)
        assert outcome.counted is (outcome.fate is not Fate.CANCELLED or late)

    @invariant()
    def every_request_is_somewhere(self) -> None:
        counts = self.brain.counts()
        assert len(self.requests) == counts.submitted == counts.accounted
        assert len(self.outcomes) == counts.submitted - counts.held - counts.in_flight
        assert {dispatch.request_id for dispatch in self.open.values()}.isdisjoint(self.outcomes)
        assert len(self.open) == counts.in_flight

    @invariant()
    def nothing_is_promised_twice(self) -> None:
        reservations, outstanding = self.brain.reservations(), self.brain.outstanding()
        for server in FLEET:
            if server.server_id not in reservations:
                continue
            held = reservations[server.server_id]
            mine = [dispatch for dispatch in self.open.values() if dispatch.server_id == server.server_id]
            assert outstanding[server.server_id] <= len(mine)
            if self.holds:
                assert outstanding[server.server_id] <= server.slots
                assert 0 <= held.kv_tokens <= server.kv_tokens
                limit = min(server.link.up_bytes_per_s, server.link.down_bytes_per_s)
                assert -1e-6 <= held.bytes_per_s <= limit * (1 + 1e-9)

    def teardown(self) -> None:
        """Let everything end: nothing may be left held, in flight or reserved."""
        if not hasattr(self, "brain"):
            return
        rounds = 0
        while self.brain.counts().held + self.brain.counts().in_flight:
            rounds += 1
            assert rounds < 500, "requests are never let go"
            for attempt_id in sorted(self.open):
                self.shut(attempt_id, EndingKind.COMPLETED, 5, False)
            if self.brain.counts().held:
                assert self.brain.wake_at_s is not None, "a request is held for ever"
                self.now_s = max(self.now_s, self.brain.wake_at_s)
                self.take(self.brain.wake(self.now_s))
        assert set(self.requests) == set(self.outcomes)
        assert {0} == set(self.brain.outstanding().values())
        assert all(held.kv_tokens == 0 and held.bytes_per_s == 0.0 for held in self.brain.reservations().values())


def test_every_request_ends_once_in_time_or_visibly_late_and_no_room_is_promised_twice() -> None:
    run_state_machine_as_test(Brain, settings=settings(max_examples=150, stateful_step_count=60, deadline=None))

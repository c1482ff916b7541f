"""When servers are sent to sleep and woken: the plan of `power`, carried out with patience.

A server that the plan can spare for as long as sleeping must last to pay is given nothing more; once it is empty, it is
told to sleep. What is needed again is woken at once, and so is a server that a request was sent to all the same.
"""

from __future__ import annotations

from collections import defaultdict
from enum import StrEnum
from math import inf

from msgspec.structs import replace

from perllm.domain.action import Action, PowerState, SetPower
from perllm.domain.attempt import Ending
from perllm.domain.request import Request
from perllm.domain.service import Service
from perllm.domain.telemetry import Health
from perllm.scheduling.burden import Demand, lengths_of
from perllm.scheduling.demand import QUICK_S, Kind, Traffic
from perllm.scheduling.dial import Dial
from perllm.scheduling.fleet import ServerState
from perllm.scheduling.lives import ANYBODY
from perllm.scheduling.policy import Evident
from perllm.scheduling.power import Planner, break_even_s
from perllm.scheduling.records import AttemptRecord, RequestRecord, arrived
from perllm.scheduling.teaching import evidence_of
from perllm.scheduling.timers import Timers
from perllm.scheduling.view import View

# How often the plan is made anew: a third of the time in which servers usually wake, a tenth of what rates remember.
PLAN_EVERY_S = 5.0
# Plans for large fleets take long: beyond so many servers that obey commands, they are made that much more seldom.
MANY = 20
# A request that would come for the first time, where nobody knows how long its prompt is: a page.
UNKNOWN_PROMPT_BYTES = 2000


class Mode(StrEnum):
    """Where a server that obeys commands stands."""

    AWAKE = "awake"
    SPARE = "spare"
    """Awake, but given nothing more."""
    ASLEEP = "asleep"
    WAKING = "waking"


class Switch:
    """One server that obeys commands, and what it was last told."""

    __slots__ = ("changed_at_s", "mode", "ready_at_s", "spare_since_s", "state")

    def __init__(self, state: ServerState) -> None:
        self.state = state
        self.mode = Mode.AWAKE
        self.changed_at_s = -inf
        self.ready_at_s = -inf
        self.spare_since_s = inf

    @property
    def wake_s(self) -> float:
        sleep = self.state.server.sleep
        return 0.0 if sleep is None else sleep.wake_s

    @property
    def patience_s(self) -> float:
        """How long it must have been spare before it is let go: no rate is known in less than its quick memory."""
        return max(break_even_s(self.state), QUICK_S)

    def turn(self, mode: Mode, now_s: float) -> None:
        """Take on another mode."""
        self.mode = mode
        self.changed_at_s = now_s
        self.spare_since_s = inf
        self.state.standby = mode in (Mode.SPARE, Mode.ASLEEP)
        if mode is Mode.ASLEEP:
            self._ready_in(self.wake_s)
        elif mode is Mode.WAKING:
            self.ready_at_s = now_s + self.wake_s
            self._ready_in(self.wake_s)

    def settle(self, now_s: float) -> SetPower | None:
        """Do what is due: wake with who has come, note that waking is over, sleep once empty."""
        state = self.state
        if self.mode is Mode.ASLEEP and state.batch:
            self.turn(Mode.WAKING, now_s)
            return SetPower(server_id=state.server_id, state=PowerState.AWAKE)
        if self.mode is Mode.SPARE and not state.batch:
            self.turn(Mode.ASLEEP, now_s)
            return SetPower(server_id=state.server_id, state=PowerState.ASLEEP)
        if self.mode is Mode.WAKING:
            if state.ready_in_s > 0.0:
                self._ready_in(max(self.ready_at_s - now_s, 0.0))
            if state.ready_in_s <= 0.0:
                self.turn(Mode.AWAKE, now_s)
        return None

    def heed(self, fact: Health) -> Health:
        """Learn from a probe whether commands were obeyed; return what it says of now, were it older than they are."""
        mode = self.mode
        if fact.measured_at_s >= self.changed_at_s:
            if mode is Mode.WAKING:
                self.ready_at_s = fact.measured_at_s + fact.ready_in_s
            elif mode is Mode.ASLEEP and fact.ready_in_s <= 0.0:
                self.turn(Mode.AWAKE, fact.measured_at_s)
            elif mode in (Mode.AWAKE, Mode.SPARE) and fact.ready_in_s > 0.0 and not self.state.batch:
                self.turn(Mode.ASLEEP, fact.measured_at_s)
            return fact
        return replace(fact, ready_in_s=self.state.ready_in_s)

    def _ready_in(self, seconds: float) -> None:
        self.state.ready_in_s = seconds
        self.state.changed()


class Power:
    """Follows the traffic and commands the servers of one fleet. Where nobody obeys, nothing is followed.

    `acts`: somebody obeys, or did.
    """

    __slots__ = (
        "_dials", "_obeyed", "_plan_at_s", "_reconfigured", "_switches", "_timers", "_traffic", "_view", "acts",
    )  # fmt: skip

    def __init__(self, view: View, timers: Timers) -> None:
        self._view = view
        self._timers = timers
        self._traffic: Traffic | None = None
        self._dials: defaultdict[str, Dial] = defaultdict(Dial)
        self._switches: dict[str, Switch] = {}
        self._plan_at_s = -inf
        self.reconfigured()

    def reconfigured(self) -> None:
        """Note that the fleet or the services have changed."""
        self._reconfigured = self.acts = True
        self._obeyed = any(state.server.sleep is not None for state in self._view.states)

    def _configure(self, now_s: float) -> list[Action]:
        """Take the fleet as it is: who stays, stays asleep; who no longer obeys is woken a last time."""
        known, self._switches, self._reconfigured = self._switches, {}, False
        actions: list[Action] = []
        for state in self._view.states:
            switch = known.get(state.server_id)
            if state.server.sleep is not None:
                kept = switch is not None and switch.state is state
                self._switches[state.server_id] = switch if switch is not None and kept else Switch(state)
            elif switch is not None and switch.mode in (Mode.ASLEEP, Mode.WAKING):
                switch.turn(Mode.AWAKE, now_s)
                actions.append(SetPower(server_id=state.server_id, state=PowerState.AWAKE))
        self._plan_at_s = now_s
        self.acts = bool(self._switches)
        return actions

    def hear(self, record: RequestRecord) -> None:
        """Take in an arrival."""
        if not self._obeyed:
            return
        if self._traffic is None:
            self._traffic = Traffic(record.arrived_at_s)
        self._traffic.hear(record)

    def learn(self, attempt: AttemptRecord, ending: Ending, now_s: float) -> None:
        """Learn how sure plans must be from what came of an attempt."""
        if not self._obeyed:
            return
        record, evident = attempt.owner, evidence_of(attempt, ending, now_s)
        if evident is not Evident.NOT and record.deadline_at_s < inf:
            in_time = evident is Evident.FULLY and now_s <= record.deadline_at_s
            self._dials[record.service.name].learn(in_time, record.service.attainment)

    def heed(self, fact: Health) -> Health:
        """Learn from a probe; return it as it should be believed."""
        switch = self._switches.get(fact.server_id)
        return fact if switch is None else switch.heed(fact)

    def settle(self, now_s: float, actions: list[Action]) -> None:
        """Plan if it is time to, and do what is due."""
        if self._reconfigured:
            actions.extend(self._configure(now_s))
        if self._switches and now_s >= self._plan_at_s:
            self._plan(now_s, actions)
        for switch in self._switches.values():
            if switch.mode is not Mode.AWAKE and (command := switch.settle(now_s)) is not None:
                # Before whatever is to be sent there.
                actions.insert(0, command)

    def _plan(self, now_s: float, actions: list[Action]) -> None:
        self._plan_at_s = now_s + PLAN_EVERY_S * max(1.0, len(self._switches) / MANY)
        self._timers.set(self._plan_at_s, ANYBODY)
        states = self._view.states
        awake, asleep = self._rows(now_s)
        planner = Planner(states, self._demands(now_s))
        needed = planner.needed(awake, asleep)
        for row, state in enumerate(states):
            switch = self._switches.get(state.server_id)
            if switch is None:
                continue
            if row in needed:
                actions.extend(_keep(switch, now_s))
            else:
                _spare(switch, now_s)

    def _rows(self, now_s: float) -> tuple[list[int], list[int]]:
        """Return the rows that can serve, those that are spare already last, and those that may be woken."""
        awake: list[int] = []
        spare: list[int] = []
        asleep: list[int] = []
        for row, state in enumerate(self._view.states):
            switch = self._switches.get(state.server_id)
            if not state.healthy or now_s < state.cooling_until_s:
                continue
            if switch is None or (switch.mode in (Mode.AWAKE, Mode.WAKING) and switch.spare_since_s == inf):
                awake.append(row)
            elif switch.mode is Mode.ASLEEP:
                asleep.append(row)
            else:
                spare.append(row)
        return awake + spare, asleep

    def _demands(self, now_s: float) -> list[Demand]:
        """List what is expected by the time at which a server woken now is ready, and what may come unexpected."""
        if self._traffic is None:
            self._traffic = Traffic(now_s)
        traffic = self._traffic
        traffic.forget(now_s)
        growth = traffic.growth(now_s, max(switch.wake_s for switch in self._switches.values()))
        found = [self._demand(kind, now_s, growth) for kind in traffic.kinds.values()]
        return found + [self._unseen(service, model, now_s) for service, model in self._unheard(traffic)]

    def _demand(self, kind: Kind, now_s: float, growth: float) -> Demand:
        request = replace(
            kind.record.request, prompt_bytes=round(kind.prompt_bytes), payload_bytes=round(kind.payload_bytes)
        )
        rate_per_s = kind.average.per_s(now_s) * growth
        return self._of(request, self._view.renewed(kind.record.service), rate_per_s, now_s)

    def _unheard(self, traffic: Traffic) -> list[tuple[Service, str]]:
        """List what may be asked for and has not been lately: somebody must be there for it too."""
        heard = {(service, model) for service, model, _ in traffic.kinds}
        models = sorted({model for state in self._view.states for model in state.server.models})
        pairs = [(service, model) for service in self._view.services for model in models]
        return [(service, model) for service, model in pairs if (service.name, model) not in heard]

    def _unseen(self, service: Service, model: str, now_s: float) -> Demand:
        request = Request(
            request_id="",
            service=service.name,
            model=model,
            requirement=service.requirement,
            payload_bytes=UNKNOWN_PROMPT_BYTES,
            prompt_bytes=UNKNOWN_PROMPT_BYTES,
        )
        return self._of(request, service, 0.0, now_s)

    def _of(self, request: Request, service: Service, rate_per_s: float, now_s: float) -> Demand:
        record = arrived(request, service, 0, now_s)
        rows = self._view.reach(record).rows
        need, target = self._view.need(record, now_s), self._dials[service.name].asked(service.attainment)
        return Demand(need=need, rate_per_s=rate_per_s, rows=rows, target=target, lengths=lengths_of(need))


def _keep(switch: Switch, now_s: float) -> list[Action]:
    """Have a server that is needed."""
    switch.spare_since_s = inf
    if switch.mode is Mode.SPARE:
        switch.turn(Mode.AWAKE, now_s)
    elif switch.mode is Mode.ASLEEP:
        switch.turn(Mode.WAKING, now_s)
        return [SetPower(server_id=switch.state.server_id, state=PowerState.AWAKE)]
    return []


def _spare(switch: Switch, now_s: float) -> None:
    """Let a server go that has been spare for long enough."""
    if switch.mode is not Mode.AWAKE:
        return
    if switch.spare_since_s == inf:
        switch.spare_since_s = now_s
    elif now_s - switch.spare_since_s >= switch.patience_s:
        switch.turn(Mode.SPARE, now_s)

"""Laws 1, 2 and 4 over runs that nobody would think of: the ledger adds up, and a journal replays."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from perllm.accounting.declared import DeclaredMeters
from perllm.accounting.ledger import Ledger
from perllm.domain.action import Actions, Cancel, CancelCause, Dispatch
from perllm.domain.attempt import Ending, EndingKind, Progress, Stage, Usage
from perllm.domain.entry import Entry
from perllm.domain.request import Requirement
from perllm.domain.service import Service, WhenInfeasible, WhenLate
from perllm.domain.telemetry import Health
from perllm.journal.codec import decode, encode
from perllm.journal.header import make_header
from perllm.journal.recording import Recording
from perllm.journal.replay import verify
from perllm.journal.writer import BlockingWriter
from perllm.scheduling.policies import REGISTRY, make_policy
from perllm.scheduling.scheduler import Scheduler
from perllm.scheduling.settings import SchedulerSettings
from tests.unit.accounting.entries import request, server

SERVERS = (server("edge-1"), server("edge-2"), server("edge-3", slots=1))
SERVICES = (
    Service(name="patient", timeout_s=30.0),
    Service(name="hasty", requirement=Requirement(total_s=1.0), when_late=WhenLate.CANCEL, timeout_s=5.0),
    Service(name="strict", requirement=Requirement(total_s=0.3), when_infeasible=WhenInfeasible.REFUSE, timeout_s=5.0),
)
SETTINGS = SchedulerSettings(max_held=3, max_attempts=2)
OPERATIONS = ("submit", "submit", "submit", "close", "close", "first_token", "cancel", "observe", "reload", "wait")


@dataclass(frozen=True)
class Step:
    """Something that happens `after_s` the last thing; `pick` decides to whom, and how."""

    operation: str
    after_s: float
    pick: int


STEPS = st.lists(
    st.builds(
        Step,
        operation=st.sampled_from(OPERATIONS),
        after_s=st.sampled_from((0.0, 0.05, 0.4, 2.0)),
        pick=st.integers(0, 1000),
    ),
    max_size=60,
)
POLICIES = st.sampled_from(sorted(REGISTRY))


class Shell:
    """A small shell without a clock: does what the brain says, and meters what attempts draw."""

    def __init__(self, policy: str, seed: int) -> None:
        self.scheduler = Scheduler(
            servers=SERVERS,
            services=SERVICES,
            policy=make_policy(policy),
            rng=np.random.default_rng(seed),
            settings=SETTINGS,
        )
        self.ledger = Ledger(SERVERS, 0.0, services=SERVICES)
        self.meters = DeclaredMeters(SERVERS)
        self.entries: list[Entry] = []
        self.brain = Recording(self.scheduler, (self.entries.append, self.ledger))
        self.now_s = 0.0
        self.submitted = 0
        self.open: dict[str, bool] = {}
        self.perform(self.brain.configure(SERVERS, SERVICES, 0.0))

    def perform(self, actions: Actions) -> None:
        stopped = []
        for action in actions:
            if isinstance(action, Dispatch):
                self.open[action.attempt_id] = False
                self.meters.start(action.attempt_id, action.server_id, self.now_s, streamed=True)
            elif isinstance(action, Cancel):
                stopped.append(action)
        for cancel in stopped:
            left = cancel.cause is CancelCause.CLIENT_LEFT
            self.close(cancel.attempt_id, EndingKind.CANCELLED if left else EndingKind.TIMED_OUT, 3)

    def close(self, attempt_id: str, kind: EndingKind, tokens: int, *, retryable: bool = False) -> None:
        del self.open[attempt_id]
        done = kind is EndingKind.COMPLETED
        ending = Ending(
            kind=kind,
            usage=Usage(prompt_tokens=90, output_tokens=tokens) if done else None,
            retryable=retryable,
            transmit_j=0.1,
            infer_j=self.meters.end(attempt_id, self.now_s),
        )
        self.perform(self.brain.close(attempt_id, ending, self.now_s))

    def take(self, step: Step) -> None:
        self.wake_until(self.now_s + step.after_s)
        getattr(self, f"_{step.operation}")(step.pick)

    def wake_until(self, at_s: float) -> None:
        while (wake_at_s := self.brain.wake_at_s) is not None and wake_at_s <= at_s:
            self.now_s = max(self.now_s, wake_at_s)
            self.perform(self.brain.wake(self.now_s))
        self.now_s = at_s

    def result(self) -> dict[str, Any]:
        return self.ledger.result(
            scenario="",
            policy="",
            seed=0,
            finished_at_s=self.now_s,
            server_joules=self.meters.server_joules(),
        )

    def finish(self) -> None:
        """Let every timer fire and every attempt end."""
        while self.open:
            self.close(next(iter(self.open)), EndingKind.COMPLETED, 5)
            self.now_s += 0.1
        self.wake_until(self.now_s + 100.0)
        assert not self.open

    def _submit(self, pick: int) -> None:
        service = SERVICES[pick % len(SERVICES)]
        self.submitted += 1
        asked = replace(
            request(f"r{self.submitted}", service.name),
            requirement=service.requirement,
            stream=True,
            hold_until_s=self.now_s if pick % 7 == 0 else None,
        )
        self.perform(self.brain.submit(asked, self.now_s))

    def _close(self, pick: int) -> None:
        if self.open:
            attempt_id = list(self.open)[pick % len(self.open)]
            kind = (EndingKind.COMPLETED, EndingKind.COMPLETED, EndingKind.FAILED, EndingKind.LOST)[pick % 4]
            self.close(attempt_id, kind, pick, retryable=pick % 3 > 0)

    def _first_token(self, pick: int) -> None:
        silent = [attempt_id for attempt_id, speaks in self.open.items() if not speaks]
        if silent:
            attempt_id = silent[pick % len(silent)]
            self.open[attempt_id] = True
            self.meters.first_token(attempt_id, self.now_s)
            self.perform(self.brain.progress(attempt_id, Progress(stage=Stage.FIRST_TOKEN, tokens=1), self.now_s))

    def _cancel(self, pick: int) -> None:
        if self.submitted:
            self.perform(self.brain.cancel(f"r{pick % self.submitted + 1}", self.now_s))

    def _observe(self, pick: int) -> None:
        server_id = SERVERS[pick % len(SERVERS)].server_id
        fact = Health(server_id=server_id, healthy=pick % 2 == 0, measured_at_s=self.now_s - 0.1)
        self.perform(self.brain.observe(fact, self.now_s))

    def _reload(self, pick: int) -> None:
        self.perform(self.brain.configure(SERVERS, SERVICES, self.now_s))

    def _wait(self, pick: int) -> None:
        self.wake_until(self.now_s + pick / 100)


@given(policy=POLICIES, seed=st.integers(0, 3), steps=STEPS)
def test_requests_are_conserved_at_every_instant(policy: str, seed: int, steps: list[Step]) -> None:
    shell = Shell(policy, seed)
    for step in steps:
        shell.take(step)

        counts = shell.ledger.counts()
        assert shell.scheduler.counts() == counts
        assert counts.submitted == counts.accounted == shell.submitted
    shell.finish()

    counts = shell.ledger.counts()
    assert (shell.submitted, 0, 0) == (counts.submitted, counts.held, counts.in_flight)
    assert {"requests_conserved": True, "attempts_closed_once": True, "energy_conserved": True} == (
        shell.result()["laws"]
    )


@given(policy=POLICIES, steps=STEPS)
def test_the_joules_of_requests_are_those_of_their_servers(policy: str, steps: list[Step]) -> None:
    shell = Shell(policy, 0)
    for step in steps:
        shell.take(step)
    shell.finish()
    energy = shell.result()["energy_j"]

    metered_j = sum(shell.meters.server_joules().values())
    idle_j = shell.now_s * sum(server.power.idle_w for server in SERVERS)
    assert pytest.approx(metered_j) == energy["infer"]
    assert pytest.approx(energy["transmit"] + metered_j + idle_j) == energy["total"]


@settings(max_examples=30)  # each makes a file
@given(policy=POLICIES, seed=st.integers(0, 3), steps=STEPS)
def test_a_journal_replayed_gives_the_decisions_it_recorded(policy: str, seed: int, steps: list[Step]) -> None:
    shell = Shell(policy, seed)
    for step in steps:
        shell.take(step)
    with journal(policy, seed, shell.entries) as path:
        verified = verify(path)

    assert (None, len(shell.entries)) == (verified.first_mismatch, verified.entries)


@given(steps=STEPS)
def test_an_entry_decoded_is_encoded_to_the_same_bytes(steps: list[Step]) -> None:
    shell = Shell("cs-ucb", 0)
    for step in steps:
        shell.take(step)
    for entry in shell.entries:
        body = encode(entry)

        assert body == encode(decode(entry.at_s, entry.kind.value, entry.subject, body))


@contextmanager
def journal(policy: str, seed: int, entries: list[Entry]) -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        header = make_header(policy=policy, seed=seed, settings=SETTINGS, started_at="")
        writer = BlockingWriter(path, header)
        for entry in entries:
            writer(entry)
        writer.close()
        yield path

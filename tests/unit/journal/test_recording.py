from collections.abc import Sequence

import pytest

from perllm.domain.action import Actions, Cancel, CancelCause
from perllm.domain.attempt import Ending, EndingKind, Progress, Stage
from perllm.domain.counts import Counts
from perllm.domain.entry import Entry, EventKind, Fleet
from perllm.domain.request import Request
from perllm.domain.server import Server
from perllm.domain.service import Service
from perllm.domain.telemetry import Fact, Health
from perllm.errors import InvariantError
from perllm.journal.recording import Recording
from perllm.scheduling.learned import Evidence, Learned
from tests.unit.accounting.entries import CHAT, request, server

ANSWER = (Cancel(request_id="r1", attempt_id="r1#1", cause=CancelCause.LATE),)
LEARNED = Learned(arms={"a": {"b": Evidence(weight=1.0, total=2.0, square=4.0, updated_at_s=0.0)}})


class Brain:
    """Answers every event alike, and notes what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.wake_at_s: float | None = 4.5
        self.report_every_s = 2.5

    def submit(self, request: Request, now_s: float) -> Actions:
        return self._answer("submit", request, now_s)

    def progress(self, attempt_id: str, progress: Progress, now_s: float) -> Actions:
        return self._answer("progress", attempt_id, progress, now_s)

    def close(self, attempt_id: str, ending: Ending, now_s: float) -> Actions:
        return self._answer("close", attempt_id, ending, now_s)

    def cancel(self, request_id: str, now_s: float) -> Actions:
        return self._answer("cancel", request_id, now_s)

    def observe(self, fact: Fact, now_s: float) -> Actions:
        return self._answer("observe", fact, now_s)

    def configure(self, servers: Sequence[Server], services: Sequence[Service], now_s: float) -> Actions:
        return self._answer("configure", servers, services, now_s)

    def wake(self, now_s: float) -> Actions:
        return self._answer("wake", now_s)

    def counts(self) -> Counts:
        return Counts(submitted=8, held=8)

    def snapshot(self) -> Learned:
        return LEARNED

    def absorb(self, learned: Learned) -> None:
        self.told.append(("absorb", learned))

    def _answer(self, *told: object) -> Actions:
        self.told.append(told)
        return ANSWER


PROGRESS = Progress(stage=Stage.FIRST_TOKEN, tokens=1)
ENDING = Ending(kind=EndingKind.LOST)
HEALTH = Health(server_id="edge", healthy=False, measured_at_s=0.5)
FLEET = Fleet(servers=(server(),), services=(CHAT,))


def tell_everything(brain: Recording) -> list[Actions]:
    return [
        brain.submit(request(), 1.0),
        brain.progress("r1#1", PROGRESS, 2.0),
        brain.close("r1#1", ENDING, 3.0),
        brain.cancel("r1", 4.0),
        brain.observe(HEALTH, 5.0),
        brain.configure(FLEET.servers, FLEET.services, 6.0),
        brain.wake(7.0),
    ]


def test_every_event_reaches_the_brain_and_its_answer_comes_back() -> None:
    brain = Brain()
    answers = tell_everything(Recording(brain, ()))

    assert [
        ("submit", request(), 1.0),
        ("progress", "r1#1", PROGRESS, 2.0),
        ("close", "r1#1", ENDING, 3.0),
        ("cancel", "r1", 4.0),
        ("observe", HEALTH, 5.0),
        ("configure", FLEET.servers, FLEET.services, 6.0),
        ("wake", 7.0),
    ] == brain.told
    assert [ANSWER] * 7 == answers


def test_every_sink_gets_every_event_with_its_answer() -> None:
    first: list[Entry] = []
    second: list[Entry] = []
    tell_everything(Recording(Brain(), (first.append, second.append)))

    assert (
        [
            Entry(1.0, EventKind.SUBMIT, "r1", request(), ANSWER),
            Entry(2.0, EventKind.PROGRESS, "r1#1", PROGRESS, ANSWER),
            Entry(3.0, EventKind.CLOSE, "r1#1", ENDING, ANSWER),
            Entry(4.0, EventKind.CANCEL, "r1", None, ANSWER),
            Entry(5.0, EventKind.OBSERVE, "", HEALTH, ANSWER),
            Entry(6.0, EventKind.CONFIGURE, "", FLEET, ANSWER),
            Entry(7.0, EventKind.WAKE, "", None, ANSWER),
        ]
        == first
        == second
    )


def test_what_is_no_event_passes_unrecorded() -> None:
    entries: list[Entry] = []
    brain = Brain()
    recording = Recording(brain, (entries.append,))
    recording.absorb(LEARNED)

    assert (4.5, 2.5, Counts(submitted=8, held=8), LEARNED) == (
        recording.wake_at_s,
        recording.report_every_s,
        recording.counts(),
        recording.snapshot(),
    )
    assert [("absorb", LEARNED)] == brain.told
    assert [] == entries


def test_a_rejected_event_is_not_recorded() -> None:
    class Contrary(Brain):
        def close(self, attempt_id: str, ending: Ending, now_s: float) -> Actions:
            raise InvariantError("closed twice")

    entries: list[Entry] = []
    with pytest.raises(InvariantError):
        Recording(Contrary(), (entries.append,)).close("r1#1", ENDING, 1.0)

    assert [] == entries

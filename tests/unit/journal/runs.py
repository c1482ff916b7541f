"""Headers and a short run of the real scheduler, for tests of journals."""

from collections.abc import Iterable

import numpy as np

from perllm.domain.action import Dispatch
from perllm.domain.attempt import Ending, EndingKind, Progress, Stage, Usage
from perllm.journal.header import Header, make_header
from perllm.journal.recording import Recording, Sink
from perllm.scheduling.learned import Evidence, Learned
from perllm.scheduling.policies import make_policy
from perllm.scheduling.scheduler import Scheduler
from perllm.scheduling.settings import SchedulerSettings
from tests.unit.accounting.entries import CHAT, request, server

SERVERS = tuple(server(f"edge-{number}") for number in range(4))
# One server a thousand times dearer than believed: enough to turn every decision away from it.
DEAR = Learned(servers={"edge-0": {"energy": Evidence(weight=50.0, total=350.0, square=2450.0, updated_at_s=0.0)}})


def header(**changes: object) -> Header:
    made = make_header(
        policy="energy-greedy",
        seed=3,
        settings=SchedulerSettings(max_held=50),
        started_at="2030-01-02T03:04:05+00:00",
    )
    return {**made, **changes}


def recording(sinks: Iterable[Sink], *, seed: int = 3, learned: Learned | None = None) -> Recording:
    scheduler = Scheduler(
        servers=SERVERS,
        services=(CHAT,),
        policy=make_policy("energy-greedy"),
        rng=np.random.default_rng(seed),
        settings=SchedulerSettings(max_held=50),
    )
    if learned is not None:
        scheduler.absorb(learned)
    recorded = Recording(scheduler, sinks)
    recorded.configure(SERVERS, (CHAT,), 0.0)
    return recorded


def serve_some(recorded: Recording, requests: int = 40) -> None:
    """Submit requests faster than they are served, so that ties are drawn and some are held."""
    running: list[str] = []
    for number in range(requests):
        now_s = number * 0.1
        actions = list(recorded.submit(request(f"r{number}"), now_s))
        if number % 2 and running:
            attempt_id = running.pop(0)
            recorded.progress(attempt_id, Progress(stage=Stage.FIRST_TOKEN, tokens=1), now_s)
            usage = Usage(prompt_tokens=90, output_tokens=40 + number)
            ending = Ending(kind=EndingKind.COMPLETED, usage=usage, infer_j=3.0)
            actions.extend(recorded.close(attempt_id, ending, now_s))
        running.extend(action.attempt_id for action in actions if isinstance(action, Dispatch))

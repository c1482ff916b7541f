"""How many answers an engine writes at once is seen by asking for more."""

from __future__ import annotations

from collections import Counter

import pytest

from perllm.experiments.calibrate.budget import Amount, Budget
from perllm.experiments.calibrate.heard import Heard
from perllm.experiments.calibrate.pace import Pace
from perllm.experiments.calibrate.plan import Limits
from perllm.experiments.calibrate.prompts import Prompts
from perllm.experiments.calibrate.samples import FirstToken
from perllm.experiments.calibrate.subject import Subject
from perllm.experiments.calibrate.writing import write_answers
from perllm.machines.http import UpstreamClient
from perllm.wire.reply import Usage
from tests.unit.experiments.calibrate.subjects import Quiet

STEP_S = 0.01
LIMITS = Limits(most_batch=32, context_tokens=4096, kv_tokens=131_072)
PACE_FROM = FirstToken(prompt_tokens=48, cached_tokens=0, payload_bytes=300, seconds=0.05)


class Slotted(Subject):
    """An engine of 8 slots; of some batches the last answer was heard late at the first time."""

    def __init__(self, client: UpstreamClient, late: frozenset[int]) -> None:
        budget = Budget(Amount(requests=10**6, prompt_tokens=10**9, output_tokens=10**9), 60.0)
        super().__init__(client, model="m", prompts=Prompts("test"), budget=budget, watcher=Quiet())
        self.asked = Counter[int]()
        self._late = late

    async def ask_together(self, count: int, prompt_tokens: float, max_tokens: int) -> list[Heard]:
        self.asked[count] += 1
        at_once = min(count, 8) - (count in self._late and self.asked[count] == 1)
        return [heard(0.0 if number < at_once else max_tokens * STEP_S, max_tokens) for number in range(count)]


def heard(start_s: float, tokens: int) -> Heard:
    arrivals = [(start_s + number * STEP_S, number) for number in range(1, tokens + 1)]
    usage = Usage(prompt_tokens=48, completion_tokens=tokens)
    return Heard(sent_at_s=0.0, payload_bytes=300, arrivals=arrivals, ended_at_s=arrivals[-1][0], usage=usage)


@pytest.mark.parametrize("late", [frozenset[int](), frozenset({2}), frozenset({4, 16})])
async def test_one_answer_that_was_heard_late_does_not_hide_a_slot(late: frozenset[int]) -> None:
    client = UpstreamClient([], user_agent="test")
    try:
        subject = Slotted(client, late)
        written = await write_answers(
            subject, LIMITS, Pace(PACE_FROM, PACE_FROM, STEP_S), until_s=60.0, slots_known=False
        )
    finally:
        await client.close()

    assert 8 == written.slots_seen
    assert 32 not in subject.asked

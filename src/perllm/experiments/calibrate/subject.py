"""The engine that is measured: everything that is sent to it goes through here, so that it is counted and bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Protocol

from perllm.experiments.calibrate.budget import Amount, Budget
from perllm.experiments.calibrate.dialect import DIALECTS
from perllm.experiments.calibrate.heard import Heard, OnFrames, listen
from perllm.experiments.calibrate.prompts import Prompts
from perllm.experiments.calibrate.samples import FirstToken
from perllm.machines.failures import AttemptError
from perllm.machines.http import UpstreamClient

_BAD_REQUEST: Final = frozenset({400, 422})
_MARGIN: Final = 1.15
"""Prompts may come out so much longer than they were meant: our choice."""


class Watcher(Protocol):
    """Whoever shows how far a calibration is."""

    def stage(self, what: str) -> None:
        """Say what is measured now."""

    def elapsed(self, elapsed_s: float) -> None:
        """Say how much time has gone by."""


class Subject:
    """Asks the engine and listens, in the dialect it understands."""

    def __init__(
        self, client: UpstreamClient, *, model: str, prompts: Prompts, budget: Budget, watcher: Watcher
    ) -> None:
        self.client = client
        self.model = model
        self.prompts = prompts
        self.budget = budget
        self.watcher = watcher
        self.dialect = DIALECTS[0]
        self.cut_short = False

    async def settle_dialect(self, prompt: str, max_tokens: int) -> Heard:
        """Find out how the engine can be asked, by asking. Raises AttemptError where it refuses every way."""
        for self.dialect in DIALECTS[:-1]:
            try:
                return await self.say(prompt, max_tokens)
            except AttemptError as error:
                if error.status not in _BAD_REQUEST:
                    raise
        self.dialect = DIALECTS[-1]
        return await self.say(prompt, max_tokens)

    def may_ask(self, prompt_tokens: float, max_tokens: int, count: int = 1) -> bool:
        """Whether so much is left of what was announced. Hidden words of a template may use it up early."""
        tokens = round(max(prompt_tokens, self.prompts.shortest_tokens) * _MARGIN)
        more = Amount(requests=1, prompt_tokens=tokens, output_tokens=max_tokens).times(count)
        if not self.budget.allows(more):
            self.cut_short = True
        return self.budget.allows(more)

    async def ask(self, prompt_tokens: float, max_tokens: int, on_frames: OnFrames | None = None) -> Heard:
        """Ask with a new prompt of about so many tokens."""
        return await self.say(self.prompts.write(prompt_tokens), max_tokens, on_frames)

    async def say(self, prompt: str, max_tokens: int, on_frames: OnFrames | None = None) -> Heard:
        """Ask with this very prompt."""
        expected_tokens = self.prompts.tokens_of(prompt)
        self.budget.take(Amount(requests=1, prompt_tokens=expected_tokens, output_tokens=max_tokens))
        heard = await listen(self.client, self.dialect.body(self.model, prompt, max_tokens), on_frames)
        self.budget.correct(heard.told.prompt_tokens - expected_tokens, heard.told.completion_tokens - max_tokens)
        self.watcher.elapsed(self.budget.elapsed_s)
        return heard

    async def first_token(self, prompt_tokens: float) -> FirstToken:
        """Time the first token of a new prompt."""
        return first_token(await self.ask(prompt_tokens, 1))

    async def ask_together(self, count: int, prompt_tokens: float, max_tokens: int) -> list[Heard]:
        """Ask so many times at once. Raises the first AttemptError; then the others have been left."""
        async with task_group() as group:
            asked = [group.create_task(self.ask(prompt_tokens, max_tokens)) for _ in range(count)]
        return [task.result() for task in asked]


@asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """Run tasks together; of several that fail, raise what the first says. The others are left, which hangs up."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


def first_token(heard: Heard) -> FirstToken:
    """Take what an answer tells of the reading of its prompt."""
    return FirstToken(
        prompt_tokens=heard.told.prompt_tokens,
        cached_tokens=min(heard.told.cached_tokens or 0, heard.told.prompt_tokens - 1),
        payload_bytes=heard.payload_bytes,
        seconds=heard.first_token_s,
    )

"""The server whose last answers came fastest, as LiteLLM's latency-based-routing has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import ClassVar

from perllm.domain.request import Request
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.policy import Evident, Lesson, Policy

# What LiteLLM notes for an attempt that has timed out.
TIMED_OUT_S = 1000.0


class Window:
    """The last seconds noted of one server, each with its instant.

    `stuck`: once full, only the newest is replaced, so that the oldest stay until all is forgotten.
    """

    __slots__ = ("_noted", "_size", "_stuck")

    def __init__(self, size: int, *, stuck: bool) -> None:
        self._size = size
        self._stuck = stuck
        self._noted: list[tuple[float, float]] = []

    def note(self, seconds: float, at_s: float) -> None:
        if len(self._noted) >= self._size:
            del self._noted[-1 if self._stuck else 0]
        self._noted.append((at_s, seconds))

    def forget_before(self, at_s: float) -> None:
        self._noted = [noted for noted in self._noted if noted[0] > at_s]

    def __len__(self) -> int:
        return len(self._noted)

    @property
    def sum_s(self) -> float:
        return sum(seconds for _, seconds in self._noted)


class Past:
    """What one server has shown for one model: seconds per output token, of streams the seconds to the first token."""

    __slots__ = ("first_token", "open", "per_token")

    def __init__(self, window: int, *, stuck: bool) -> None:
        self.per_token = Window(window, stuck=stuck)
        self.first_token = Window(window, stuck=stuck)
        self.open = 0


class LowestLatency(Policy):
    """Lowest mean latency of the last answers, as LiteLLM's latency-based-routing; blind to load and joules.

    Plain answers count seconds per output token, streams seconds to the first token. Who is within `buffer` (a
    fraction) of the best is as good as the best. With its published `quirks`: the untried come first, all requests to
    them until the first answer is in; a full window keeps its oldest and replaces its newest only; the time to the
    first token is divided by the answer's tokens, and their sum by the count of the other window; a timeout counts for
    plain answers alone; and all is forgotten at once, `ttl_s` after the first note. Without them: one request to each
    untried server, windows that roll, plain means, timeouts that count for both, and notes that expire one by one.
    """

    name: ClassVar[str] = "lowest-latency"
    holds: ClassVar[bool] = False
    minds_time: ClassVar[bool] = False
    blind: ClassVar[bool] = True

    def __init__(self, *, quirks: bool = True, buffer: float = 0.0, window: int = 10, ttl_s: float = 3600.0) -> None:
        if buffer < 0.0 or window < 1 or ttl_s <= 0.0:
            raise ValueError("buffer must be 0 or above, window 1 or above, ttl_s above 0")
        self._quirks = quirks
        self._buffer = buffer
        self._window = window
        self._ttl_s = ttl_s
        self._models: dict[str, dict[str, Past]] = {}
        self._expires_at_s: dict[str, float] = {}

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        self._expire(request.model, now_s)
        pasts: Mapping[str, Past] = self._models.get(request.model, {})
        means = [
            self._mean_s(pasts.get(candidates.servers[row].server_id), stream=request.stream)
            for row in candidates.feasible
        ]
        lowest = min(means)
        as_good = lowest * (1.0 + self._buffer)
        return [-lowest if mean <= as_good else -mean for mean in means]

    def chose(self, request: Request, server_id: str, now_s: float) -> None:
        self._past(request.model, server_id).open += 1

    def learn(self, lesson: Lesson) -> None:
        past = self._past(lesson.model, lesson.server_id)
        past.open -= 1
        if lesson.evident is Evident.NOT:
            return
        self._expires_at_s.setdefault(lesson.model, lesson.at_s + self._ttl_s)
        if lesson.evident is Evident.AT_LEAST:
            past.per_token.note(TIMED_OUT_S, lesson.at_s)
            if not self._quirks:
                past.first_token.note(TIMED_OUT_S, lesson.at_s)
            return
        tokens = max(lesson.output_tokens, 1)
        past.per_token.note(lesson.total_s / tokens, lesson.at_s)
        if lesson.first_token_s is not None:
            past.first_token.note(lesson.first_token_s / (tokens if self._quirks else 1), lesson.at_s)

    def _mean_s(self, past: Past | None, *, stream: bool) -> float:
        """Return the mean to go by: 0 for a server to be tried, infinite while its first answers are awaited."""
        if past is None or not len(past.per_token):
            return 0.0 if self._quirks or past is None or not past.open else inf
        if not (stream and len(past.first_token)):
            return past.per_token.sum_s / len(past.per_token)
        return past.first_token.sum_s / len(past.per_token if self._quirks else past.first_token)

    def _expire(self, model: str, now_s: float) -> None:
        if self._quirks and now_s >= self._expires_at_s.get(model, inf):
            del self._expires_at_s[model]
            for server_id, past in self._models[model].items():
                self._models[model][server_id] = fresh = self._new_past()
                fresh.open = past.open
        elif not self._quirks:
            for past in self._models.get(model, {}).values():
                past.per_token.forget_before(now_s - self._ttl_s)
                past.first_token.forget_before(now_s - self._ttl_s)

    def _past(self, model: str, server_id: str) -> Past:
        pasts = self._models.setdefault(model, {})
        past = pasts.get(server_id)
        if past is None:
            past = pasts[server_id] = self._new_past()
        return past

    def _new_past(self) -> Past:
        return Past(self._window, stuck=self._quirks)

"""What a calibration has found out, and how well the constants give the measurements back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

from perllm.costs.time import decode_step_s, prefill_s
from perllm.domain.profile import Batching, SpeedProfile
from perllm.experiments.calibrate.beside import Manner
from perllm.experiments.calibrate.budget import Amount
from perllm.experiments.calibrate.samples import FirstToken, LinkTimes, Step
from perllm.machines.discovery import Told

_MISFIT: Final = 0.25
_NEAR: Final = 1.25
"""Prompts of one meant length come out up to so much apart; the next length is a third longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What the engine takes at once, and where each figure comes from."""

    slots: int
    slots_from: str
    context_tokens: int
    context_from: str
    kv_tokens: int
    kv_from: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A measuring point: what was measured, the median, and what the constants say."""

    what: str
    times: int
    measured_s: float
    fitted_s: float

    @property
    def error(self) -> float:
        """How far the constants are off, as a fraction of what was measured."""
        return self.fitted_s / self.measured_s - 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The profile of an engine, with everything it was concluded from."""

    url: str
    model: str
    told: Told
    capacity: Capacity
    link: LinkTimes
    speed: SpeedProfile
    manner: Manner | None
    caches_prefixes: bool | None
    first_tokens: Sequence[FirstToken]
    steps: Sequence[Step]
    remarks: Sequence[str]
    warnings: Sequence[str]
    used: Amount
    seconds: float

    @property
    def misfits(self) -> list[str]:
        """Say which measurements the formula does not give back."""
        parts = (("first tokens", self.reading_points), ("decode steps", self.writing_points))
        return [
            f"the constants give {what} back only to within {off(points)[1]:.0%}: the engine does not keep to the"
            " formula, or was disturbed; the table shows where"
            for what, points in parts
            if off(points)[1] > _MISFIT
        ]

    @property
    def batching(self) -> Batching:
        """How prompts are fitted in; the default where nothing could be told."""
        return Batching.PREFILL_FIRST if self.manner is None else self.manner.batching

    @property
    def step_tokens(self) -> int | None:
        """How much of a prompt one step reads at most, None where that was not seen."""
        return None if self.manner is None else self.manner.step_tokens

    def first_token_s(self, sample: FirstToken) -> float:
        """Say by the constants how long a first token takes."""
        upload_s = 0.0 if self.link.up_bytes_per_s is None else sample.payload_bytes / self.link.up_bytes_per_s
        tokens, before = sample.prompt_tokens - sample.cached_tokens, float(sample.cached_tokens)
        return (
            self.link.rtt_s
            + upload_s
            + self.speed.request_overhead_s
            + read_s(self.speed, tokens, before, self.step_tokens)
        )

    @property
    def reading_points(self) -> list[Point]:
        """First tokens, by the length of the prompt."""
        groups: dict[int, list[FirstToken]] = {}
        for sample in sorted(self.first_tokens, key=lambda sample: sample.prompt_tokens):
            near = next((length for length in groups if sample.prompt_tokens <= length * _NEAR), sample.prompt_tokens)
            groups.setdefault(near, []).append(sample)
        return [self._reading_point(group) for group in groups.values()]

    @property
    def writing_points(self) -> list[Point]:
        """Steps, by how many answers were written at once and how long their prompts were."""
        groups: dict[tuple[int, int], list[Step]] = {}
        for step in self.steps:
            groups.setdefault((step.told_tokens, step.batch), []).append(step)
        return [self._writing_point(groups[key]) for key in sorted(groups)]

    def as_json(self) -> dict[str, Any]:
        """Return everything but the profile itself."""
        points = {"first_token": self.reading_points, "step": self.writing_points}
        return {
            "url": self.url,
            "model": self.model,
            "engine": {"kind": self.told.kind.value, "version": self.told.version},
            "points": {
                name: [
                    {
                        "what": point.what,
                        "times": point.times,
                        "measured_s": point.measured_s,
                        "fitted_s": point.fitted_s,
                    }
                    for point in shown
                ]
                for name, shown in points.items()
            },
            "residuals": {
                name: dict(zip(("median", "most"), off(shown), strict=True)) for name, shown in points.items()
            },
            "link": {
                "connect_s": self.link.connect_s,
                "request_s": self.link.request_s,
                "up_bytes_per_s": self.link.up_bytes_per_s,
            },
            "samples": {
                "first_token": [asdict(sample) for sample in self.first_tokens],
                "step": [asdict(step) for step in self.steps],
            },
            "remarks": list(self.remarks),
            "warnings": [*self.misfits, *self.warnings],
            "used": {
                "requests": self.used.requests,
                "prompt_tokens": self.used.prompt_tokens,
                "output_tokens": self.used.output_tokens,
                "seconds": self.seconds,
            },
        }

    def _reading_point(self, group: Sequence[FirstToken]) -> Point:
        tokens = round(median(sample.prompt_tokens for sample in group))
        return Point(
            what=f"{tokens:,} tokens read",
            times=len(group),
            measured_s=median(sample.seconds for sample in group),
            fitted_s=median(self.first_token_s(sample) for sample in group),
        )

    def _writing_point(self, group: Sequence[Step]) -> Point:
        context = median(step.context_tokens for step in group)
        batch = group[0].batch
        return Point(
            what=f"{batch} answer{'s' if batch > 1 else ''}, {context:,.0f} tokens of context",
            times=len(group),
            measured_s=median(step.seconds for step in group),
            fitted_s=decode_step_s(self.speed, batch, context),
        )


def read_s(speed: SpeedProfile, tokens: int, before: float, step_tokens: int | None) -> float:
    """Say how long a prompt takes that is read alone, in steps of at most so many tokens."""
    whole = step_tokens or max(tokens, 1)
    return sum(
        prefill_s(speed, min(whole, tokens - start), before + start) for start in range(0, max(tokens, 1), whole)
    )


def off(points: Sequence[Point]) -> tuple[float, float]:
    """Return the median and the greatest distance of the constants from the points, as fractions."""
    errors = [abs(point.error) for point in points]
    return (median(errors), max(errors)) if errors else (0.0, 0.0)

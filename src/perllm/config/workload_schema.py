"""scenario.yaml's traffic: when requests arrive, of which services, and how long they are."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from msgspec import Meta

from perllm.config.kinds import Count, ModelName, Name, NotNegative, Positive, Section, Share, Text
from perllm.simulation.arrivals import Process
from perllm.simulation.job import STREAMED_TOKEN_BYTES
from perllm.simulation.traces.request import Layout

# Real clients have up to about 40 (ServeGen's windows of ten minutes); far beyond, all gaps but a few are 0.
_LARGEST_CV = 100
_SMALLEST_CV = 0.01

Variation = Annotated[
    float, Meta(ge=_SMALLEST_CV, le=_LARGEST_CV, description="a coefficient of variation from 0.01 to 100")
]
WeibullShape = Annotated[float, Meta(ge=0.15, le=100, description="a shape from 0.15 to 100")]
QuantilePoint = Annotated[
    tuple[float, ...], Meta(min_length=2, max_length=2, description="a share and the tokens there, such as [0.5, 20]")
]
Bounds = Annotated[tuple[Count, ...], Meta(min_length=2, max_length=2, description="two lengths, such as [10, 200]")]


class LengthsSection(Section, frozen=True, kw_only=True):
    """Lengths in tokens, cut at `minimum` and `maximum`. One of five forms.

    Log-normal around `median` with `sigma`, the standard deviation of the logarithm; always the same (`fixed`); any
    between two, equally likely (`uniform`); straight between `quantiles`; or those of a shipped `set`.
    """

    median: Positive | None = None
    sigma: NotNegative | None = None
    fixed: Count | None = None
    uniform: Bounds | None = None
    quantiles: Annotated[tuple[QuantilePoint, ...], Meta(min_length=2, description="a list of quantiles")] | None = None
    set: Text | None = None
    minimum: Count = 1
    maximum: Count | None = None

    def __post_init__(self) -> None:
        """Refuse two forms at once, half a form and an empty range."""
        forms = (self.median, self.fixed, self.uniform, self.quantiles, self.set)
        if sum(form is not None for form in forms) != 1:
            raise ValueError("give one of median (with sigma), fixed, uniform, quantiles and set")
        if (self.median is None) != (self.sigma is None):
            raise ValueError("median and sigma belong together")
        if self.maximum is not None and not self.minimum <= self.maximum:
            raise ValueError("minimum must not be above maximum")
        if self.median is not None:
            self._check_median(self.median)
        if self.uniform is not None and self.uniform[0] > self.uniform[1]:
            raise ValueError("uniform must have the shorter length first")
        _check_quantiles(self.quantiles or ())

    def _check_median(self, median: float) -> None:
        if self.maximum is None:
            raise ValueError("median needs a maximum")
        if not self.minimum <= median <= self.maximum:
            raise ValueError("minimum, median and maximum must be in that order")


def _check_quantiles(points: tuple[tuple[float, ...], ...]) -> None:
    if not points:
        return
    shares, tokens = zip(*points, strict=True)
    if (shares[0], shares[-1]) != (0.0, 1.0) or any(a >= b for a, b in pairwise(shares)):
        raise ValueError("quantiles must rise from share 0 to share 1")
    if tokens[0] < 1 or any(a > b for a, b in pairwise(tokens)):
        raise ValueError("the tokens of quantiles must be 1 or more and not fall")


class DiurnalSection(Section, frozen=True, kw_only=True):
    """A wave of the rate: between 1 + `depth` and 1 - `depth` times the base rate, highest at `peak_at_s`."""

    period_s: Positive = 86_400.0
    depth: Share
    peak_at_s: NotNegative = 0.0


class SpikeSection(Section, frozen=True, kw_only=True):
    """A time at which the rate is `factor` times what it would be."""

    from_s: NotNegative
    to_s: Positive
    factor: NotNegative

    def __post_init__(self) -> None:
        """Refuse a spike that ends before it begins."""
        if self.to_s <= self.from_s:
            raise ValueError("to_s must be later than from_s")


class RampSection(Section, frozen=True, kw_only=True):
    """The rate goes straight from what it was to `factor` times the base rate, and stays; at once without `to_s`."""

    from_s: NotNegative
    to_s: NotNegative | None = None
    factor: NotNegative

    def __post_init__(self) -> None:
        """Refuse a ramp that ends before it begins."""
        if self.to_s is not None and self.to_s < self.from_s:
            raise ValueError("to_s must not be earlier than from_s")


class RateSection(Section, frozen=True, kw_only=True):
    """How the rate changes over time: a wave, ramps in order, and spikes, all multiplied."""

    diurnal: DiurnalSection | None = None
    ramps: tuple[RampSection, ...] = ()
    spikes: tuple[SpikeSection, ...] = ()

    def __post_init__(self) -> None:
        """Refuse ramps out of order and a rate that ends at nothing."""
        for earlier, later in pairwise(self.ramps):
            if later.from_s < (earlier.to_s or earlier.from_s):
                raise ValueError("each of the ramps must begin after the one before has ended")
        if self.ramps and not self.ramps[-1].factor:
            raise ValueError("the last of the ramps must have a factor above 0, or the rest would never arrive")


class ArrivalsSection(Section, frozen=True, kw_only=True):
    """The process of arrivals: `gamma` and `weibull` with a `cv` of the gaps, or with the `shape` of a Weibull."""

    process: Process = Process.POISSON
    cv: Variation | None = None
    shape: WeibullShape | None = None
    rate: RateSection = RateSection()

    def __post_init__(self) -> None:
        """Refuse a process that is said too little of, or too much."""
        given = (self.cv is not None) + (self.shape is not None)
        if self.process is Process.GAMMA and (self.cv is None or self.shape is not None):
            raise ValueError("a gamma process needs cv and no shape")
        if self.process is Process.WEIBULL and given != 1:
            raise ValueError("a weibull process needs cv or shape")
        if self.process in (Process.POISSON, Process.CONSTANT) and given:
            raise ValueError(f"a {self.process.value} process has neither cv nor shape")


class GapSection(Section, frozen=True, kw_only=True):
    """Seconds, log-normal around `median` with `sigma`, the standard deviation of the logarithm."""

    median: Positive
    sigma: NotNegative = 0.0


class TurnsSection(Section, frozen=True, kw_only=True):
    """How conversations go on: `messages` in all, each later one behind all that was said, a `gap_s` after the last."""

    messages: LengthsSection
    gap_s: GapSection
    message_tokens: LengthsSection | None = None
    most_tokens: Count | None = None


class LoadSection(Section, frozen=True, kw_only=True):
    """One service's part in the traffic. Of its clients `leaving_fraction` hang up after about `leaving_after_s`."""

    model: ModelName
    share: Positive | None = None
    rate_per_s: Positive | None = None
    arrivals: ArrivalsSection | None = None
    prompt_tokens: LengthsSection | None = None
    output_tokens: LengthsSection | None = None
    max_output_tokens: Count | None = None
    stream_fraction: Share = 1.0
    bytes_per_prompt_token: Positive = 4.0
    overhead_bytes: Annotated[int, Meta(ge=0, description="a whole number, 0 or above")] = 300
    reply_bytes_per_token: Positive = STREAMED_TOKEN_BYTES
    leaving_fraction: Share = 0.0
    leaving_after_s: Positive = 1.0
    turns: TurnsSection | None = None


class TraceSection(Section, frozen=True, kw_only=True):
    """A trace to play, `speed_up` times as fast. Its requests are of one `service`, or by what it calls their model."""

    file: Text
    layout: Layout | None = None
    speed_up: Positive = 1.0
    service: Name | None = None
    services_by_model: dict[Text, Name] = {}

    def __post_init__(self) -> None:
        """Refuse two ways to tell the service."""
        if self.service is not None and self.services_by_model:
            raise ValueError("give service or services_by_model, not both")


class WorkloadSection(Section, frozen=True, kw_only=True):
    """How many requests come, when, and of which services. A `trace` brings instants and lengths of its own."""

    loads: Annotated[dict[Name, LoadSection], Meta(min_length=1, description="one entry for every service")]
    requests: Count | None = None
    rate_per_s: Positive | None = None
    arrivals: ArrivalsSection = ArrivalsSection()
    trace: TraceSection | None = None

"""Sections of the traffic to the workload the simulator draws."""

from __future__ import annotations

from pathlib import Path

from perllm.config.workload_schema import (
    ArrivalsSection,
    LengthsSection,
    LoadSection,
    RampSection,
    RateSection,
    TraceSection,
    TurnsSection,
    WorkloadSection,
)
from perllm.simulation.arrivals import Arrivals, Process, gamma_shape, weibull_shape
from perllm.simulation.conversations import Turns
from perllm.simulation.length_sets import length_set
from perllm.simulation.lengths import LengthModel, Lengths, TableLengths, fixed, uniform
from perllm.simulation.rates import Diurnal, Ramp, RateShape, Spike
from perllm.simulation.scenario import ServiceLoad, TraceSource, Workload


def workload_value(section: WorkloadSection) -> Workload:
    """Make the workload. Rates of single services are shares of their sum."""
    rates = [load.rate_per_s for load in section.loads.values() if load.rate_per_s is not None]
    return Workload(
        requests=section.requests,
        rate_per_s=sum(rates) if rates else section.rate_per_s,
        loads={name: _load(load) for name, load in section.loads.items()},
        arrivals=arrivals_value(section.arrivals),
        trace=None if section.trace is None else _trace(section.trace),
    )


def arrivals_value(section: ArrivalsSection) -> Arrivals:
    """Make the process of arrivals."""
    return Arrivals(process=section.process, shape=_shape(section), rate=_rate(section.rate))


def _load(section: LoadSection) -> ServiceLoad:
    return ServiceLoad(
        share=section.share or section.rate_per_s or 1.0,
        model=section.model,
        arrivals=None if section.arrivals is None else arrivals_value(section.arrivals),
        prompt_tokens=_lengths(section.prompt_tokens, "prompt_tokens"),
        output_tokens=_lengths(section.output_tokens, "output_tokens"),
        max_output_tokens=section.max_output_tokens,
        stream_fraction=section.stream_fraction,
        bytes_per_prompt_token=section.bytes_per_prompt_token,
        overhead_bytes=section.overhead_bytes,
        reply_bytes_per_token=section.reply_bytes_per_token,
        leaving_fraction=section.leaving_fraction,
        leaving_after_s=section.leaving_after_s,
        turns=None if section.turns is None else _turns(section.turns, section),
    )


def _turns(section: TurnsSection, load: LoadSection) -> Turns | None:
    """Make the rest of the conversations; their messages are as long as the first ones where nothing else is said."""
    messages = _lengths(section.messages, "prompt_tokens")
    message_tokens = _lengths(section.message_tokens or load.prompt_tokens, "prompt_tokens")
    if messages is None or message_tokens is None:
        # Without lengths there is a trace, or a mistake that has been told.
        return None
    return Turns(
        messages=messages,
        message_tokens=message_tokens,
        gap_s=section.gap_s.median,
        gap_sigma=section.gap_s.sigma,
        most_tokens=section.most_tokens,
    )


def _trace(section: TraceSection) -> TraceSource:
    return TraceSource(
        path=Path(section.file),
        layout=section.layout,
        speed_up=section.speed_up,
        service=section.service,
        services_by_model=section.services_by_model,
    )


def _shape(section: ArrivalsSection) -> float:
    if section.cv is None:
        return section.shape or 1.0
    return gamma_shape(section.cv) if section.process is Process.GAMMA else weibull_shape(section.cv)


def _rate(section: RateSection) -> RateShape:
    wave = section.diurnal
    return RateShape(
        diurnal=None if wave is None else Diurnal(period_s=wave.period_s, depth=wave.depth, peak_at_s=wave.peak_at_s),
        ramps=tuple(_ramp(each) for each in section.ramps),
        spikes=tuple(Spike(from_s=each.from_s, to_s=each.to_s, factor=each.factor) for each in section.spikes),
    )


def _ramp(section: RampSection) -> Ramp:
    to_s = section.from_s if section.to_s is None else section.to_s
    return Ramp(from_s=section.from_s, to_s=to_s, factor=section.factor)


def _lengths(section: LengthsSection | None, quantity: str) -> LengthModel | None:
    if section is None:
        return None
    if section.median is not None and section.sigma is not None and section.maximum is not None:
        return Lengths(
            median_tokens=section.median, sigma=section.sigma, minimum=section.minimum, maximum=section.maximum
        )
    if section.fixed is not None:
        return fixed(_cut(section.fixed, section))
    return _table(section, quantity)


def _table(section: LengthsSection, quantity: str) -> TableLengths:
    if section.uniform is not None:
        table = uniform(*section.uniform)
    elif section.quantiles is not None:
        shares, tokens = zip(*section.quantiles, strict=True)
        table = TableLengths(probabilities=shares, tokens=tokens, minimum=1, maximum=round(tokens[-1]))
    else:
        table = getattr(length_set(section.set or ""), quantity)
    lowest, highest = _cut(table.minimum, section), _cut(table.maximum, section)
    return TableLengths(probabilities=table.probabilities, tokens=table.tokens, minimum=lowest, maximum=highest)


def _cut(tokens: int, section: LengthsSection) -> int:
    cut = max(tokens, section.minimum)
    return cut if section.maximum is None else min(cut, section.maximum)

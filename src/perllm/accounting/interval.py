"""What happened between two instants, and the row it makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from perllm.accounting.level import Level
from perllm.accounting.samples import ratio
from perllm.accounting.tally import PredictionTally, ServiceTally
from perllm.domain.action import Fate
from perllm.domain.attempt import Ending, EndingKind


class EnergyRow(Struct, frozen=True, kw_only=True):
    """Joules of an interval by account: those of attempts that ended in it, and idle power times its length."""

    transmit: float
    infer: float
    idle: float


class PredictionRow(Struct, frozen=True, kw_only=True):
    """How far predictions for attempts completed in an interval were off, as fractions of the truth."""

    median_absolute_fraction: float | None
    bias_fraction: float | None
    energy_median_absolute_fraction: float | None
    energy_bias_fraction: float | None


class ServiceRow(Struct, frozen=True, kw_only=True):
    """One service in an interval."""

    arrivals: int
    completed: int
    in_time: int
    counted: int
    attainment: float | None


class ServerRow(Struct, frozen=True, kw_only=True):
    """Attempts not closed yet on one server: at the end of an interval, and on average over it."""

    outstanding: int
    outstanding_mean: float


class IntervalRow(Struct, frozen=True, kw_only=True):
    """One interval, `from_s` inclusive to `to_s` exclusive.

    `arrivals` came in it; fates, tokens, joules and prediction errors are those of what ended in it. `held` and
    `in_flight` count requests at its end, their means over it. Names are those of the result object.
    """

    from_s: float
    to_s: float
    arrivals: int
    completed: int
    failed: int
    timed_out: int
    cancelled: int
    refused: int
    in_time: int
    counted: int
    attainment: float | None
    held: int
    held_mean: float
    in_flight: int
    in_flight_mean: float
    output_tokens: int
    throughput_tokens_per_s: float | None
    goodput_tokens_per_s: float | None
    energy_j: EnergyRow
    prediction_error: PredictionRow
    services: Mapping[str, ServiceRow]
    servers: Mapping[str, ServerRow]


@dataclass(slots=True, kw_only=True)
class Levels:
    """What is open now: requests, those of them that are held, and attempts by server."""

    requests: Level
    held: Level
    servers: dict[str, Level] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Interval:
    """What has happened since `from_s`."""

    from_s: float
    services: dict[str, ServiceTally]
    total_s: PredictionTally = field(default_factory=PredictionTally)
    energy_j: PredictionTally = field(default_factory=PredictionTally)
    transmit_j: float = 0.0
    infer_j: float = 0.0

    def close(self, ending: Ending, took_s: float, predicted_s: float | None, predicted_j: float | None) -> None:
        """Add an attempt that ended."""
        spent_j = ending.transmit_j + (ending.infer_j or 0.0)
        self.transmit_j += ending.transmit_j
        self.infer_j += ending.infer_j or 0.0
        if ending.kind is EndingKind.COMPLETED:
            self.total_s.learn(predicted_s, took_s)
            if ending.infer_j is not None:
                self.energy_j.learn(predicted_j, spent_j)

    def row(self, to_s: float, idle_j: float, levels: Levels) -> IntervalRow:
        """Return the interval as a row, and let the levels' means begin anew."""
        tallies, span_s = self.services.values(), to_s - self.from_s
        held_mean, open_mean = levels.held.restart(to_s), levels.requests.restart(to_s)
        in_time, counted = sum(tally.in_time for tally in tallies), sum(tally.counted for tally in tallies)
        tokens = sum(tally.output_tokens for tally in tallies)
        return IntervalRow(
            from_s=float(self.from_s),
            to_s=float(to_s),
            arrivals=sum(tally.submitted for tally in tallies),
            completed=_of_fate(Fate.COMPLETED, tallies),
            failed=_of_fate(Fate.FAILED, tallies),
            timed_out=_of_fate(Fate.TIMED_OUT, tallies),
            cancelled=_of_fate(Fate.CANCELLED, tallies),
            refused=_of_fate(Fate.REFUSED, tallies),
            in_time=in_time,
            counted=counted,
            attainment=ratio(in_time, counted),
            held=levels.held.now,
            held_mean=float(held_mean),
            in_flight=levels.requests.now - levels.held.now,
            in_flight_mean=float(max(0.0, open_mean - held_mean)),
            output_tokens=tokens,
            throughput_tokens_per_s=ratio(tokens, span_s),
            goodput_tokens_per_s=ratio(sum(tally.in_time_tokens for tally in tallies), span_s),
            energy_j=EnergyRow(transmit=float(self.transmit_j), infer=float(self.infer_j), idle=float(idle_j)),
            prediction_error=self._prediction_error(),
            services={name: _service(tally) for name, tally in self.services.items()},
            servers={name: _server(level, to_s) for name, level in levels.servers.items()},
        )

    def _prediction_error(self) -> PredictionRow:
        return PredictionRow(
            median_absolute_fraction=self.total_s.median_absolute_fraction,
            bias_fraction=self.total_s.bias_fraction,
            energy_median_absolute_fraction=self.energy_j.median_absolute_fraction,
            energy_bias_fraction=self.energy_j.bias_fraction,
        )


def _of_fate(fate: Fate, tallies: Iterable[ServiceTally]) -> int:
    return sum(tally.fates[fate] for tally in tallies)


def _service(tally: ServiceTally) -> ServiceRow:
    return ServiceRow(
        arrivals=tally.submitted,
        completed=tally.fates[Fate.COMPLETED],
        in_time=tally.in_time,
        counted=tally.counted,
        attainment=ratio(tally.in_time, tally.counted),
    )


def _server(level: Level, to_s: float) -> ServerRow:
    return ServerRow(outstanding=level.now, outstanding_mean=float(level.restart(to_s)))

"""Running totals: of a service, of a server, and of predictions against what came true."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from perllm.accounting.idle import IdleAccount
from perllm.accounting.samples import percentile, ratio, samples
from perllm.domain.action import Fate, Outcome
from perllm.domain.attempt import Ending, EndingKind
from perllm.domain.energy import EnergyMethod
from perllm.domain.server import Server


@dataclass(slots=True)
class ServiceTally:
    """What became of the requests of one service. Tokens and seconds are those of completed requests."""

    submitted: int = 0
    in_time: int = 0
    counted: int = 0
    output_tokens: int = 0
    in_time_tokens: int = 0
    fates: dict[Fate, int] = field(default_factory=lambda: dict.fromkeys(Fate, 0))
    latency_s: array[float] = field(default_factory=samples)
    first_token_s: array[float] = field(default_factory=samples)

    def finish(self, outcome: Outcome) -> None:
        """Add one request whose life is over."""
        self.fates[outcome.fate] += 1
        self.counted += outcome.counted
        if outcome.in_time:
            self.in_time += 1
            self.in_time_tokens += outcome.output_tokens
        # A fast failure is no fast answer: only completed requests say how long answers take.
        if outcome.fate is Fate.COMPLETED:
            self.output_tokens += outcome.output_tokens
            self.latency_s.append(outcome.finished_at_s - outcome.arrived_at_s)
            if outcome.first_token_at_s is not None:
                self.first_token_s.append(outcome.first_token_at_s - outcome.arrived_at_s)


@dataclass(slots=True)
class ServerTally:
    """What one server did, over all attempts: also those that failed, were cancelled or came too late."""

    server: Server
    idle: IdleAccount
    attempts: int = 0
    open_attempts: int = 0
    completed: int = 0
    failed: int = 0
    output_tokens: int = 0
    transmit_j: float = 0.0
    infer_j: float = 0.0
    unmetered_attempts: int = 0
    methods: set[EnergyMethod] = field(default_factory=set)

    def open(self) -> None:
        """Count an attempt that starts."""
        self.attempts += 1
        self.open_attempts += 1

    def close(self, ending: Ending) -> None:
        """Count an attempt that ended, with its tokens and joules."""
        self.open_attempts -= 1
        if ending.kind is EndingKind.COMPLETED:
            self.completed += 1
        elif ending.kind is EndingKind.FAILED or ending.kind is EndingKind.LOST:
            self.failed += 1
        self.output_tokens += ending.output_tokens if ending.usage is None else ending.usage.output_tokens
        self.transmit_j += ending.transmit_j
        if ending.infer_j is None:
            self.unmetered_attempts += 1
        else:
            self.infer_j += ending.infer_j
            self.methods.add(ending.energy_method)


@dataclass(slots=True)
class PredictionTally:
    """How far predictions of one quantity lay from the truth, as a fraction of the truth."""

    predicted: float = 0.0
    real: float = 0.0
    absolute_fractions: array[float] = field(default_factory=samples)

    def learn(self, predicted: float | None, real: float) -> None:
        """Compare one prediction, if there was any, with what came true; a truth of nothing has no fraction."""
        if predicted is not None and real > 0.0:
            self.predicted += predicted
            self.real += real
            self.absolute_fractions.append(abs(predicted - real) / real)

    @property
    def median_absolute_fraction(self) -> float | None:
        return percentile(sorted(self.absolute_fractions), 50)

    @property
    def bias_fraction(self) -> float | None:
        """Predicted over real total, less one: positive where predictions were too high."""
        return ratio(self.predicted - self.real, self.real)

"""How long answers of a service are, and how many tokens its prompts have: learned from what engines report."""

from __future__ import annotations

from collections.abc import Mapping
from math import erf, exp, inf, log, pi, sqrt

from perllm.domain.service import Service
from perllm.scheduling.belief import Belief
from perllm.scheduling.learned import Evidence
from perllm.scheduling.settings import SchedulerSettings

# A subword of English text is about four characters long; engines report the truth with their first answer.
PRIOR_TOKENS_PER_BYTE = 0.25
# What a chat template adds to a prompt, as text (ChatML around one message): without it, short prompts would teach that
# text is dense.
TEMPLATE_BYTES = 80
# A service's declared length counts as one observed answer: where it is far off, it must not linger as a wide spread.
PRIOR_WEIGHT = 1.0
# Answers that outweigh the declared length. Who refuses before that never finds out that the declaration was wrong.
TAUGHT_WEIGHT = 5.0

# Beyond this spread the mean of a log-normal is ruled by answers that nobody has seen.
WIDEST_SD = 1.5

_SQRT_2 = sqrt(2.0)
_UPPER_DECILE_Z = 1.2816


def normal_cdf(z: float) -> float:
    """Return the standard normal distribution function."""
    return 0.5 * (1.0 + erf(z / _SQRT_2))


class Lengths:
    """Log-normal output length of one service, and its prompts' tokens per byte."""

    __slots__ = ("output_log", "prompt_ratio_log")

    def __init__(self, service: Service, settings: SchedulerSettings) -> None:
        memory_s, memory_weight = settings.memory_s, settings.memory_weight
        # The median of a log-normal whose mean is the declared one.
        log_mean = log(service.output_tokens) - service.output_spread**2 / 2
        self.output_log = Belief(
            mean=log_mean, sd=service.output_spread, weight=PRIOR_WEIGHT,
            memory_s=memory_s, memory_weight=memory_weight,
        )  # fmt: skip
        self.prompt_ratio_log = Belief(
            mean=log(PRIOR_TOKENS_PER_BYTE), sd=0.5, weight=0.5,
            memory_s=memory_s, memory_weight=memory_weight,
        )  # fmt: skip

    def prompt_tokens(self, prompt_bytes: int) -> float:
        """Guess a prompt's tokens from its bytes."""
        return (prompt_bytes + TEMPLATE_BYTES) * exp(self.prompt_ratio_log.mean)

    def mean_tokens(self, limit: float) -> float:
        """Return the expected length of an answer that is cut at `limit` tokens (math.inf: never)."""
        mean, sd = self.output_log.mean, self.output_log.sd
        whole = exp(mean + (sd if sd < WIDEST_SD else WIDEST_SD) ** 2 / 2)
        if limit < inf:
            z = (log(limit) - mean) / sd
            # `normal_cdf`, written out, as every request asks for this.
            whole = 0.5 * (whole * (1.0 + erf((z - sd) / _SQRT_2)) + limit * (1.0 - erf(z / _SQRT_2)))
        return whole if whole > 1.0 else 1.0

    def upper_tokens(self, limit: float) -> float:
        """Return the length that nine answers in ten do not exceed."""
        tokens = exp(self.output_log.mean + _UPPER_DECILE_Z * self.output_log.sd)
        return tokens if tokens < limit else limit

    def taught(self, now_s: float) -> bool:
        """Whether enough answers have been seen, and recently enough, to refuse a request on their strength."""
        return self.output_log.weight_at(now_s) >= TAUGHT_WEIGHT

    def learn_output(self, tokens: int, limit: int | None, now_s: float) -> None:
        """Take in an answer's length; one cut at its limit says only "at least this long"."""
        value, spread = log(tokens) if tokens > 1 else 0.0, 0.0
        if limit is not None and tokens >= limit:
            value, spread = self._beyond(value)
        self.output_log.learn(value, now_s, spread)

    def learn_prompt(self, tokens: int, prompt_bytes: int, now_s: float) -> None:
        """Take in a prompt's true tokens."""
        if tokens > 0 and prompt_bytes > 0:
            self.prompt_ratio_log.learn(log(tokens / (prompt_bytes + TEMPLATE_BYTES)), now_s)

    def snapshot(self) -> Mapping[str, Evidence]:
        """Return what was learned of this service."""
        return {"output": self.output_log.snapshot(), "prompt": self.prompt_ratio_log.snapshot()}

    def absorb(self, evidence: Mapping[str, Evidence]) -> None:
        """Take over what a snapshot holds."""
        for name, belief in (("output", self.output_log), ("prompt", self.prompt_ratio_log)):
            if name in evidence:
                belief.absorb(evidence[name])

    def _beyond(self, value: float) -> tuple[float, float]:
        """Return mean and deviation of log L, given log L > value, under the present belief (a truncated normal)."""
        mean, sd = self.output_log.mean, self.output_log.sd
        z = (value - mean) / sd
        beyond = 1.0 - normal_cdf(z)
        if beyond < 1e-6:
            return value, sd
        hazard = exp(-z * z / 2) / sqrt(2 * pi) / beyond
        return mean + sd * hazard, sd * sqrt(max(1.0 + z * hazard - hazard * hazard, 0.0))

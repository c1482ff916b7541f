"""The rule that knows the truth of what is there now (lengths, speeds, batches) and nothing of what will arrive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, log
from typing import ClassVar

from msgspec.structs import replace

from perllm.domain.request import Request
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.need import Need
from perllm.scheduling.policy import Policy
from perllm.simulation.foreseen import Foreseen
from perllm.simulation.job import Job
from perllm.simulation.replies import reply_bytes

# Asks a world what a job would take on a server from now on.
Look = Callable[[str, Job, float], Foreseen]


class Oracle:
    """Foresight by rehearsal: every engine's work is gone through with the request and without.

    Exact where nothing arrives, leaves, breaks or changes pace afterwards and links are at their steady rate; outages
    it learns of as everybody does. `spares`: of a server where the request would make others late the probability is
    one in as many as would be late or are served, so that it is no candidate but comes before one that is too slow.
    """

    def __init__(self, *, spares: bool) -> None:
        self._spares = spares
        self._deadline_at_s: dict[str, float] = {}
        self._look: Look | None = None
        self._job_of: Callable[[str], Job] | None = None

    def open(self, look: Look, job_of: Callable[[str], Job]) -> None:
        """Let it see a world and the jobs in it."""
        self._look, self._job_of = look, job_of

    def need(self, request: Request, need: Need, now_s: float) -> Need:
        """Return the need with the true lengths of prompt and answer, as certain."""
        job = self._job(request)
        tokens = float(job.truth.output_tokens)
        self._deadline_at_s[request.request_id] = now_s + need.budget_s
        return replace(
            need,
            prompt_tokens=float(job.truth.prompt_tokens),
            prompt_log_sd=0.0,
            mean_tokens=tokens,
            log_mean=log(tokens),
            log_variance=0.0,
            upper_tokens=tokens,
            moved_bytes=request.payload_bytes + reply_bytes(job, job.truth.output_tokens),
            taught=True,
        )

    def candidates(
        self, request: Request, need: Need, candidates: Candidates, rows: Sequence[int], now_s: float
    ) -> Candidates:
        """Return true seconds and joules, and probabilities of 0 and 1."""
        assert self._look is not None
        job, steps = self._job(request), max(need.mean_tokens - 1.0, 1.0)
        total_s, first_token_s, token_s, in_time, energy_j = (
            list(column)
            for column in (
                candidates.total_s, candidates.first_token_s, candidates.token_s, candidates.in_time_probability,
                candidates.energy_j,
            )
        )  # fmt: skip
        for row in rows:
            foreseen = self._look(candidates.servers[row].server_id, job, now_s)
            total_s[row], first_token_s[row], energy_j[row], _ = foreseen
            token_s[row] = (foreseen.total_s - foreseen.first_token_s) / steps
            met = foreseen.total_s <= need.budget_s and foreseen.first_token_s <= need.first_token_budget_s
            in_time[row] = 1.0 / (1 + self._harmed(foreseen)) if met else 0.0
        return Candidates(
            total_s, first_token_s, token_s, in_time, energy_j, candidates.outstanding, servers=candidates.servers,
            harm=candidates.harm,
        )  # fmt: skip

    def _harmed(self, foreseen: Foreseen) -> int:
        """Count those that would be late with the request and not without."""
        if not self._spares:
            return 0
        deadline_at_s = self._deadline_at_s
        return sum(
            delay.without_at_s <= deadline_at_s.get(delay.request_id, inf) < delay.with_at_s
            for delay in foreseen.delays
        )

    def _job(self, request: Request) -> Job:
        assert self._job_of is not None
        return self._job_of(request.request_id)


class OracleGreedy(Policy):
    """Least true marginal joules among the servers truly in time, if nothing else arrives; in the simulator only.

    What `energy-greedy` would be with a perfect predictor: no limit, for it does not know what is to come. `spares`: a
    server where the request would make others late does not count as in time.
    """

    name: ClassVar[str] = "oracle-greedy"
    holds: ClassVar[bool] = False

    def __init__(self, *, spares: bool = False) -> None:
        self.oracle = self.foresight = Oracle(spares=spares)

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        return [-candidates.energy_j[row] for row in candidates.feasible]

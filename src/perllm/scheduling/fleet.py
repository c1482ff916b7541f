"""The scheduler's view of a server: what is reserved on it, how healthy it seems, how far its profile is off."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, hypot, inf

from perllm.costs.energy import prefill_w
from perllm.domain.action import Reservation
from perllm.domain.profile import Batching
from perllm.domain.server import Server
from perllm.domain.telemetry import Health
from perllm.errors import InvariantError
from perllm.scheduling.belief import Belief
from perllm.scheduling.gathering import Gathering
from perllm.scheduling.learned import Evidence
from perllm.scheduling.outlook import Outlook, Step, StepTable, pace_of, way_s
from perllm.scheduling.settings import SchedulerSettings

# How far a machine's real speed and joules usually lie from its profile before anything was seen: a fifth, as the
# standard deviation of a logarithm (the simulator's own default for the hidden error).
PRIOR_SD = 0.2
PRIOR_WEIGHT = 2.0
# A typical attempt's length until one has been seen: only a queue behind full slots is judged by it.
PRIOR_ATTEMPT_S = 2.0
# A server that asks to be left alone for longer than this is asked again all the same.
LONGEST_REST_S = 300.0


class ServerState:
    """One server as the scheduler sees it.

    `batch` counts open attempts, `unread_s` prompts sent but not yet read, `read_at_s` when those will be whose reading
    nobody reports, `live_tokens` what the open attempts are expected to have in the cache half-way through, and
    `exposure` sums up the chances of being in time that they lose with every second of delay. `ready_in_s` is how long
    it takes to begin, as the last probe told, until it shows that it has. `standby`: asleep, or to be sent to sleep
    once it is empty. `outlook` is None after a change; `step` and `well_at_s` (when it is healthy and rested, if a
    slot, some of the link and cache for the longest request of all are free; else infinite) are stale. `look` renews
    them. `changes` is where somebody wants to see that there was one.
    """

    __slots__ = (
        "_settings", "_shared_w", "attempt_s", "batch", "bytes_per_s", "bytes_per_s_limit", "changes", "context_tokens",
        "cooling_until_s", "decode_log", "decode_ratio", "energy_log", "energy_ratio", "exposure", "failures_in_row",
        "first_log", "first_ratio", "gathering", "healthy", "kv_tokens", "kv_tokens_for_any", "live_tokens",
        "measured_at_s", "missed_probes", "outlook", "pace", "prefill_w", "read_at_s", "reads_first", "ready_in_s",
        "request_kv_tokens", "server", "server_id", "slots", "standby", "step", "step_table", "time_sd", "total_log",
        "unread_s", "way_s", "well_at_s",
    )  # fmt: skip

    def __init__(self, server: Server, settings: SchedulerSettings) -> None:
        self.outlook: Outlook | None = None
        self.changes: set[ServerState] | None = None
        self.batch = 0
        self.kv_tokens = 0
        self.bytes_per_s = 0.0
        self.unread_s = 0.0
        self.read_at_s = 0.0
        self.live_tokens = 0.0
        self.exposure = 0.0
        self.ready_in_s = 0.0
        self.standby = False
        self.healthy = True
        self.missed_probes = 0
        self.measured_at_s: float | None = None
        self.failures_in_row = 0
        self.cooling_until_s = 0.0
        self._settings = settings
        self.server = server
        self.gathering = Gathering()
        self._forget()
        self.attempt_s = Belief(
            mean=PRIOR_ATTEMPT_S, sd=PRIOR_ATTEMPT_S, weight=1.0, memory_s=settings.memory_s, memory_weight=20.0
        )
        self.reconfigure(server)

    def _forget(self) -> None:
        self.first_log = _correction(self._settings)
        self.decode_log = _correction(self._settings)
        self.total_log = _correction(self._settings)
        self.energy_log = _correction(self._settings)

    def reconfigure(self, server: Server) -> None:
        """Take a new description; what was learned and what is reserved stay."""
        if server.speed != self.server.speed:
            # Corrections of another profile say nothing of this one.
            self._forget()
        self.server = server
        self.server_id = server.server_id
        self.reads_first = server.batching is Batching.PREFILL_FIRST
        self.slots = server.slots
        self.context_tokens = server.context_tokens
        self.bytes_per_s_limit = min(server.link.up_bytes_per_s, server.link.down_bytes_per_s)
        self.request_kv_tokens = min(server.context_tokens, server.kv_tokens)
        self.kv_tokens_for_any = server.kv_tokens - self.request_kv_tokens
        self.step_table = StepTable(server)
        self.step: Step = self.step_table.joined(0, 0.0)
        self._shared_w = self._sharing_w() if server.slots > 1 else 0.0
        self.way_s = way_s(server)
        self.prefill_w = prefill_w(server.power)
        self.learned()

    def fade(self, now_s: float) -> None:
        """Let the corrections forget: a server that was slow once must not be avoided for ever."""
        for belief in (self.first_log, self.decode_log, self.total_log, self.energy_log):
            belief.fade(now_s)
        self.learned()

    def learned(self) -> None:
        """Take over the corrections after they have learned."""
        self.first_ratio = exp(self.first_log.mean)
        self.decode_ratio = exp(self.decode_log.mean)
        self.energy_ratio = exp(self.energy_log.mean)
        self.time_sd = hypot(self.total_log.sd, self.total_log.mean)
        self.pace = pace_of(self.server, self.first_ratio, self.energy_ratio, self.time_sd)
        self.changed()

    def changed(self) -> None:
        """Note that what is known of this server is no longer what it was."""
        self.outlook = None
        if self.changes is not None:
            self.changes.add(self)

    def look(self) -> Outlook:
        """Work out what one more request would take here; kept as `outlook` until something changes.

        Those being served here stand still while it is read, but for `hidden_s` of it where prompts are read in pieces
        beside writing: only what is more than a step anyway delays them. Then every token takes `slower_s` longer.
        """
        # Those there, and those that are about to go.
        others = self.batch + len(self.gathering.losses)
        if others >= self.slots:
            others = self.slots - 1
        roomy = (
            self.batch < self.slots
            and self.kv_tokens <= self.kv_tokens_for_any
            and self.bytes_per_s < self.bytes_per_s_limit
        )
        self.well_at_s = self.cooling_until_s if roomy and self.healthy else inf
        self.step = step = self.step_table.joined(others, self.live_tokens * others / self.batch if self.batch else 0.0)
        queue_s = self._queue_s() if self.batch >= self.slots else 0.0
        wait_s = (self.way_s + self.unread_s + step.token_s) * self.first_ratio + self.ready_in_s + queue_s
        decode_ratio = self.decode_ratio
        self.outlook = outlook = (
            wait_s,
            step.token_s * decode_ratio,
            step.marginal_j * self.energy_ratio,
            self.read_at_s,
            self.exposure,
            0.0 if self.reads_first else step.token_s * self.first_ratio,
            step.slower_s * decode_ratio,
            *self.pace,
        )
        return outlook

    def reading_s(self, prompt_tokens: float) -> float:
        """Return how long a step takes that only reads so many tokens; the predictor writes this out."""
        _, token_s, floor_s, overhead_s, serial, *_ = self.pace
        own_s = prompt_tokens * token_s
        return (own_s + serial * floor_s if own_s > floor_s else floor_s + serial * own_s) + overhead_s

    def shared_reading(self, prompt_tokens: float) -> tuple[float, float]:
        """Return the seconds and joules of a reading step that a second prompt in it would not cost again."""
        _, token_s, _, _, _, reading_w, *_ = self.pace
        shared_s = self.reading_s(prompt_tokens) - prompt_tokens * token_s
        return shared_s, shared_s * reading_w

    def _sharing_w(self) -> float:
        alone, second = self.step_table.joined(0, 0.0), self.step_table.joined(1, 0.0)
        return max(alone.marginal_j - second.marginal_j, 0.0) / alone.token_s if alone.token_s > 0.0 else 0.0

    @property
    def shared_w(self) -> float:
        """Watts above idle that two sequences save by writing together instead of one after the other."""
        return self._shared_w * self.energy_ratio

    def gather(self, request_id: str, loss_per_s: float) -> None:
        """Let a request wait for company on its way here."""
        self.gathering.join(request_id, loss_per_s)
        self.changed()

    def let_go(self, request_id: str) -> None:
        """Let it wait no more."""
        self.gathering.leave(request_id)
        self.changed()

    def _queue_s(self) -> float:
        """Expected wait behind full slots in the engine's own queue."""
        return (self.batch - self.slots + 1) * self.attempt_s.mean / self.slots

    def reserve(
        self, reservation: Reservation, unread_s: float = 0.0, live_tokens: float = 0.0, exposure: float = 0.0
    ) -> None:
        """Take a slot, tokens and bandwidth; `unread_s` is the time the prompt will need to be read."""
        self.batch += 1
        self.live_tokens += live_tokens
        self.exposure += exposure
        self.kv_tokens += reservation.kv_tokens
        self.bytes_per_s += reservation.bytes_per_s
        self.unread_s += unread_s
        self.changed()

    def will_read(self, reading_s: float, now_s: float) -> None:
        """Expect a prompt to be read behind those before it, where no first token will show that it has been."""
        self.read_at_s = max(self.read_at_s, now_s) + reading_s * self.first_ratio
        self.changed()

    def has_read(self, unread_s: float) -> None:
        """Note that a prompt which was waiting has been read: the machine is awake."""
        if unread_s > 0.0 or self.ready_in_s > 0.0:
            self.ready_in_s = 0.0
            self.unread_s = self.unread_s - unread_s if self.unread_s > unread_s else 0.0
            self.changed()

    def release(self, reservation: Reservation, live_tokens: float = 0.0, exposure: float = 0.0) -> None:
        """Give back what an attempt held."""
        self.changed()
        self.batch -= 1
        self.live_tokens -= live_tokens
        self.exposure -= exposure
        self.kv_tokens -= reservation.kv_tokens
        self.bytes_per_s -= reservation.bytes_per_s
        if self.batch == 0:
            # Sums of floats drift by rounding: an empty server holds exactly nothing.
            self.bytes_per_s = 0.0
            self.unread_s = 0.0
            self.read_at_s = 0.0
            self.live_tokens = 0.0
            self.exposure = 0.0
        if self.batch < 0 or self.kv_tokens < 0:
            raise InvariantError(f"{self.server_id} gave back more than it held")

    def failed(self, now_s: float, settings: SchedulerSettings, retry_after_s: float | None) -> None:
        """Note a failure: the server rests, longer each time in a row."""
        if now_s >= self.cooling_until_s:
            # What fails while it rests was sent before: one crash, however many attempts it takes along.
            self.failures_in_row += 1
        pause_s = settings.cooldown_s * 2.0 ** min(self.failures_in_row - 1, 30)
        rest_s = max(min(pause_s, settings.cooldown_limit_s), min(retry_after_s or 0.0, LONGEST_REST_S))
        self.cooling_until_s = max(self.cooling_until_s, now_s + rest_s)
        self.changed()

    def probed(self, fact: Health) -> bool:
        """Take in a probe's answer; return whether it changed what is believed.

        One probe may be lost on the way: a server that was alive before counts as dead after two.
        """
        self.missed_probes = 0 if fact.healthy else self.missed_probes + 1
        healthy = self.missed_probes == 0 or (
            self.measured_at_s is not None and self.healthy and self.missed_probes == 1
        )
        changed = healthy is not self.healthy or fact.ready_in_s != self.ready_in_s
        self.healthy, self.measured_at_s = healthy, fact.measured_at_s
        self.ready_in_s = fact.ready_in_s
        if changed:
            self.changed()
        return changed

    def succeeded(self) -> None:
        """Note a success: earlier failures are forgiven."""
        self.failures_in_row = 0
        if self.cooling_until_s > 0.0:
            self.cooling_until_s = 0.0
            self.changed()

    def snapshot(self) -> Mapping[str, Evidence]:
        """Return what was learned of this server."""
        return {name: belief.snapshot() for name, belief in self._beliefs().items()}

    def absorb(self, evidence: Mapping[str, Evidence]) -> None:
        """Take over what a snapshot holds."""
        for name, belief in self._beliefs().items():
            if name in evidence:
                belief.absorb(evidence[name])
        self.learned()

    def _beliefs(self) -> dict[str, Belief]:
        return {
            "first_token": self.first_log,
            "decode": self.decode_log,
            "total": self.total_log,
            "energy": self.energy_log,
            "attempt": self.attempt_s,
        }


def _correction(settings: SchedulerSettings) -> Belief:
    return Belief(
        mean=0.0,
        sd=PRIOR_SD,
        weight=PRIOR_WEIGHT,
        memory_s=settings.memory_s,
        memory_weight=settings.memory_weight,
    )

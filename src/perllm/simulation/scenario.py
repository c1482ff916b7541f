"""A scenario: the fleet, its services, the traffic, and how far the world is from what is believed of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from perllm.accounting import IdleAccounting
from perllm.domain.server import Server
from perllm.domain.service import Service
from perllm.scheduling.settings import SchedulerSettings
from perllm.simulation.arrivals import Arrivals
from perllm.simulation.bandwidth import Network
from perllm.simulation.conversations import Turns
from perllm.simulation.job import STREAMED_TOKEN_BYTES
from perllm.simulation.lengths import LengthModel, mean_tokens
from perllm.simulation.traces.request import Layout
from perllm.simulation.trouble import Trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLoad:
    """The requests of one service. `share` is relative to the other services' shares.

    With `arrivals` of its own they are a process of their own, at that share of the rate; without, the service takes
    its share of the process all others have in common. A streamed token weighs `reply_bytes_per_token`. Of its clients
    `leaving_fraction` hang up, after a time that is exponential around `leaving_after_s`, unless they were answered
    before. Where a trace gives the lengths, there need not be any here. With `turns` its requests are the messages of
    conversations: shares and rates count all messages, and `prompt_tokens` is the length of first ones.
    """

    model: str
    share: float = 1.0
    prompt_tokens: LengthModel | None = None
    output_tokens: LengthModel | None = None
    arrivals: Arrivals | None = None
    max_output_tokens: int | None = None
    stream_fraction: float = 1.0
    bytes_per_prompt_token: float = 4.0
    overhead_bytes: int = 300
    reply_bytes_per_token: float = STREAMED_TOKEN_BYTES
    leaving_fraction: float = 0.0
    leaving_after_s: float = 1.0
    turns: Turns | None = None

    @property
    def beginning(self) -> float:
        """The share of requests that begin something: one in as many as a conversation has messages on average."""
        return self.share if self.turns is None else self.share / mean_tokens(self.turns.messages)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSource:
    """A recorded (or described) trace that says when requests arrive and how long they are.

    It is played `speed_up` times as fast as it was recorded. Its requests are of one `service`, or of the one that
    `services_by_model` gives for what the trace calls their model (ServeGen: their client), or else of services drawn
    by their shares. Without a `layout` the file's first line tells.
    """

    path: Path
    layout: Layout | None = None
    speed_up: float = 1.0
    service: str | None = None
    services_by_model: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """How many requests arrive, when, and of which services.

    `rate_per_s` is the rate of all services together, before any `arrivals.rate` changes it. A `trace` brings instants
    and lengths of its own: `requests` then is the most that are taken of it (None: all), and there is no rate.
    """

    loads: Mapping[str, ServiceLoad]
    requests: int | None = None
    rate_per_s: float | None = None
    arrivals: Arrivals = field(default_factory=Arrivals)
    trace: TraceSource | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSettings:
    """How the truth differs from the profiles.

    `prior_error` bounds each server's hidden error: its true constants lie between 1 / (1 + error) and 1 + error of the
    profile's. `service_noise` and `link_jitter` are the deviations of the logarithm of each request's own factors.
    Servers are probed every `probe_interval_s`, from the start on. `network` says how links behave, `trouble` what goes
    wrong.
    """

    prior_error: float = 0.2
    service_noise: float = 0.05
    link_jitter: float = 0.1
    probe_interval_s: float = 5.0
    network: Network = field(default_factory=Network)
    trouble: Trouble = field(default_factory=Trouble)
    idle: IdleAccounting = IdleAccounting.ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Everything a run depends on, except its seed."""

    name: str
    servers: tuple[Server, ...]
    services: tuple[Service, ...]
    workload: Workload
    policy: str
    world: WorldSettings = field(default_factory=WorldSettings)
    scheduler: SchedulerSettings = field(default_factory=SchedulerSettings)

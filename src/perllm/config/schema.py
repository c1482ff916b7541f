"""perllm.yaml: the gateway, the engines behind it and the services in front of it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from yarl import URL

from perllm.config.kinds import ModelName, Name, Port, Positive, Section, Seed, Text, Url
from perllm.config.server_schema import ServerSection
from perllm.config.service_schema import SchedulerSection, ServiceSection
from perllm.machines.engines import EngineKind


class ListenSection(Section, frozen=True, kw_only=True):
    """Where the gateway listens. The default is reachable from this machine only."""

    host: Text = "127.0.0.1"
    port: Port = 8400


class JournalSection(Section, frozen=True, kw_only=True):
    """Where every event is recorded. Prompts and answers are not."""

    path: Text = "perllm-journal.sqlite"
    explanations: bool = True


class LimitsSection(Section, frozen=True, kw_only=True):
    """What a client may ask of the gateway itself, and how long it finishes its work when stopped."""

    max_body_mib: Positive = 20.0
    max_reply_mib: Positive = 64.0
    header_timeout_s: Positive = 10.0
    body_timeout_s: Positive = 30.0
    drain_s: Positive = 30.0


class ProbesSection(Section, frozen=True, kw_only=True):
    """How engines are asked whether they are well."""

    interval_s: Positive = 5.0
    timeout_s: Positive = 2.0


class GatewaySchedulerSection(SchedulerSection, frozen=True, kw_only=True):
    """The scheduler of a gateway has a seed of its own; a simulation is given its seed when it starts."""

    seed: Seed = 0


class ModelSection(Section, frozen=True, kw_only=True):
    """A name clients ask for: `engines` are the engines' names of models that answer it equally well."""

    engines: Annotated[tuple[ModelName, ...], Meta(min_length=1, description="a list with at least one engine model")]


class MatchSection(Section, frozen=True, kw_only=True):
    """Which requests belong to a service when they do not name it themselves."""

    models: tuple[ModelName, ...] = ()
    service_tiers: tuple[Name, ...] = ()


class GatewayServiceSection(ServiceSection, frozen=True, kw_only=True):
    """A service of a gateway. `default`: requests that match no service belong to this one."""

    match: MatchSection = MatchSection()
    default: bool = False


class EngineSection(ServerSection, frozen=True, kw_only=True):
    """A server of a gateway: `models` are the engine's own names of what it serves."""

    url: Url
    engine: EngineKind = EngineKind.OPENAI
    api_key_env: Name | None = None

    def __post_init__(self) -> None:
        """Refuse an address that looks like one and is none."""
        try:
            URL(self.url)
        except ValueError as error:
            raise ValueError(f"{self.url!r} is no address: {error}") from error


class GatewayFile(Section, frozen=True, kw_only=True):
    """The whole file."""

    servers: Annotated[dict[Name, EngineSection], Meta(min_length=1, description="at least one server")]
    models: dict[ModelName, ModelSection] = msgspec.field(default_factory=dict)
    services: dict[Name, GatewayServiceSection] = msgspec.field(default_factory=dict)
    scheduler: GatewaySchedulerSection = GatewaySchedulerSection()
    listen: ListenSection = ListenSection()
    journal: JournalSection | Literal["off"] = JournalSection()
    limits: LimitsSection = LimitsSection()
    probes: ProbesSection = ProbesSection()

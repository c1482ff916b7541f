"""What every exchange works with: the fleet and how it is reached, the brain, the declared meters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from perllm.accounting.declared import DeclaredMeters
from perllm.domain.server import Server
from perllm.gateway.services import ServiceRules
from perllm.gateway.settings import GatewaySettings
from perllm.live.driver import Driver
from perllm.machines.engines import Upstream
from perllm.machines.http import UpstreamClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """Everything behind the sockets that clients connect to. `ids` never ends and never repeats."""

    settings: GatewaySettings
    rules: ServiceRules
    servers: Mapping[str, Server]
    upstreams: Mapping[str, Upstream]
    client: UpstreamClient
    driver: Driver
    meters: DeclaredMeters
    ids: Iterator[str]

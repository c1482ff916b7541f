"""A gateway over fake engines, on real sockets, with every event of its brain at hand."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import numpy as np

from perllm.domain.action import Dispatch, Finish, Outcome, Refuse
from perllm.domain.attempt import Ending
from perllm.domain.counts import Counts
from perllm.domain.entry import Entry, EventKind
from perllm.domain.profile import PowerProfile, SpeedProfile
from perllm.domain.server import Link, Server, Tier
from perllm.domain.service import Service
from perllm.gateway.app import Gateway
from perllm.gateway.services import ServiceRules
from perllm.gateway.settings import GatewaySettings
from perllm.journal.recording import Recording
from perllm.machines.engines import EngineKind, Upstream
from perllm.scheduling.policies import make_policy
from perllm.scheduling.scheduler import Scheduler
from perllm.scheduling.settings import SchedulerSettings

DEADLINE_S = 20.0
"""Nothing here takes long: whoever waits for this has found a bug."""

MESSAGES = [{"role": "user", "content": "hello there"}]


def server(server_id: str, *, slots: int = 4, tier: Tier = Tier.EDGE) -> Server:
    return Server(
        server_id=server_id,
        tier=tier,
        models=frozenset({"small"}),
        slots=slots,
        kv_tokens=100_000,
        context_tokens=8192,
        link=Link(j_per_byte=1e-6),
        speed=SpeedProfile(prefill_token_s=1e-5, decode_token_s=1e-4),
        power=PowerProfile(idle_w=10.0, prefill_w=30.0, decode_w=20.0, decode_full_w=25.0),
    )


class Entries(list[Entry]):
    """A sink that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = asyncio.Event()

    def __call__(self, entry: Entry) -> None:
        self.append(entry)
        self.changed.set()


@dataclass(frozen=True)
class Fleet:
    """A running gateway and what its brain was told."""

    gateway: Gateway
    scheduler: Scheduler
    entries: Entries
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return self.gateway.url

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    def post(self, path: str = "chat/completions", **fields: Any) -> Any:
        headers: Mapping[str, str] = fields.pop("headers", {})
        body = {"model": "small", "messages": MESSAGES, **fields}
        return self.session.post(f"{self.url}/v1/{path}", json=body, headers=headers)

    def outcomes(self) -> list[Outcome]:
        return [action.outcome for entry in self.entries for action in entry.actions if isinstance(action, Finish)]

    def dispatches(self) -> list[Dispatch]:
        return [action for entry in self.entries for action in entry.actions if isinstance(action, Dispatch)]

    def refusals(self) -> list[Refuse]:
        return [action for entry in self.entries for action in entry.actions if isinstance(action, Refuse)]

    def closes(self) -> Counter[str]:
        return Counter(entry.subject for entry in self.entries if entry.kind is EventKind.CLOSE)

    def endings(self) -> list[Ending]:
        return [entry.value for entry in self.entries if isinstance(entry.value, Ending)]

    async def until(self, happened: Callable[[Counts], bool]) -> None:
        """Wait until requests stand so."""
        async with asyncio.timeout(DEADLINE_S):
            while not happened(self.scheduler.counts()):
                self.entries.changed.clear()
                await self.entries.changed.wait()

    async def settled(self) -> None:
        """Wait until nothing is held or in flight."""
        await self.until(lambda counts: not counts.held and not counts.in_flight)

    async def submitted(self, number: int) -> None:
        """Wait until the brain knows of so many requests."""
        await self.until(lambda counts: counts.submitted >= number)


def make(
    urls: Mapping[str, str],
    servers: Sequence[Server],
    services: Sequence[Service],
    settings: GatewaySettings | None,
    scheduler_settings: SchedulerSettings | None,
    kind: EngineKind,
    policy: str,
) -> tuple[Gateway, Scheduler, Entries]:
    scheduler = Scheduler(
        servers=servers,
        services=services,
        policy=make_policy(policy),
        rng=np.random.default_rng(1),
        settings=scheduler_settings or SchedulerSettings(),
    )
    entries = Entries()
    gateway = Gateway(
        settings=settings or GatewaySettings(port=0),
        rules=ServiceRules(services={service.name: service for service in services}, default=services[0].name),
        servers=servers,
        upstreams=[
            Upstream(server_id=server_id, base_url=url, kind=kind, models={"small": "engine-small"})
            for server_id, url in urls.items()
        ],
        port=Recording(scheduler, [entries]),
    )
    return gateway, scheduler, entries


def closed_gateway(settings: GatewaySettings) -> Gateway:
    """Return a gateway that does not listen yet."""
    urls = {"edge": "http://127.0.0.1:1"}
    return make(urls, [server("edge")], [Service(name="chat")], settings, None, EngineKind.OPENAI, "least-outstanding")[
        0
    ]


@asynccontextmanager
async def running(
    urls: Mapping[str, str],
    *,
    servers: Sequence[Server] | None = None,
    services: Sequence[Service] = (Service(name="chat"),),
    settings: GatewaySettings | None = None,
    scheduler_settings: SchedulerSettings | None = None,
    kind: EngineKind = EngineKind.OPENAI,
    policy: str = "least-outstanding",
    deadline_s: float = DEADLINE_S,
) -> AsyncIterator[Fleet]:
    """Serve on a free port over one server for each address."""
    gateway, scheduler, entries = make(
        urls, servers or [server(server_id) for server_id in urls], services, settings, scheduler_settings, kind, policy
    )
    async with gateway, aiohttp.ClientSession() as session, asyncio.timeout(deadline_s):
        yield Fleet(gateway, scheduler, entries, session)


def assert_nothing_left(fleet: Fleet) -> None:
    """Every attempt was closed exactly once, every request came to its end, and everything reserved is free."""
    counts = fleet.scheduler.counts()
    assert {dispatch.attempt_id: 1 for dispatch in fleet.dispatches()} == dict(fleet.closes())
    assert counts.submitted == counts.accounted == len(fleet.outcomes())
    assert (0, 0) == (counts.held, counts.in_flight)
    for reservation in fleet.scheduler.reservations().values():
        assert (0, 0.0) == (reservation.kv_tokens, reservation.bytes_per_s)

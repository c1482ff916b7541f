"""Names in one part of a file that another part must define, and rules that span its parts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from perllm.config.document import KeyPath
from perllm.config.mistakes import Mistake, reference
from perllm.config.scenario_schema import ScenarioFile
from perllm.config.schema import GatewayFile, GatewayServiceSection
from perllm.config.server_schema import ServerSection
from perllm.config.service_schema import ServiceSection
from perllm.config.workload_rules import workload_mistakes
from perllm.config.world_schema import DriftSection, LieSection, OutageSection, SlowdownSection, TenantSection
from perllm.errors import ConfigError
from perllm.scheduling.policies import make_policy

Placed = OutageSection | SlowdownSection | DriftSection | TenantSection | LieSection


def gateway_mistake(file: GatewayFile) -> Mistake | None:
    """Return the first reference of a perllm.yaml that leads nowhere."""
    return next(_gateway_mistakes(file), None)


def scenario_mistake(file: ScenarioFile) -> Mistake | None:
    """Return the first reference of a scenario.yaml that leads nowhere."""
    return next(_scenario_mistakes(file), None)


def _gateway_mistakes(file: GatewayFile) -> Iterator[Mistake]:
    yield from _policy(file.scheduler.policy)
    yield from _capacity(file.servers)
    engines = {model for server in file.servers.values() for model in server.models}
    for client_name, model in file.models.items():
        for place, engine in enumerate(model.engines):
            yield from reference(("models", client_name, "engines", place), "model", engine, engines)
    client_names = file.models.keys() or engines
    for name, service in file.services.items():
        for place, model_name in enumerate(service.match.models):
            yield from reference(("services", name, "match", "models", place), "model", model_name, client_names)
    yield from _places(file.services, file.servers)
    yield from _ambiguities(file.services)


def _scenario_mistakes(file: ScenarioFile) -> Iterator[Mistake]:
    yield from _policy(file.scheduler.policy)
    yield from _capacity(file.servers)
    yield from _places(file.services, file.servers)
    models = {model for server in file.servers.values() for model in server.models}
    yield from workload_mistakes(file.workload, file.services, models)
    yield from _troubles(file)


def _troubles(file: ScenarioFile) -> Iterator[Mistake]:
    world = file.world
    lists: dict[str, tuple[Placed, ...]] = {
        "outages": world.outages, "slowdowns": world.slowdowns, "drifts": world.drifts, "tenants": world.tenants,
        "lies": world.lies,
    }  # fmt: skip
    for key, troubles in lists.items():
        for number, trouble in enumerate(troubles):
            yield from reference(("world", key, number, "server"), "server", trouble.server, file.servers)
    for name, site in world.sites.items():
        if name in file.servers:
            path: KeyPath = ("world", "sites", name)
            yield Mistake(path=path, problem="a server has this name too", remedy="Give the site another one.")
        for number, server in enumerate(site.servers):
            yield from reference(("world", "sites", name, "servers", number), "server", server, file.servers)
    places = {*file.servers, *world.sites}
    for number, outage in enumerate(world.link_outages):
        yield from reference(("world", "link_outages", number, "place"), "server or site", outage.place, places)
    for number, place in enumerate((world.bandwidth and world.bandwidth.places) or ()):
        yield from reference(("world", "bandwidth", "places", number), "server or site", place, places)


def _policy(contender: str) -> Iterator[Mistake]:
    try:
        make_policy(contender)
    except ConfigError as error:
        yield Mistake(path=("scheduler", "policy"), problem=error.message, remedy=error.remedy or "")


def _places(services: Mapping[str, ServiceSection], servers: Collection[str]) -> Iterator[Mistake]:
    for name, service in services.items():
        for place, server in enumerate(service.privacy.servers or ()):
            yield from reference(("services", name, "privacy", "servers", place), "server", server, servers)


def _capacity(servers: Mapping[str, ServerSection]) -> Iterator[Mistake]:
    for name, server in servers.items():
        if server.kv_tokens is not None and server.kv_tokens < server.slots:
            path: KeyPath = ("servers", name, "kv_tokens")
            yield Mistake(
                path=path,
                problem="the cache holds less than one token per slot",
                remedy="Give at least slots.",
            )


def _ambiguities(services: Mapping[str, GatewayServiceSection]) -> Iterator[Mistake]:
    """Refuse two services that claim the same requests."""
    claims: dict[tuple[str, str], str] = {}
    for name, service in services.items():
        claimed: list[tuple[KeyPath, tuple[str, str]]] = [
            *((("match", "models", place), ("model", model)) for place, model in enumerate(service.match.models)),
            *(
                (("match", "service_tiers", place), ("service tier", tier))
                for place, tier in enumerate(service.match.service_tiers)
            ),
            *([(("default",), ("rest", "the rest"))] if service.default else []),
        ]
        for path, claim in claimed:
            other = claims.setdefault(claim, name)
            if other != name:
                problem = f"service {other} claims {claim[1]} already"
                yield Mistake(path=("services", name, *path), problem=problem, remedy="Remove one of the two.")

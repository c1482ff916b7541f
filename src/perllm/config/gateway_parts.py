"""A perllm.yaml to the parts of a gateway: settings, rules, servers and the ways to their engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from perllm.config.schema import EngineSection, GatewayFile
from perllm.config.values import server_value, service_value
from perllm.domain.server import Server
from perllm.domain.service import Service
from perllm.errors import ConfigError
from perllm.gateway.services import ServiceRules
from perllm.gateway.settings import GatewaySettings
from perllm.machines.engines import Upstream

_BYTES_PER_MIB: Final = 2**20
_DEFAULT_SERVICE: Final = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayParts:
    """What a gateway is made of, apart from its scheduler."""

    settings: GatewaySettings
    rules: ServiceRules
    servers: tuple[Server, ...]
    upstreams: tuple[Upstream, ...]

    @property
    def services(self) -> tuple[Service, ...]:
        """The services, in the order of the file."""
        return tuple(self.rules.services.values())


def gateway_parts(file: GatewayFile, environ: Mapping[str, str], source: str) -> GatewayParts:
    """Make the parts. Raises ConfigError, naming `source`, where `environ` lacks an API key that the file asks for."""
    models = client_models(file)
    keys = {name: _api_key(name, section, environ, source) for name, section in file.servers.items()}
    return GatewayParts(
        settings=_settings(file),
        rules=_rules(file),
        servers=tuple(_unswitched(server_value(name, section, models[name])) for name, section in file.servers.items()),
        upstreams=tuple(_upstream(name, section, models[name], keys[name]) for name, section in file.servers.items()),
    )


def _unswitched(server: Server) -> Server:
    """Tell the brain that a server obeys no command to sleep: the gateway has no switch to carry one out."""
    by_themselves = (replace(rest, on_command=False) for rest in server.rests if rest.after_s is not None)
    return replace(server, rests=tuple(by_themselves))


def client_models(file: GatewayFile) -> dict[str, dict[str, str]]:
    """Return, by server, the names clients may ask for and the engine's own name of what answers.

    Without `models` in the file clients use the engines' names. Of several equivalent models that one
    server has, the first in the file's order answers.
    """
    return {name: _models_of(section, file) for name, section in file.servers.items()}


def _models_of(server: EngineSection, file: GatewayFile) -> dict[str, str]:
    if not file.models:
        return {model: model for model in server.models}
    answers = {
        client_name: [engine for engine in model.engines if engine in server.models]
        for client_name, model in file.models.items()
    }
    return {client_name: engines[0] for client_name, engines in answers.items() if engines}


def _settings(file: GatewayFile) -> GatewaySettings:
    listen, limits, probes = file.listen, file.limits, file.probes
    return GatewaySettings(
        host=listen.host,
        port=listen.port,
        max_body_bytes=round(limits.max_body_mib * _BYTES_PER_MIB),
        max_reply_bytes=round(limits.max_reply_mib * _BYTES_PER_MIB),
        header_timeout_s=limits.header_timeout_s,
        body_timeout_s=limits.body_timeout_s,
        probe_interval_s=probes.interval_s,
        probe_timeout_s=probes.timeout_s,
        drain_s=limits.drain_s,
    )


def _rules(file: GatewayFile) -> ServiceRules:
    services = {name: service_value(name, section) for name, section in file.services.items()}
    default = next((name for name, section in file.services.items() if section.default), _DEFAULT_SERVICE)
    services.setdefault(default, Service(name=default))
    return ServiceRules(
        services=services,
        default=default,
        by_model={model: name for name, section in file.services.items() for model in section.match.models},
        by_service_tier={tier: name for name, section in file.services.items() for tier in section.match.service_tiers},
    )


def _upstream(name: str, section: EngineSection, models: Mapping[str, str], api_key: str | None) -> Upstream:
    return Upstream(server_id=name, base_url=section.url, kind=section.engine, models=models, api_key=api_key)


def _api_key(name: str, section: EngineSection, environ: Mapping[str, str], source: str) -> str | None:
    variable = section.api_key_env
    if variable is None:
        return None
    if not environ.get(variable):
        raise ConfigError(
            f"the environment variable {variable} is not set",
            file=source,
            key=f"servers.{name}.api_key_env",
            remedy="Set it to the engine's API key, or remove this line if the engine needs none.",
        )
    return environ[variable]

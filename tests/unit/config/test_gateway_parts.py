"""From a perllm.yaml to the parts of a gateway."""

import pytest

from perllm.config.gateway_parts import gateway_parts
from perllm.domain.profile import Rest
from perllm.domain.request import Requirement
from perllm.errors import ConfigError
from perllm.gateway.settings import GatewaySettings
from perllm.machines.engines import EngineKind, Upstream
from tests.unit.config.files import SERVER, gateway_file, parts_of


def test_without_models_clients_use_the_engines_names() -> None:
    parts = parts_of(gateway_file({"models": ["llama", "qwen"]}))

    assert {"llama": "llama", "qwen": "qwen"} == parts.upstreams[0].models
    assert {"llama", "qwen"} == parts.servers[0].models


def test_with_models_clients_use_only_those_names() -> None:
    servers = {"a": {**SERVER, "models": ["qwen", "llama"]}, "b": {**SERVER, "models": ["llama"]}, "c": SERVER}
    models = {"chat": {"engines": ["llama", "qwen"]}, "big": {"engines": ["qwen"]}}

    parts = parts_of(gateway_file(servers=servers, models=models))

    assert [{"chat": "llama", "big": "qwen"}, {"chat": "llama"}, {"chat": "llama"}] == [
        up.models for up in parts.upstreams
    ]
    assert [{"chat", "big"}, {"chat"}, {"chat"}] == [server.models for server in parts.servers]


def test_an_engine_is_reached_as_the_file_says() -> None:
    file = gateway_file({"url": "https://api.example.org/v1", "engine": "vllm", "api_key_env": "KEY"})

    (upstream,) = parts_of(file, KEY="secret").upstreams

    assert upstream == Upstream(
        server_id="edge-1",
        base_url="https://api.example.org/v1",
        kind=EngineKind.VLLM,
        models={"llama": "llama"},
        api_key="secret",
    )


@pytest.mark.parametrize("environ", [{}, {"KEY": ""}])
def test_a_key_that_is_not_in_the_environment_is_missed(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as refusal:
        gateway_parts(gateway_file({"api_key_env": "KEY"}), environ, "perllm.yaml")

    assert str(refusal.value).startswith(
        "perllm.yaml: servers.edge-1.api_key_env: the environment variable KEY is not set. Set it to"
    )


def test_without_services_everything_belongs_to_one_without_requirement() -> None:
    rules = parts_of(gateway_file()).rules

    assert ("default", Requirement()) == (rules.default, rules.services["default"].requirement)


def test_a_service_called_default_is_the_default_as_it_is() -> None:
    rules = parts_of(gateway_file(services={"default": {"requirement": {"total_s": 3}}, "b": {}})).rules

    assert ("default", Requirement(total_s=3.0)) == (rules.default, rules.services["default"].requirement)
    assert {"default", "b"} == rules.services.keys()


def test_requests_are_matched_as_the_file_says() -> None:
    services = {
        "chat": {"default": True, "match": {"models": ["llama"]}},
        "bulk": {"match": {"service_tiers": ["flex", "batch"]}},
    }

    rules = parts_of(gateway_file(services=services)).rules

    assert "chat" == rules.default
    assert {"llama": "chat"} == rules.by_model
    assert {"flex": "bulk", "batch": "bulk"} == rules.by_service_tier


def test_every_setting_of_the_gateway_arrives() -> None:
    file = gateway_file(
        listen={"host": "0.0.0.0", "port": 1},
        limits={
            "max_body_mib": 0.5, "max_reply_mib": 2, "header_timeout_s": 3, "body_timeout_s": 4, "drain_s": 5,
        },
        probes={"interval_s": 6, "timeout_s": 7},
    )  # fmt: skip

    expected = GatewaySettings(
        host="0.0.0.0",
        port=1,
        max_body_bytes=2**19,
        max_reply_bytes=2**21,
        header_timeout_s=3.0,
        body_timeout_s=4.0,
        drain_s=5.0,
        probe_interval_s=6.0,
        probe_timeout_s=7.0,
    )
    assert expected == parts_of(file).settings


def test_settings_not_given_are_the_gateways_own_but_for_the_port() -> None:
    settings = parts_of(gateway_file()).settings

    assert GatewaySettings(port=settings.port) == settings


def test_without_a_power_switch_no_engine_can_be_told_to_sleep() -> None:
    rests = [
        {"after_s": 60, "watts": 9, "wake_s": 2, "on_command": True},
        {"watts": 2, "wake_s": 9, "on_command": True},
    ]
    (server,) = parts_of(gateway_file({"rests": rests})).servers

    assert server.sleep is None
    assert (Rest(after_s=60.0, watts=9.0, wake_s=2.0),) == server.rests

"""`perllm check` explains a config, or says in one line what is wrong with it."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.terminal import type_in

CONFIG = """
models: {assistant: {engines: [llama]}}
services:
  chat: {requirement: {total_s: 4, first_token_s: 1}, default: true}
  diary: {privacy: {tiers: [edge]}}
servers:
  desk: {url: "http://127.0.0.1:1", tier: edge, models: [llama], preset: xeon-4214r-llama2-7b-q4}
  far: {url: "http://127.0.0.1:2", tier: cloud, models: [llama], api_key_env: PERLLM_TEST_KEY, link: {rtt_ms: 40}}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PERLLM_TEST_KEY", "the-secret")
    path = tmp_path / "perllm.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def test_a_config_is_explained(config: Path) -> None:
    shown = type_in("check", config)

    words = " ".join(shown.stdout.split())
    assert 0 == shown.exit_code
    for part in (
        "chat (default) 4 s, first token 1 s 95% anywhere",
        "diary any time 95% edge desk",
        "desk http://127.0.0.1:1 openai edge 4 13.8 37.4 56 to 145 0 ms",
        "far http://127.0.0.1:2 openai cloud 1 15 15 unknown 40 ms",
        "assistant desk (llama), far (llama)",
        "warning: service chat: even on",
        "warning: server far: no power figures",
        "The config is valid.",
    ):
        assert part in words


def test_a_key_is_never_shown(config: Path) -> None:
    assert "the-secret" not in type_in("check", config).output


def test_a_wrong_config_is_one_line_and_exit_status_2(config: Path) -> None:
    config.write_text(CONFIG.replace("tier: edge, models", "teir: edge, models"), encoding="utf-8")

    shown = type_in("check", config)

    assert 2 == shown.exit_code
    assert f"error: {config}:7: servers.desk.teir: this key is unknown. Did you mean tier?\n" == shown.stderr
    assert "" == shown.stdout


def test_the_schema_is_printed_for_editors() -> None:
    schema = json.loads(type_in("check", "--schema").stdout)

    assert "servers" in schema["$defs"]["GatewayFile"]["properties"]


def test_no_file_is_a_mistake_too() -> None:
    shown = type_in("check")

    assert (2, "error: CONFIG: no file was given. Name one: perllm check perllm.yaml.\n") == (
        shown.exit_code, shown.stderr,
    )  # fmt: skip

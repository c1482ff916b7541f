"""Every wrong input is refused with its place, its key and what to do about it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perllm.config.loader import load_gateway, load_scenario, read_gateway, read_scenario
from perllm.errors import ConfigError
from tests.unit.config.files import LENGTHS, LOAD, SERVER, as_yaml, gateway_text, scenario_text


def workload(load: dict[str, Any]) -> dict[str, Any]:
    return {"requests": 10, "rate_per_s": 1, "loads": {"chat": {**LOAD, **load}}}


def refusal_of(text: str) -> str:
    with pytest.raises(ConfigError) as refusal:
        read_gateway(text, "perllm.yaml")
    return str(refusal.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1", "1: a: this key is unknown. Known: journal, limits, listen, models, "),
        ("lisen: {}", "1: lisen: this key is unknown. Did you mean listen?"),
        ("listen: {}", "1: servers: this key is missing. Give at least one server."),
        ("servers: {}", "1: servers: an empty section does not fit here. Give at least one server."),
        ("servers:", "1: servers: nothing does not fit here. Give at least one server."),
        ("servers: 3", "1: servers: 3 does not fit here. Give at least one server."),
        ("- servers", "1: a list does not fit here. Give a section: keys with values."),
        ("hello", "1: 'hello' does not fit here. Give a section: keys with values."),
        (
            "servers:\n  edge-1:\n    tier: edge",
            "2: servers.edge-1.models: this key is missing. Give a list with at least one model.",
        ),
    ],
)
def test_a_wrong_outline_is_refused(text: str, expected: str) -> None:
    assert refusal_of(text).startswith(f"perllm.yaml:{expected}")


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ({"slot": 3}, "servers.edge-1.slot: this key is unknown. Did you mean slots?"),
        (
            {"url": "http://127.0.0.1:99999"},
            "servers.edge-1: 'http://127.0.0.1:99999' is no address: Port",
        ),
        ({"slots": "four"}, "servers.edge-1.slots: 'four' does not fit here. Give a whole number, 1 or above."),
        ({"slots": 0}, "servers.edge-1.slots: 0 does not fit here. Give a whole number, 1 or above."),
        ({"slots": 1.5}, "servers.edge-1.slots: 1.5 does not fit here. Give a whole number, 1 or above."),
        ({"slots": True}, "servers.edge-1.slots: true does not fit here. Give a whole number, 1 or above."),
        ({"slots": None}, "servers.edge-1.slots: nothing does not fit here. Give a whole number, 1 or above."),
        ({"slots": 2, "kv_tokens": 1}, "servers.edge-1.kv_tokens: the cache holds less than one token per slot."),
        ({"tier": "fog"}, "servers.edge-1.tier: 'fog' does not fit here. Known: cloud, edge."),
        ({"engine": "lamacpp"}, "servers.edge-1.engine: 'lamacpp' does not fit here. Did you mean llamacpp?"),
        ({"url": "127.0.0.1:8080"}, "servers.edge-1.url: '127.0.0.1:8080' does not fit here. Give an address such as"),
        ({"url": "http://h/?a=b"}, "servers.edge-1.url: 'http://h/?a=b' does not fit here. Give an address such as"),
        ({"models": "llama"}, "servers.edge-1.models: 'llama' does not fit here. Give a list with at least one model."),
        (
            {"models": []},
            "servers.edge-1.models: an empty list does not fit here. Give a list with at least one model.",
        ),
        ({"models": [3]}, "servers.edge-1.models[0]: 3 does not fit here. Give a model's name, without spaces."),
        ({"link": {"rtt_ms": -1}}, "servers.edge-1.link.rtt_ms: -1 does not fit here. Give a number, 0 or above."),
        (
            {"link": {"up_mbit_per_s": 0}},
            "servers.edge-1.link.up_mbit_per_s: 0 does not fit here. Give a number above 0.",
        ),
        (
            {"link": {"network": "wired-marginal", "nj_per_bit": 30}},
            "servers.edge-1.link: nj_per_bit and network say the same thing in two ways: give one of them.",
        ),
        (
            {"link": {"network": "wired"}},
            "servers.edge-1.link.network: 'wired' does not fit here. Did you mean wired-marginal?",
        ),
        ({"link": {"rtt_s": 1}}, "servers.edge-1.link.rtt_s: this key is unknown. Did you mean rtt_ms?"),
        ({"speed": {"decode_tokens_per_s": 9}}, "servers.edge-1.speed.prefill_tokens_per_s: this key is missing."),
        ({"power": {"idle_w": 9, "decode_w": 8}}, "servers.edge-1.power: a machine at work draws at least its idle_w."),
        ({"preset": "a100"}, "servers.edge-1.preset: no preset is called 'a100'. Did you mean a100-80-llama-33b?"),
        (
            {"preset": "a100-80-lama-33b"},
            "servers.edge-1.preset: no preset is called 'a100-80-lama-33b'. Did you mean a1",
        ),
        ({"preset": 3}, "servers.edge-1.preset: 3 does not fit here. Give a name: "),
        ({"preset": "tiny-5m-f16", "slot": 1}, "servers.edge-1.slot: this key is unknown. Did you mean slots?"),
    ],
    ids=str,
)
def test_a_wrong_server_is_refused(server: dict[str, Any], expected: str) -> None:
    _, _, told = refusal_of(gateway_text(server)).partition(" ")

    assert told.startswith(expected)


@pytest.mark.parametrize(
    ("speed", "expected"),
    [
        ({"batch_size": 4}, "batch_size and batch_decode_tokens_per_s only make sense together"),
        (
            {"batch_size": 4, "batch_decode_tokens_per_s": 9},
            "batch_decode_tokens_per_s, of all answers together, must lie",
        ),
        (
            {"batch_size": 4, "batch_decode_tokens_per_s": 41},
            "batch_decode_tokens_per_s, of all answers together, must lie",
        ),
        ({"step_overhead_ms": 100}, "step_overhead_ms is as long as one token takes at decode_tokens_per_s"),
    ],
    ids=str,
)
def test_speeds_that_contradict_each_other_are_refused(speed: dict[str, Any], expected: str) -> None:
    rates = {"prefill_tokens_per_s": 100, "decode_tokens_per_s": 10}

    assert f"servers.edge-1.speed: {expected}" in refusal_of(gateway_text({"speed": {**rates, **speed}}))


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ({"services": {"a b": {}}}, "services.a b: 'a b' does not fit here. Give a name: up to 64 letters"),
        ({"services": {1: {}}}, "services[1]: 1 does not fit here. Give a name: up to 64 letters"),
        ({"services": {"a": {"requirement": 2}}}, "services.a.requirement: 2 does not fit here. Give a section: keys"),
        (
            {"services": {"a": {"requirement": {"total_s": -1}}}},
            "services.a.requirement.total_s: -1 does not fit here.",
        ),
        (
            {"services": {"a": {"attainment": 1}}},
            "services.a.attainment: 1 does not fit here. Give a share above 0 and",
        ),
        (
            {"services": {"a": {"attainment": 95}}},
            "services.a.attainment: 95 does not fit here. Give a share above 0 and",
        ),
        ({"services": {"a": {"default": "yes"}}}, "services.a.default: 'yes' does not fit here. Give true or false."),
        (
            {"services": {"a": {"when_late": "drop"}}},
            "services.a.when_late: 'drop' does not fit here. Known: cancel, ser",
        ),
        ({"services": {"a": {"privacy": {"tiers": []}}}}, "services.a.privacy.tiers: an empty list does not fit here."),
        ({"journal": "on"}, "journal: 'on' does not fit here. Give a section: keys with values or off."),
        ({"journal": {"file": "x"}}, "journal.file: this key is unknown."),
        ({"listen": {"port": 65536}}, "listen.port: 65536 does not fit here. Give a port: a whole number from 0"),
        ({"limits": {"max_body_mib": 1e400}}, "limits.max_body_mib: "),
    ],
    ids=str,
)
def test_a_wrong_value_elsewhere_is_refused(sections: dict[str, Any], expected: str) -> None:
    _, _, told = refusal_of(gateway_text(**sections)).partition(" ")

    assert told.startswith(expected)


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        (
            {"scheduler": {"policy": "cs_ucb"}},
            "scheduler.policy: there is no policy called 'cs_ucb'. Did you mean cs-ucb?",
        ),
        (
            {"scheduler": {"policy": "cs-ucb+wait"}},
            "scheduler.policy: a policy cannot be used as '+wait'. Write cs-ucb+hold or cs-ucb+push.",
        ),
        (
            {"scheduler": {"policy": "cs-ucb:speed=1"}},
            "scheduler.policy: cs-ucb has no option called 'speed'. It has no options.",
        ),
        (
            {"models": {"m": {"engines": ["lama"]}}},
            "models.m.engines[0]: there is no model called 'lama'. Did you mean lla",
        ),
        (
            {"services": {"a": {"privacy": {"servers": ["edge-2"]}}}},
            "services.a.privacy.servers[0]: there is no server called 'edge-2'. Did you mean edge-1?",
        ),
        (
            {"services": {"a": {"match": {"models": ["gpt"]}}}},
            "services.a.match.models[0]: there is no model called 'gpt'. Known: llama.",
        ),
        (
            {"models": {"m": {"engines": ["llama"]}}, "services": {"a": {"match": {"models": ["llama"]}}}},
            "services.a.match.models[0]: there is no model called 'llama'. Known: m.",
        ),
        (
            {"services": {"a": {"default": True}, "b": {"default": True}}},
            "services.b.default: service a claims the rest already. Remove one of the two.",
        ),
        (
            {"services": {name: {"match": {"models": ["llama"]}} for name in "ab"}},
            "services.b.match.models[0]: service a claims llama already. Remove one of the two.",
        ),
        (
            {"services": {name: {"match": {"service_tiers": ["flex"]}} for name in "ab"}},
            "services.b.match.service_tiers[0]: service a claims flex already. Remove one of the two.",
        ),
    ],
    ids=str,
)
def test_a_name_that_leads_nowhere_is_refused(sections: dict[str, Any], expected: str) -> None:
    _, _, told = refusal_of(gateway_text(**sections)).partition(" ")

    assert told.startswith(expected)


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ({"servers": {"e": {**SERVER}}}, "servers.e.url: this key is unknown."),
        (
            {"workload": workload({"share": 0})},
            "workload.loads.chat.share: 0 does not fit here. Give a number above 0.",
        ),
        (
            {"workload": workload({"prompt_tokens": {**LENGTHS, "minimum": 30}})},
            "workload.loads.chat.prompt_tokens: minimum, median and maximum must be in that order.",
        ),
        (
            {"workload": workload({"model": "x"})},
            "workload.loads.chat.model: there is no model called 'x'. Known: llama.",
        ),
        ({"services": {"talk": {}}}, "workload.loads.chat: there is no service called 'chat'. Known: talk."),
        ({"world": {"prior_error": -0.1}}, "world.prior_error: -0.1 does not fit here. Give a share between 0 and 1."),
        (
            {"world": {"outages": [{"server": "edge-1", "from_s": 5, "to_s": 5}]}},
            "world.outages[0]: to_s must be later than from_s.",
        ),
        (
            {"world": {"outages": [{"server": "edge-2", "from_s": 5, "to_s": 6}]}},
            "world.outages[0].server: there is no server called 'edge-2'. Did you mean edge-1?",
        ),
        ({"world": {"idle": "some"}}, "world.idle: 'some' does not fit here. Known: all, none, powered."),
        ({"scheduler": {"seed": 1}}, "scheduler.seed: this key is unknown."),
    ],
    ids=str,
)
def test_a_wrong_scenario_is_refused(sections: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        read_scenario(scenario_text(**sections), "scenario.yaml")
    place, _, told = str(refusal.value).partition(" ")

    assert place.startswith("scenario.yaml:")
    assert told.startswith(expected)


def test_a_mistake_is_shown_with_the_line_it_stands_on() -> None:
    text = as_yaml({"listen": {"port": 1}, "servers": {"edge-1": SERVER, "edge-2": {**SERVER, "slots": 0}}})

    line = next(number for number, line in enumerate(text.splitlines(), 1) if "slots" in line)
    assert refusal_of(text).startswith(f"perllm.yaml:{line}: servers.edge-2.slots: 0 ")


@pytest.mark.parametrize("load", [load_gateway, load_scenario])
def test_a_file_that_is_not_there_is_refused(load: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"perllm\.yaml: there is no such file\. Check its name\.$"):
        load(tmp_path / "perllm.yaml")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the file cannot be read: Is a directory\. Check what it is"):
        load_gateway(tmp_path)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "perllm.yaml"
    file.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(ConfigError, match=r"the file is not UTF-8 text\. Save it as UTF-8\.$"):
        load_gateway(file)


def test_the_mark_that_windows_editors_leave_at_the_start_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "perllm.yaml"
    file.write_text(gateway_text(), encoding="utf-8-sig")

    assert ["edge-1"] == list(load_gateway(file).servers)

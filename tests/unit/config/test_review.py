"""What a config will lead to is told before anything is sent."""

from typing import Any

import pytest

from perllm.config.review import Review, review
from tests.unit.config.files import SERVER, gateway_file, parts_of

FAST = {"prefill_tokens_per_s": 1000, "decode_tokens_per_s": 100}
SLOW = {"prefill_tokens_per_s": 50, "decode_tokens_per_s": 5}
POWER = {"idle_w": 5, "decode_w": 20}
SERVERS = {
    "slow": {**SERVER, "speed": SLOW, "power": POWER},
    "fast": {**SERVER, "tier": "cloud", "speed": FAST, "power": POWER},
}


def reviewed(service: dict[str, Any], servers: dict[str, Any] | None = None) -> Review:
    file = gateway_file(servers=servers or SERVERS, services={"chat": {"default": True, **service}})
    parts = parts_of(file)
    matched = {name: section.match.models for name, section in file.services.items()}
    return review(parts.servers, parts.services, matched)


def test_servers_are_listed_the_most_promising_first() -> None:
    judged = reviewed({"requirement": {"total_s": 20}, "expect": {"output_tokens": 50}})

    assert ["fast", "slow"] == [prospect.server_id for prospect in judged.prospects["chat"]]
    assert [] == judged.warnings


def test_expected_times_follow_from_the_figures() -> None:
    fast, slow = reviewed({"expect": {"output_tokens": 50}}).prospects["chat"]

    assert pytest.approx(100 / 1000 + 50 / 100, rel=0.05) == fast.total_s
    assert pytest.approx(100 / 50 + 50 / 5, rel=0.05) == slow.total_s
    assert (1.0, 1.0) == (fast.in_time_probability, slow.in_time_probability)


def test_a_server_that_data_may_not_go_to_is_not_listed() -> None:
    judged = reviewed({"privacy": {"tiers": ["edge"]}})

    assert ["slow"] == [prospect.server_id for prospect in judged.prospects["chat"]]


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ({"requirement": {"total_s": 0.2}}, "service chat: even on fast, idle, only 0% are expected in time; 95% are"),
        (
            {"privacy": {"tiers": ["cloud"], "servers": ["slow"]}},
            "service chat: no server may serve it; all its requests will be refused.",
        ),
        ({"when_late": "cancel"}, "service chat: when_late: cancel has no effect without requirement.total_s."),
        (
            {"requirement": {"total_s": 60}, "timeout_s": 30},
            "service chat: timeout_s ends its requests before their requirement has passed.",
        ),
    ],
    ids=str,
)
def test_a_service_that_cannot_work_as_meant_is_warned_of(service: dict[str, Any], expected: str) -> None:
    (warning,) = reviewed(service).warnings

    assert warning.startswith(expected)


def test_a_model_that_its_service_cannot_reach_is_warned_of() -> None:
    servers = {**SERVERS, "fast": {**SERVERS["fast"], "models": ["large"]}}

    judged = reviewed({"privacy": {"tiers": ["edge"]}, "match": {"models": ["large", "llama"]}}, servers)

    assert ["service chat: no server that its data may go to serves large."] == judged.warnings


def test_missing_figures_are_warned_of() -> None:
    judged = reviewed({}, {"edge-1": SERVER})

    assert [
        "server edge-1: no power figures, so its joules count as zero and it looks free.",
        "server edge-1: no speed figures; 15 tokens/s are assumed until it has been seen at work.",
    ] == judged.warnings

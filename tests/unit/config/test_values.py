"""Human units become the code's own, and rates become profiles that give those rates back."""

from math import inf

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from perllm.config.networks import Network
from perllm.config.server_schema import LinkSection, PowerSection, SpeedSection
from perllm.config.values import link_value, power_profile, scheduler_settings, speed_profile
from perllm.costs.time import decode_step_s, prefill_s
from perllm.domain.profile import PowerProfile
from perllm.domain.request import Requirement
from perllm.domain.server import Coefficient, Tier
from perllm.domain.service import WhenInfeasible, WhenLate
from perllm.scheduling.settings import SchedulerSettings
from tests.unit.config.files import gateway_file, parts_of

rates = st.floats(min_value=0.1, max_value=1e5)


def test_a_link_is_converted() -> None:
    section = LinkSection(rtt_ms=40, up_mbit_per_s=100, down_mbit_per_s=8, nj_per_bit=30)

    link = link_value(section)
    assert (0.04, 12.5e6, 1e6) == (link.rtt_s, link.up_bytes_per_s, link.down_bytes_per_s)
    assert pytest.approx(2.4e-7) == link.j_per_byte
    assert Coefficient.DECLARED is link.coefficient


@pytest.mark.parametrize(
    ("network", "j_per_byte", "coefficient"),
    [
        (Network.WIRED_MARGINAL, 2.4e-7, Coefficient.MARGINAL),
        (Network.FIXED_AVERAGE, 1.08e-4, Coefficient.AVERAGE),
    ],
)
def test_a_named_network_gives_a_links_energy_and_its_kind(
    network: Network, j_per_byte: float, coefficient: Coefficient
) -> None:
    link = link_value(LinkSection(network=network))

    assert pytest.approx(j_per_byte) == link.j_per_byte
    assert coefficient is link.coefficient


@given(
    alone=rates,
    gain=st.floats(min_value=0, max_value=1),
    size=st.integers(min_value=1, max_value=256),
    overhead=st.floats(min_value=0, max_value=0.9),
)
def test_measured_rates_come_back_from_the_profile(alone: float, gain: float, size: int, overhead: float) -> None:
    together = min(alone * (1 + gain * (size - 1)), alone * size)
    assume(alone <= together)
    section = SpeedSection(
        prefill_tokens_per_s=100,
        decode_tokens_per_s=alone,
        batch_size=size,
        batch_decode_tokens_per_s=together,
        step_overhead_ms=overhead * 1000 / alone,
    )

    profile = speed_profile(section)

    assert pytest.approx(alone) == 1 / decode_step_s(profile, 1)
    assert pytest.approx(together) == size / decode_step_s(profile, size)


@pytest.mark.parametrize("batch", [1, 4])
def test_without_a_batch_rate_batching_gains_nothing(batch: int) -> None:
    section = SpeedSection(prefill_tokens_per_s=100, decode_tokens_per_s=10, step_overhead_ms=20)

    assert pytest.approx(10) == batch / decode_step_s(speed_profile(section), batch)


def test_prompts_are_read_at_the_rate_given() -> None:
    profile = speed_profile(SpeedSection(prefill_tokens_per_s=100, decode_tokens_per_s=10, request_overhead_ms=15))

    assert pytest.approx(5) == prefill_s(profile, 500)
    assert pytest.approx(0.015) == profile.request_overhead_s


def test_watts_not_given_follow_from_those_given() -> None:
    assert PowerProfile(idle_w=5, prefill_w=20, decode_w=20, decode_full_w=20) == power_profile(
        PowerSection(idle_w=5, decode_w=20)
    )
    assert PowerProfile(idle_w=5, prefill_w=30, decode_w=20, decode_full_w=30) == power_profile(
        PowerSection(idle_w=5, decode_w=20, decode_full_w=30)
    )


def test_a_server_without_figures_is_slow_and_free() -> None:
    (server,) = parts_of(gateway_file()).servers

    assert pytest.approx(1 / 15) == decode_step_s(server.speed, 1)
    assert PowerProfile(idle_w=0, prefill_w=0, decode_w=0, decode_full_w=0) == server.power
    assert (1, 4096, 4096) == (server.slots, server.kv_tokens, server.context_tokens)


def test_the_cache_holds_full_slots_unless_it_is_said_otherwise() -> None:
    (assumed,) = parts_of(gateway_file({"slots": 4, "context_tokens": 1000})).servers
    (said,) = parts_of(gateway_file({"slots": 4, "context_tokens": 1000, "kv_tokens": 1500})).servers

    assert (4000, 1500) == (assumed.kv_tokens, said.kv_tokens)


def test_every_key_of_a_service_arrives() -> None:
    section = {
        "requirement": {"total_s": 4, "first_token_s": 1.5},
        "attainment": 0.9,
        "when_infeasible": "refuse",
        "when_late": "cancel",
        "timeout_s": 60,
        "privacy": {"tiers": ["edge"], "servers": ["edge-1"]},
        "expect": {"output_tokens": 40, "output_spread": 0.5, "reply_bytes_per_token": 80},
        "default": True,
    }

    (service,) = parts_of(gateway_file(services={"chat": section})).services

    assert "chat" == service.name
    assert Requirement(total_s=4.0, first_token_s=1.5) == service.requirement
    assert (0.9, 60.0, 40.0, 0.5, 80.0) == (
        service.attainment, service.timeout_s, service.output_tokens, service.output_spread,
        service.reply_bytes_per_token,
    )  # fmt: skip
    assert (WhenInfeasible.REFUSE, WhenLate.CANCEL) == (service.when_infeasible, service.when_late)
    assert (frozenset({Tier.EDGE}), frozenset({"edge-1"})) == (service.tiers, service.servers)


def test_every_key_of_the_scheduler_arrives() -> None:
    section = {"hold": False, "sessions": False, "max_attempts": 2, "max_held": 5}

    settings = scheduler_settings(gateway_file(scheduler=section).scheduler)

    assert SchedulerSettings(hold=False, sessions=False, max_attempts=2, max_held=5) == settings
    assert SchedulerSettings() == scheduler_settings(gateway_file().scheduler)


def test_no_figure_is_infinite() -> None:
    (server,) = parts_of(gateway_file({"link": {"up_mbit_per_s": 1e12}})).servers

    assert server.link.up_bytes_per_s < inf

"""Sections to domain values. The border of units: milliseconds, megabits and tokens per second end here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from perllm.config.networks import NETWORKS
from perllm.config.server_schema import (
    LinkSection,
    PowerSection,
    RestSection,
    ServerSection,
    SpeedSection,
    TimingSection,
)
from perllm.config.service_schema import SchedulerSection, ServiceSection
from perllm.domain.profile import PowerProfile, Rest, SpeedProfile
from perllm.domain.request import Requirement
from perllm.domain.server import Coefficient, Link, Server
from perllm.domain.service import Service
from perllm.scheduling.settings import SchedulerSettings

_MS_PER_S: Final = 1e3
_US_PER_S: Final = 1e6
_NS_PER_S: Final = 1e9
BYTES_PER_MBIT: Final = 125_000.0
_J_PER_BYTE_PER_NJ_PER_BIT: Final = 8e-9

# Our choice, of the order of an 8B model on a good CPU: corrected by what is learned while serving.
ASSUMED_SPEED: Final = SpeedSection(prefill_tokens_per_s=100.0, decode_tokens_per_s=15.0)
UNKNOWN_POWER: Final = PowerProfile(idle_w=0.0, prefill_w=0.0, decode_w=0.0, decode_full_w=0.0)


def server_value(server_id: str, section: ServerSection, models: Iterable[str]) -> Server:
    """Make a server that answers for `models`, the names clients use."""
    return Server(
        server_id=server_id,
        tier=section.tier,
        models=frozenset(models),
        slots=section.slots,
        kv_tokens=section.kv_tokens or section.slots * section.context_tokens,
        context_tokens=section.context_tokens,
        link=link_value(section.link),
        speed=_speed(section),
        power=UNKNOWN_POWER if section.power is None else power_profile(section.power),
        batching=section.batching,
        step_tokens=section.step_tokens,
        caches_prefixes=section.caches_prefixes,
        rests=tuple(_rest(rest) for rest in section.rests),
    )


def _speed(section: ServerSection) -> SpeedProfile:
    return speed_profile(section.speed or ASSUMED_SPEED) if section.timing is None else timed_profile(section.timing)


def _rest(section: RestSection) -> Rest:
    return Rest(
        after_s=section.after_s,
        watts=section.watts,
        wake_s=section.wake_s,
        wake_j=section.wake_j,
        on_command=section.on_command,
    )


def service_value(name: str, section: ServiceSection) -> Service:
    """Make a service."""
    privacy = section.privacy
    return Service(
        name=name,
        requirement=Requirement(total_s=section.requirement.total_s, first_token_s=section.requirement.first_token_s),
        attainment=section.attainment,
        when_infeasible=section.when_infeasible,
        when_late=section.when_late,
        timeout_s=section.timeout_s,
        tiers=None if privacy.tiers is None else frozenset(privacy.tiers),
        servers=None if privacy.servers is None else frozenset(privacy.servers),
        output_tokens=section.expect.output_tokens,
        output_spread=section.expect.output_spread,
        reply_bytes_per_token=section.expect.reply_bytes_per_token,
    )


def scheduler_settings(section: SchedulerSection) -> SchedulerSettings:
    """Make the scheduler's settings."""
    return SchedulerSettings(
        hold=section.hold,
        power=section.power,
        sessions=section.sessions,
        max_attempts=section.max_attempts,
        max_held=section.max_held,
    )


def link_value(section: LinkSection) -> Link:
    """Make a link: the energy of a bit is that of a named network, or the file's own."""
    named = None if section.network is None else NETWORKS[section.network]
    nj_per_bit = section.nj_per_bit if named is None else named.nj_per_bit
    return Link(
        rtt_s=section.rtt_ms / _MS_PER_S,
        up_bytes_per_s=section.up_mbit_per_s * BYTES_PER_MBIT,
        down_bytes_per_s=section.down_mbit_per_s * BYTES_PER_MBIT,
        j_per_byte=nj_per_bit * _J_PER_BYTE_PER_NJ_PER_BIT,
        coefficient=Coefficient.DECLARED if named is None else named.coefficient,
    )


def speed_profile(section: SpeedSection) -> SpeedProfile:
    """Make the profile whose decode steps give the two measured rates, alone and at `batch_size`.

    A step takes max(n × decode_token_s, weights_read_s) + step_overhead_s (`costs.time.decode_step_s`): one answer is
    bound by reading the weights, a full batch by arithmetic. Without a batch rate batching gains nothing.
    """
    alone_s = 1.0 / section.decode_tokens_per_s
    together_s = 1.0 / (section.batch_decode_tokens_per_s or section.decode_tokens_per_s)
    others_share = 1.0 if section.batch_size is None else 1.0 - 1.0 / section.batch_size
    # A batch shares the overhead: rates that were measured leave no room for more of it than this.
    limit_s = (alone_s - together_s) / others_share if others_share else alone_s
    overhead_s = max(min(section.step_overhead_ms / _MS_PER_S, limit_s), 0.0)
    return SpeedProfile(
        prefill_token_s=1.0 / section.prefill_tokens_per_s,
        decode_token_s=together_s - overhead_s * (1.0 - others_share),
        weights_read_s=alone_s - overhead_s,
        step_overhead_s=overhead_s,
        request_overhead_s=section.request_overhead_ms / _MS_PER_S,
    )


def timed_profile(section: TimingSection) -> SpeedProfile:
    """Make a profile of measured constants."""
    return SpeedProfile(
        prefill_token_s=section.prefill_us_per_token / _US_PER_S,
        decode_token_s=section.decode_us_per_sequence / _US_PER_S,
        weights_read_s=section.weights_read_ms / _MS_PER_S,
        attention_pair_s=section.attention_ns_per_pair / _NS_PER_S,
        context_token_s=section.context_ns_per_token / _NS_PER_S,
        serial_fraction=section.serial_fraction,
        step_overhead_s=section.step_overhead_ms / _MS_PER_S,
        sequence_overhead_s=section.sequence_overhead_us / _US_PER_S,
        batching_overhead_s=section.batching_overhead_ms / _MS_PER_S,
        request_overhead_s=section.request_overhead_ms / _MS_PER_S,
    )


def power_profile(section: PowerSection) -> PowerProfile:
    """Make a power profile: what is not said of full load is taken from decoding one answer."""
    full_w = section.decode_w if section.decode_full_w is None else section.decode_full_w
    return PowerProfile(
        idle_w=section.idle_w,
        prefill_w=full_w if section.prefill_w is None else section.prefill_w,
        decode_w=section.decode_w,
        decode_full_w=full_w,
    )

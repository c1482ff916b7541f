"""What machines really are: their profiles times a hidden error that belongs to the seed."""

from __future__ import annotations

from math import exp, log1p

from msgspec.structs import replace
from numpy.random import Generator

from perllm.domain.profile import PowerProfile, SpeedProfile
from perllm.domain.server import Link, Server


def true_server(server: Server, prior_error: float, rng: Generator) -> Server:
    """Return the server as it really is.

    Its arithmetic, memory, overheads, link and power each err by a factor of their own, log-uniform between
    1 / (1 + prior_error) and 1 + prior_error: too fast is as likely as too slow. What a byte costs on the link is a
    coefficient of the study, not a property of the machine: it is true as given.
    """
    spread = log1p(prior_error)
    arithmetic, memory, overheads, rtt, rate, idle, active = (exp(x) for x in rng.uniform(-spread, spread, 7))
    return replace(
        server,
        speed=_speed(server.speed, arithmetic, memory, overheads),
        power=_power(server.power, idle, active),
        link=_link(server.link, rtt, rate),
        # At rest it errs as when idle, so that resting never draws more where the profile says it draws less.
        rests=tuple(replace(rest, watts=rest.watts * idle) for rest in server.rests),
    )


def _speed(speed: SpeedProfile, arithmetic: float, memory: float, overheads: float) -> SpeedProfile:
    return SpeedProfile(
        prefill_token_s=speed.prefill_token_s * arithmetic,
        attention_pair_s=speed.attention_pair_s * arithmetic,
        decode_token_s=speed.decode_token_s * arithmetic,
        weights_read_s=speed.weights_read_s * memory,
        context_token_s=speed.context_token_s * memory,
        step_overhead_s=speed.step_overhead_s * overheads,
        sequence_overhead_s=speed.sequence_overhead_s * overheads,
        batching_overhead_s=speed.batching_overhead_s * overheads,
        request_overhead_s=speed.request_overhead_s * overheads,
        serial_fraction=speed.serial_fraction,
    )


def _power(power: PowerProfile, idle: float, active: float) -> PowerProfile:
    """Scale idle watts and watts above idle apart, so that working never draws less than idling."""
    idle_w = power.idle_w * idle
    return PowerProfile(
        idle_w=idle_w,
        prefill_w=idle_w + (power.prefill_w - power.idle_w) * active,
        decode_w=idle_w + (power.decode_w - power.idle_w) * active,
        decode_full_w=idle_w + (power.decode_full_w - power.idle_w) * active,
    )


def _link(link: Link, rtt: float, rate: float) -> Link:
    return replace(
        link,
        rtt_s=link.rtt_s * rtt,
        up_bytes_per_s=link.up_bytes_per_s * rate,
        down_bytes_per_s=link.down_bytes_per_s * rate,
    )

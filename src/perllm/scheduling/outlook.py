"""What serving one more request on a server would take, as coefficients: recomputed when its state changes, read often.

Everything but the request's own size is folded in here, corrections included, so that an estimate is a few products:

    reading_s  = max(prompt_tokens * prefill_token_s, prefill_floor_s) + prefill_overhead_s
    first_s    = wait_s + payload_bytes * payload_byte_s + reading_s
    token_s, and joules: reading_s * reading_w, tokens * marginal_token_j, bytes * byte_j
"""

from __future__ import annotations

from typing import NamedTuple

from perllm.costs.energy import decode_w, marginal_decode_j, prefill_w
from perllm.costs.time import decode_step_s, download_s, upload_s
from perllm.domain.server import Server


class Step(NamedTuple):
    """A decode step once one more sequence has joined: its time, what that adds, and the newcomer's equal share."""

    token_s: float
    marginal_j: float
    share_j: float


def steps_of(server: Server) -> list[Step]:
    """Return the step for each number of sequences already decoding, up to one short of full."""
    return [_step(server, others) for others in range(server.slots)]


def _step(server: Server, others: int) -> Step:
    batch = others + 1
    token_s = decode_step_s(server.speed, batch)
    return Step(
        token_s,
        marginal_decode_j(server.speed, server.power, others, server.slots),
        decode_w(server.power, batch, server.slots) * token_s / batch,
    )


class Pace(NamedTuple):
    """The part of an outlook that only a lesson changes."""

    payload_byte_s: float
    prefill_token_s: float
    prefill_floor_s: float
    prefill_overhead_s: float
    reading_w: float
    byte_j: float
    time_sd: float


class Outlook(NamedTuple):
    """Coefficients of an estimate on one server in its present state; from `payload_byte_s` on, its pace."""

    wait_s: float
    token_s: float
    marginal_token_j: float
    payload_byte_s: float
    prefill_token_s: float
    prefill_floor_s: float
    prefill_overhead_s: float
    reading_w: float
    byte_j: float
    time_sd: float


def way_s(server: Server) -> float:
    """Return the time of an empty request in which nothing is computed: the link both ways, and the engine's overhead.

    The last token's way back stands for all: one reply byte more or less does not matter.
    """
    return upload_s(server.link, 0.0) + download_s(server.link, 0.0) + server.speed.request_overhead_s


def pace_of(server: Server, first_ratio: float, energy_ratio: float, time_sd: float) -> Pace:
    """Fold a server's profile and what was learned of it into coefficients."""
    speed, link = server.speed, server.link
    return Pace._make(
        (
            first_ratio / link.up_bytes_per_s,
            speed.prefill_token_s * first_ratio,
            speed.weights_read_s * first_ratio,
            speed.step_overhead_s * first_ratio,
            # Watts times corrected seconds: dividing by the seconds' own correction leaves the profile's joules.
            prefill_w(server.power) * energy_ratio / first_ratio,
            link.j_per_byte,
            time_sd,
        )
    )

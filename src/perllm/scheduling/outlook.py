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


class Outlook(NamedTuple):
    """Coefficients of an estimate on one server in its present state."""

    wait_s: float
    payload_byte_s: float
    prefill_token_s: float
    prefill_floor_s: float
    prefill_overhead_s: float
    token_s: float
    reading_w: float
    marginal_token_j: float
    byte_j: float
    time_sd: float


class Ratios(NamedTuple):
    """What a server has taught: real over profile for the time to a first token, for decoding and for joules."""

    first_token: float
    decode: float
    energy: float
    time_sd: float


def outlook_of(server: Server, step: Step, unread_s: float, queue_s: float, ratios: Ratios) -> Outlook:
    """Fold a server's profile, its state and what was learned of it into coefficients."""
    speed, link = server.speed, server.link
    first_ratio, decode_ratio, energy_ratio, time_sd = ratios
    # The last token's way back stands for all: one reply byte more or less does not matter.
    unloaded_s = upload_s(link, 0.0) + speed.request_overhead_s + step.token_s
    # Made at every change of state: `_make` is the quick way to a named tuple.
    return Outlook._make(
        (
            (unloaded_s + unread_s + download_s(link, 0.0)) * first_ratio + queue_s,
            first_ratio / link.up_bytes_per_s,
            speed.prefill_token_s * first_ratio,
            speed.weights_read_s * first_ratio,
            speed.step_overhead_s * first_ratio,
            step.token_s * decode_ratio,
            # Watts times corrected seconds: dividing by the seconds' own correction leaves the profile's joules.
            prefill_w(server.power) * energy_ratio / first_ratio,
            step.marginal_j * energy_ratio,
            link.j_per_byte,
            time_sd,
        )
    )

"""What serving one more request on a server would take, as coefficients: recomputed when its state changes, read often.

Everything but the request's own size is folded in here, corrections included, so that an estimate is a few products:

    reading_s  = prompt_tokens * prefill_token_s beside prefill_floor_s (the longer, and serial_fraction of the shorter)
                 + prefill_overhead_s
    first_s    = wait_s + payload_bytes * payload_byte_s + reading_s
    token_s, and joules: reading_s * reading_w, tokens * marginal_token_j, bytes * byte_j
    harm       = exposure * (reading_s - hidden_s + tokens * slower_s)
"""

from __future__ import annotations

from msgspec import Struct

from perllm.costs.energy import decode_w, prefill_w
from perllm.costs.time import download_s, step_overheads_s, upload_s
from perllm.domain.server import Server


class Step(Struct, frozen=True, gc=False):
    """A decode step once one more sequence has joined: its time, what that adds, and the newcomer's equal share.

    `slower_s` is how much longer it is than without.
    """

    token_s: float
    marginal_j: float
    share_j: float
    slower_s: float


class StepTable:
    """What `costs` says of a server's decode steps, with everything but the context worked out beforehand."""

    __slots__ = ("_arithmetic_s", "_context_token_s", "_overhead_s", "_serial", "_watts", "_weights_read_s")

    def __init__(self, server: Server) -> None:
        speed, sizes = server.speed, range(server.slots + 1)
        self._weights_read_s, self._context_token_s = speed.weights_read_s, speed.context_token_s
        self._serial = speed.serial_fraction
        self._arithmetic_s = [size * speed.decode_token_s for size in sizes]
        self._overhead_s = [step_overheads_s(speed, size) for size in sizes]
        self._watts = [decode_w(server.power, size, server.slots) for size in sizes]

    def joined(self, others: int, context_tokens: float) -> Step:
        """Return the step in which one more joins `others` that have so much context together.

        The newcomer is taken to have as much of it as each of them (see `costs.energy.marginal_decode_j`).
        """
        batch = others + 1
        if others == 0:
            token_s = self._step_s(1, 0.0)
            alone_j = self._watts[1] * token_s
            return Step(token_s, alone_j, alone_j, 0.0)
        token_s = self._step_s(batch, context_tokens * batch / others)
        joined_j, before_s = self._watts[batch] * token_s, self._step_s(others, context_tokens)
        return Step(token_s, joined_j - self._watts[others] * before_s, joined_j / batch, token_s - before_s)

    def _step_s(self, batch: int, context_tokens: float) -> float:
        arithmetic_s = self._arithmetic_s[batch]
        memory_s = self._weights_read_s + context_tokens * self._context_token_s
        # `busy_s`, written out: this runs for every change of a server.
        if arithmetic_s > memory_s:
            return arithmetic_s + self._serial * memory_s + self._overhead_s[batch]
        return memory_s + self._serial * arithmetic_s + self._overhead_s[batch]


# The part of an outlook that only a lesson changes: payload_byte_s, prefill_token_s, prefill_floor_s,
# prefill_overhead_s, serial_fraction, reading_w, byte_j, time_sd.
Pace = tuple[float, float, float, float, float, float, float, float]

# Coefficients of an estimate on one server in its present state: wait_s, token_s, marginal_token_j, read_at_s (when
# prompts sent there will have been read of whose reading nothing is heard), exposure, hidden_s and slower_s (see
# `ServerState.look`), then its pace. A plain tuple, since all of one is unpacked for every estimate.
Outlook = tuple[
    float, float, float, float, float, float, float, float, float, float, float, float, float, float, float
]  # fmt: skip


def way_s(server: Server) -> float:
    """Return the time of an empty request in which nothing is computed: the link both ways, and the engine's overhead.

    The last token's way back stands for all: one reply byte more or less does not matter.
    """
    return upload_s(server.link, 0.0) + download_s(server.link, 0.0) + server.speed.request_overhead_s


def pace_of(server: Server, first_ratio: float, energy_ratio: float, time_sd: float) -> Pace:
    """Fold a server's profile and what was learned of it into coefficients."""
    speed, link = server.speed, server.link
    return (
        first_ratio / link.up_bytes_per_s,
        speed.prefill_token_s * first_ratio,
        speed.weights_read_s * first_ratio,
        speed.step_overhead_s * first_ratio,
        speed.serial_fraction,
        # Watts times corrected seconds: dividing by the seconds' own correction leaves the profile's joules.
        prefill_w(server.power) * energy_ratio / first_ratio,
        link.j_per_byte,
        time_sd,
    )

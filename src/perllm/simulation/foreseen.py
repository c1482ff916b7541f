"""What one more request would take on a server as it is now, links included."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from perllm.costs.energy import transmit_j
from perllm.domain.server import Server
from perllm.simulation.link import way_of
from perllm.simulation.processor import Processor
from perllm.simulation.rehearsal import Delayed, rehearse
from perllm.simulation.replies import last_bytes, reply_bytes
from perllm.simulation.sequence import Sequence


class Delay(NamedTuple):
    """A request that is there already, and when its client has all of it without the newcomer and with it."""

    request_id: str
    without_at_s: float
    with_at_s: float


class Foreseen(NamedTuple):
    """Seconds from now to the last and to the first token at the client's side, the joules added, who is delayed."""

    total_s: float
    first_token_s: float
    energy_j: float
    delays: list[Delay]


def foresee(
    server: Server, processor: Processor, coming: Iterable[Sequence], newcomer: Sequence, now_s: float
) -> Foreseen:
    """Send a newcomer there and back over an idle, steady link and rehearse what lies between."""
    job, tokens, way = newcomer.job, newcomer.output_tokens, way_of(server.link)
    truth = job.truth
    there_at_s = way.arrives_at_s(now_s, truth.upload_bytes, truth.link_factor)
    newcomer.enters_at_s = there_at_s + truth.service_factor * server.speed.request_overhead_s
    first_at_s, ended_at_s, marginal_j, delayed = rehearse(processor, coming, newcomer)
    all_bytes, stream = reply_bytes(job, tokens), job.request.stream
    first_seen_at_s = way.returns_at_s(first_at_s, truth.token_bytes, truth.link_factor)
    seen_at_s = way.drained_at_s(
        first_at_s if stream else ended_at_s,
        ended_at_s,
        all_bytes,
        truth.token_bytes if stream else all_bytes,
        truth.link_factor,
    )
    return Foreseen(
        seen_at_s - now_s,
        (first_seen_at_s if stream else seen_at_s) - now_s,
        marginal_j + transmit_j(server.link, truth.upload_bytes + all_bytes),
        [_delay(server, each) for each in delayed],
    )


def _delay(server: Server, delayed: Delayed) -> Delay:
    """See a delay from the client's side of the link, where the last bytes come later."""
    sequence, without_at_s, with_at_s = delayed
    job = sequence.job
    way_back_s = way_of(server.link).returns_at_s(0.0, last_bytes(job, sequence.output_tokens), job.truth.link_factor)
    return Delay(job.request.request_id, without_at_s + way_back_s, with_at_s + way_back_s)

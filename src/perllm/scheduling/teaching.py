"""What the end of an attempt teaches: its server's corrections, its service's lengths, a lesson for the policy."""

from __future__ import annotations

from math import exp, inf, log

from msgspec import structs

from perllm.costs.time import prefill_s
from perllm.domain.attempt import Ending, EndingKind, Usage
from perllm.scheduling.belief import Belief
from perllm.scheduling.lengths import Lengths
from perllm.scheduling.policy import Evident, Lesson
from perllm.scheduling.records import AttemptRecord, Basis

# How far, on the logarithm, one observation may lie from the belief it corrects.
BOUND = 2.0
_LEAST_RATIO, _GREATEST_RATIO = exp(-BOUND), exp(BOUND)

# Looking a member up in its enumeration costs as much as three calls where that is done for every request.
_COMPLETED, _TIMED_OUT, _CANCELLED = EndingKind.COMPLETED, EndingKind.TIMED_OUT, EndingKind.CANCELLED
_FULLY, _AT_LEAST, _NOT = Evident.FULLY, Evident.AT_LEAST, Evident.NOT


def evidence_of(attempt: AttemptRecord, ending: Ending, now_s: float) -> Evident:
    """Say how much an ending tells (law 10); a client that left after its requirement waited "at least this long"."""
    if ending.kind is _COMPLETED:
        return _FULLY
    if ending.kind is _TIMED_OUT:
        return _AT_LEAST
    if ending.kind is _CANCELLED and now_s > attempt.owner.deadline_at_s:
        return _AT_LEAST
    return _NOT


def teach(
    attempt: AttemptRecord, ending: Ending, lengths: Lengths, now_s: float, cached_tokens: float = 0.0
) -> float | None:
    """Teach server and service from an ending; return the ratio of joules charged to joules predicted, where known.

    `cached_tokens` of the prompt needed no reading.
    Where nothing was predicted nothing can be corrected: all that is learned is how many tokens prompts have.
    """
    basis = attempt.basis
    if basis is None:
        if ending.usage is not None:
            lengths.learn_prompt(ending.usage.prompt_tokens, attempt.owner.request.prompt_bytes, now_s)
        return None
    evident = evidence_of(attempt, ending, now_s)
    if evident is _FULLY:
        return _teach_fully(attempt, basis, ending, lengths, now_s, cached_tokens)
    if evident is _AT_LEAST:
        if ending.output_tokens:
            lengths.learn_output(ending.output_tokens, ending.output_tokens, now_s)
        _teach_lateness(attempt, basis, ending.output_tokens, lengths, now_s)
        attempt.server.learned()
    return None


def lesson_of(attempt: AttemptRecord, ending: Ending, energy_ratio: float | None, now_s: float) -> Lesson:
    """Return what an ending says to the policy."""
    evident = evidence_of(attempt, ending, now_s)
    return Lesson(
        request_id=attempt.owner.request.request_id,
        service=attempt.owner.service.name,
        server_id=attempt.server.server_id,
        evident=evident,
        in_time=evident is _FULLY and now_s <= attempt.owner.deadline_at_s,
        total_s=now_s - attempt.dispatched_at_s,
        latency_s=now_s - attempt.owner.arrived_at_s,
        requirement_s=attempt.owner.request.requirement.total_s,
        transmit_j=ending.transmit_j,
        infer_j=ending.infer_j,
        energy_ratio=energy_ratio,
        free_slots_fraction=attempt.free_slots_fraction,
        free_bandwidth_fraction=attempt.free_bandwidth_fraction,
        at_s=now_s,
        model=attempt.owner.request.model,
        output_tokens=ending.usage.output_tokens if ending.usage is not None else ending.output_tokens,
        first_token_s=None if attempt.first_token_at_s is None else attempt.first_token_at_s - attempt.dispatched_at_s,
    )


def _teach_fully(
    attempt: AttemptRecord, basis: Basis, ending: Ending, lengths: Lengths, now_s: float, cached_tokens: float
) -> float | None:
    """Teach everything that a whole answer says; return the ratio of joules charged to joules predicted."""
    tokens = _teach_lengths(attempt, ending, lengths, now_s)
    as_read = _as_read(attempt, basis, ending.usage, cached_tokens)
    _teach_time(attempt, as_read, ending.usage, tokens, now_s)
    # Where no cache was counted on, what it spares on average is learned with the rest.
    energy_ratio = _teach_energy(attempt, as_read if basis.cached_tokens else basis, ending, tokens, now_s)
    if not attempt.queued:
        attempt.server.attempt_s.learn(now_s - attempt.dispatched_at_s, now_s)
    attempt.server.learned()
    return energy_ratio


def _as_read(attempt: AttemptRecord, basis: Basis, usage: Usage | None, cached_tokens: float) -> Basis:
    """Return the prediction for the part of a prompt that really had to be read."""
    if usage is None or usage.prompt_tokens <= 0 or not (cached_tokens or basis.cached_tokens):
        return basis
    known = basis.prompt_tokens * min(cached_tokens / usage.prompt_tokens, 1.0)
    reading_s = prefill_s(attempt.server.server.speed, basis.prompt_tokens - known, known)
    first_token_s = max(basis.first_token_s + reading_s - basis.prefill_s, basis.token_s)
    prefill_j = reading_s * attempt.server.prefill_w
    return structs.replace(basis, first_token_s=first_token_s, prefill_s=reading_s, prefill_j=prefill_j)


def _teach_lengths(attempt: AttemptRecord, ending: Ending, lengths: Lengths, now_s: float) -> int:
    """Teach the service's lengths; return the answer's tokens, at least one."""
    request, usage = attempt.owner.request, ending.usage
    if usage is not None:
        lengths.learn_prompt(usage.prompt_tokens, request.prompt_bytes, now_s)
    tokens = usage.output_tokens if usage is not None else ending.output_tokens
    if tokens > 0:
        lengths.learn_output(tokens, request.max_output_tokens, now_s)
    return tokens if tokens > 1 else 1


def _teach_time(attempt: AttemptRecord, basis: Basis, usage: Usage | None, tokens: int, now_s: float) -> None:
    """Compare the phases with the profile's: apart where the first token was seen, together where it was not."""
    server = attempt.server
    started_at_s, first_at_s = attempt.dispatched_at_s, attempt.first_token_at_s
    if not attempt.queued and now_s > started_at_s:
        # What is still wrong once the phases are right: the error that the probability of being in time is about.
        expected_s = basis.first_token_s * server.first_ratio + (tokens - 1) * basis.token_s * server.decode_ratio
        _correct(server.total_log, log((now_s - started_at_s) / expected_s), now_s)
    if first_at_s is not None and first_at_s > started_at_s:
        if not attempt.queued:
            _correct(server.first_log, log((first_at_s - started_at_s) / basis.first_token_s), now_s)
        if tokens > 1 and now_s > first_at_s:
            _correct(server.decode_log, log((now_s - first_at_s) / (tokens - 1) / basis.token_s), now_s)
    elif attempt.queued:
        # How long it waited in the engine's own queue cannot be told from how long it took.
        return
    elif usage is not None and usage.decode_s and tokens > 1:
        _teach_told_phases(attempt, basis, usage.decode_s, tokens, now_s)
    elif now_s > started_at_s:
        expected_s = basis.first_token_s + (tokens - 1) * basis.token_s
        ratio = log((now_s - started_at_s) / expected_s)
        _correct(server.first_log, ratio, now_s)
        _correct(server.decode_log, ratio, now_s)


def _teach_told_phases(attempt: AttemptRecord, basis: Basis, decode_s: float, tokens: int, now_s: float) -> None:
    """Split a plain answer's time by the decode time its engine told; what is left came before the first token."""
    first_s = now_s - attempt.dispatched_at_s - decode_s
    # llama.cpp counts from the first token, so its time covers one step less than there are tokens.
    _correct(attempt.server.decode_log, log(decode_s / (tokens - 1) / basis.token_s), now_s)
    if first_s > 0.0:
        _correct(attempt.server.first_log, log(first_s / basis.first_token_s), now_s)


def _teach_energy(attempt: AttemptRecord, basis: Basis, ending: Ending, tokens: int, now_s: float) -> float | None:
    """Compare the joules charged with those predicted for as many tokens; return their ratio."""
    expected_j = basis.prefill_j + tokens * basis.share_token_j
    if ending.infer_j is None or ending.infer_j <= 0.0 or expected_j <= 0.0:
        return None
    server = attempt.server
    corrected = ending.infer_j / (expected_j * server.energy_ratio)
    if not _LEAST_RATIO <= corrected <= _GREATEST_RATIO:
        corrected = _GREATEST_RATIO if corrected > 1.0 else _LEAST_RATIO
    _correct(server.energy_log, log(ending.infer_j / expected_j), now_s)
    return corrected


def _teach_lateness(attempt: AttemptRecord, basis: Basis, tokens_seen: int, lengths: Lengths, now_s: float) -> None:
    """Take in that an attempt took at least this long, where that is longer than was thought."""
    server = attempt.server
    limit = attempt.owner.request.max_output_tokens
    tokens = tokens_seen or lengths.mean_tokens(inf if limit is None else max(limit, 1))
    expected_s = basis.first_token_s + (tokens - 1) * basis.token_s
    ratio = log(max(now_s - attempt.dispatched_at_s, 1e-9) / expected_s)
    for belief in (server.first_log, server.decode_log):
        if ratio > belief.mean:
            _correct(belief, ratio, now_s)


def _correct(belief: Belief, value: float, now_s: float) -> None:
    """Learn one ratio, however odd, as no further than a factor of seven from what was believed.

    An answer that arrives in one burst says nothing of a decode step; unbounded, it would make a server look
    unpredictable for hours.
    """
    distance = value - belief.mean
    if not -BOUND <= distance <= BOUND:
        value = belief.mean + (BOUND if distance > 0.0 else -BOUND)
    belief.learn(value, now_s)

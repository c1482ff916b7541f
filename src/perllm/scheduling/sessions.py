"""What conversations have left in servers' caches: where one goes on, only what is new need be read.

For each server that keeps prefixes, a picture of its cache: which sessions it served last, as many as fit. Nothing in
it is told by the server; what it says of a prompt that came back (`cached_tokens`) corrects how far it is trusted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from copy import copy
from typing import cast

from msgspec import Struct

from perllm.costs.time import prefill_s
from perllm.domain.attempt import Ending, EndingKind
from perllm.domain.request import Request
from perllm.domain.server import Server
from perllm.scheduling.belief import Belief
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.fleet import ServerState
from perllm.scheduling.need import Need
from perllm.scheduling.predictor import in_time_probability
from perllm.scheduling.records import AttemptRecord

# An engine that restarts or serves another model in between tells nobody.
MEMORY_S = 3600.0
# Of one server, however large its cache: each takes about 200 bytes here.
MOST_SESSIONS = 4096
# What is believed at first of the share that is found again, and how many observations that is worth.
TRUST, TRUST_SD, TRUST_WEIGHT = 1.0, 0.2, 2.0
# How many observations the trust may rest on.
TRUST_MEMORY_WEIGHT = 50.0

NOTHING: Mapping[str, float] = {}

_COMPLETED, _FAILED, _LOST = EndingKind.COMPLETED, EndingKind.FAILED, EndingKind.LOST


class Left(Struct, frozen=True, gc=False):
    """A prompt and its answer, read and written on one server."""

    prompt_bytes: int
    prompt_tokens: int
    output_tokens: int
    at_s: float

    def known_tokens(self, request: Request, prompt_tokens: float) -> float:
        """Return how much of a prompt of about so many tokens was here already; 0 if it cannot go on from this."""
        more_bytes = request.prompt_bytes - self.prompt_bytes
        if more_bytes < 0 or self.prompt_bytes <= 0 or self.prompt_tokens <= 0:
            return 0.0
        # At this text's own bytes per token: what is new is a small difference of large numbers.
        unread = more_bytes * self.prompt_tokens / self.prompt_bytes - self.output_tokens
        return max(prompt_tokens - max(unread, 1.0), 0.0)


class Cache:
    """One server's cache as far as it can be known: the longest unused gives way, as in the engines."""

    __slots__ = ("_places", "_server_id", "kv_tokens", "left", "tells", "tokens", "trust")

    def __init__(self, server_id: str, kv_tokens: int, places: Places) -> None:
        self._server_id = server_id
        self._places = places
        self.kv_tokens = kv_tokens
        self.left: OrderedDict[str, Left] = OrderedDict()
        self.tokens = 0
        # Some engines do not say what they knew, and nought is what they seem to say.
        self.tells = False
        self.trust = Belief(
            mean=TRUST, sd=TRUST_SD, weight=TRUST_WEIGHT, memory_s=MEMORY_S, memory_weight=TRUST_MEMORY_WEIGHT
        )

    def keep(self, request: Request, left: Left, in_use_tokens: float) -> None:
        """Note what a request has left, and forget what no longer fits beside what is in use."""
        # One without a session takes room too.
        session = request.session or request.request_id
        self.drop(session)
        self.left[session] = left
        self.tokens += left.prompt_tokens + left.output_tokens
        if request.session is not None:
            self._places.setdefault(session, {})[self._server_id] = self
        while self.left and (self.tokens > self.kv_tokens - in_use_tokens or len(self.left) > MOST_SESSIONS):
            self.drop(next(iter(self.left)))

    def drop(self, session: str) -> None:
        left = self.left.pop(session, None)
        if left is not None:
            self.tokens -= left.prompt_tokens + left.output_tokens
            places = self._places.get(session, {})
            places.pop(self._server_id, None)
            if not places:
                self._places.pop(session, None)

    def clear(self) -> None:
        while self.left:
            self.drop(next(iter(self.left)))

    def found(self, attempt: AttemptRecord, told: float, now_s: float) -> float:
        """Learn how much of what was believed known was; return it, as told or else as the first token's time says."""
        believed = 0.0 if attempt.basis is None else attempt.basis.cached_tokens
        if believed <= 0.0:
            return told
        if not self.tells:
            known = _seems_known(attempt)
            if known is None:
                return believed
            told = believed if known else 0.0
        # Of what there should have been; the belief was that times the trust of then.
        self.trust.learn(min(told * self.trust.mean / believed, 1.0) if self.tells else told / believed, now_s)
        return told


# By session, the caches that hold something of it, each by its server.
Places = dict[str, dict[str, Cache]]


class Sessions:
    """What is believed of all servers' caches."""

    __slots__ = ("_caches", "_places")

    def __init__(self) -> None:
        self._caches: dict[str, Cache] = {}
        self._places: Places = {}

    def meet(self, servers: Sequence[Server]) -> None:
        """Take in which servers keep prefixes now; those that stay as they were keep what is believed of them."""
        known, self._caches = self._caches, {}
        for server in servers:
            if server.caches_prefixes:
                cache = known.get(server.server_id)
                if cache is None or cache.kv_tokens != server.kv_tokens:
                    cache = Cache(server.server_id, server.kv_tokens, self._places)
                self._caches[server.server_id] = cache
        for server_id, cache in known.items():
            if self._caches.get(server_id) is not cache:
                cache.clear()

    def cached(self, request: Request, prompt_tokens: float, now_s: float) -> Mapping[str, float]:
        """Return how many tokens of a request's prompt servers are believed to know, by name, where any are."""
        if request.session is None or request.session not in self._places:
            return NOTHING
        found = {}
        for server_id, cache in self._places[request.session].items():
            left = cache.left[request.session]
            tokens = cache.trust.mean * left.known_tokens(request, prompt_tokens)
            if tokens > 0.0 and now_s - left.at_s <= MEMORY_S:
                found[server_id] = tokens
        return found

    def closed(self, attempt: AttemptRecord, ending: Ending, now_s: float) -> float:
        """Take in the end of an attempt; return the tokens of its prompt that need not have been read."""
        usage, cache = ending.usage, self._caches.get(attempt.server.server_id)
        told = 0.0 if usage is None else float(usage.cached_tokens)
        if cache is None:
            return told
        if ending.kind is not _COMPLETED or usage is None:
            if ending.blame_server and (ending.kind is _FAILED or ending.kind is _LOST):
                cache.clear()
            return told
        request = attempt.owner.request
        left = Left(request.prompt_bytes, usage.prompt_tokens, usage.output_tokens, now_s)
        cache.keep(request, left, attempt.server.live_tokens)
        cache.tells = cache.tells or told > 0.0
        return cache.found(attempt, told, now_s)

    def forget(self, server_id: str) -> None:
        """A server has been down or asleep: its cache is empty."""
        cache = self._caches.get(server_id)
        if cache is not None:
            cache.clear()

    def count(self, server_id: str) -> int:
        """Return how many sessions are remembered of a server."""
        cache = self._caches.get(server_id)
        return 0 if cache is None else len(cache.left)


def spare(candidates: Candidates, states: Sequence[ServerState], need: Need, cached: Mapping[int, float]) -> None:
    """Take the reading of what is cached out of the estimates, and the harm that it would do."""
    first_token_s, total_s = _own(candidates.first_token_s), _own(candidates.total_s)
    energy_j, probability = _own(candidates.energy_j), _own(candidates.in_time_probability)
    harm = _own(candidates.harm)
    for row, tokens in cached.items():
        state = states[row]
        spared_s = state.reading_s(need.prompt_tokens) - state.reading_s(need.prompt_tokens - tokens)
        *_, reading_w, _, time_sd = state.pace
        first_token_s[row] -= spared_s
        total_s[row] -= spared_s
        energy_j[row] -= spared_s * reading_w
        harm[row] = max(harm[row] - state.exposure * spared_s, 0.0)
        probability[row] = in_time_probability(need, time_sd, first_token_s[row], candidates.token_s[row])
    candidates.first_token_s, candidates.total_s = first_token_s, total_s
    candidates.energy_j, candidates.in_time_probability, candidates.harm = energy_j, probability, harm


def _own(column: Sequence[float]) -> list[float]:
    """Return a copy of a column that may be changed, of the kind that it is."""
    return cast("list[float]", copy(column))


def _seems_known(attempt: AttemptRecord) -> bool | None:
    """Say whether a prompt was read so fast that its start must have been known; None if nothing was seen of it."""
    basis, first_at_s = attempt.basis, attempt.first_token_at_s
    if basis is None or first_at_s is None or attempt.queued:
        return None
    ratio, took_s = attempt.server.first_ratio, first_at_s - attempt.dispatched_at_s
    whole_s = basis.first_token_s - basis.prefill_s + prefill_s(attempt.server.server.speed, basis.prompt_tokens)
    # Nearer, as a factor, to the rest than to the whole.
    return took_s * took_s < basis.first_token_s * whole_s * ratio * ratio

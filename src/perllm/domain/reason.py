"""The closed lists of why: why a server is no candidate, why a server was chosen, why a request was refused."""

from __future__ import annotations

from enum import StrEnum


class Violation(StrEnum):
    """The constraint that rules a server out for a request."""

    UNHEALTHY = "unhealthy"
    MODEL_NOT_SERVED = "model-not-served"
    NOT_ALLOWED = "not-allowed"
    EXCLUDED_BY_POLICY = "excluded-by-policy"
    CONTEXT_TOO_LONG = "context-too-long"
    ALREADY_TRIED = "already-tried"
    RESTING = "resting"
    ON_STANDBY = "on-standby"
    NO_SLOT = "no-slot"
    NO_KV_TOKENS = "no-kv-tokens"
    NO_BANDWIDTH = "no-bandwidth"
    TOO_SLOW = "too-slow"
    FIRST_TOKEN_TOO_SLOW = "first-token-too-slow"


class Choice(StrEnum):
    """Why a request went where it went."""

    FEASIBLE = "feasible"
    LEAST_LATE = "least-late"


class Refusal(StrEnum):
    """Why a request was not served: what the client, the metrics and the journal are told."""

    MODEL_NOT_SERVED = "model-not-served"
    NOT_ALLOWED = "not-allowed"
    CONTEXT_TOO_LONG = "context-too-long"
    NO_HEALTHY_SERVER = "no-healthy-server"
    CANNOT_MEET_REQUIREMENT = "cannot-meet-requirement"
    NO_ROOM = "no-room"
    QUEUE_FULL = "queue-full"
    TIMED_OUT = "timed-out"
    ATTEMPTS_EXHAUSTED = "attempts-exhausted"
    SHUTTING_DOWN = "shutting-down"

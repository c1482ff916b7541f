"""What is asked for, and what will come of it: known before the engine has generated anything."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from yarl import URL

from perllm.errors import ConfigError
from perllm.experiments.calibrate.budget import Amount
from perllm.experiments.calibrate.plan import Limits, most_used
from perllm.machines.discovery import Told

_ASSUMED_CONTEXT_TOKENS: Final = 4096
_HOSTED_BATCH: Final = 4
_OWN_BATCH: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What whoever calibrates says himself; None is left for the engine to tell."""

    url: str
    api_key: str | None = None
    model: str | None = None
    seconds: float = 60.0
    most_batch: int | None = None
    context_tokens: int | None = None
    kv_tokens: int | None = None
    # Prompts must differ from those of any earlier calibration, which the engine may still have in its cache.
    nonce: str

    @property
    def shown_url(self) -> str:
        """The address without secrets."""
        return str(URL(self.url).with_user(None))

    @property
    def is_hosted(self) -> bool:
        """Whether the engine may belong to somebody who bills for what is asked."""
        address = URL(self.url)
        return address.scheme == "https" or not _is_loopback(address.host or "")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What will be measured, known before anything is generated: for whoever pays to agree to."""

    model: str
    told: Told
    limits: Limits
    most: Amount


def prospect(asked: Asked, told: Told) -> Prospect:
    """Put together what will be measured. Raises ConfigError where it is not clear which model."""
    context_tokens = asked.context_tokens or told.context_tokens or _ASSUMED_CONTEXT_TOKENS
    most_batch = asked.most_batch or (_HOSTED_BATCH if asked.is_hosted else _OWN_BATCH)
    limits = Limits(
        most_batch=min(most_batch, told.slots or most_batch),
        context_tokens=context_tokens,
        kv_tokens=asked.kv_tokens or told.kv_tokens or context_tokens * (told.slots or most_batch),
    )
    return Prospect(model=_model(asked, told), told=told, limits=limits, most=most_used(limits))


def _model(asked: Asked, told: Told) -> str:
    known = ", ".join(told.models[:20])
    if asked.model is not None:
        if told.models and asked.model not in told.models:
            raise ConfigError(f"the engine serves no model {asked.model!r}", key="--model", remedy=f"Known: {known}.")
        return asked.model
    if len(told.models) != 1:
        raise ConfigError(
            "the engine lists several models" if told.models else "the engine lists no models",
            key="--model",
            remedy=f"Name one: {known}." if known else "Name the one to measure.",
        )
    return told.models[0]

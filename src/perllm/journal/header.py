"""What a journal says of itself before its first entry: everything needed to take its decisions again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from perllm import __version__
from perllm.errors import ConfigError
from perllm.scheduling.learned import Learned
from perllm.scheduling.settings import SchedulerSettings

# Raised when older journals can no longer be read.
SCHEMA_VERSION = 1

Header = Mapping[str, Any]


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a header that a scheduler is built from."""

    policy: str
    seed: int
    settings: SchedulerSettings
    learned: Learned | None = None


def make_header(
    *,
    policy: str,
    seed: int,
    settings: SchedulerSettings,
    started_at: str,
    learned: Learned | None = None,
) -> Header:
    """Describe a run, ready for JSON. `started_at`: wall-clock time in ISO 8601; `learned`: what was absorbed."""
    return {
        "schema_version": SCHEMA_VERSION,
        "perllm_version": __version__,
        "started_at": started_at,
        "policy": policy,
        "seed": seed,
        "settings": msgspec.to_builtins(settings),
        "learned": msgspec.to_builtins(learned),
    }


def origin_of(header: Header) -> Origin:
    """Read how a header's scheduler was built; ConfigError if it does not say."""
    try:
        return msgspec.convert(header, Origin)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"the journal's header does not say how its scheduler was built: {error}",
            remedy="Verify journals that were written by `perllm serve`.",
        ) from error

"""The exception tree: everything PerLLM raises on purpose.

PerLLMError
├── ConfigError      a file or an argument is wrong: the user can mend it
├── UpstreamError    an engine could not be reached, or its answer could not be used
└── InvariantError   PerLLM contradicts itself: a bug of ours

A refusal is no exception: the scheduler answers it as a value.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class PerLLMError(Exception):
    """Every error that PerLLM raises on purpose."""


class ConfigError(PerLLMError):
    """Tell a user which setting is wrong and what to do about it; shown without a traceback."""

    def __init__(
        self,
        message: str,
        file: str | None = None,
        key: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.key = key
        self.remedy = remedy

    def __str__(self) -> str:
        """Render `file: key: message. remedy`, leaving out what is not known."""
        where_and_what = ": ".join(part for part in (self.file, self.key, self.message) if part)
        return f"{where_and_what.removesuffix('.')}. {self.remedy}" if self.remedy else where_and_what


class UpstreamError(PerLLMError):
    """An engine could not be reached, or its answer could not be used."""


class InvariantError(PerLLMError):
    """PerLLM contradicts itself: what never happens has happened."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the sentence that names the known words that begin with `word`, the one most like it, or all of them."""
    names = sorted(known)
    begun = [name for name in names if word and name.startswith(word)]
    close = [" or ".join(begun)] if begun else get_close_matches(word, names, n=1)
    if close:
        return f"Did you mean {close[0]}?"
    return f"Known: {', '.join(names)}." if names else "None is defined."

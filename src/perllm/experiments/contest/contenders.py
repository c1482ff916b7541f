"""Who may take part: the one place that says which policies a run can be given, and how a text names one."""

from __future__ import annotations

from collections.abc import Iterable

from perllm.simulation.contenders import SIMULATED as KNOWN
from perllm.simulation.contenders import contender_of, make_policy

__all__ = ["KNOWN", "contender_named", "contender_of", "contenders_of"]


def contenders_of(text: str, *others: str) -> list[str]:
    """Read a list of contenders, and add others. ConfigError says what is none."""
    named: Iterable[str] = (word for word in text.split(",") if word.strip())
    return list(dict.fromkeys(contender_named(name) for name in [*named, *others]))


def contender_named(text: str) -> str:
    """Return a contender's text as it is written everywhere. Raises ConfigError where it means none."""
    contender = contender_of(text.strip())
    make_policy(contender)
    return str(contender)

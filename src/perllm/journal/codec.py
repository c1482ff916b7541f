"""Entries as bytes and back: MessagePack of the domain's own values, each beside the name of its class.

Fields travel by name, so that a field added with a default can be read from older journals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from types import MappingProxyType
from typing import Any, get_args

import msgspec
import numpy as np
from msgspec import structs

from perllm.domain.action import Action, Dispatch, Refuse
from perllm.domain.attempt import Ending, Progress
from perllm.domain.entry import Entry, EventKind, Fleet
from perllm.domain.explanation import Explanation
from perllm.domain.request import Request
from perllm.domain.telemetry import Fact

_TYPES: Mapping[str, type[Any]] = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (Request, Progress, Ending, Fleet, *(get_args(Fact) or (Fact,)), *get_args(Action))
    }
)
_Tagged = tuple[str, dict[str, Any]]


def _plain(value: Any) -> Any:
    """Policies may score with arrays, and the simulator's numbers come out of them."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} has no place in a journal")


# Sets are sorted, so that the same events give the same bytes.
_ENCODER = msgspec.msgpack.Encoder(order="deterministic", enc_hook=_plain)
_DECODER = msgspec.msgpack.Decoder(tuple[_Tagged | None, list[_Tagged]])


def encode(entry: Entry, *, columns: bool = True) -> bytes:
    """Return an entry's value and actions as bytes.

    Without `columns` only the chosen row of each explanation is kept, and no explanation of a refusal.
    Raises TypeError, ValueError, OverflowError or msgspec.MsgspecError for what cannot be written.
    """
    value = None if entry.value is None else (type(entry.value).__name__, entry.value)
    return _ENCODER.encode((value, [_tagged(action, columns) for action in entry.actions]))


def decode(at_s: float, kind: str, subject: str, body: bytes) -> Entry:
    """Return the entry that `encode` was given; msgspec.MsgspecError or KeyError if these are no such bytes."""
    value, actions = _DECODER.decode(body)
    return Entry(
        at_s,
        EventKind(kind),
        subject,
        None if value is None else _value(*value),
        tuple(_value(*action) for action in actions),
    )


def _tagged(action: Action, columns: bool) -> tuple[str, Any]:
    name = type(action).__name__
    if columns or not isinstance(action, Dispatch | Refuse) or action.explanation is None:
        return name, action
    return name, structs.replace(action, explanation=_chosen_row(action.explanation))


def _value(name: str, content: dict[str, Any]) -> Any:
    return msgspec.convert(content, _TYPES[name])


def _chosen_row(explanation: Explanation) -> Explanation | None:
    """Cut an explanation down to the server that was chosen."""
    row = explanation.chosen
    if row is None:
        return None
    scores: dict[int, float] = dict(zip(explanation.judged, explanation.scores, strict=True))

    def only(column: Sequence[Any]) -> tuple[Any]:
        return (column[row],)

    return Explanation(
        policy=explanation.policy,
        server_ids=only(explanation.server_ids),
        total_s=only(explanation.total_s),
        first_token_s=only(explanation.first_token_s),
        in_time_probability=only(explanation.in_time_probability),
        energy_j=only(explanation.energy_j),
        violations=only(explanation.violations),
        judged=(0,) if row in scores else (),
        scores=(scores.get(row, nan),) if row in scores else (),
        chosen=0,
    )

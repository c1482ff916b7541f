from math import inf, isnan

import msgspec
import numpy as np
import pytest

from perllm.domain.action import Action, Cancel, CancelCause, Dispatch, PowerState, Refuse, SetPower
from perllm.domain.attempt import Ending, EndingKind
from perllm.domain.entry import Entry, EventKind, Fleet
from perllm.domain.explanation import Explanation
from perllm.domain.reason import Refusal
from perllm.domain.request import Request, Requirement
from perllm.domain.telemetry import Health
from perllm.journal.codec import decode, encode
from tests.unit.accounting.entries import (
    CHAT,
    close_entry,
    completed,
    configure_entry,
    dispatch,
    explanation,
    finish,
    progress_entry,
    request,
    server,
    submit_entry,
    wake_entry,
)

FULL_REQUEST = Request(
    request_id="ü-1",
    service="chat",
    model="small",
    requirement=Requirement(total_s=0.1, first_token_s=None),
    payload_bytes=10,
    prompt_bytes=5,
    max_output_tokens=7,
    stream=True,
    session="s",
    allowed_servers=frozenset({"edge", "cloud"}),
    hold_until_s=inf,
)


def back(entry: Entry, *, columns: bool = True) -> Entry:
    body = encode(entry, columns=columns)
    return decode(entry.at_s, entry.kind.value, entry.subject, body)


def dispatched(value: Explanation) -> Dispatch:
    whole = dispatch()
    return Dispatch(
        **{name: getattr(whole, name) for name in Dispatch.__struct_fields__ if name != "explanation"},
        explanation=value,
    )


def explanation_of(action: Action) -> Explanation:
    assert isinstance(action, Dispatch)
    assert action.explanation is not None
    return action.explanation


@pytest.mark.parametrize(
    "entry",
    [
        submit_entry(request()),
        submit_entry(FULL_REQUEST, at_s=1 / 3),
        progress_entry(tokens=12),
        close_entry("r1#1", completed(), finish(first_token_at_s=0.25)),
        close_entry("r1#1", completed(infer_j=None)),
        Entry(2.0, EventKind.CANCEL, "r1", None, ()),
        Entry(2.0, EventKind.OBSERVE, "", Health(server_id="e", healthy=True, measured_at_s=1.0), ()),
        wake_entry(
            Cancel(request_id="r1", attempt_id="r1#1", cause=CancelCause.TIMED_OUT),
            SetPower(server_id="edge", state=PowerState.ASLEEP),
            Refuse(
                request_id="r2", reason=Refusal.QUEUE_FULL, retry_after_s=1.5, explanation=None
            ),
        ),
    ],
    ids=lambda entry: entry.kind.value,
)  # fmt: skip
def test_an_entry_comes_back_as_it_was(entry: Entry) -> None:
    assert entry == back(entry)


def test_a_fleet_comes_back_as_it_was() -> None:
    fleet = back(configure_entry(server("edge"), server("cloud"))).value

    assert isinstance(fleet, Fleet)
    assert ([server("edge"), server("cloud")], [CHAT]) == (list(fleet.servers), list(fleet.services))


def test_an_explanation_keeps_its_columns() -> None:
    told = explanation_of(back(wake_entry(dispatch())).actions[0])

    assert explanation().rows() == told.rows()
    assert [True, True, True, True] == [
        isnan(column[1]) for column in (told.total_s, told.first_token_s, told.in_time_probability, told.energy_j)
    ]


def test_estimates_come_back_nearly_as_they_were() -> None:
    exact = Explanation(
        policy="p",
        server_ids=("a",),
        total_s=(1 / 3,),
        first_token_s=(inf,),
        in_time_probability=(0.1,),
        energy_j=(1e-9,),
        violations=(None,),
    )
    told = explanation_of(back(wake_entry(dispatched(exact))).actions[0])

    assert pytest.approx(1 / 3) == told.total_s[0]
    assert pytest.approx(1e-9) == told.energy_j[0]
    assert inf == told.first_token_s[0]


def test_scores_may_be_an_array() -> None:
    scored = Explanation(
        policy="p",
        server_ids=("a", "b"),
        total_s=np.array([1.0, 2.0]),  # type: ignore[arg-type]
        first_token_s=(0.0, 0.0),
        in_time_probability=(1.0, 1.0),
        energy_j=(1.0, 1.0),
        violations=(None, None),
        judged=np.array([0, 1]),  # type: ignore[arg-type]
        scores=np.array([0.5, 0.25]),  # type: ignore[arg-type]
        chosen=int(np.int64(0)),
    )
    told = explanation_of(back(wake_entry(dispatched(scored))).actions[0])

    assert ([1.0, 2.0], [0, 1], [0.5, 0.25]) == (told.total_s, told.judged, told.scores)


def test_without_columns_only_the_chosen_row_is_kept() -> None:
    two = Explanation(
        policy="p",
        server_ids=("a", "b"),
        total_s=(1.0, 2.0),
        first_token_s=(0.0, 0.5),
        in_time_probability=(1.0, 0.75),
        energy_j=(1.0, 3.0),
        violations=(None, None),
        judged=(0, 1),
        scores=(0.5, 0.625),
        chosen=1,
    )
    told = explanation_of(back(wake_entry(dispatched(two)), columns=False).actions[0])

    assert [two.rows()[1]] == told.rows()


def test_without_columns_a_refusal_is_not_explained() -> None:
    refusal = Refuse(
        request_id="r1",
        reason=Refusal.CANNOT_MEET_REQUIREMENT,
        retry_after_s=None,
        explanation=explanation(chosen=None),
    )
    kept, cut = back(wake_entry(refusal)), back(wake_entry(refusal), columns=False)

    assert isinstance(kept.actions[0], Refuse)
    assert kept.actions[0].explanation is not None
    assert (Refuse(
        request_id="r1", reason=Refusal.CANNOT_MEET_REQUIREMENT, retry_after_s=None, explanation=None
    ),) == cut.actions  # fmt: skip


def test_the_same_entry_gives_the_same_bytes() -> None:
    names = [f"server-{number}" for number in range(50)]
    forwards, backwards = (
        Request(
            request_id="r",
            service="chat",
            model="m",
            requirement=Requirement(),
            payload_bytes=1,
            prompt_bytes=1,
            allowed_servers=frozenset(order),
        )
        for order in (names, reversed(names))
    )

    assert encode(submit_entry(forwards)) == encode(submit_entry(backwards))


def test_what_is_no_part_of_the_domain_is_not_written() -> None:
    with pytest.raises(TypeError, match="a object has no place in a journal"):
        encode(Entry(0.0, EventKind.WAKE, "", object(), ()))  # type: ignore[arg-type]


def test_a_value_with_a_missing_field_is_not_read() -> None:
    body = msgspec.msgpack.encode((("Progress", {"tokens": 1}), []))

    with pytest.raises(msgspec.ValidationError, match="stage"):
        decode(0.0, "progress", "r1#1", body)


def test_a_field_added_later_is_filled_with_its_default() -> None:
    body = msgspec.msgpack.encode((("Ending", {"kind": "lost"}), []))

    assert close_entry("r1#1", Ending(kind=EndingKind.LOST)) == decode(2.0, "close", "r1#1", body)

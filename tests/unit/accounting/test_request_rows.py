"""A row of a request says what became of it, in plain values."""

import json

import msgspec
import numpy as np
from msgspec.structs import replace

from perllm.accounting.request_rows import RequestRow, RequestRows, request_row
from perllm.domain.action import Fate
from perllm.domain.reason import Refusal
from tests.unit.accounting.entries import close_entry, completed, finish, request, submit_entry, wake_entry

COLUMNS = (
    "request_id service fate refusal server attempts arrived_at_s dispatched_at_s first_token_at_s finished_at_s "
    "latency_s requirement_s in_time counted prompt_tokens output_tokens transmit_j infer_j energy_method "
    "predicted_total_s predicted_energy_j"
)


def test_the_columns_are_those_that_are_documented() -> None:
    assert COLUMNS == " ".join(RequestRow.__struct_fields__)


def test_each_request_that_ends_makes_a_row() -> None:
    rows: list[RequestRow] = []
    sink = RequestRows(rows.append)
    for entry in (
        submit_entry(request()),
        close_entry("r1#1", completed(), finish("r1", finished_at_s=3.5), finish("r2")),
        wake_entry(finish("r3", fate=Fate.TIMED_OUT)),
    ):
        sink(entry)

    assert [("r1", "completed"), ("r2", "completed"), ("r3", "timed_out")] == [(r.request_id, r.fate) for r in rows]
    assert (3.5, 10.0, 3.0, "declared") == (
        rows[0].latency_s, rows[0].requirement_s, rows[0].predicted_total_s, rows[0].energy_method,
    )  # fmt: skip


def test_a_request_that_no_server_saw_claims_no_way_of_knowing_its_joules() -> None:
    outcome = replace(finish().outcome, attempts=0, refusal=Refusal.NO_ROOM, server_id=None, fate=Fate.REFUSED)

    row = request_row(outcome)

    assert ("refused", "no-room", None, None) == (row.fate, row.refusal, row.server, row.energy_method)


def test_numbers_that_numpy_made_are_written_like_others() -> None:
    outcome = replace(finish().outcome, predicted_total_s=np.float64(1.5), arrived_at_s=np.float64(0.5))

    told = json.loads(msgspec.json.encode(request_row(outcome)))

    assert (1.5, 0.5) == (told["predicted_total_s"], told["arrived_at_s"])

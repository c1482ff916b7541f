"""Whoever can order a fault can read what it does, and no other is promised."""

import re
from pathlib import Path

from perllm.emulator.faults import Fault
from perllm.emulator.order import Wishes

DOCS = Path(__file__).parents[3] / "docs" / "emulator.md"


def test_the_faults_in_the_docs_are_those_of_the_table() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| ([\w ]+) \| (.+) \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)

    assert [(fault.value, fault.where.value, fault.does) for fault in Fault] == rows


def test_every_field_of_a_request_is_in_the_docs() -> None:
    text = DOCS.read_text(encoding="utf-8")

    assert [] == [field for field in Wishes.__struct_fields__ if f"`{field}`" not in text]

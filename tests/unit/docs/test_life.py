"""The diagrams in docs/life.md are those of the tables."""

import re
from pathlib import Path

import pytest

from perllm.scheduling.life import ATTEMPT_LIFE, REQUEST_LIFE, AttemptState, RequestState, diagram

DOCS = Path(__file__).parents[3] / "docs" / "life.md"
DRAWN = {
    "request": diagram(REQUEST_LIFE, RequestState.HELD),
    "attempt": diagram(ATTEMPT_LIFE, AttemptState.SENT),
}


@pytest.mark.parametrize("name", DRAWN)
def test_the_diagram_is_drawn_from_the_table(name: str) -> None:
    block = re.search(rf"<!-- {name} -->\n```mermaid\n(.*?)\n```", DOCS.read_text(encoding="utf-8"), re.DOTALL)

    assert block is not None
    assert DRAWN[name] == block[1]

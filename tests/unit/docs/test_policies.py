"""Whoever can choose a policy can read what it does."""

import re
from pathlib import Path

from perllm.simulation.contenders import SIMULATED

DOCS = Path(__file__).parents[3] / "docs"
HEADING = re.compile(r"^#+ `?([\w-]+)`?", re.MULTILINE)


def test_every_policy_has_a_heading_in_the_docs() -> None:
    headings = HEADING.findall((DOCS / "policies.md").read_text(encoding="utf-8"))

    assert [] == sorted(set(SIMULATED) - set(headings))

"""Contenders by their texts."""

import pytest

from perllm.errors import ConfigError
from perllm.experiments.contest.contenders import contenders_of


def test_a_contender_is_written_in_one_way_and_named_once() -> None:
    named = contenders_of(" cs-ucb, cloud-only+hold,least-outstanding:per_slot=true,", "cs-ucb", "round-robin")

    assert ["cs-ucb", "cloud-only+hold", "least-outstanding:per_slot=true", "round-robin"] == named


@pytest.mark.parametrize("text", ["best-of-all", "cs-ucb+fast", "cloud-only:depth=3"])
def test_what_is_no_contender_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        contenders_of(f"cs-ucb,{text}")

"""BurstGPT: models and sessions are kept, failures are not requests."""

from pathlib import Path

import pytest

from perllm.errors import ConfigError
from perllm.simulation.traces.burstgpt import read_burstgpt
from perllm.simulation.traces.request import TraceRequest
from tests.unit.simulation.traces.traces import BURSTGPT, read_with, written


def test_failures_are_skipped_and_counted(tmp_path: Path) -> None:
    requests, lines = read_with(read_burstgpt, written(tmp_path, BURSTGPT))

    assert [TraceRequest(5.0, 472, 18, "ChatGPT"), TraceRequest(118.0, 417, 276, "GPT-4")] == requests
    assert 1 == lines.skipped


def test_sessions_are_kept_where_there_are_any(tmp_path: Path) -> None:
    text = (
        "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        "5.5,session-1,2.25,GPT-4,472,18,490,Conversation log\n6.5,,2.25,GPT-4,472,18,490,API log\n"
    )

    requests, _ = read_with(read_burstgpt, written(tmp_path, text))

    assert ["session-1", None] == [each.session for each in requests]


def test_a_prompt_of_nothing_that_was_answered_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=":5: Request tokens is '0'"):
        read_with(read_burstgpt, written(tmp_path, BURSTGPT + "120,GPT-4,0,3,3,API log\n"))

"""Law 9: what a client says is kept nowhere and told to nobody but the engine that serves it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from perllm.journal.codec import encode
from tests.unit.gateway import engine
from tests.unit.gateway.engine import FakeEngine
from tests.unit.gateway.fleet import running

SECRET = "the-launch-code-is-0000"
KEY = "sk-secret-key-of-the-client"
WRONG: list[dict[str, Any]] = [{}, {"model": "unknown"}, {"stream": "yes"}, {"max_tokens": -1}, {"stream": True}]
MESSAGES = [{"role": "user", "content": SECRET}]


async def test_what_a_client_says_is_in_no_journal_log_or_error(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    async with (
        FakeEngine(engine.fine) as good,
        FakeEngine(engine.overloaded) as bad,
        running({"edge": good.url, "cloud": bad.url}) as fleet,
    ):
        for wrong in WRONG:
            headers = {"Authorization": f"Bearer {KEY}"}
            async with fleet.post(**{"messages": MESSAGES, "headers": headers, **wrong}) as answer:
                said.append(await answer.text())
        await fleet.settled()
        kept = b"".join(encode(entry) for entry in fleet.entries)

    out, err = capfd.readouterr()
    told = "\n".join([*said, caplog.text, out, err])
    assert [False] * 4 == [secret in place for secret in (SECRET, KEY) for place in (told, kept.decode("latin-1"))]
    assert len(WRONG) == len(said)

"""`perllm calibrate` asks before it spends somebody's money, and says in a line what it cannot do."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from perllm.cli.calibrate import check_nobody_pays
from perllm.errors import ConfigError
from perllm.experiments.calibrate.asked import Asked
from tests.unit.cli.terminal import type_in
from tests.unit.gateway.engine import Call, FakeEngine

ENGINE = "http://127.0.0.1:9"
ASKED = Asked(url="", nonce="test")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://localhost:8080/v1", "http://[::1]:1", "http://127.3.0.1"]
)
def test_an_engine_of_this_machine_is_measured_without_asking(url: str) -> None:
    check_nobody_pays(replace(ASKED, url=url))


@pytest.mark.parametrize("url", ["http://192.0.2.7:8080", "https://127.0.0.1", "https://api.example.com/v1"])
def test_any_other_wants_a_yes(url: str) -> None:
    with pytest.raises(ConfigError, match=r"may bill for these tokens\. Agree with --yes"):
        check_nobody_pays(replace(ASKED, url=url))


def test_addresses_are_shown_without_what_is_secret_in_them() -> None:
    assert "http://example.com/v1" == replace(ASKED, url="http://me:secret@example.com/v1").shown_url


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("ftp://here",), "error: URL: 'ftp://here' is no address. Give one such as"),
        ((ENGINE,), "error: http://127.0.0.1:9: the engine cannot be reached: connection refused. Check the address"),
        ((ENGINE, "--api-key-env", "PERLLM_NO_SUCH"), "error: --api-key-env: the variable PERLLM_NO_SUCH is not set"),
        ((ENGINE, "--out", "missing/p.yaml"), "error: missing/p.yaml: --out: the folder does not exist"),
        ((ENGINE, "--json", "missing/r.json"), "error: missing/r.json: --json: the folder does not exist"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_status_2(
    words: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    shown = type_in("calibrate", *words)

    assert 2 == shown.exit_code
    assert told in shown.stderr
    assert "" == shown.stdout


async def test_the_most_it_will_use_is_said_before_anything_is_generated(tmp_path: Path) -> None:
    async def fails(call: Call) -> None:
        if call.head.startswith("GET /v1/models"):
            await call.answer(b'{"data": [{"id": "m"}]}')
        else:
            await call.answer(b'{"error": {"message": "out of order"}}', status="500 No")

    async with FakeEngine(fails) as fake:
        shown = await asyncio.to_thread(type_in, "calibrate", fake.url, "--out", tmp_path / "p.yaml", "--context", 1024)

    assert 2 == shown.exit_code
    announced, error = shown.stderr.strip().splitlines()[-2:]
    assert announced.startswith("openai, model m: about 60 s; at most ")
    assert "output tokens" in announced
    assert f"error: {fake.url}: status 500" in error
    assert "out of order" in error
    assert not (tmp_path / "p.yaml").exists()

"""A run need not be repeated as long as nothing that it depends on has changed."""

from pathlib import Path

import msgspec
import pytest

from perllm.errors import ConfigError
from perllm.experiments.contest import scene
from perllm.experiments.contest.cell import Cell, World
from perllm.experiments.contest.scene import key_of, scene_of
from tests.unit.experiments.contest.worlds import SMALL, WORLD

CELL = Cell(world=WORLD, policy="cs-ucb", seed=1)


def with_world(**parts: object) -> Cell:
    return msgspec.structs.replace(CELL, world=msgspec.structs.replace(WORLD, **parts))


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    path = tmp_path / "elsewhere.yaml"
    path.write_text(SMALL.read_text(encoding="utf-8"), encoding="utf-8")
    return path


def test_what_a_file_is_called_and_how_a_variant_is_named_change_no_run(copied: Path) -> None:
    assert key_of(CELL) == key_of(with_world(file=str(copied), variant="as it is"))


@pytest.mark.parametrize(
    "other",
    [
        with_world(rate_per_s=9.0),
        with_world(requests=41),
        with_world(sets=("servers.cloud.slots=2",)),
        msgspec.structs.replace(CELL, seed=2),
        msgspec.structs.replace(CELL, policy="cloud-only"),
        msgspec.structs.replace(CELL, curve=True),
    ],
)
def test_another_run_has_another_key(other: Cell) -> None:
    assert key_of(CELL) != key_of(other)


def test_other_code_gives_other_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key_of(CELL)
    scene._read.cache_clear()
    monkeypatch.setattr(scene, "code_digest", lambda: "other code")

    assert before != key_of(CELL)

    scene._read.cache_clear()


def test_a_changed_file_gives_other_runs(copied: Path) -> None:
    before = key_of(with_world(file=str(copied)))
    copied.write_text(copied.read_text(encoding="utf-8").replace("rtt_ms: 40", "rtt_ms: 41"), encoding="utf-8")
    scene._read.cache_clear()

    assert before != key_of(with_world(file=str(copied)))


def test_models_are_those_in_the_machines_or_those_that_presets_were_measured_with() -> None:
    assert {"edge-1": "llama3-8b", "edge-2": "llama3-8b", "cloud": "llama-33b"} == scene_of(WORLD).models


def test_a_server_that_tells_nothing_of_its_model_is_named_by_what_it_answers_for() -> None:
    told = ("servers.cloud.preset=null", "servers.cloud.speed={prefill_tokens_per_s: 100, decode_tokens_per_s: 9}")

    assert "assistant" == scene_of(World(file=str(SMALL), sets=told)).models["cloud"]


def test_a_trace_has_a_rate_of_its_own(copied: Path) -> None:
    trace = copied.parent / "trace.csv"
    trace.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.5,30,8\n", encoding="utf-8")
    sets = ("workload.trace.file=trace.csv", "workload.requests=null", "workload.rate_per_s=null")

    with pytest.raises(ConfigError, match="a rate of its own"):
        scene_of(World(file=str(copied), sets=sets, rate_per_s=2.0))

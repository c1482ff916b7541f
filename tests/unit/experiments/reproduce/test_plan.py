"""A plan says everything that is run, strictly, and its digest says that it is still the same."""

from pathlib import Path

import pytest

from perllm.errors import ConfigError
from perllm.experiments.contest.scene import scene_of
from perllm.experiments.reproduce.plan import Plan, read_plan

SHIPPED = Path(__file__).parents[4] / "scenarios" / "reproductions" / "reproduction-2026-11-25.yaml"
TUNING_SEEDS = range(1, 21)


def changed(tmp_path: Path, old: str, new: str) -> Path:
    path = tmp_path / "plan.yaml"
    text = SHIPPED.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def plan() -> Plan:
    return read_plan(SHIPPED)


def test_seeds_are_fresh(plan: Plan) -> None:
    assert tuple(range(1001, 1011)) == plan.seeds
    assert not set(plan.seeds) & set(TUNING_SEEDS)


def test_every_world_of_the_shipped_plan_can_be_read(plan: Plan) -> None:
    worlds = [world for study in plan.studies for world in study.worlds]

    assert all(2_000 == scene_of(world).scenario.workload.requests for world in worlds)


def test_the_papers_eight_cells_are_all_there(plan: Plan) -> None:
    cells = next(study for study in plan.studies if study.name == "cells")

    names = {scene_of(world).scenario.name for world in cells.worlds}
    assert {f"paper-{model}-{bandwidth}" for model in ("yi-6b", "llama2-7b", "llama3-8b", "yi-9b")
            for bandwidth in ("stable", "fluctuating")} == names  # fmt: skip


def test_every_study_of_the_question_is_planned(plan: Plan) -> None:
    names = {study.name for study in plan.studies}

    assert {"cells", "load", "batching", "prefill", "edge-device", "idle", "same-model"} == names


def test_the_control_has_one_model(plan: Plan) -> None:
    control = next(study for study in plan.studies if study.name == "same-model")

    assert {"llama2-7b"} == {model for world in control.worlds for model in scene_of(world).models.values()}


def test_contenders_that_this_version_does_not_have_are_left_out_and_named(tmp_path: Path) -> None:
    found = read_plan(changed(tmp_path, "  - fineinfer-rr", "  - best-of-all"))

    assert "best-of-all" in found.missing
    assert all("best-of-all" not in study.policies for study in found.studies)
    assert {"cs-ucb", "cs-ucb-paper"} <= set(found.studies[0].policies)


def test_another_plan_has_another_digest(plan: Plan, tmp_path: Path) -> None:
    assert plan.digest != read_plan(changed(tmp_path, "1001-1010", "1001-1011")).digest
    assert plan.digest == read_plan(SHIPPED).digest


def test_quick_is_the_same_with_fewer_seeds_and_requests(plan: Plan) -> None:
    quick = read_plan(SHIPPED, quick=True)

    assert ((1001, 1002), True) == (quick.seeds, quick.quick)
    assert [study.name for study in plan.studies] == [study.name for study in quick.studies]
    assert quick.requests < plan.requests


def test_a_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"plan\.yaml:\d+: studies\.load\.rates\[0\]"):
        read_plan(changed(tmp_path, "rates: [1, 2, 3,", "rates: [fast, 2, 3,"))

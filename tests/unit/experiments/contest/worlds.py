"""Worlds small enough to be run for real."""

from pathlib import Path

from perllm.experiments.contest.cell import Cell, World

SMALL = Path(__file__).parents[4] / "scenarios" / "small.yaml"
WORLD = World(file=str(SMALL), requests=40)


def cells(*policies: str, seeds: int = 2, world: World = WORLD) -> list[Cell]:
    return [Cell(world=world, policy=policy, seed=seed) for seed in range(1, seeds + 1) for policy in policies]

"""python -m perllm.experiments.training: train one set of arrays and write them, with vectors that tests compare."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from perllm.config.loader import load_scenario
from perllm.config.scenario_parts import scenario_value
from perllm.experiments.training import toy, worlds
from perllm.experiments.training.d2sac import Actor
from perllm.experiments.training.episodes import episode
from perllm.experiments.training.learning import Plan, Play, trained
from perllm.scheduling.neural.arrays import ABOUT
from perllm.scheduling.neural.diffusion import STEPS, DiffusionActor, softmax
from perllm.scheduling.neural.seats import SEATS, STATES

# Far above every seed that anything is judged with.
_FIRST_SEED: Final = 1_000_000
_REQUESTS: Final = 1_000
_TOY_TASKS: Final = 500
_VECTORS: Final = 16

_PLANS: Final[Mapping[str, Plan]] = {
    "pretrained": Plan(episodes=180, updates=40, states=STATES, actions=SEATS, centred=True),
    "scratch": Plan(episodes=10, updates=100, states=STATES, actions=SEATS),
    "toy": Plan(episodes=60, updates=60, states=toy.STATES, actions=toy.PROVIDERS, width=64),
}
_ABOUT: Final[Mapping[str, str]] = {
    "pretrained": "drawn fleets and workloads (perllm.experiments.training.worlds), 1,000 requests each",
    "scratch": "10,000 requests of one scenario, ten runs of 1,000",
    "toy": "AGOD's own problem with six providers (perllm.experiments.training.toy)",
}


def main() -> None:
    """Train, round to 16 bits, and write."""
    asked = _asked()
    plan = replace(_PLANS[asked.what], seed=asked.seed)
    if asked.episodes:
        plan = replace(plan, episodes=asked.episodes)
    torch.set_default_dtype(torch.float32)
    actor = trained(plan, _play(asked), lambda line: print(line, flush=True))
    arrays = dict(actor.rounded(np.float16))
    about = {"trained_on": _ABOUT[asked.what], "episodes": plan.episodes, "updates": plan.updates, "seed": plan.seed}
    if asked.scenario is not None:
        about["scenario"] = asked.scenario.name
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    _write(asked.out, {**arrays, ABOUT: np.array(json.dumps(about))})
    if asked.vectors is not None:
        _write(asked.vectors, _vectors(actor, plan))
    print(f"wrote {asked.out}, {asked.out.stat().st_size:,} bytes")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m perllm.experiments.training")
    parser.add_argument("what", choices=sorted(_PLANS))
    parser.add_argument("--out", type=Path, required=True, help="the .npz to write")
    parser.add_argument("--vectors", type=Path, help="write states, noise and torch's scores here, for tests")
    parser.add_argument("--scenario", type=Path, help="scratch: the scenario.yaml to take the trace from")
    parser.add_argument("--episodes", type=int, help="instead of the plan's")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if asked.what == "scratch" and asked.scenario is None:
        parser.error("scratch needs --scenario")
    return asked


def _play(asked: argparse.Namespace) -> Play:
    first = _FIRST_SEED + 10_000 * asked.seed
    if asked.what == "toy":
        return lambda actor, number: toy.play(_drawn(actor, first + number), first + number, _TOY_TASKS)
    if asked.what == "pretrained":
        rng = np.random.default_rng(first)
        return lambda actor, number: episode(worlds.drawn(rng, _REQUESTS), first + number, actor)
    scenario = scenario_value(load_scenario(asked.scenario))
    scenario = replace(scenario, workload=replace(scenario.workload, requests=_REQUESTS))
    return lambda actor, number: episode(scenario, first + number, actor)


def _drawn(actor: DiffusionActor, seed: int) -> toy.Choice:
    rng = np.random.default_rng([seed, 1])

    def choose(state: Any) -> int:
        chances = softmax(actor.scores(state, rng.standard_normal((STEPS, actor.actions))))
        return int(rng.choice(len(chances), p=chances))

    return choose


def _write(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    np.savez(path, allow_pickle=False, **arrays)


def _vectors(actor: Actor, plan: Plan) -> dict[str, NDArray[Any]]:
    """Return states and noise, and the scores that torch makes of them in double precision."""
    rng = np.random.default_rng(plan.seed)
    state = rng.random((_VECTORS, plan.states))
    noise = rng.standard_normal((STEPS, _VECTORS, plan.actions))
    with torch.no_grad():
        scores = actor.scores(torch.from_numpy(state), torch.from_numpy(noise))
    return {"state": state, "noise": noise, "scores": scores.numpy()}


if __name__ == "__main__":
    main()

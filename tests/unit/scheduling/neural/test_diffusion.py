"""D2SAC's chain against values worked by hand, and against torch's on stored vectors."""

from __future__ import annotations

from math import cos, exp, log, sin, sqrt, tanh
from pathlib import Path

import numpy as np
import pytest

from perllm.scheduling.neural.arrays import layers_of
from perllm.scheduling.neural.diffusion import STEPS, DiffusionActor, Schedule, embedding, mish, softmax
from perllm.scheduling.neural.seats import SEATS, STATES

# Written by perllm.experiments.training together with the pre-trained weights.
VECTORS = Path(__file__).with_name("agod_vectors.npz")


def blank(states: int = 2, actions: int = 3, width: int = 4) -> dict[str, np.ndarray]:
    """Return layers of nothing but zeros."""
    sizes = {"time0": (32, 16), "time1": (16, 32), "net0": (width, actions + states + 16)}
    sizes |= {"net1": (width, width), "net2": (actions, width)}
    weights = {f"{name}.weight": np.zeros(size) for name, size in sizes.items()}
    return weights | {f"{name}.bias": np.zeros(size[0]) for name, size in sizes.items()}


def test_the_schedule_takes_away_what_the_paper_says() -> None:
    """beta_t = 1 - exp(-0.1 / 5 - (2 t - 1) / 50 * 9.9)."""
    schedule = Schedule.of()

    assert [1 - exp(-x) for x in (0.218, 0.614, 1.01, 1.406, 1.802)] == pytest.approx(schedule.beta)
    assert pytest.approx(exp(-5.05)) == schedule.alpha_product[-1]
    assert pytest.approx(1 - schedule.beta) == schedule.alpha


def test_the_first_step_adds_no_noise_and_the_others_their_deviation() -> None:
    added = Schedule.of().added_sd

    assert 0.0 == added[0]
    first, second = exp(-0.218), exp(-0.218 - 0.614)
    assert pytest.approx(sqrt((1 - first) / (1 - second) * (1 - exp(-0.614)))) == added[1]


def test_a_step_is_known_by_sines_and_cosines() -> None:
    seen = embedding(3)

    assert (16,) == seen.shape
    assert pytest.approx([sin(3.0), cos(3.0)]) == seen[[0, 8]]
    assert pytest.approx(sin(3.0 / 10_000.0)) == seen[7]


def test_mish_is_its_formula() -> None:
    values = np.array([-4.0, -0.5, 0.0, 2.0, 60.0])

    assert pytest.approx([x * tanh(log(1 + exp(x))) for x in values]) == mish(values)


def test_softmax_sums_to_one_however_large_the_scores() -> None:
    chances = softmax(np.array([1000.0, 999.0, -1000.0]))

    assert pytest.approx(1.0) == chances.sum()
    assert pytest.approx(exp(-1.0)) == chances[1] / chances[0]


def test_a_network_that_sees_no_noise_only_rescales_what_it_starts_from() -> None:
    """Each step divides by sqrt(alpha): in all by sqrt(exp(-5.05))."""
    noise = np.zeros((STEPS, 3))
    noise[0] = [1.0, -2.0, 0.5]

    assert pytest.approx(noise[0] / exp(-5.05 / 2)) == DiffusionActor(blank()).scores([0.3, 0.7], noise)


def test_what_a_network_always_sees_is_taken_away_in_every_step() -> None:
    layers = blank()
    layers["net2.bias"] = np.array([0.0, 1.0, -1.0])
    schedule = Schedule.of()
    score = 0.0
    for beta, product in zip(reversed(schedule.beta), reversed(schedule.alpha_product), strict=True):
        score = (score - beta * tanh(1.0) / sqrt(1 - product)) / sqrt(1 - beta)

    assert pytest.approx([0.0, score, -score]) == DiffusionActor(layers).scores([0.3, 0.7])


def test_without_noise_a_state_always_gets_the_same_scores() -> None:
    actor = DiffusionActor(layers_of("agod-pretrained"))
    state = np.linspace(0.05, 0.95, STATES)

    assert list(actor.scores(state)) == list(actor.scores(state.tolist()))


@pytest.mark.parametrize("weights", ["pretrained", "scratch"])
def test_the_networks_that_come_with_us_have_the_published_size(weights: str) -> None:
    layers = layers_of(f"agod-{weights}")
    actor = DiffusionActor(layers)

    assert (SEATS, STATES) == (actor.actions, actor.states)
    assert (256, SEATS + STATES + 16) == layers["net0.weight"].shape
    assert (256, 256) == layers["net1.weight"].shape
    assert (SEATS,) == actor.scores([0.5] * STATES).shape


def test_numpy_scores_as_torch_does() -> None:
    actor = DiffusionActor(layers_of("agod-pretrained"))
    with np.load(VECTORS) as stored:
        state, noise, expected = stored["state"], stored["noise"], stored["scores"]

    scores = [actor.scores(one, noise[:, number]) for number, one in enumerate(state)]

    assert pytest.approx(expected, abs=1e-9) == np.stack(scores)

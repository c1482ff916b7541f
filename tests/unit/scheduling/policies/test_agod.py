"""AGOD at run time: the network's scores on the seats of a fleet."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from msgspec.structs import replace

from perllm.errors import ConfigError
from perllm.scheduling.neural.arrays import layers_of
from perllm.scheduling.neural.diffusion import DiffusionActor
from perllm.scheduling.neural.seats import Seats
from perllm.scheduling.policies import make_policy
from perllm.scheduling.policies.agod import Agod
from tests.unit.scheduling.builders import CLOUD, EDGE, dispatch_of, request, scheduler
from tests.unit.scheduling.policies.candidates import candidates


def test_each_server_gets_the_score_of_its_seat() -> None:
    columns = replace(candidates([1.0, 1.0]), servers=(CLOUD, EDGE))
    state = Seats((CLOUD, EDGE)).take(request(), columns).state
    of_seats = DiffusionActor(layers_of("agod-pretrained")).scores(state)

    assert pytest.approx([of_seats[5], of_seats[4]]) == list(Agod().score(request(), columns, 0.0))


def test_servers_that_cannot_serve_are_not_scored() -> None:
    columns = candidates([1.0] * 4, feasible=[1, 3])

    assert 2 == len(Agod().score(request(), columns, 0.0))


def test_of_more_servers_than_seats_the_slowest_are_the_last_choice() -> None:
    columns = candidates([1.0] * 8, total_s=[float(number + 1) for number in range(8)])

    scores = Agod().score(request(), columns, 0.0)

    assert [-inf, -inf] == list(scores[6:])
    assert np.isfinite(scores[:6]).all()


def test_a_new_fleet_takes_its_own_seats() -> None:
    policy = Agod()
    policy.score(request(), candidates([1.0] * 3), 0.0)

    assert 2 == len(policy.score(request(), candidates([1.0] * 2), 0.0))


def test_it_decides_alike_every_time_and_knows_no_holding() -> None:
    brain = scheduler(*(replace(EDGE, server_id=name) for name in "abc"), CLOUD, policy="agod")
    visited = [dispatch_of(brain.submit(request(f"r{number}"), 0.0)).server_id for number in range(20)]
    again = scheduler(*(replace(EDGE, server_id=name) for name in "abc"), CLOUD, policy="agod")

    assert visited == [dispatch_of(again.submit(request(f"r{number}"), 0.0)).server_id for number in range(20)]


def test_both_sets_of_weights_can_be_asked_for() -> None:
    columns = candidates([1.0, 1.0, 1.0])
    scores = [make_policy(f"agod:weights={name}").score(request(), columns, 0.0) for name in ("pretrained", "scratch")]

    assert list(scores[0]) != list(scores[1])


def test_other_weights_are_refused() -> None:
    with pytest.raises(ConfigError, match="'perfect', only pretrained and scratch"):
        make_policy("agod:weights=perfect")

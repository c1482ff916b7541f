"""What it costs to put a machine to work that rests by itself."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from perllm.domain.profile import Rest
from perllm.domain.server import Server
from perllm.domain.telemetry import Health
from perllm.scheduling.waking import waking_j
from tests.unit.scheduling.builders import EDGE, dispatch_of, explanation_of, request, scheduler

# EDGE idles at 10 W.
RESTS = (Rest(after_s=60.0, watts=4.0, wake_s=2.0), Rest(after_s=600.0, watts=2.0, wake_s=8.0, wake_j=50.0))
SLEEPY = replace(EDGE, server_id="sleepy", rests=RESTS)


def test_waking_costs_its_joules_and_the_idling_until_the_machine_rests_again() -> None:
    assert pytest.approx(50.0 + (8.0 + 600.0) * 8.0) == waking_j(SLEEPY)


@pytest.mark.parametrize("server", [EDGE, replace(EDGE, rests=(replace(RESTS[1], on_command=True, after_s=None),))])
def test_a_machine_that_never_rests_by_itself_costs_nothing_to_wake(server: Server) -> None:
    assert 0.0 == waking_j(server)


def test_a_server_that_must_wake_is_charged_for_it_until_it_is_awake() -> None:
    brain = scheduler(SLEEPY)

    def joules(request_id: str, ready_in_s: float, at_s: float) -> float:
        brain.observe(Health(server_id="sleepy", healthy=True, measured_at_s=at_s, ready_in_s=ready_in_s), at_s)
        return explanation_of(dispatch_of(brain.submit(request(request_id), at_s))).energy_j[0]

    resting, awake = joules("resting", 8.0, 1.0), joules("awake", 0.0, 2.0)

    assert pytest.approx(waking_j(SLEEPY), rel=0.05) == resting - awake

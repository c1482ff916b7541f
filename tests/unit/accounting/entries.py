"""A small fleet and entries about it, for tests of what reads entries."""

from math import nan

from perllm.domain.action import (
    Action,
    Dispatch,
    Fate,
    Finish,
    Outcome,
    Reservation,
)
from perllm.domain.attempt import Ending, EndingKind, Progress, Stage, Usage
from perllm.domain.energy import Energy, EnergyMethod
from perllm.domain.entry import Entry, EventKind, Fleet
from perllm.domain.explanation import Explanation
from perllm.domain.profile import PowerProfile, SpeedProfile
from perllm.domain.reason import Choice, Violation
from perllm.domain.request import Request, Requirement
from perllm.domain.server import Link, Server, Tier
from perllm.domain.service import Service

REQUIREMENT = Requirement(total_s=10.0)
CHAT = Service(name="chat", requirement=REQUIREMENT, attainment=0.9)


def server(server_id: str = "edge", *, idle_w: float = 10.0, slots: int = 2) -> Server:
    return Server(
        server_id=server_id,
        tier=Tier.EDGE,
        models=frozenset({"small"}),
        slots=slots,
        kv_tokens=10_000,
        context_tokens=4_000,
        link=Link(),
        speed=SpeedProfile(prefill_token_s=1e-4, decode_token_s=1e-3, weights_read_s=0.01),
        power=PowerProfile(idle_w=idle_w, prefill_w=50.0, decode_w=30.0, decode_full_w=60.0),
    )


def request(request_id: str = "r1", service: str = "chat") -> Request:
    return Request(
        request_id=request_id,
        service=service,
        model="small",
        requirement=REQUIREMENT,
        payload_bytes=600,
        prompt_bytes=400,
    )


def explanation(chosen: int | None = 0) -> Explanation:
    return Explanation(
        policy="cs-ucb",
        server_ids=("edge", "cloud"),
        total_s=(2.0, nan),
        first_token_s=(0.5, nan),
        in_time_probability=(0.75, nan),
        energy_j=(6.0, nan),
        violations=(None, Violation.UNHEALTHY),
        judged=(0,),
        scores=(-6.0,),
        chosen=chosen,
    )


def dispatch(request_id: str = "r1", number: int = 1, server_id: str = "edge") -> Dispatch:
    return Dispatch(
        request_id=request_id,
        attempt_id=f"{request_id}#{number}",
        attempt_number=number,
        server_id=server_id,
        reservation=Reservation(kv_tokens=200, bytes_per_s=1000.0),
        choice=Choice.FEASIBLE,
        predicted_total_s=3.0,
        predicted_energy_j=6.0,
        explanation=explanation(),
    )


def finish(
    request_id: str = "r1",
    fate: Fate = Fate.COMPLETED,
    *,
    arrived_at_s: float = 0.0,
    first_token_at_s: float | None = None,
    finished_at_s: float = 2.0,
    in_time: bool = True,
    counted: bool = True,
    output_tokens: int = 20,
    energy: Energy | None = None,
) -> Finish:
    return Finish(
        outcome=Outcome(
            request_id=request_id,
            service="chat",
            fate=fate,
            refusal=None,
            server_id="edge",
            attempts=1,
            arrived_at_s=arrived_at_s,
            dispatched_at_s=arrived_at_s,
            first_token_at_s=first_token_at_s,
            finished_at_s=finished_at_s,
            requirement=REQUIREMENT,
            in_time=in_time,
            counted=counted,
            prompt_tokens=100,
            output_tokens=output_tokens,
            energy=energy or Energy(transmit_j=1.0, infer_j=4.0),
            energy_method=EnergyMethod.DECLARED,
            predicted_total_s=3.0,
            predicted_energy_j=6.0,
        )
    )


def completed(
    *, infer_j: float | None = 4.0, method: EnergyMethod = EnergyMethod.DECLARED, output_tokens: int = 20
) -> Ending:
    return Ending(
        kind=EndingKind.COMPLETED,
        usage=Usage(prompt_tokens=100, output_tokens=output_tokens),
        transmit_j=1.0,
        infer_j=infer_j,
        energy_method=method,
    )


def submit_entry(value: Request, *actions: Action, at_s: float = 0.0) -> Entry:
    return Entry(at_s, EventKind.SUBMIT, value.request_id, value, actions)


def close_entry(attempt_id: str, ending: Ending, *actions: Action, at_s: float = 2.0) -> Entry:
    return Entry(at_s, EventKind.CLOSE, attempt_id, ending, actions)


def configure_entry(*servers: Server, at_s: float = 0.0) -> Entry:
    return Entry(at_s, EventKind.CONFIGURE, "", Fleet(servers=servers, services=(CHAT,)), ())


def wake_entry(*actions: Action, at_s: float = 0.0) -> Entry:
    return Entry(at_s, EventKind.WAKE, "", None, actions)


def progress_entry(attempt_id: str = "r1#1", tokens: int = 1, at_s: float = 1.0) -> Entry:
    return Entry(at_s, EventKind.PROGRESS, attempt_id, Progress(stage=Stage.TOKENS, tokens=tokens), ())

"""Which service a call belongs to, and how soon it must be served."""

from __future__ import annotations

import pytest

from perllm.domain.request import Requirement
from perllm.domain.service import Service
from perllm.gateway.services import ServiceRules, requirement_of
from perllm.wire.call import Call, Endpoint, parse_call
from perllm.wire.errors import CallError
from perllm.wire.hints import Hints

RULES = ServiceRules(
    services={name: Service(name=name) for name in ("chat", "batch", "code", "vip")},
    default="chat",
    by_model={"coder": "code"},
    by_service_tier={"flex": "batch"},
)


def call(model: str = "small", **fields: str) -> Call:
    more = "".join(f', "{name}": {value}' for name, value in fields.items())
    return parse_call(
        f'{{"model": "{model}", "messages": [{{"role": "user", "content": "x"}}]{more}}}'.encode(),
        endpoint=Endpoint.CHAT,
    )


@pytest.mark.parametrize(
    ("asked", "hints", "service"),
    [
        (call(), Hints(), "chat"),
        (call(service_tier='"flex"'), Hints(), "batch"),
        (call(service_tier='"auto"'), Hints(), "chat"),
        (call("coder", service_tier='"flex"'), Hints(), "code"),
        (call("coder", metadata='{"service": "batch"}'), Hints(), "batch"),
        (call("coder", metadata='{"service": "batch"}'), Hints(service="vip"), "vip"),
    ],
)
def test_the_nearest_naming_decides(asked: Call, hints: Hints, service: str) -> None:
    assert service == RULES.service_of(asked, hints).name


@pytest.mark.parametrize(
    ("asked", "hints", "param"),
    [
        (call(), Hints(service="gold"), "x-perllm-service"),
        (call(metadata='{"service": "gold"}'), Hints(), "metadata.service"),
    ],
)
def test_an_unknown_service_is_refused_with_the_known_ones(asked: Call, hints: Hints, param: str) -> None:
    with pytest.raises(CallError, match="Name one of batch, chat, code, vip") as caught:
        RULES.service_of(asked, hints)

    assert param == caught.value.param


@pytest.mark.parametrize(
    ("standing", "hints", "expected"),
    [
        (Requirement(), Hints(), Requirement()),
        (Requirement(total_s=4.0, first_token_s=1.0), Hints(), Requirement(total_s=4.0, first_token_s=1.0)),
        (Requirement(total_s=4.0), Hints(requirement_s=9.0), Requirement(total_s=9.0)),
        (Requirement(), Hints(first_token_s=0.5), Requirement(first_token_s=0.5)),
        (Requirement(total_s=4.0), Hints(client_timeout_s=3.0), Requirement(total_s=3.0)),
        (Requirement(total_s=4.0), Hints(client_timeout_s=600.0), Requirement(total_s=4.0)),
        (Requirement(), Hints(client_timeout_s=600.0), Requirement(total_s=600.0)),
        (Requirement(), Hints(requirement_s=9.0, client_timeout_s=3.0), Requirement(total_s=3.0)),
    ],
)
def test_a_call_may_replace_the_requirement_and_its_client_bounds_it(
    standing: Requirement, hints: Hints, expected: Requirement
) -> None:
    assert expected == requirement_of(Service(name="chat", requirement=standing), hints)

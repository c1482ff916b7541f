"""What the gateway says."""

from __future__ import annotations

import json

import pytest

from perllm.domain.action import Refuse
from perllm.domain.reason import Refusal
from perllm.domain.request import Request, Requirement
from perllm.gateway.answers import refused
from perllm.gateway.errand import Errand
from perllm.wire.call import Endpoint, parse_call


@pytest.mark.parametrize("reason", Refusal)
def test_every_refusal_has_its_words(reason: Refusal) -> None:
    call = parse_call(b'{"model": "m", "messages": [{"role": "user", "content": "hello"}]}', endpoint=Endpoint.CHAT)
    request = Request(
        request_id="r1", service="chat", model="m", requirement=Requirement(), payload_bytes=1, prompt_bytes=1
    )
    errand = Errand(call=call, request=request, shown_id="r1", forwarded={})

    answer = refused(errand, Refuse(request_id="r1", reason=reason, retry_after_s=2.5, explanation=None), [])

    assert answer.status >= 400
    assert "3" == answer.headers["retry-after"]
    assert isinstance(answer.body, bytes)
    assert len(json.loads(answer.body)["error"]["message"]) > 10

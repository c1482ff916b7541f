"""Laws of the wire: it does not matter where bytes were cut, and no body is too odd to be read or refused."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perllm.wire.call import Endpoint, parse_call, render_upstream
from perllm.wire.errors import CallError, normalise_engine_error
from perllm.wire.reply import read_usage
from perllm.wire.stream import StreamReader

PIECES = [
    b"\n",
    b"\r\n",
    b"\n\n",
    b"\r",
    b"data: ",
    b"data:",
    b": ping",
    b"event: x",
    b"[DONE]",
    b'{"choices":[{"delta":{"content":"hi"}}],"usage":null}',
    b'{"choices":[{"text":"hi"}]}',
    b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}',
    b'{"choices":[],\ndata: "usage":{"prompt_tokens":1,"completion_tokens":3}}',
    b'{"error":{"message":"m"}}',
    b'{"object":"error","message":"m"}',
    b"\xff",
]
frames = st.sampled_from(PIECES).map(lambda piece: b"data: " + piece + b"\n\n")
streams = st.lists(frames | st.sampled_from(PIECES) | st.binary(max_size=3), max_size=12).map(b"".join)
bodies: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KNOWN = [
    "model",
    "messages",
    "prompt",
    "stream",
    "stream_options",
    "max_tokens",
    "n",
    "metadata",
    "user",
    "tools",
]
nearly_calls = st.dictionaries(st.sampled_from(KNOWN) | st.text(), bodies).map(
    lambda fields: json.dumps({"model": "m", "messages": [{"content": "x"}], "prompt": "p"} | fields).encode()
)


def relayed(parts: list[bytes], drop_usage: bool) -> tuple[object, ...]:
    reader = StreamReader(drop_usage=drop_usage)
    passed = b"".join([*map(reader.feed, parts), reader.end()])
    return passed, reader.frames_with_content, reader.usage, reader.finished, reader.error


@given(stream=streams, data=st.data(), drop_usage=st.booleans())
def test_any_split_of_the_same_bytes_is_relayed_alike(stream: bytes, data: st.DataObject, drop_usage: bool) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)))) | {0, len(stream)})
    parts = [stream[start:end] for start, end in pairwise(cuts)]

    assert relayed([stream], drop_usage) == relayed(parts, drop_usage)


@given(stream=streams, drop_usage=st.booleans())
def test_single_bytes_are_relayed_like_the_whole(stream: bytes, drop_usage: bool) -> None:
    assert relayed([stream], drop_usage) == relayed([bytes([byte]) for byte in stream], drop_usage)


@given(stream=streams)
def test_nothing_but_flat_errors_is_changed_when_usage_was_asked_for(stream: bytes) -> None:
    reader = StreamReader(drop_usage=False)
    passed = reader.feed(stream)

    if b'"object":"error"' not in stream:
        assert stream.startswith(passed)


@pytest.mark.parametrize("endpoint", list(Endpoint))
@given(body=st.binary() | nearly_calls)
def test_any_body_is_a_call_or_a_call_error(endpoint: Endpoint, body: bytes) -> None:
    try:
        call = parse_call(body, endpoint=endpoint)
    except CallError:
        return

    assert json.loads(body)["model"] == call.model


@pytest.mark.parametrize("endpoint", list(Endpoint))
@given(body=nearly_calls, ask_usage=st.booleans())
def test_an_engine_gets_what_the_client_sent_but_for_the_model_and_usage(
    endpoint: Endpoint, body: bytes, ask_usage: bool
) -> None:
    try:
        call = parse_call(body, endpoint=endpoint)
    except CallError:
        return
    sent = json.loads(body)

    told = json.loads(render_upstream(call, engine_model="engine's", ask_usage=ask_usage))

    expected = sent | {"model": "engine's"}
    if ask_usage and call.stream:
        expected["stream_options"] = (sent.get("stream_options") or {}) | {"include_usage": True}
    assert expected == told


@given(status=st.integers(400, 599), body=st.binary() | bodies.map(lambda body: json.dumps(body).encode()))
def test_any_engine_error_becomes_an_openai_error_and_stays_one(status: int, body: bytes) -> None:
    shaped = normalise_engine_error(status, body)

    assert isinstance(json.loads(shaped)["error"]["message"], str)
    assert shaped == normalise_engine_error(status, shaped)


@given(
    body=st.binary()
    | st.dictionaries(st.sampled_from(["usage", "timings"]), bodies).map(lambda b: json.dumps(b).encode())
)
def test_no_answer_is_too_odd_to_be_read(body: bytes) -> None:
    usage = read_usage(body)

    assert usage is None or usage.prompt_tokens >= 0

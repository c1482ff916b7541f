"""Relaying the frames of a stream."""

import json

import pytest

from perllm.errors import UpstreamError
from perllm.wire.reply import Usage
from perllm.wire.stream import DONE, MAX_FRAME_BYTES, StreamReader, error_frame, frame

HELLO = frame(b'{"choices":[{"index":0,"delta":{"content":"hello"}}],"usage":null}')
USAGE = frame(
    b'{"choices":[],"usage":{"prompt_tokens":13,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":0}},'
    b'"timings":{"prompt_ms":1000,"predicted_ms":500}}'
)

# What vLLM 0.32.0 sent, the middle of its answer left out.
VLLM_HEAD = b'{"id":"chatcmpl-b4002dd69bf035f4","object":"chat.completion.chunk","created":1795561847,"model":"m",'
VLLM_WORDS = (
    frame(
        VLLM_HEAD + b'"choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,'
        b'"finish_reason":null}],"prompt_token_ids":null,"prompt_text":null}'
    )
    + frame(
        VLLM_HEAD + b'"choices":[{"index":0,"delta":{"content":"The"},"logprobs":null,"finish_reason":null,'
        b'"token_ids":null}]}'
    )
    + frame(
        VLLM_HEAD + b'"choices":[{"index":0,"delta":{"content":" le"},"logprobs":null,"finish_reason":"length",'
        b'"stop_reason":null,"token_ids":null}]}'
    )
)
VLLM_USAGE = frame(
    VLLM_HEAD + b'"choices":[],"usage":{"prompt_tokens":15,"total_tokens":19,"completion_tokens":4},'
    b'"system_fingerprint":"vllm-0.32.0-e2b2da2f"}'
)


def content_of(delta: str) -> int:
    reader = StreamReader(drop_usage=True)
    event = frame(b'{"choices":[' + delta.encode() + b"]}")

    assert event == reader.feed(event)
    return reader.frames_with_content


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ('{"delta":{"content":"a"}}', 1),
        ('{"delta":{"reasoning_content":"a"}}', 1),
        ('{"delta":{"reasoning":"a","content":null}}', 1),
        ('{"delta":{"refusal":"a"}}', 1),
        ('{"delta":{"tool_calls":[{"function":{"arguments":"{"}}]}}', 1),
        ('{"text":"a"}', 1),
        ('{"delta":{"content":"a"}},{"delta":{"content":"b"}}', 1),
        ('{"delta":{"content":""}}', 0),
        ('{"delta":{"role":"assistant","content":null}}', 0),
        ('{"delta":{},"finish_reason":"stop"}', 0),
        ('{"delta":null}', 0),
        ('{"text":""}', 0),
        ("5", 0),
    ],
)
def test_only_frames_that_say_something_count(choice: str, expected: int) -> None:
    assert expected == content_of(choice)


def test_a_whole_stream_is_relayed_without_the_usage_nobody_asked_for() -> None:
    reader = StreamReader(drop_usage=True)

    assert HELLO + HELLO + DONE == reader.feed(HELLO + HELLO + USAGE + DONE)
    assert (2, True, None) == (reader.frames_with_content, reader.finished, reader.error)
    assert Usage(prompt_tokens=13, completion_tokens=3, cached_tokens=0, prompt_s=1.0, predicted_s=0.5) == reader.usage


def test_a_stream_of_vllm_is_understood() -> None:
    reader = StreamReader(drop_usage=True)

    assert VLLM_WORDS + DONE == reader.feed(VLLM_WORDS + VLLM_USAGE + DONE)
    assert (2, True, None) == (reader.frames_with_content, reader.finished, reader.error)
    assert Usage(prompt_tokens=15, completion_tokens=4) == reader.usage


def test_usage_that_was_asked_for_is_relayed() -> None:
    reader = StreamReader(drop_usage=False)

    assert USAGE == reader.feed(USAGE)
    assert reader.usage is not None


def test_usage_beside_content_is_relayed_and_the_last_counts() -> None:
    reader = StreamReader(drop_usage=True)
    events = [
        frame(b'{"choices":[{"text":"a"}],"usage":{"prompt_tokens":2,"completion_tokens":%d}}' % tokens)
        for tokens in (1, 2)
    ]

    assert b"".join(events) == reader.feed(b"".join(events))
    assert (2, Usage(prompt_tokens=2, completion_tokens=2)) == (reader.frames_with_content, reader.usage)


def test_a_lying_usage_does_not_undo_a_good_one() -> None:
    reader = StreamReader(drop_usage=True)
    reader.feed(USAGE)
    believed = reader.usage

    reader.feed(frame(b'{"choices":[],"usage":{"prompt_tokens":-1,"completion_tokens":3}}'))

    assert believed is not None
    assert believed == reader.usage


def test_an_empty_chunk_without_usage_is_relayed() -> None:
    event = frame(b'{"choices":[],"prompt_filter_results":[]}')

    assert event == StreamReader(drop_usage=True).feed(event)


@pytest.mark.parametrize(
    "event",
    [
        b": keep-alive\n\n",
        b"\n",
        b"\r\n",
        b"event: ping\ndata:\n\n",
        b"data: no json\n\n",
        b"data: [1]\n\n",
        b'data: {"choices":[{"text":"\xff"}]}\n\n',
        b'data: {"choices":' + b"[" * 9999 + b"\n\n",
    ],
)
def test_what_is_not_understood_is_relayed_and_counts_for_nothing(event: bytes) -> None:
    reader = StreamReader(drop_usage=True)

    assert event == reader.feed(event)
    assert (0, None, False, None) == (reader.frames_with_content, reader.usage, reader.finished, reader.error)


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"choices":[{"text":"a"}]}\r\n\r\n',
        b'data:{"choices":[{"text":"a"}]}\n\n',
        b'id: 1\ndata: {"choices":[{"text":"a"}]}\n\n',
        b'data: {"choices":\ndata: [{"text":"a"}]}\n\n',
        b': comment\r\ndata: {"choices":\r\ndata: [{"text":"a"}]}\r\n\r\n',
        b'data: {"choices":[{"text":"a"}]}\n\r\n',
    ],
)
def test_any_legal_form_of_a_frame_is_understood(event: bytes) -> None:
    reader = StreamReader(drop_usage=True)

    assert event == reader.feed(event)
    assert 1 == reader.frames_with_content


@pytest.mark.parametrize("event", [DONE, b"data:[DONE]\n\n", b"data: [DONE]\r\n\r\n", b"event: end\ndata: [DONE]\n\n"])
def test_the_end_of_a_stream_is_seen(event: bytes) -> None:
    reader = StreamReader(drop_usage=True)

    assert event == reader.feed(event)
    assert reader.finished


def test_words_in_the_text_of_an_answer_are_not_mistaken_for_the_engines_own() -> None:
    reader = StreamReader(drop_usage=True)
    text = json.dumps('"usage":{"prompt_tokens":1} "error":{"message":"x"} data: [DONE]\n\n').encode()

    reader.feed(frame(b'{"choices":[{"text":' + text + b"}]}"))

    assert (1, None, False, None) == (reader.frames_with_content, reader.usage, reader.finished, reader.error)


def test_an_error_in_the_stream_is_kept_and_relayed() -> None:
    reader = StreamReader(drop_usage=True)
    event = b'data: {"error":{"message":"out of memory","type":"server_error"}}\r\n\r\n'

    assert event == reader.feed(event)
    assert b'{"error":{"message":"out of memory","type":"server_error"}}' == reader.error


def test_a_flat_error_in_the_stream_gets_the_openai_shape() -> None:
    reader = StreamReader(drop_usage=True)
    expected = b'{"error":{"message":"out of memory","type":"server_error","param":null,"code":null}}'

    assert frame(expected) == reader.feed(frame(b'{"object":"error","message":"out of memory"}'))
    assert expected == reader.error


def test_error_null_is_no_error() -> None:
    reader = StreamReader(drop_usage=True)
    reader.feed(frame(b'{"choices":[{"text":"a"}],"error":null}'))

    assert (1, None) == (reader.frames_with_content, reader.error)


def test_a_cut_frame_is_held_back_and_lost_at_the_end() -> None:
    reader = StreamReader(drop_usage=True)

    assert HELLO == reader.feed(HELLO + b'data: {"choi')
    assert (b"", False) == (reader.end(), reader.finished)


@pytest.mark.parametrize("rest", [b"data: [DONE]", b"data: [DONE]\n", b"data:[DONE]\r\n"])
def test_a_stream_may_end_without_its_empty_line(rest: bytes) -> None:
    reader = StreamReader(drop_usage=True)

    assert (b"", DONE, True) == (reader.feed(rest), reader.end(), reader.finished)


def test_a_frame_without_end_is_refused_before_it_fills_the_memory() -> None:
    reader = StreamReader(drop_usage=True)
    reader.feed(b"x" * MAX_FRAME_BYTES)

    with pytest.raises(UpstreamError, match="more than 1048576 bytes"):
        reader.feed(b"x")


def test_an_error_can_be_told_after_the_head_was_sent() -> None:
    assert (
        b'data: {"error":{"message":"cut","type":"server_error","param":null,"code":"upstream_failed"}}\n\n'
        == error_frame("cut", "server_error", "upstream_failed")
    )

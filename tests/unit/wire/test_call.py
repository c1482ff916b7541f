"""Reading a client's call, and writing it for an engine."""

import json
from typing import Any

import pytest

from perllm.wire.call import Call, Endpoint, parse_call, render_upstream
from perllm.wire.errors import CallError

HELLO = [{"role": "user", "content": "hello"}]


def chat(**fields: object) -> Call:
    return parse_call(json.dumps({"model": "m", "messages": HELLO} | fields).encode(), endpoint=Endpoint.CHAT)


def completion(**fields: object) -> Call:
    return parse_call(json.dumps({"model": "m"} | fields).encode(), endpoint=Endpoint.COMPLETIONS)


def refusal(body: bytes, endpoint: Endpoint = Endpoint.CHAT) -> CallError:
    with pytest.raises(CallError) as caught:
        parse_call(body, endpoint=endpoint)
    return caught.value


def test_a_small_chat_call_is_read_with_its_defaults() -> None:
    body = b'{"model": "m", "messages": [{"role": "user", "content": "hello"}]}'

    call = parse_call(body, endpoint=Endpoint.CHAT)

    assert call == Call(
        endpoint=Endpoint.CHAT,
        model="m",
        stream=False,
        max_output_tokens=None,
        choices=1,
        prompt_bytes=5,
        service_hint=None,
        service_tier=None,
        session=None,
        wants_usage=False,
        fields=call.fields,
        body=body,
    )
    assert [("model", b'"m"'), ("messages", body[27:-1])] == [(k, bytes(v)) for k, v in call.fields.items()]


@pytest.mark.parametrize(
    ("fields", "name", "expected"),
    [
        ({"stream": True}, "stream", True),
        ({"stream": None}, "stream", False),
        ({"max_tokens": 7}, "max_output_tokens", 7),
        ({"max_completion_tokens": 8}, "max_output_tokens", 8),
        ({"max_tokens": 7, "max_completion_tokens": 8}, "max_output_tokens", 8),
        ({"max_tokens": None}, "max_output_tokens", None),
        ({"n": 3}, "choices", 3),
        ({"metadata": {"service": "chat", "other": 5}}, "service_hint", "chat"),
        ({"metadata": None}, "service_hint", None),
        ({"service_tier": "flex"}, "service_tier", "flex"),
        ({"user": "u"}, "session", "u"),
        ({"safety_identifier": "s"}, "session", "s"),
        ({"user": "u", "prompt_cache_key": "k"}, "session", "k"),
        ({"stream": True, "stream_options": {"include_usage": True}}, "wants_usage", True),
        ({"stream": True, "stream_options": {"include_usage": None}}, "wants_usage", False),
        ({"stream": True, "stream_options": None}, "wants_usage", False),
        ({"stream": False, "stream_options": {"include_usage": True}}, "wants_usage", False),
    ],
)
def test_a_field_is_read(fields: dict[str, object], name: str, expected: object) -> None:
    assert expected == getattr(chat(**fields), name)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([{"content": "abc"}, {"content": "de"}], 5),
        ([{"content": "é"}], 2),
        ([{"content": None}, {}], 0),
        ([{"content": [{"type": "text", "text": "abc"}, "de"]}], 5),
        ([{"content": [{"type": "image_url", "image_url": {"url": "data:" + "A" * 999}}]}], 0),
        ([{"content": [{"type": "text", "text": None}]}], 0),
        ([{"content": None, "tool_calls": ["12345678"]}], 12),
    ],
)
def test_prompt_bytes_are_those_of_the_text(messages: list[object], expected: int) -> None:
    assert expected == chat(messages=messages).prompt_bytes


def test_tool_definitions_are_part_of_the_prompt() -> None:
    tools = [{"type": "function", "function": {"name": "look_up"}}]

    assert 5 + len(json.dumps(tools)) == chat(tools=tools).prompt_bytes


@pytest.mark.parametrize(
    ("prompt", "choices", "prompt_bytes"),
    [
        ("abc", 2, 3),
        ("", 2, 0),
        (["abc", "é"], 4, 5),
        ([1, 2, 3], 2, 12),
        ([[1, 2], [3]], 4, 12),
    ],
)
def test_a_completion_call_counts_its_prompts(prompt: object, choices: int, prompt_bytes: int) -> None:
    call = completion(prompt=prompt, n=2)

    assert (choices, prompt_bytes) == (call.choices, call.prompt_bytes)


def test_the_last_of_two_equal_keys_counts_for_us_and_for_the_engine() -> None:
    call = parse_call(
        b'{"model":"a","prompt":"x","mod\\u0065l":"b","top_k":1,"top_k":2}', endpoint=Endpoint.COMPLETIONS
    )

    assert "b" == call.model
    assert b'{"model":"c","prompt":"x","top_k":2}' == render_upstream(call, engine_model="c", ask_usage=False)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            b'{"a"',
            "The body is not valid JSON: it breaks off, or a string ends in half a surrogate pair (byte 4). "
            "Send one JSON object.",
        ),
        (b'{"a": NaN}', "The body is not valid JSON: invalid character (byte 6). Send one JSON object."),
        (b"{} {}", "The body is not valid JSON: trailing characters (byte 4). Send one JSON object."),
        (b'{"a": "\xff"}', "The body is not UTF-8 (byte 7). Encode the JSON as UTF-8."),
        (b'{"a": ' + b"[" * 9999, "The body is nested too deeply. Send flatter JSON."),
        (b'{"a": ' + b'{"a":' * 9999, "The body is nested too deeply. Send flatter JSON."),
        (b"[]", "The body must be one JSON object, such as a client library sends."),
        (b"null", "The body must be one JSON object, such as a client library sends."),
    ],
)
def test_a_body_that_is_no_object_is_refused(body: bytes, message: str) -> None:
    error = refusal(body)

    assert (message, None, None, 400) == (str(error), error.param, error.code, error.status)


@pytest.mark.parametrize("field", ["model", "messages"])
def test_a_missing_field_is_named(field: str) -> None:
    fields = {"model": "m", "messages": HELLO}
    del fields[field]

    error = refusal(json.dumps(fields).encode())

    assert (field, "missing_required_parameter") == (error.param, error.code)
    assert str(error).startswith(f"`{field}` is missing. ")


def test_a_completion_call_needs_a_prompt() -> None:
    assert "prompt" == refusal(b'{"model": "m"}', Endpoint.COMPLETIONS).param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": 5}, "model"),
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"stream": "yes"}, "stream"),
        ({"stream": 1}, "stream"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": 10**400}, "max_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"n": 0}, "n"),
        ({"messages": []}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": ["hello"]}, "messages[0]"),
        ({"messages": [{"content": 5}]}, "messages[0].content"),
        ({"messages": [{}, {"content": [{"text": 5}]}]}, "messages[1].content[0].text"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"service": 5}}, "metadata.service"),
        ({"stream_options": True}, "stream_options"),
        ({"stream_options": {"include_usage": "yes"}}, "stream_options.include_usage"),
        ({"user": 5}, "user"),
        ({"safety_identifier": 5}, "safety_identifier"),
        ({"prompt_cache_key": 5}, "prompt_cache_key"),
        ({"service_tier": 5}, "service_tier"),
    ],
)
def test_a_wrong_value_is_named_with_its_remedy(fields: dict[str, object], param: str) -> None:
    with pytest.raises(CallError, match=r"^`.+`: .+\. (Send|Name) .+\.$") as caught:
        chat(**fields)

    assert (param, "invalid_value", 400) == (caught.value.param, caught.value.code, caught.value.status)


@pytest.mark.parametrize("prompt", [[], None, 5, [None], [["a"]], {}])
def test_a_wrong_prompt_is_refused(prompt: object) -> None:
    with pytest.raises(CallError) as caught:
        completion(prompt=prompt)

    assert (caught.value.param or "").startswith("prompt")


def test_a_message_reads_well() -> None:
    with pytest.raises(CallError) as caught:
        chat(stream="yes")

    assert "`stream`: expected `bool | null`, got `str`. Send true or false, without quotes." == caught.value.message


def test_what_need_not_change_goes_on_as_it_came() -> None:
    body = b' { "messages":[{"content":"x"}] , "model" : "m", "x": 1.0e2, "stream": true}'
    call = parse_call(body, endpoint=Endpoint.CHAT)

    assert body == render_upstream(call, engine_model="m", ask_usage=False)


def test_unknown_fields_keep_their_bytes_when_the_model_changes() -> None:
    call = parse_call(b'{"x": {"b" :1.0e2,"a":"\\u00e9"}, "model": "m", "prompt": "p"}', endpoint=Endpoint.COMPLETIONS)

    assert b'{"x":{"b" :1.0e2,"a":"\\u00e9"},"model":"big \\"m\\"","prompt":"p"}' == render_upstream(
        call, engine_model='big "m"', ask_usage=True
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"stream": True}, {"include_usage": True}),
        ({"stream": True, "stream_options": None}, {"include_usage": True}),
        ({"stream": True, "stream_options": {"include_usage": False}}, {"include_usage": True}),
        ({"stream": True, "stream_options": {"x": [1]}}, {"x": [1], "include_usage": True}),
        (
            {"stream": True, "stream_options": {"include_usage": True, "x": 1}},
            {"include_usage": True, "x": 1},
        ),
        ({"stream": False, "stream_options": {"x": 1}}, {"x": 1}),
        ({}, None),
    ],
)
def test_only_streams_are_asked_for_usage(fields: dict[str, object], expected: object) -> None:
    told: dict[str, Any] = json.loads(render_upstream(chat(**fields), engine_model="e", ask_usage=True))

    assert ("e", expected) == (told["model"], told.get("stream_options"))


def test_usage_is_not_asked_for_unless_wanted() -> None:
    told: dict[str, Any] = json.loads(render_upstream(chat(stream=True), engine_model="e", ask_usage=False))

    assert "stream_options" not in told

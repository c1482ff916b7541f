"""The list of models."""

from perllm.wire.models import render_model, render_models


def test_the_models_are_listed_in_order() -> None:
    assert (
        b'{"object":"list","data":[{"id":"b","object":"model","created":12,"owned_by":"perllm"},'
        b'{"id":"a","object":"model","created":12,"owned_by":"perllm"}]}'
    ) == render_models(["b", "a"], created_at_s=12.7)


def test_one_model_is_shown() -> None:
    assert b'{"id":"a","object":"model","created":0,"owned_by":"perllm"}' == render_model("a", created_at_s=0)

"""Every constant of every device and model is there with a range, a kind and a source, and models have their size."""

import msgspec
import pytest

from perllm.config.catalogue import device, device_names, model, model_names
from perllm.config.device_schema import Weights
from perllm.config.figures import Figure, Origin, figures_in

THE_PAPERS = {"yi-6b", "llama2-7b", "llama3-8b", "yi-9b", "llama-33b"}


@pytest.mark.parametrize("name", device_names())
def test_every_figure_of_a_device_has_a_source_and_lies_in_its_range(name: str) -> None:
    figures = figures_in(device(name))

    assert 20 <= len(figures)
    assert [] == [each.name for each in figures if not each.range[0] <= each.value <= each.range[1]]
    assert [] == [each.name for each in figures if len(each.source) < 5]
    assert {each.kind for each in figures} <= set(Origin)


@pytest.mark.parametrize("name", device_names())
def test_shares_of_what_a_sheet_promises_are_shares(name: str) -> None:
    shares = [each for each in figures_in(device(name)) if each.name.endswith(("_efficiency", "_fraction"))]

    assert [] == [each.name for each in shares if not 0 < each.value <= 1]


@pytest.mark.parametrize("name", device_names())
def test_a_device_that_works_draws_more_than_one_that_does_not(name: str) -> None:
    power = device(name).power

    assert power.empty_idle_w.value <= power.idle_w.value < power.decode_w.value <= power.decode_full_w.value
    assert power.decode_full_w.value <= power.prefill_w.value


def test_what_is_assumed_says_so_and_does_not_claim_a_measurement() -> None:
    figures = [each for name in device_names() for each in figures_in(device(name))]

    claimed = [each for each in figures if each.kind is Origin.MEASURED]
    assert [] == [each.name for each in claimed if each.source.startswith("as ")]


@pytest.mark.parametrize("name", model_names())
def test_a_models_parameters_follow_from_its_shape(name: str) -> None:
    shape = model(name)

    assert pytest.approx(shape.parameters_billion, rel=0.001) == shape.parameters / 1e9
    assert 0 == shape.heads % shape.kv_heads
    assert shape.source


def test_the_papers_models_are_there() -> None:
    assert set(model_names()) >= THE_PAPERS


def test_every_format_is_some_devices() -> None:
    assert set(Weights) == {weights for name in device_names() for weights in device(name).formats}


def test_a_figure_outside_of_its_range_is_refused() -> None:
    wrong = {"value": 3, "range": [1, 2], "kind": "measured", "source": "somebody"}

    with pytest.raises(msgspec.ValidationError, match="3 lies outside of its range, 1 to 2"):
        msgspec.convert(wrong, Figure)

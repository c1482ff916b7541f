"""Weights that come with PerLLM."""

from __future__ import annotations

import json

import pytest

from perllm.scheduling.neural.arrays import ABOUT, arrays_of, layers_of


def test_weights_say_how_they_were_made() -> None:
    about = json.loads(str(arrays_of("agod-pretrained")[ABOUT]))

    assert "drawn" in about["trained_on"]
    assert about["episodes"] * about["updates"] > 1000


def test_layers_are_without_the_text() -> None:
    assert ABOUT not in layers_of("agod-pretrained")


def test_weights_that_do_not_exist_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="agod-perfect"):
        arrays_of("agod-perfect")

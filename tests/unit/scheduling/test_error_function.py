"""The error function over arrays."""

from __future__ import annotations

from math import erf

import numpy as np

from perllm.scheduling.error_function import erf_of


def test_it_is_the_error_function_of_every_value() -> None:
    values = np.concatenate([np.linspace(-7.0, 7.0, 20_011), [0.0, -500.0, 500.0]])

    assert np.abs(erf_of(values) - [erf(value) for value in values.tolist()]).max() < 1e-13

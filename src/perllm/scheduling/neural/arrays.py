"""Trained weights that come with PerLLM, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import as_file, files
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_FOLDER: Final = files("perllm.scheduling.neural") / "arrays"
# The one entry that is text: how the others were made.
ABOUT: Final = "about"


@cache
def arrays_of(name: str) -> Mapping[str, NDArray[Any]]:
    """Return the arrays of one file, and under `ABOUT` how they were trained. Raises ValueError if there is none."""
    resource = _FOLDER / f"{name}.npz"
    if not resource.is_file():
        raise ValueError(f"there are no weights called {name!r}")
    with as_file(resource) as path, np.load(path, allow_pickle=False) as stored:
        return {key: stored[key] for key in stored.files}


def layers_of(name: str) -> Mapping[str, NDArray[Any]]:
    """Return the arrays without the text."""
    return {key: values for key, values in arrays_of(name).items() if key != ABOUT}

"""Python's search for cycles of garbage, which a run does not make."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# So many more containers must live than at the last search: far above what a run holds at a time.
_CONTAINERS = 100_000


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Search seldom meanwhile: garbage goes by its reference count, and searching would take a fifth of a run."""
    before = gc.get_threshold()
    gc.set_threshold(_CONTAINERS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)

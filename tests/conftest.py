"""What every test shares: the hypothesis profile, and which folders talk to real things."""

from pathlib import Path

import pytest
from hypothesis import settings

TESTS = Path(__file__).parent
REAL = {TESTS / "integration", TESTS / "real"}

# A busy machine makes an example slow, not wrong; a failure found elsewhere must be repeatable here.
settings.register_profile("perllm", deadline=None, print_blob=True)
settings.load_profile("perllm")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by folder, so that no test against a real engine slips into the quick run."""
    for item in items:
        if not REAL.isdisjoint(item.path.parents):
            item.add_marker(pytest.mark.real)

"""The changelog speaks of the version that is in the package."""

import re
from pathlib import Path

import perllm

CHANGELOG = Path(__file__).parents[3] / "CHANGELOG.md"
VERSION = re.compile(r"^## \[(.+?)\] - ", re.MULTILINE)


def test_the_newest_entry_of_the_changelog_is_this_version() -> None:
    newest, *_ = VERSION.findall(CHANGELOG.read_text(encoding="utf-8"))

    assert perllm.__version__ == newest

"""Every law in docs/laws.md points at a test that exists, or says which issue will bring one."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
LAW = re.compile(r"^## (\d+)\. .+$", re.MULTILINE)
TEST_LINE = re.compile(r"^Test: (.*)$", re.MULTILINE)
REFERENCE = re.compile(r"`(?P<file>[\w/]+\.py)::(?P<test>test_\w+)`")
LATER = re.compile(r"later \(issue [1-9]\d*\)")


def test_the_laws_are_ten_and_in_order() -> None:
    assert [str(number) for number in range(1, 11)] == LAW.findall(laws_text())


def test_every_law_says_how_it_is_tested() -> None:
    _, *numbers_and_texts = LAW.split(laws_text())
    laws = zip(numbers_and_texts[::2], numbers_and_texts[1::2], strict=True)

    assert [] == [number for number, text in laws if not TEST_LINE.search(text)]


def test_every_test_that_a_law_names_exists() -> None:
    named = TEST_LINE.findall(laws_text())

    assert [] == [line for line in named if not (LATER.fullmatch(line) or names_a_test(line))]


def laws_text() -> str:
    return (ROOT / "docs" / "laws.md").read_text(encoding="utf-8")


def names_a_test(line: str) -> bool:
    reference = REFERENCE.fullmatch(line)
    return reference is not None and reference["test"] in functions_of(ROOT / reference["file"])


def functions_of(file: Path) -> set[str]:
    if not file.is_file():
        return set()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}

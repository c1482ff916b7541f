"""The rules of the house that no linter knows: no traces of a machine, and small pieces."""

import ast
import shutil
import subprocess
from pathlib import Path
from statistics import median

Function = ast.FunctionDef | ast.AsyncFunctionDef

ROOT = Path(__file__).parents[3]
# In two halves, so that this file does not contain what it forbids.
TRACES = tuple(
    head + tail
    for head, tail in (
        ("/wo", "rk/"),
        ("/ro", "ot/"),
        ("/ho", "me/"),
        ("/Us", "ers/"),
        ("py", "pi.org"),
        ("files.python", "hosted"),
        ("registry.", "npmjs"),
    )
)
MODULE_LINES = 300
FUNCTION_LINES = 30
MEDIAN_FUNCTION_LINES = 10


def test_no_file_names_a_registry_or_the_machine_it_was_written_on() -> None:
    found = [f"{file.relative_to(ROOT)}: {trace}" for file in project_files() for trace in traces_in(file.read_bytes())]

    assert [] == found


def test_modules_are_short() -> None:
    lengths = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in modules()}

    assert {} == {str(file): lines for file, lines in lengths.items() if lines > MODULE_LINES}


def test_nine_in_ten_functions_are_short() -> None:
    lengths = function_lengths()

    assert sum(length >= FUNCTION_LINES for length in lengths) <= len(lengths) / 10


def test_the_median_function_is_shorter_still() -> None:
    assert median(function_lengths()) < MEDIAN_FUNCTION_LINES


def traces_in(content: bytes) -> list[str]:
    is_text = b"\0" not in content
    return [trace for trace in TRACES if is_text and trace.encode() in content]


def project_files() -> list[Path]:
    """List what is or would be committed; outside a git checkout, whatever lies in the source folders."""
    everything = (file for top in ("src", "tests", "docs") for file in (ROOT / top).rglob("*"))
    return [file for file in (known_to_git() or everything) if file.is_file()]


def known_to_git() -> list[Path]:
    if shutil.which("git") is None:
        return []
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return [ROOT / name for name in listing.stdout.split("\0") if name]


def modules() -> list[Path]:
    return sorted((ROOT / "src").rglob("*.py"))


def function_lengths() -> list[int]:
    return [length_of(function) for module in modules() for function in functions_of(module)]


def functions_of(module: Path) -> list[Function]:
    nodes = ast.walk(ast.parse(module.read_text(encoding="utf-8")))
    return [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def length_of(function: Function) -> int:
    """Count the lines from `def` to the end; docstrings are free, so that nobody saves on them."""
    free = lines_of(function.body[0]) if ast.get_docstring(function) is not None else 0
    return lines_of(function) - free


def lines_of(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1

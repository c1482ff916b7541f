"""A trace's layout is told from its first line, and what is malformed is refused with its line."""

import re
import tracemalloc
from itertools import islice
from pathlib import Path

import pytest

from perllm.errors import ConfigError
from perllm.simulation.traces.reading import layout_of, read_trace
from perllm.simulation.traces.request import Layout
from tests.unit.simulation.traces.traces import AZURE, MOONCAKE, SAMPLES, VIDUR, requests_in, servegen, written

HEAD = AZURE.splitlines(keepends=True)


@pytest.mark.parametrize("layout", SAMPLES)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_layout_is_recognised_plain_and_packed(layout: Layout, packed: bool, mark: str, tmp_path: Path) -> None:
    path = written(tmp_path, mark + SAMPLES[layout], packed=packed)

    assert layout is layout_of(path)
    assert list(read_trace(path, layout)) == list(read_trace(path))
    assert list(read_trace(path))


def test_a_folder_is_servegens(tmp_path: Path) -> None:
    home = servegen(tmp_path)

    assert {Layout.SERVEGEN} == {layout_of(home), layout_of(home / "all_clients_rates.csv.gz")}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HEAD[0] + HEAD[1] + "2023-11-16 18:15:50.99,-3,109\n", ":3: ContextTokens is '-3', not a whole number of 1"),
        (HEAD[0] + HEAD[1] + "2023-11-16 18:15:50.99,3,0\n", ":3: GeneratedTokens is '0', not a whole number of 1"),
        (HEAD[0] + HEAD[1] + "2023-11-16 18:15:50.99,3,4.5\n", ":3: GeneratedTokens is '4.5', not a whole number"),
        (HEAD[0] + "2023-11-16 18:15:50.99,many,4\n", ":2: ContextTokens is 'many', not a number"),
        (HEAD[0] + "2023-11-16 18:15:50.99,nan,4\n", ":2: ContextTokens is 'nan', not a number"),
        (HEAD[0] + "yesterday,3,4\n", ":2: TIMESTAMP is 'yesterday', not like 2023-11-16"),
        (HEAD[0] + "2023-13-16 18:15:50,3,4\n", ":2: TIMESTAMP is '2023-13-16 18:15:50'"),
        (HEAD[0] + HEAD[1] + "\n2023-11-16 18:15:5", ":4: the row has 1 field, its header 3"),
        (HEAD[0] + HEAD[1] + "2023-11-16 18:15:51+00:00,3,4\n", r":3: TIMESTAMP is .* \(zone: in all lines or none\)"),
        ("TIMESTAMP,ContextTokens\n2023-11-16 18:15:46,3\n", ":1: the column GeneratedTokens is missing"),
        (HEAD[0] + HEAD[3] + HEAD[1], ":3: time goes back by 4.54188 s; up to 1 s is put in order. Sort the file"),
        (VIDUR + "-1,3,4\n", ":4: arrived_at is '-1', which is negative"),
        (VIDUR + "inf,3,4\n", ":4: arrived_at is 'inf', not a number"),
        (MOONCAKE + MOONCAKE[:40], ":3: the line is not JSON: .* Check whether the file was cut off"),
        (MOONCAKE.replace("900", "0", 1), r":1: expected `int` >= 1 - at `\$.input_length`"),
        (MOONCAKE.replace("output", "out"), ":1: object missing required field `output_length`"),
        (MOONCAKE.replace("3052", "-1"), r":2: expected `float` >= 0.0 - at `\$.timestamp`"),
        (HEAD[0].encode() + b"2023-11-16 18:15:46,\xff,4\n", ":2: the line is not UTF-8 text. Save the file as UTF-8"),
        ("a,b,c\n1,2,3\n", ":1: this is the first line of no layout that is known. Known: azure: TIMESTAMP"),
        (HEAD[0] + '2023-11-16 18:15:46,"3"4,5\n', ":2: the line is no row of a table: ',' expected after"),
    ],
)
def test_a_trace_that_is_malformed_is_refused_naming_its_line(text: str | bytes, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(str(tmp_path / "trace.txt")) + told):
        requests_in(tmp_path, text)


def test_what_is_no_readable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none: there is no such file\. Check its name"):
        list(read_trace(tmp_path / "none"))
    with pytest.raises(ConfigError, match="the file cannot be read: Is a directory"):
        list(read_trace(tmp_path, Layout.AZURE))


def test_a_file_that_was_cut_off_in_its_packing_is_refused(tmp_path: Path) -> None:
    whole = written(tmp_path, AZURE * 1, packed=True).read_bytes()
    cut = written(tmp_path, whole[:-12], "cut.gz")
    broken = written(tmp_path, whole[:20] + b"\x00\x01" + whole[22:], "broken.gz")

    for path in (cut, broken):
        with pytest.raises(ConfigError, match=r"gz:\d+: the gzip data is broken: .*Fetch the file again"):
            list(read_trace(path, Layout.AZURE))


def test_a_file_without_lines_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD[0].encode() + b"7" * (5 * 2**20))

    with pytest.raises(ConfigError, match=":2: the line is longer than 4 MiB"):
        list(read_trace(path))


def test_a_long_trace_is_never_held_whole(tmp_path: Path) -> None:
    text = HEAD[0] + "".join(
        f"2023-11-16 {hour:02}:{minute:02}:{second:02}.{tenth},374,44\n"
        for hour in range(4)
        for minute in range(60)
        for second in range(60)
        for tenth in range(4)
    )
    path = written(tmp_path, text)

    tracemalloc.start()
    try:
        requests = read_trace(path)
        next(requests)
        count = 1 + sum(1 for _ in requests)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert 57_600 == count
    assert peak_bytes < 1_000_000 < len(text)


def test_a_trace_is_read_no_further_than_needed(tmp_path: Path) -> None:
    path = written(tmp_path, AZURE + "and then nonsense\n")

    assert 1 == len(list(islice(read_trace(path), 1)))

"""Files that grow during a run hold every row, in the format their names say."""

import csv
import gzip
import json
from pathlib import Path

import pytest
from msgspec import Struct

from perllm.cli.output_file import ROWS, check_file, check_folder, rows_to, trace_to
from perllm.errors import ConfigError


class Inner(Struct):
    joules: float | None


class Row(Struct):
    name: str
    good: bool
    by: dict[str, Inner]


ROWS_WRITTEN = (Row("a,b", True, {"x": Inner(1.5)}), Row("c", False, {"x": Inner(None)}))


def write(path: Path) -> bytes:
    with rows_to(path, "--rows") as rows:
        for row in ROWS_WRITTEN:
            rows(row)
    return path.read_bytes()


def test_csv_has_a_column_for_each_nested_value(tmp_path: Path) -> None:
    text = write(tmp_path / "rows.csv").decode()

    assert [["name", "good", "by.x.joules"], ["a,b", "true", "1.5"], ["c", "false", ""]] == list(
        csv.reader(text.splitlines())
    )


def test_json_lines_hold_rows_as_they_are(tmp_path: Path) -> None:
    lines = write(tmp_path / "rows.jsonl").splitlines()

    assert {"name": "a,b", "good": True, "by": {"x": {"joules": 1.5}}} == json.loads(lines[0])
    assert 2 == len(lines)


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_gz_compresses_to_the_same_bytes_each_time(name: str, tmp_path: Path) -> None:
    plain, packed, again = (write(tmp_path / each) for each in (name, f"{name}.gz", f"other-{name}.gz"))

    assert plain == gzip.decompress(packed)
    assert packed == again


def test_csv_has_a_head_even_without_rows(tmp_path: Path) -> None:
    with rows_to(tmp_path / "rows.csv", "--rows", ("name", "good")):
        pass

    assert "name,good\n" == (tmp_path / "rows.csv").read_text(encoding="utf-8")


def test_what_came_before_an_interruption_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    with pytest.raises(KeyboardInterrupt):
        write_one_and_stop(path)

    assert 2 == len(path.read_text(encoding="utf-8").splitlines())


def write_one_and_stop(path: Path) -> None:
    with rows_to(path, "--rows") as rows:
        rows(ROWS_WRITTEN[0])
        raise KeyboardInterrupt


@pytest.mark.parametrize("events", [[], [{"ph": "M"}], [{"ph": "M"}, {"ph": "X"}]])
def test_a_trace_is_json(events: list[dict[str, str]], tmp_path: Path) -> None:
    with trace_to(tmp_path / "trace.json", "--timeline", {"seed": 1}) as write_event:
        for event in events:
            write_event(event)

    told = json.loads((tmp_path / "trace.json").read_bytes())
    assert {"displayTimeUnit": "ms", "otherData": {"seed": 1}, "traceEvents": events} == told


@pytest.mark.parametrize("name", ["rows", "rows.txt", "rows.gz", "rows.json", "csv"])
def test_a_name_that_says_no_format_is_a_mistake(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--rows: the name does not say a format. Let it end in .csv or .jsonl"):
        check_file(tmp_path / name, "--rows", ROWS)


def test_a_folder_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the folder does not exist"):
        check_file(tmp_path / "none" / "rows.csv", "--rows", ROWS)


def test_a_folder_for_several_files_is_made(tmp_path: Path) -> None:
    check_folder(tmp_path / "a" / "b", "--plots")

    assert (tmp_path / "a" / "b").is_dir()


def test_a_file_where_a_folder_should_be_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()

    with pytest.raises(ConfigError, match="--plots: the folder cannot be made"):
        check_folder(tmp_path / "taken", "--plots")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.symlink_to("/dev/full")

    with pytest.raises(ConfigError, match=r"rows\.jsonl: --rows: the file cannot be written: No space left"):
        write(path)

"""YAML as people expect it, and refused where they could not mean it."""

import pytest

from perllm.config.document import dotted, parse
from perllm.errors import ConfigError


@pytest.mark.parametrize(
    ("scalar", "expected"),
    [
        ("off", "off"),
        ("no", "no"),
        ("12:30", "12:30"),
        ("2024-05-01", "2024-05-01"),
        ("010", "010"),
        (".inf", ".inf"),
        ("1e6", 1e6),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("-3", -3),
        ("true", True),
        ("~", None),
        ("", None),
        ("'1'", "1"),
    ],
)
def test_a_scalar_is_what_it_looks_like(scalar: str, expected: object) -> None:
    value = parse(f"key: {scalar}", "f.yaml").tree["key"]

    assert (type(expected), expected) == (type(value), value)


def test_a_mapping_can_be_laid_over_another() -> None:
    tree = parse("a: &a {x: 1, y: 1}\nb: {<<: *a, y: 2}", "f.yaml").tree

    assert {"x": 1, "y": 2} == tree["b"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2", "f.yaml:4: c: this key stands here twice. Remove one."),
        (
            "a:\n\tb: 1",
            "f.yaml:2: this is not YAML: found character '\\t' that cannot start any token. Indent with spaces",
        ),
        ("a: [1, 2", "f.yaml:1: this is not YAML: expected ',' or ']'"),
        ("a: b: c", "f.yaml:1: this is not YAML: mapping values are not allowed here. Check the indentation"),
        ("a: 1\n--- \nb: 2", "f.yaml:2: this is not YAML: but found another document"),
        ("? [a]\n: 1", "f.yaml:1: this is not YAML: a key must be plain text"),
        ("a: !!python/object:os.system x", "f.yaml:1: this is not YAML: could not determine a constructor"),
        ("a: \x01", "f.yaml: this is not YAML: unacceptable character #x0001"),
        ("[" * 1500, "f.yaml: this is not YAML: maximum recursion depth exceeded"),
        ("", "f.yaml: the file is empty. docs/configure.md shows"),
        ("# nothing but words", "f.yaml: the file is empty."),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)
def test_what_is_no_yaml_is_refused_on_one_line_with_its_place(text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse(text, "f.yaml")

    assert str(refusal.value).startswith(expected)
    assert "\n" not in str(refusal.value)


def test_a_path_is_written_as_people_write_it() -> None:
    assert "servers.edge-1.models[0]" == dotted(("servers", "edge-1", "models", 0))


def test_a_mistake_points_at_the_line_or_the_nearest_one_above() -> None:
    document = parse("a:\n  b:\n    - 1\n    - 2\n", "f.yaml")

    lines = [document.mistake(path, "", "").file for path in (("a", "b", 1), ("a", "b"), ("a", "x"), ())]

    assert ["f.yaml:4", "f.yaml:2", "f.yaml:1", "f.yaml:1"] == lines

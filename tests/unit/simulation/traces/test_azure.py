"""Azure's stamps, of both years."""

from pathlib import Path

import pytest

from perllm.simulation.traces.azure import read_azure
from tests.unit.simulation.traces.traces import AZURE, read_with, written

YEAR_2024 = """TIMESTAMP,ContextTokens,GeneratedTokens
2024-05-10 23:59:59.990000+00:00,2162,5
2024-05-11 00:00:00.017335+00:00,2399,6
2024-05-11 00:00:01+00:00,76.0,15
"""


def test_differences_keep_a_hundred_nanoseconds(tmp_path: Path) -> None:
    requests, _ = read_with(read_azure, written(tmp_path, AZURE))

    first, second, third = (each.arrival_at_s for each in requests)
    assert pytest.approx((4.3145790, 0.2272980), abs=1e-10) == (second - first, third - second)
    assert [(374, 44), (396, 109), (879, 55)] == [(each.prompt_tokens, each.output_tokens) for each in requests]


def test_stamps_with_a_zone_and_another_precision_are_read(tmp_path: Path) -> None:
    requests, _ = read_with(read_azure, written(tmp_path, YEAR_2024))

    assert pytest.approx([0.99, 1.017335, 2.0], abs=1e-10) == [each.arrival_at_s for each in requests]
    assert 76 == requests[2].prompt_tokens


def test_zones_are_told_apart(tmp_path: Path) -> None:
    text = "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10T01:00:00Z,1,1\n2024-05-10T03:00:00+02:00,1,1\n"

    requests, _ = read_with(read_azure, written(tmp_path, text))

    assert [0.0, 0.0] == [each.arrival_at_s for each in requests]


def test_columns_may_stand_in_any_order(tmp_path: Path) -> None:
    text = "GeneratedTokens,Region, TIMESTAMP ,ContextTokens\r\n44,west,2023-11-16 18:15:46.6805900,374\r\n"

    requests, _ = read_with(read_azure, written(tmp_path, text))

    assert [(374, 44)] == [(each.prompt_tokens, each.output_tokens) for each in requests]

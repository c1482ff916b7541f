"""ServeGen: clients drawn window by window from their rates, variations and lengths."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from perllm.errors import ConfigError
from perllm.simulation.traces.servegen import draw_servegen
from tests.unit.simulation.traces.traces import servegen, written


def test_every_window_has_its_rate_and_every_client_its_own(tmp_path: Path) -> None:
    home = servegen(tmp_path)

    runs = [list(draw_servegen(home, seed)) for seed in range(8)]

    counts = Counter((each.model, int(each.arrival_at_s // 600)) for run in runs for each in run)
    assert {("7", 0), ("7", 1), ("b", 1)} == counts.keys()
    # A renewal count varies by about CV²·n; of the Weibull with shape 0.7 the CV is 1.46.
    for (client, window), mean, cv in ((("7", 0), 1200, 1.0), (("7", 1), 3600, 2.0), (("b", 1), 600, 1.46)):
        assert abs(counts[client, window] - 8 * mean) < 4 * cv * np.sqrt(8 * mean)
    assert all(np.all(np.diff([each.arrival_at_s for each in run]) >= 0.0) for run in runs)


def test_gaps_vary_as_the_window_says(tmp_path: Path) -> None:
    at_s = [
        each.arrival_at_s
        for each in draw_servegen(servegen(tmp_path), 1)
        if each.model == "7" and each.arrival_at_s >= 600.0
    ]

    gaps = np.diff(at_s)
    assert pytest.approx(2.0, rel=0.15) == gaps.std() / gaps.mean()


def test_lengths_follow_their_histograms_without_answers_of_nothing(tmp_path: Path) -> None:
    drawn = list(draw_servegen(servegen(tmp_path), 1))

    prompts = Counter(each.prompt_tokens for each in drawn)
    outputs = Counter(each.output_tokens for each in drawn)
    assert {10, 20} == prompts.keys()
    assert pytest.approx(0.25, abs=0.03) == prompts[10] / len(drawn)
    assert {3, 4} == outputs.keys()
    assert pytest.approx(0.5, abs=0.03) == outputs[3] / len(drawn)


def test_the_same_seed_draws_the_same_and_packing_does_not_matter(tmp_path: Path) -> None:
    packed = list(draw_servegen(servegen(tmp_path), 5))
    (tmp_path / "plain").mkdir()
    plain = servegen(tmp_path / "plain", packed=False)

    assert packed == list(draw_servegen(plain, 5))
    assert packed != list(draw_servegen(plain, 6))


def test_the_upstream_files_of_each_client_serve_as_well(tmp_path: Path) -> None:
    drawn = list(draw_servegen(servegen(tmp_path, rates=False), 1))

    assert {"7"} == {each.model for each in drawn}
    assert {0, 2} == {int(each.arrival_at_s // 600) for each in drawn}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("all_clients_rates.csv", "client_id,window_start_s\n", ":1: the column rate_rps is missing"),
        (
            "all_clients_rates.csv",
            "client_id,window_start_s,rate_rps,iat_cv,pattern,pattern_arg1\n7,0,2.0,1,Normal,1\n",
            ":2: pattern is 'Normal', neither Gamma nor Weibull",
        ),
        (
            "all_clients_rates.csv",
            "client_id,window_start_s,rate_rps,iat_cv,pattern,pattern_arg1\n7,0,-2.0,1,Gamma,1\n",
            ":2: rate_rps is '-2.0', not above 0",
        ),
        ("chunk-7-dataset.json", '{"0": {"input_tokens"', ": this is no dataset of ServeGen"),
        (
            "chunk-7-dataset.json",
            '{"0": {"input_tokens": "{1: 1}", "output_tokens": "{1: "}}',
            ": 0.output_tokens: these",
        ),
        ("chunk-7-dataset.json", '{"0": {"input_tokens": "{}", "output_tokens": "{}"}}', ": no window has any lengths"),
    ],
)
def test_a_malformed_file_is_refused(name: str, text: str, told: str, tmp_path: Path) -> None:
    home = servegen(tmp_path, packed=False)
    written(home, text, name)

    with pytest.raises(ConfigError, match=name + told):
        list(draw_servegen(home, 1))


def test_a_folder_without_clients_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no client has both rates and lengths"):
        list(draw_servegen(tmp_path, 1))
    with pytest.raises(ConfigError, match="the folder cannot be read: No such file"):
        list(draw_servegen(tmp_path / "none", 1))

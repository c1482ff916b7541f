"""The sets that ship with the simulator are whole, small, attributed, and as their sources are."""

from pathlib import Path

import numpy as np
import pytest

from perllm.errors import ConfigError
from perllm.simulation.length_sets import length_set, length_set_names
from perllm.simulation.token_draws import TokenDraws

DOCS = (Path(__file__).parents[3] / "docs" / "workloads.md").read_text(encoding="utf-8")


def test_the_sets_that_were_promised_are_there() -> None:
    promised = {"alpaca", "sharegpt", "azure-conv-2023", "azure-code-2023", "arxiv-summarisation", "servegen-m-small"}

    assert promised <= set(length_set_names())


@pytest.mark.parametrize("name", length_set_names())
@pytest.mark.parametrize("quantity", ["prompt_tokens", "output_tokens"])
def test_what_is_drawn_has_the_quantiles_of_its_source(name: str, quantity: str) -> None:
    chosen = length_set(name)
    tokens = TokenDraws([getattr(chosen, quantity)], 3, "fit").draw(np.zeros(100_000, dtype=int))

    source = chosen.statistics[quantity]
    for share, key, tolerance in ((0.5, "p50", 0.03), (0.9, "p90", 0.03), (0.99, "p99", 0.2)):
        assert pytest.approx(source[key], rel=tolerance, abs=1.5) == np.quantile(tokens, share)
    # Of the code trace three quantiles are all that is known: its answers come out longer than they are.
    tolerance = 0.25 if name == "azure-code-2023" else 0.08
    assert pytest.approx(source["mean"], rel=tolerance, abs=0.5) == tokens.mean()


@pytest.mark.parametrize("name", length_set_names())
def test_a_set_is_attributed_and_its_table_rises(name: str) -> None:
    chosen = length_set(name)

    assert chosen.source.startswith("github.com/")
    assert chosen.licence
    for table in (chosen.prompt_tokens, chosen.output_tokens):
        assert (0.0, 1.0) == (table.probabilities[0], table.probabilities[-1])
        assert sorted(set(table.probabilities)) == list(table.probabilities)
        assert sorted(table.tokens) == list(table.tokens)
        assert len(table.tokens) == len(table.probabilities)


def test_every_set_stands_in_the_docs() -> None:
    assert [] == [name for name in length_set_names() if f"`{name}`" not in DOCS]


def test_the_clients_together_are_all_requests() -> None:
    clients = [length_set(name).arrivals for name in length_set_names() if name.startswith("servegen-m-small-")]

    assert pytest.approx(1.0, abs=0.001) == sum(client["share"] for client in clients if client)


def test_an_unknown_set_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no length set called 'llama'\. Known: alpaca"):
        length_set("llama")

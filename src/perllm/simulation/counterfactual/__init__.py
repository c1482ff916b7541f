"""Counterfactual replay: what a journal recorded, once more in a simulated world."""

from perllm.simulation.counterfactual.comparison import Comparison, Errors, Pair, compare
from perllm.simulation.counterfactual.guesses import Guesses
from perllm.simulation.counterfactual.past import Past, past_of, read_past
from perllm.simulation.counterfactual.replay import EXACT, Replay, replay_as_recorded, replay_freely

__all__ = [
    "EXACT",
    "Comparison",
    "Errors",
    "Guesses",
    "Pair",
    "Past",
    "Replay",
    "compare",
    "past_of",
    "read_past",
    "replay_as_recorded",
    "replay_freely",
]

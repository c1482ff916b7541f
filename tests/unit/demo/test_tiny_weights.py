import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perllm.demo.tiny_tokenizer import END_OF_TURN_TOKEN, tiny_tokenizer
from perllm.demo.tiny_weights import Shape, Weights, bias_for_mean, random_weights

SHAPE = Shape(width=128, feed_forward_width=384, layers=2)
means = st.floats(min_value=1.01, max_value=10_000)


def weights(*, mean_output_tokens: float = 64, seed: int = 1) -> dict[str, Weights]:
    return dict(random_weights(SHAPE, tiny_tokenizer(), mean_output_tokens=mean_output_tokens, seed=seed))


def chances(tensors: dict[str, Weights], states: Weights) -> Weights:
    """Give the chance of every next token after each state, as a llama model computes it."""
    scale = np.sqrt((states**2).mean(axis=1, keepdims=True))
    logits = (states / scale * tensors["output_norm.weight"]) @ tensors["output.weight"].T
    raised = np.exp(logits)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


@given(base=means, wanted=means)
def test_a_bias_turns_one_mean_length_into_another(base: float, wanted: float) -> None:
    base_logit = math.log((1 / base) / (1 - 1 / base))

    ending = 1 / (1 + math.exp(-(base_logit + bias_for_mean(base, wanted))))

    assert pytest.approx(wanted, rel=1e-6) == 1 / ending


def test_longer_answers_need_a_negative_bias() -> None:
    assert -math.log(3) == pytest.approx(bias_for_mean(11, 31))


@pytest.mark.parametrize("mean", [1.0, 0.0, -3.0, math.nan])
def test_a_mean_without_room_for_the_end_of_turn_is_refused(mean: float) -> None:
    with pytest.raises(ValueError, match="above 1 token"):
        bias_for_mean(64, mean)


@pytest.mark.parametrize("mean", [4.0, 64.0, 1000.0])
def test_the_chance_to_end_the_turn_is_one_in_the_mean(mean: float) -> None:
    tensors = weights(mean_output_tokens=mean)

    ending = chances(tensors, tensors["token_embd.weight"])[:, END_OF_TURN_TOKEN]

    assert pytest.approx(1 / mean, rel=0.03) == ending.mean()
    assert ending.std() < 0.1 * ending.mean()


def test_what_is_not_printable_is_never_said() -> None:
    tensors = weights()

    said = chances(tensors, tensors["token_embd.weight"]).mean(axis=0)

    assert pytest.approx(1, abs=1e-6) == said[[*tiny_tokenizer().printable(), END_OF_TURN_TOKEN]].sum()


def test_no_layer_writes_to_the_anchor() -> None:
    writers = [tensor for name, tensor in weights().items() if name.endswith(("attn_output.weight", "ffn_down.weight"))]

    assert 2 * SHAPE.layers == len(writers)
    assert not any(writer[0].any() for writer in writers)


def test_each_seed_and_each_tensor_has_its_own_numbers() -> None:
    first, second = weights(seed=1), weights(seed=2)

    assert not np.array_equal(first["blk.0.attn_q.weight"], second["blk.0.attn_q.weight"])
    assert not np.array_equal(first["blk.0.attn_q.weight"], first["blk.1.attn_q.weight"])

"""The random weights of a tiny llama model, with a fixed chance to end the turn at every token.

One hidden dimension, the *anchor*, holds the same large value at every token and no layer writes to
it. The output matrix reads it as a bias per token, so the chance of ending the turn is the same
everywhere, whatever was said, and lengths are geometric. The rest is noise: word salad.
"""

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perllm.demo.tiny_tokenizer import END_OF_TURN_TOKEN, Tokenizer

Weights = NDArray[np.float32]

HEAD_WIDTH = 64
# How far the anchor stands above the root mean square of the other dimensions: far enough that the
# norm before the output hardly moves with what the layers write.
_ANCHOR_RATIO = 8.0
# Layers change the state a little only, so its spread stays that of the embeddings.
_LAYER_GAIN = 0.1
_LOGIT_SPREAD = 0.5
_NEVER_LOGIT = -30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The sizes of a llama model; widths are multiples of 64, as heads and q8_0 blocks need."""

    width: int
    feed_forward_width: int
    layers: int


def bias_for_mean(base_mean_tokens: float, wanted_mean_tokens: float) -> float:
    """Give the `logit_bias` on the end-of-turn token that turns one mean length into another.

    A bias b multiplies the odds of ending, 1 / (mean - 1), by exp(b).
    """
    return math.log(_odds_of_ending(wanted_mean_tokens) / _odds_of_ending(base_mean_tokens))


def random_weights(
    shape: Shape, tokenizer: Tokenizer, *, mean_output_tokens: float, seed: int
) -> Iterator[tuple[str, Weights]]:
    """Yield every tensor under its GGUF name, matrices as (outputs, inputs).

    Each tensor has a random stream of its own, derived from the seed and its name.
    """
    yield "token_embd.weight", _embedding(shape, len(tokenizer.tokens), seed)
    for layer in range(shape.layers):
        yield from _layer(f"blk.{layer}", shape, seed)
    yield "output_norm.weight", _norm(shape, anchor=1.0)
    yield "output.weight", _output(shape, tokenizer, mean_output_tokens, seed)


def _embedding(shape: Shape, tokens: int, seed: int) -> Weights:
    matrix = _noise("token_embd.weight", (tokens, shape.width), 1.0, seed)
    matrix[:, 0] = _ANCHOR_RATIO * math.sqrt(shape.width)
    return matrix


def _layer(prefix: str, shape: Shape, seed: int) -> Iterator[tuple[str, Weights]]:
    wide, deep = shape.width, shape.feed_forward_width
    yield f"{prefix}.attn_norm.weight", _norm(shape, anchor=0.0)
    yield f"{prefix}.ffn_norm.weight", _norm(shape, anchor=0.0)
    for part, (outputs, inputs) in {
        "attn_q": (wide, wide),
        "attn_k": (wide, wide),
        "attn_v": (wide, wide),
        "ffn_gate": (deep, wide),
        "ffn_up": (deep, wide),
        "attn_output": (wide, wide),
        "ffn_down": (wide, deep),
    }.items():
        name = f"{prefix}.{part}.weight"
        matrix = _noise(name, (outputs, inputs), 1 / math.sqrt(inputs), seed)
        if part in ("attn_output", "ffn_down"):
            matrix *= _LAYER_GAIN
            matrix[0] = 0.0
        yield name, matrix


def _norm(shape: Shape, *, anchor: float) -> Weights:
    """Undo the shrinking of the other dimensions by the anchor, which the norm divides them by."""
    weights = np.full(shape.width, _ANCHOR_RATIO, dtype=np.float32)
    weights[0] = anchor
    return weights


def _output(shape: Shape, tokenizer: Tokenizer, mean_tokens: float, seed: int) -> Weights:
    spread = _LOGIT_SPREAD / math.sqrt(shape.width)
    matrix = _noise("output.weight", (len(tokenizer.tokens), shape.width), spread, seed)
    matrix[END_OF_TURN_TOKEN] = 0.0
    printable = tokenizer.printable()
    # The other tokens' logits are normal, so the mean of their exponentials is exp(variance / 2).
    others = len(printable) * math.exp(_LOGIT_SPREAD**2 / 2)
    biases = np.full(len(tokenizer.tokens), _NEVER_LOGIT, dtype=np.float32)
    biases[printable] = 0.0
    biases[END_OF_TURN_TOKEN] = math.log(others * _odds_of_ending(mean_tokens))
    # After the norm the anchor stands at sqrt(width), but for the share of the other dimensions.
    anchor = math.sqrt(shape.width / (1 + _ANCHOR_RATIO**-2))
    matrix[:, 0] = biases / anchor
    return matrix


def _odds_of_ending(mean_tokens: float) -> float:
    if not mean_tokens > 1:
        raise ValueError(f"a mean length must be above 1 token (the end of turn), not {mean_tokens}")
    return 1 / (mean_tokens - 1)


def _noise(name: str, size: tuple[int, int], spread: float, seed: int) -> Weights:
    stream = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return stream.standard_normal(size, dtype=np.float32) * np.float32(spread)

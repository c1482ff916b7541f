"""What is published of devices and of models: the two halves of a server's figures."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from perllm.config.figures import Figure
from perllm.config.kinds import Count, Positive, Section, Text
from perllm.domain.profile import Batching


class Weights(StrEnum):
    """How a model's weights are stored."""

    FP16 = "fp16"
    """16 bits: fp16 or bf16."""
    INT8 = "int8"
    """8 bits, weights and products alike (W8A8)."""
    Q8_0 = "q8_0"
    """llama.cpp: 8 bits and a scale for every 32 weights."""
    Q4_K_M = "q4_k_m"
    """llama.cpp: 4 bits with two levels of scales, some layers wider."""
    Q4_0 = "q4_0"
    """llama.cpp: 4 bits and a scale for every 32 weights."""
    W4A16 = "w4a16"
    """GPTQ and AWQ: 4 bits with scales for every 128 weights; products, first and last layer in 16 bits."""


class FormatSection(Section, frozen=True, kw_only=True):
    """How well a device works on weights of one format: shares of what its sheet promises."""

    peak_tflop_per_s: Figure
    prefill_efficiency: Figure
    weights_efficiency: Figure
    decode_efficiency: Figure | None = None


class DevicePowerSection(Section, frozen=True, kw_only=True):
    """What a device draws: empty, with a model loaded, reading, writing one answer, and writing `full_batch`."""

    empty_idle_w: Figure
    idle_w: Figure
    prefill_w: Figure
    decode_w: Figure
    decode_full_w: Figure
    full_batch: Figure


class DeviceSection(Section, frozen=True, kw_only=True):
    """A device with the engine it usually runs.

    `usable_fraction` of the memory is the engine's, of which weights and `working_gib` take their part; the rest is
    cache. `activation_passes`: how often each number between the layers moves to memory or back. `serial_fraction`: as
    in `SpeedProfile`. Without `parallel_efficiency`, the share of the whole that several such devices reach, there is
    only one.
    """

    title: Text
    engine: Text
    batching: Batching
    memory_gib: Figure
    memory_gb_per_s: Figure
    usable_fraction: Figure
    working_gib: Figure
    kv_efficiency: Figure
    attention_tflop_per_s: Figure
    step_overhead_ms: Figure
    layer_overhead_us: Figure
    sequence_overhead_us: Figure
    request_overhead_ms: Figure
    step_tokens: Figure
    slots: Figure
    load_gb_per_s: Figure
    formats: Mapping[Weights, FormatSection]
    power: DevicePowerSection
    activation_passes: Figure | None = None
    serial_fraction: Figure | None = None
    parallel_efficiency: Figure | None = None
    exchange_us_per_layer: Figure | None = None


class ModelShape(Section, frozen=True, kw_only=True):
    """A dense transformer with gated feed-forward layers, as its own config.json describes it.

    `tied_embeddings`: the first layer's table is the last layer's too.
    """

    source: Text
    parameters_billion: Positive
    layers: Count
    hidden: Count
    feed_forward: Count
    heads: Count
    kv_heads: Count
    head_dimension: Count
    vocabulary: Count
    context_tokens: Count
    tied_embeddings: bool

    @property
    def layer_parameters(self) -> float:
        """Weights of all layers, which every token passes."""
        attention = self.hidden * self.head_dimension * 2 * (self.heads + self.kv_heads)
        return float(self.layers * (attention + 3 * self.hidden * self.feed_forward))

    @property
    def table_parameters(self) -> float:
        """Weights of the table of the vocabulary, once."""
        return float(self.vocabulary * self.hidden)

    @property
    def parameters(self) -> float:
        """All weights."""
        return self.layer_parameters + self.table_parameters * (1 if self.tied_embeddings else 2)

    @property
    def kv_bytes_per_token(self) -> float:
        """What a token of context takes in the cache, keys and values in 16 bits."""
        return float(2 * self.layers * self.kv_heads * self.head_dimension * 2)

    @property
    def attention_operations_per_pair(self) -> float:
        """Operations for one pair of tokens: a product with the key and one with the value, in every head and layer."""
        return float(4 * self.layers * self.heads * self.head_dimension)

"""A device, a model and a format of its weights to the figures of a server, by the formulas of `costs`."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2
from typing import Any, Final

from perllm.config.catalogue import device, device_names, model, model_names
from perllm.config.device_schema import DeviceSection, FormatSection, ModelShape, Weights
from perllm.config.figures import Figure
from perllm.config.mistakes import Mistake
from perllm.config.server_schema import HardwareSection
from perllm.errors import nearest

_GIB: Final = 2.0**30
_GIGA: Final = 1e9
_TERA: Final = 1e12
_MS_PER_S: Final = 1e3
_US_PER_S: Final = 1e6
_NS_PER_S: Final = 1e9
_BYTES_PER_NUMBER: Final = 2
# Bits of a weight in the layers, and in the tables of the first and the last one. llama.cpp: 32 weights share a scale
# of 16 bits; Q4_K_M by its files, 4.58 GiB for LLaMA3-8B and 39.59 GiB for 70B (XiongjieDai, GPU benchmarks). GPTQ and
# AWQ: 128 weights share 16 bits of scale and 4 of zero point, and the tables stay as they are.
_BITS: Final = {
    Weights.FP16: (16.0, 16.0),
    Weights.INT8: (8.0, 16.0),
    Weights.Q8_0: (8.5, 8.5),
    Weights.Q4_K_M: (4.85, 4.85),
    Weights.Q4_0: (4.5, 4.5),
    Weights.W4A16: (4.0 + 20.0 / 128.0, 16.0),
}
# A cache below this holds no conversation worth the name: our choice.
_FEWEST_KV_TOKENS: Final = 512
# What a request usually has in the cache: our choice, of the order of a chat with its answer (ShareGPT: 74 + 229).
_USUAL_REQUEST_TOKENS: Final = 200


def hardware_mistake(section: HardwareSection) -> Mistake | None:
    """Return why these figures cannot be derived, or None."""
    if section.device not in device_names():
        problem = f"no device is called {section.device!r}"
        return Mistake(path=("device",), problem=problem, remedy=nearest(section.device, device_names()))
    if section.model not in model_names():
        problem = f"no model is called {section.model!r}"
        return Mistake(path=("model",), problem=problem, remedy=nearest(section.model, model_names()))
    known = device(section.device)
    if section.weights not in known.formats:
        problem = f"there are no figures for {section.weights.value} on {section.device}"
        return Mistake(path=("weights",), problem=problem, remedy=nearest(section.weights.value, known.formats))
    if section.count > 1 and known.parallel_efficiency is None:
        problem = f"there are no figures for several {section.device} together"
        return Mistake(path=("count",), problem=problem, remedy="Leave it at 1.")
    return _room_mistake(Machine.of(section))


def derived(section: HardwareSection, slots: int | None = None, context_tokens: int | None = None) -> dict[str, Any]:
    """Return the keys of a server's section that follow, for a file's own `slots` and `context_tokens` if it has them.

    `hardware_mistake` has found nothing.
    """
    machine = Machine.of(section)
    context_tokens = context_tokens or min(machine.model.context_tokens, machine.room_tokens)
    slots = slots or max(min(int(machine.device.slots.value), machine.room_tokens // _USUAL_REQUEST_TOKENS), 1)
    return {
        "slots": slots,
        "context_tokens": context_tokens,
        # More than full slots is of no use to anybody.
        "kv_tokens": min(machine.room_tokens, slots * context_tokens),
        "batching": machine.device.batching.value,
        "step_tokens": int(machine.device.step_tokens.value),
        "timing": timing_of(machine),
        "power": power_of(machine, slots),
        **_rests(machine, section.unload_after_s),
    }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Machine:
    """So many devices with one model on them, and what they do together."""

    device: DeviceSection
    model: ModelShape
    format: FormatSection
    weights: Weights
    count: int
    usable_fraction: float

    @classmethod
    def of(cls, section: HardwareSection) -> Machine:
        """Look up what the section names."""
        known = device(section.device)
        fraction = known.usable_fraction.value if section.memory_fraction is None else section.memory_fraction
        return cls(
            device=known,
            model=model(section.model),
            format=known.formats[section.weights],
            weights=section.weights,
            count=section.count,
            usable_fraction=fraction,
        )

    @property
    def gain(self) -> float:
        """How many times one device this is."""
        return 1.0 if self.count == 1 else self.count * _or(self.device.parallel_efficiency, 1.0)

    @property
    def bytes_per_s(self) -> float:
        """Memory bandwidth by the sheet."""
        return self.device.memory_gb_per_s.value * _GIGA * self.gain

    @property
    def operations_per_s(self) -> float:
        """Arithmetic by the sheet."""
        return self.format.peak_tflop_per_s.value * _TERA * self.gain

    @property
    def layer_bytes(self) -> float:
        """Weights of the layers."""
        return self.model.layer_parameters * _BITS[self.weights][0] / 8

    @property
    def table_bytes(self) -> float:
        """One table of the vocabulary."""
        return self.model.table_parameters * _BITS[self.weights][1] / 8

    @property
    def weights_bytes(self) -> float:
        """All weights, in memory."""
        return self.layer_bytes + self.table_bytes * (1 if self.model.tied_embeddings else 2)

    @property
    def step_bytes(self) -> float:
        """The weights a step reads: of the first layer's table it looks up a few rows only."""
        return self.layer_bytes + self.table_bytes

    @property
    def room_tokens(self) -> int:
        """How many tokens of context the weights leave room for."""
        memory = self.count * self.device.memory_gib.value * _GIB * self.usable_fraction
        working = self.count * self.device.working_gib.value * _GIB
        return int(max(memory - working - self.weights_bytes, 0.0) / self.model.kv_bytes_per_token)

    @property
    def activation_s(self) -> float:
        """Time to move what lies between the operations of the layers, for one token."""
        numbers = self.model.layers * (self.model.hidden + self.model.feed_forward)
        return _or(self.device.activation_passes, 0.0) * numbers * _BYTES_PER_NUMBER / self.bytes_per_s


def _room_mistake(machine: Machine) -> Mistake | None:
    if machine.room_tokens >= _FEWEST_KV_TOKENS:
        return None
    usable = machine.count * machine.device.memory_gib.value * _GIB * machine.usable_fraction
    problem = (
        f"the weights take {machine.weights_bytes / _GIGA:.1f} GB and leave no room for the cache"
        f" in the {usable / _GIGA:.1f} GB that are usable"
    )
    more = ", more devices (count)" if machine.device.parallel_efficiency is not None else ""
    return Mistake(path=("model",), problem=problem, remedy=f"Take fewer bits (weights){more} or a smaller model.")


def timing_of(machine: Machine) -> dict[str, float]:
    """Return the keys of a server's `timing`; the model need not fit the memory."""
    known, shape, form = machine.device, machine.model, machine.format
    prefill_per_s = machine.operations_per_s * form.prefill_efficiency.value
    decode_per_s = machine.operations_per_s * _or(form.decode_efficiency, form.prefill_efficiency.value)
    layers_s = shape.layers * (known.layer_overhead_us.value + _exchange_us(machine)) / _US_PER_S
    return {
        # The last layer's table is needed for the last token of a prompt only.
        "prefill_us_per_token": (2 * shape.layer_parameters / prefill_per_s + machine.activation_s) * _US_PER_S,
        "decode_us_per_sequence": (
            2 * (shape.layer_parameters + shape.table_parameters) / decode_per_s + machine.activation_s
        )
        * _US_PER_S,
        "weights_read_ms": machine.step_bytes / (machine.bytes_per_s * form.weights_efficiency.value) * _MS_PER_S,
        "attention_ns_per_pair": shape.attention_operations_per_pair
        / (known.attention_tflop_per_s.value * _TERA * machine.gain)
        * _NS_PER_S,
        "context_ns_per_token": shape.kv_bytes_per_token
        / (machine.bytes_per_s * known.kv_efficiency.value)
        * _NS_PER_S,
        "serial_fraction": _or(known.serial_fraction, 0.0),
        "step_overhead_ms": known.step_overhead_ms.value + layers_s * _MS_PER_S,
        "sequence_overhead_us": known.sequence_overhead_us.value,
        "request_overhead_ms": known.request_overhead_ms.value,
    }


def _exchange_us(machine: Machine) -> float:
    return 0.0 if machine.count == 1 else _or(machine.device.exchange_us_per_layer, 0.0)


def power_of(machine: Machine, slots: int) -> dict[str, float]:
    """Return the keys of a server's `power`."""
    power, count = machine.device.power, machine.count
    alone_w, full_w = power.decode_w.value, power.decode_full_w.value
    # Watts rise with the logarithm of the batch (Argonne, batches of 1 to 64), and no further than measured.
    share = min(log2(slots) / log2(power.full_batch.value), 1.0) if power.full_batch.value > 1 else 1.0
    return {
        "idle_w": power.idle_w.value * count,
        "prefill_w": power.prefill_w.value * count,
        "decode_w": alone_w * count,
        "decode_full_w": (alone_w + (full_w - alone_w) * share) * count,
    }


def _rests(machine: Machine, unload_after_s: float | None) -> dict[str, Any]:
    if unload_after_s is None:
        return {}
    load_s = machine.weights_bytes / (machine.device.load_gb_per_s.value * _GIGA)
    watts = machine.device.power.empty_idle_w.value * machine.count
    return {"rests": [{"after_s": unload_after_s, "watts": watts, "wake_s": load_s}]}


def _or(figure: Figure | None, otherwise: float) -> float:
    return otherwise if figure is None else figure.value

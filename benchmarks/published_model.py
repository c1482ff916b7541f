"""What the formulas expect of what others have measured: one layer, a decoding step, a batch from end to end."""

from __future__ import annotations

from collections import deque
from functools import cache

import msgspec
from msgspec.structs import replace

from perllm.config.device_schema import Weights
from perllm.config.hardware import Machine, power_of, timing_of
from perllm.config.server_schema import HardwareSection, PowerSection, TimingSection
from perllm.config.values import power_profile, timed_profile
from perllm.costs.energy import decode_w
from perllm.costs.steps import Steps
from perllm.costs.time import busy_s, decode_step_s, prefill_s
from perllm.domain.profile import PowerProfile, SpeedProfile

# vLLM's early scheduler keeps this share of its cache free when it lets new prompts in.
_WATERMARK = 0.01
# Requests that a card works on at once where nothing else is said: the batch its full watts were measured at.
_FULL_BATCH = 64


@cache
def machine(device: str, model: str, weights: str = "fp16", count: int = 1) -> Machine:
    """Put a model on a device; it need not fit, as in measurements of single layers."""
    return Machine.of(HardwareSection(device=device, model=model, weights=Weights(weights), count=count))


@cache
def speed(machine: Machine) -> SpeedProfile:
    """Derive the speed."""
    return timed_profile(msgspec.convert(timing_of(machine), TimingSection))


@cache
def power(machine: Machine) -> PowerProfile:
    """Derive the watts of a server with `_FULL_BATCH` slots."""
    return power_profile(msgspec.convert(power_of(machine, _FULL_BATCH), PowerSection))


@cache
def layers_only(machine: Machine) -> SpeedProfile:
    """Leave away what no layer does: the vocabulary's table, and the fixed time of a step and of a sequence."""
    whole = speed(machine)
    return replace(
        whole,
        decode_token_s=whole.prefill_token_s,
        weights_read_s=whole.weights_read_s * machine.layer_bytes / machine.step_bytes,
        step_overhead_s=whole.step_overhead_s - machine.device.step_overhead_ms.value / 1000,
        sequence_overhead_s=0.0,
    )


def dense_layer_s(machine: Machine, tokens: int) -> float:
    """Time of one layer without attention."""
    profile = replace(layers_only(machine), attention_pair_s=0.0)
    return prefill_s(profile, tokens) / machine.model.layers


def prompt_layer_s(machine: Machine, tokens: int, prompt_tokens: float) -> float:
    """Time of one layer that reads so many tokens, of prompts of `prompt_tokens` each."""
    profile = layers_only(machine)
    pairs = tokens * min(tokens, prompt_tokens) / 2
    arithmetic_s = tokens * profile.prefill_token_s + pairs * profile.attention_pair_s
    together_s = busy_s(profile, arithmetic_s, profile.weights_read_s) + profile.step_overhead_s
    return together_s / machine.model.layers


def decode_layer_s(machine: Machine, sequences: int, context_tokens: float) -> float:
    """Time of one layer that writes one token of each sequence, with so much context each."""
    return decode_step_s(layers_only(machine), sequences, sequences * context_tokens) / machine.model.layers


class Offline:
    """A batch of equal requests given to vLLM of 2024 at once: prompts first; when the cache is full the last waits.

    What is put back is read again, with what it has written, once there is room.
    """

    def __init__(self, machine: Machine, prompt: int, output: int, batch: int) -> None:
        self._speed, self._power, self._room = speed(machine), power(machine), machine.room_tokens
        self._end = prompt + output
        self._waiting = deque([prompt] * batch)
        self._running: list[int] = []
        self.seconds = 0.0
        self.joules = 0.0
        while self._waiting or self._running:
            self._read()
            self._write()

    def _read(self) -> None:
        taken: list[int] = []
        free = self._room * (1 - _WATERMARK) - sum(self._running)
        while self._waiting and (self._waiting[0] <= free or not (taken or self._running)):
            taken.append(self._waiting.popleft())
            free -= taken[-1]
        if taken:
            pairs = sum(context * context / 2 for context in taken)
            arithmetic_s = sum(taken) * self._speed.prefill_token_s + pairs * self._speed.attention_pair_s
            took_s = busy_s(self._speed, arithmetic_s, self._speed.weights_read_s) + self._speed.step_overhead_s
            self._spend(took_s, self._power.prefill_w)
            self._running += [context + 1 for context in taken]

    def _write(self) -> None:
        while len(self._running) > 1 and sum(self._running) + len(self._running) > self._room:
            self._waiting.appendleft(self._running.pop())
        size, used = len(self._running), sum(self._running)
        count = min(self._end - context for context in self._running)
        if size > 1:
            count = min(count, max((self._room - used) // size, 1))
        self._spend(self._steps(size, used).total_s(count), self._watts(size))
        grown = [context + count for context in self._running]
        self._running = [context for context in grown if context < self._end]

    def _steps(self, size: int, used: int) -> Steps:
        profile = self._speed
        return Steps(
            arithmetic_s=size * profile.decode_token_s,
            memory_s=profile.weights_read_s + used * profile.context_token_s,
            growth_s=size * profile.context_token_s,
            overhead_s=profile.step_overhead_s + size * profile.sequence_overhead_s,
            serial_fraction=profile.serial_fraction,
        )

    def _watts(self, size: int) -> float:
        return decode_w(self._power, size, _FULL_BATCH) + self._power.idle_w

    def _spend(self, seconds: float, watts: float) -> None:
        self.seconds += seconds
        self.joules += seconds * watts

"""What follows from a device and a model: golden values, so that no result moves in silence, and how it follows."""

from typing import Any

import msgspec
import pytest

from perllm.config.catalogue import device, model
from perllm.config.hardware import derived, hardware_mistake
from perllm.config.server_schema import HardwareSection, ServerSection
from perllm.config.values import server_value
from perllm.costs.time import decode_step_s
from perllm.domain.profile import Batching, Rest
from perllm.domain.server import Server

# By device, model, weights and count: slots, context and cache tokens; seconds of a token read, of one written beside
# others, of the weights, of a pair, of a token of context and of a step's overhead; watts of a full batch. Whoever
# changes a figure of a preset changes these on purpose, measures again (benchmarks/published.py), and says so.
GOLDEN = {
    ("a100-80", "llama-33b", "fp16", 1): (
        33, 2048, 6662, 0.0002783, 0.00028, 0.04064, 1.065e-08, 8.705e-07, 0.00318, 313.3,
    ),
    ("a100-40", "llama2-7b", "fp16", 1): (
        64, 4096, 44952, 5.944e-05, 6.052e-05, 0.01089, 3.495e-09, 3.746e-07, 0.002256, 330.0,
    ),
    ("h100", "llama3-8b", "fp16", 1): (
        128, 8192, 455008, 2.312e-05, 2.46e-05, 0.005034, 1.498e-09, 4.603e-08, 0.002944, 525.0,
    ),
    ("a100-80", "llama2-70b", "fp16", 2): (
        64, 4096, 41036, 0.0002957, 0.0002968, 0.0432, 8.738e-09, 8.928e-08, 0.00704, 660.0,
    ),
    ("l4", "llama3-8b", "fp16", 1): (
        32, 8192, 42131, 0.0002848, 0.0003032, 0.06583, 1.748e-08, 4.855e-07, 0.002256, 72.0,
    ),
    ("rtx-4090", "llama3-8b", "q4_k_m", 1): (
        16, 8192, 131072, 0.0001434, 0.0001542, 0.006638, 2.759e-08, 3.715e-07, 0.001, 400.0,
    ),
    ("jetson-agx-orin", "llama3-8b", "w4a16", 1): (
        8, 8192, 65536, 0.001642, 0.008213, 0.03216, 6.554e-08, 1.067e-06, 0.003, 60.0,
    ),
    ("apple-m2-ultra", "llama3-70b", "q4_k_m", 1): (
        4, 8192, 32768, 0.009497, 0.009642, 0.1053, 1.872e-07, 3.562e-06, 0.001, 190.0,
    ),
    ("xeon-4214r", "llama2-7b", "q4_0", 1): (
        4, 4096, 16384, 0.02593, 0.02645, 0.07169, 2.097e-06, 1.011e-05, 0.001, 145.0,
    ),
    ("xeon-4214r", "yi-9b", "q4_0", 2): (
        4, 4096, 16384, 0.02558, 0.02639, 0.0715, 2.42e-06, 1.459e-06, 0.001, 290.0,
    ),
    ("raspberry-pi-5", "llama3.2-3b", "q4_k_m", 1): (
        1, 98174, 98174, 0.07651, 0.0872, 0.1998, 6.881e-06, 1.49e-05, 0.001, 12.0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN, ids=lambda name: " ".join(map(str, name)))
def test_what_follows_stays_what_it_was(name: tuple[str, str, str, int]) -> None:
    server = served(*name)
    speed = server.speed

    assert GOLDEN[name] == pytest.approx(
        (
            server.slots, server.context_tokens, server.kv_tokens, speed.prefill_token_s, speed.decode_token_s,
            speed.weights_read_s, speed.attention_pair_s, speed.context_token_s, speed.step_overhead_s,
            server.power.decode_full_w,
        ),
        rel=5e-4,
    )  # fmt: skip


def test_a_step_reads_the_weights_at_the_devices_bandwidth() -> None:
    """One layer's table is looked up, not read: 32 layers of 202,375,168 weights and one table of 32,000 x 4,096."""
    speed = served("a100-40", "llama2-7b").speed

    assert pytest.approx(2 * (32 * 202_375_168 + 32_000 * 4096) / (0.78 * 1555e9)) == speed.weights_read_s
    assert pytest.approx(32 * 2 * 32 * 128 * 2 / (0.9 * 1555e9)) == speed.context_token_s


def test_the_cache_gets_what_the_weights_leave() -> None:
    room = served("a100-80", "llama-33b").kv_tokens

    left_bytes = (80 * 0.9 - 1.5) * 2**30 - 2 * model("llama-33b").parameters
    assert int(left_bytes / 1_597_440) == room
    assert served("a100-80", "llama-33b", memory_fraction=0.95).kv_tokens > room
    assert served("a100-80", "llama-33b", count=2).kv_tokens > 2 * room


def test_full_slots_are_all_the_cache_that_counts() -> None:
    server = served("h200", "qwen2.5-0.5b")

    assert server.slots * server.context_tokens == server.kv_tokens


def test_slots_and_context_of_the_file_are_those_that_count() -> None:
    own = {"slots": 2, "context_tokens": 1000}

    keys = derived(section("xeon-4214r", "llama2-7b", "q4_0"), **own)

    assert (2, 1000, 2000) == (keys["slots"], keys["context_tokens"], keys["kv_tokens"])


def test_two_cards_halve_what_each_reads_and_exchange_what_they_computed() -> None:
    one, two = served("a100-80", "llama2-7b"), served("a100-80", "llama2-7b", count=2)

    assert pytest.approx(one.speed.weights_read_s / 2) == two.speed.weights_read_s
    assert pytest.approx(one.speed.step_overhead_s + 32 * 40e-6) == two.speed.step_overhead_s
    assert 2 * one.power.idle_w == two.power.idle_w


def test_fewer_bits_are_read_faster_and_leave_more_room() -> None:
    kinds = [served("rtx-4090", "llama2-7b", weights) for weights in ("fp16", "q8_0", "q4_k_m", "q4_0")]

    reads = [server.speed.weights_read_s for server in kinds]
    assert sorted(reads, reverse=True) == reads
    assert hardware_mistake(section("rtx-4090", "llama-33b", "fp16")) is not None
    assert hardware_mistake(section("rtx-4090", "llama-33b", "q4_0")) is None


def test_watts_rise_with_the_logarithm_of_the_slots_up_to_the_batch_they_were_measured_at() -> None:
    full_w = [
        derived(section("a100-80", "llama2-7b"), slots=slots)["power"]["decode_full_w"] for slots in (1, 8, 64, 256)
    ]

    assert pytest.approx([225.0, 277.5, 330.0, 330.0]) == full_w


def test_a_model_that_is_dropped_leaves_an_empty_device_and_has_to_be_loaded_again() -> None:
    server = served("a100-80", "llama2-7b", unload_after_s=300)

    (rest,) = server.rests
    assert Rest(after_s=300.0, watts=55.0, wake_s=rest.wake_s) == rest
    assert pytest.approx(6.738, rel=1e-3) == rest.wake_s
    assert () == served("a100-80", "llama2-7b").rests


def test_engines_of_today_read_prompts_in_pieces() -> None:
    assert (Batching.CHUNKED, 2048) == (served("a100-80", "yi-6b").batching, served("a100-80", "yi-6b").step_tokens)
    assert 8192 == served("h100", "yi-6b").step_tokens


def test_a_batch_gains_until_arithmetic_rules() -> None:
    speed = served("xeon-4214r", "llama2-7b", "q4_0").speed

    gains = [batch * decode_step_s(speed, 1) / decode_step_s(speed, batch) for batch in (1, 2, 4, 16)]
    assert gains == sorted(gains)
    assert gains[-1] < 3.0
    assert device("xeon-4214r").slots.value == 4


def served(device_name: str, model_name: str, weights: str = "fp16", count: int = 1, **more: float) -> Server:
    found = section(device_name, model_name, weights, count, **more)
    assert hardware_mistake(found) is None
    keys = msgspec.convert({"tier": "edge", "models": ["any"], **derived(found)}, ServerSection)
    return server_value("any", keys, ("any",))


def section(device_name: str, model_name: str, weights: str = "fp16", count: int = 1, **more: Any) -> HardwareSection:
    told = {"device": device_name, "model": model_name, "weights": weights, "count": count, **more}
    return msgspec.convert(told, HardwareSection)

"""What both simulators are given: one trace, and for Vidur an attention profile where its checkout lacks one."""

from __future__ import annotations

import csv
from itertools import product
from pathlib import Path

from numpy.random import default_rng

MAX_TOKENS = 4096  # Vidur's default for a request, and LLaMA2's training context

# Log-normal lengths like those the vLLM paper gives for ShareGPT: 161 tokens in, 338 out on average.
PROMPT_MEDIAN, PROMPT_SIGMA, PROMPT_MAX = 88, 1.1, 2048
OUTPUT_MEDIAN, OUTPUT_SIGMA, OUTPUT_MAX = 225, 0.9, 1024

# LLaMA2-7B: what one layer's attention must move and compute, in fp16.
HIDDEN, HEADS, BLOCK = 4096, 32, 16
KV_BYTES = 2 * HIDDEN * 2
# An A100's attention kernel, fitted to a sample of some 180 decode rows of Vidur's own profile for this pair, with 32
# and 2,500 tokens of context: within 10 % from a batch of 32 on, up to 30 % off below. The share of 312 TFLOP/s in
# prefill is an assumption.
KERNEL_MS, SEQUENCE_MS, BYTES_PER_MS, OPERATIONS_PER_MS = 0.0075, 0.00115, 2.0e9, 0.5 * 312e9
COLUMNS = (
    "batch_size", "prefill_chunk_size", "kv_cache_size", "is_prefill", "n_embd", "n_q_head", "n_kv_head", "block_size",
    "num_tensor_parallel_workers", "time_stats.attn_decode.median", "time_stats.attn_prefill.median",
)  # fmt: skip


def write_trace(file: Path, requests: int, rate_per_s: float, seed: int = 0) -> None:
    """Draw Poisson arrivals and write them as Vidur's trace replay reads them."""
    rng = default_rng(seed)
    instants = rng.exponential(1 / rate_per_s, requests).cumsum()
    prompts = (PROMPT_MEDIAN * rng.lognormal(0, PROMPT_SIGMA, requests)).clip(4, PROMPT_MAX).astype(int)
    outputs = (OUTPUT_MEDIAN * rng.lognormal(0, OUTPUT_SIGMA, requests)).clip(4, OUTPUT_MAX).astype(int)
    with file.open("w", newline="") as sheet:
        writer = csv.writer(sheet)
        writer.writerow(("arrived_at", "num_prefill_tokens", "num_decode_tokens"))
        writer.writerows(zip((f"{at_s:.6f}" for at_s in instants), prompts, outputs, strict=True))


def write_attention(file: Path) -> None:
    """Write a stand-in for a profile of attention: a roofline, which sets Vidur's predicted times but not its speed."""
    alike = (HIDDEN, HEADS, HEADS, BLOCK, 1)
    with file.open("w", newline="") as sheet:
        writer = csv.writer(sheet)
        writer.writerow(COLUMNS)
        for context, batch in product(range(32, MAX_TOKENS + 1, 64), range(1, 129, 3)):
            writer.writerow((batch, 0, context, False, *alike, decode_ms(batch, context), ""))
        for context in range(0, MAX_TOKENS, 128):
            for chunk in range(32, MAX_TOKENS + 1 - context, 64):
                writer.writerow((1, chunk, context, True, *alike, "", prefill_ms(chunk, context)))


def decode_ms(batch: int, context: int) -> float:
    """Read the keys and values of a batch once."""
    return KERNEL_MS + batch * (SEQUENCE_MS + context * KV_BYTES / BYTES_PER_MS)


def prefill_ms(chunk: int, context: int) -> float:
    """Let every new token attend to all before it: two products of 2 operations a value."""
    return KERNEL_MS + 4 * HIDDEN * chunk * (context + chunk / 2) / OPERATIONS_PER_MS

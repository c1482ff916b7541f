"""A calibration as the text of a profile: the figures a preset has, each with what it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Final

import msgspec

from perllm.config.document import dotted, parse
from perllm.config.mistakes import find_mistake
from perllm.config.server_schema import Preset
from perllm.errors import InvariantError
from perllm.experiments.calibrate.result import Calibration, Point, off

_DIGITS: Final = 4
_WIDTH: Final = 110
_COLUMN: Final = 34
_BYTES_PER_MBIT: Final = 125_000.0
_DEFAULT_UP_MBIT_PER_S: Final = 1000.0
_LEAST_US: Final = 1e-3
"""`prefill_us_per_token` must be above 0."""


def profile_text(found: Calibration, measured_on: str) -> str:
    """Write the profile as YAML, and make sure that it can be read as a preset."""
    text = "\n".join(_lines(found, measured_on)) + "\n"
    tree = parse(text, "profile").tree
    mistake = find_mistake(tree, Preset)
    if mistake is not None:
        raise InvariantError(f"the profile cannot be read again: {dotted(mistake.path)}: {mistake.problem}")
    msgspec.convert(tree, Preset)
    return text


def _lines(found: Calibration, measured_on: str) -> Iterator[str]:
    yield from _head(found, measured_on)
    yield ""
    yield from _capacity(found)
    yield ""
    yield from _timing(found)
    yield ""
    yield from _link(found)
    yield ""
    yield "# Joules are not measured by this. With a meter at the wall, add what the machine draws, in watts:"
    yield "# power: {idle_w: …, decode_w: … (one answer), decode_full_w: … (a full batch), prefill_w: …}"


def _head(found: Calibration, measured_on: str) -> Iterator[str]:
    version = f" {found.told.version}" if found.told.version else ""
    used = found.used
    yield from _comment(
        f"Measured by `perllm calibrate` on {measured_on}: model {found.model} at {found.url}"
        f" ({found.told.kind.value}{version}), in {found.seconds:.0f} s with {used.requests:,} requests,"
        f" {used.prompt_tokens:,} prompt tokens and {used.output_tokens:,} output tokens."
    )
    yield from _comment(f"First tokens: {_quality(found.reading_points)}.")
    yield from _comment(f"Decode steps: {_quality(found.writing_points)}.")
    for remark in found.remarks:
        yield from _comment(f"Note: {remark}.")
    for warning in (*found.misfits, *found.warnings):
        yield from _comment(f"WARNING: {warning}.")


def _comment(text: str) -> list[str]:
    return wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="#   ", break_long_words=False)


def _quality(points: Sequence[Point]) -> str:
    if not points:
        return "none measured"
    middle, most = off(points)
    return (
        f"{len(points)} points, from {points[0].what} to {points[-1].what};"
        f" the constants are off by {middle:.1%} (median), {most:.1%} (most)"
    )


def _capacity(found: Calibration) -> Iterator[str]:
    own = found.capacity
    yield _line("slots", own.slots, own.slots_from)
    yield _line("context_tokens", own.context_tokens, own.context_from)
    yield _line("kv_tokens", own.kv_tokens, own.kv_from)
    yield _line("batching", found.batching.value, _manner(found))
    if found.step_tokens is not None:
        yield _line("step_tokens", found.step_tokens, "the largest piece of a prompt that was read at once")
    caching = "the same prompt came twice" if found.caches_prefixes is not None else "ASSUMED: could not be told"
    yield _line("caches_prefixes", str(bool(found.caches_prefixes)).lower(), caching)


def _manner(found: Calibration) -> str:
    manner = found.manner
    if manner is None:
        return "ASSUMED: could not be told"
    if manner.step_tokens is None:
        return f"an answer stood still while {manner.prompt_tokens:,} tokens were read; longer prompts were not tried"
    return f"an answer went on while {manner.prompt_tokens:,} tokens were read"


def _timing(found: Calibration) -> Iterator[str]:
    speed = found.speed
    yield "timing:"
    figures = (
        ("prefill_us_per_token", max(speed.prefill_token_s * 1e6, _LEAST_US), "first tokens, by length of prompt"),
        ("attention_ns_per_pair", speed.attention_pair_s * 1e9, "their bend"),
        ("decode_us_per_sequence", speed.decode_token_s * 1e6, "steps, by answers at once"),
        ("weights_read_ms", speed.weights_read_s * 1e3, "steps that more answers do not make longer"),
        ("context_ns_per_token", speed.context_token_s * 1e9, "steps, by tokens of context"),
        ("step_overhead_ms", speed.step_overhead_s * 1e3, "steps, what is left"),
        ("sequence_overhead_us", speed.sequence_overhead_s * 1e6, "steps, by answers at once, where memory rules"),
        ("batching_overhead_ms", speed.batching_overhead_s * 1e3, "steps, what more than one answer adds at once"),
        ("request_overhead_ms", speed.request_overhead_s * 1e3, "first tokens, less a step and the round trip"),
    )
    for name, value, source in figures:
        yield "  " + _line(name, _figure(value), source)


def _link(found: Calibration) -> Iterator[str]:
    link = found.link
    yield "link:"
    yield "  " + _line(
        "rtt_ms",
        _figure(link.rtt_s * 1e3),
        f"low quantile; connecting {link.connect_s * 1e3:.3g} ms, a tiny request {link.request_s * 1e3:.3g} ms",
    )
    up = None if link.up_bytes_per_s is None else link.up_bytes_per_s / _BYTES_PER_MBIT
    if up is not None and up < _DEFAULT_UP_MBIT_PER_S:
        yield "  " + _line("up_mbit_per_s", _figure(up), "refused bodies of two sizes")
    else:
        yield "  # up_mbit_per_s: not told apart from the engine's own time; the default stands"
    yield "  # down_mbit_per_s: not measured, answers are too small to tell; the default stands"


def _line(name: str, value: object, comment: str) -> str:
    return f"{name}: {value}".ljust(_COLUMN) + f"# {comment}"


def _figure(value: float) -> str:
    """Render a number with as many digits as it may deserve."""
    text = f"{value:.{_DIGITS}g}"
    return (
        f"{float(text):.0f}"
        if "e+" in text
        else (f"{float(text):.9f}".rstrip("0").rstrip(".") if "e" in text else text)
    )

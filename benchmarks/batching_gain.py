"""Hold the simulated gain of batching against that of a real engine, under the same closed loop of streams.

The engine is driven with 1, 2, 4 and 8 streams at once: each sends its next request when the last one has ended,
every prompt begins with a number of its own, every answer has the same length. Rounds alternate between these loads,
so that a change of the machine's mood hits all of them; medians over the rounds are compared. A loop counts if the
machine was quiet right before and right after it, else it is made again (`--busy 1` counts all). The simulated engine
has the profile that `perllm calibrate` wrote, and no noise.

Run by hand: python benchmarks/batching_gain.py --url URL --model NAME --profile FILE [--case NAME --out DIR]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import msgspec
from evidence import write_evidence

from perllm.config.emulator_parts import emulated_server
from perllm.domain.attempt import Ending, EndingKind
from perllm.domain.request import Request, Requirement
from perllm.domain.server import Server
from perllm.experiments.calibrate.dialect import Dialect
from perllm.experiments.calibrate.heard import ENGINE, Heard, listen
from perllm.experiments.calibrate.prompts import Prompts
from perllm.machines.engines import EngineKind, Upstream
from perllm.machines.http import UpstreamClient
from perllm.simulation.engine import Engine
from perllm.simulation.job import Job, Truth

STREAMS = (1, 2, 4, 8)
REQUESTS_EACH = 6
PROMPT_TOKENS = 96
OUTPUT_TOKENS = 64
ROUNDS = 9
QUIET_SAMPLE_S = 0.5
BUSY_FRACTION = 0.2
FEW_WORDS, MANY_WORDS = 12, 160


class Loop(NamedTuple):
    """What came of one closed loop: all tokens over all its time, and the median first token."""

    tokens_per_s: float
    first_token_s: float


# ---- the real engine


class Driven(NamedTuple):
    """What came of every load, by its streams; the tokens of a prompt; and how many loops were made again."""

    loops: dict[int, list[Loop]]
    prompt_tokens: int
    disturbed: int


async def drive(url: str, model: str, rounds: int, minutes: float, most_busy: float) -> Driven:
    """Drive all loads in every round, until there are enough rounds or no time is left."""
    upstream = Upstream(server_id=ENGINE, base_url=url, kind=EngineKind.VLLM, models={})
    client = UpstreamClient([upstream], user_agent="perllm batching_gain")
    prompts = Prompts(secrets.token_hex(8))
    until_s = time.monotonic() + 60 * minutes
    found: dict[int, list[Loop]] = {streams: [] for streams in STREAMS}
    lengths: list[int] = []
    disturbed = 0
    try:
        await learn_lengths(client, model, prompts)
        await real_loop(client, model, prompts, max(STREAMS))
        while (missing := [n for n in STREAMS if len(found[n]) < rounds]) and time.monotonic() < until_s:
            fewest = min(len(found[streams]) for streams in missing)
            streams = int(prompts.shuffled([n for n in missing if len(found[n]) == fewest])[0])
            await quiet(most_busy, until_s)
            heard = await real_loop(client, model, prompts, streams)
            if await busy_fraction() > most_busy:
                disturbed += 1
                continue
            found[streams].append(loop_of(heard))
            lengths += [answer.told.prompt_tokens for answer in heard]
    finally:
        await client.close()
    complete = min(map(len, found.values()))
    if not complete:
        raise SystemExit(f"the machine was never quiet for long enough; {disturbed} loops were disturbed")
    return Driven({n: loops[:complete] for n, loops in found.items()}, round(median(lengths)), disturbed)


async def quiet(most_busy: float, until_s: float) -> None:
    """Wait until other work leaves the machine alone."""
    while await busy_fraction() > most_busy and time.monotonic() < until_s:
        pass


async def busy_fraction() -> float:
    """Watch for a moment how busy the machine is."""
    before = ticks()
    await asyncio.sleep(QUIET_SAMPLE_S)
    busy, all_ = (later - earlier for later, earlier in zip(ticks(), before, strict=True))
    return busy / max(all_, 1)


def ticks() -> tuple[int, int]:
    """Return the busy ticks of all processors, and all ticks."""
    user, nice, system, idle, iowait, *rest = map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9])
    busy = user + nice + system + sum(rest)
    return busy, busy + idle + iowait


async def learn_lengths(client: UpstreamClient, model: str, prompts: Prompts) -> None:
    few, many = [await say(client, model, prompts.of_words(words)) for words in (FEW_WORDS, MANY_WORDS)]
    prompts.learn(FEW_WORDS, few.told.prompt_tokens, MANY_WORDS, many.told.prompt_tokens)


async def real_loop(client: UpstreamClient, model: str, prompts: Prompts, streams: int) -> list[Heard]:
    async def one_stream() -> list[Heard]:
        return [await say(client, model, prompts.write(PROMPT_TOKENS)) for _ in range(REQUESTS_EACH)]

    heard = [answer for answers in await asyncio.gather(*(one_stream() for _ in range(streams))) for answer in answers]
    lengths = {answer.told.completion_tokens for answer in heard}
    if lengths != {OUTPUT_TOKENS}:
        raise SystemExit(f"answers of {OUTPUT_TOKENS} tokens were asked for, and the engine gave {sorted(lengths)}")
    return heard


async def say(client: UpstreamClient, model: str, prompt: str) -> Heard:
    return await listen(client, Dialect().body(model, prompt, OUTPUT_TOKENS))


def loop_of(heard: Sequence[Heard]) -> Loop:
    tokens = sum(answer.told.completion_tokens for answer in heard)
    took_s = max(answer.ended_at_s for answer in heard) - min(answer.sent_at_s for answer in heard)
    return Loop(tokens / took_s, median(answer.first_token_s for answer in heard))


# ---- the simulated engine


def simulated_loop(server: Server, streams: int, prompt_tokens: int) -> Loop:
    """Run the same closed loop through the simulated engine."""
    engine, sent_at_s, first_s = Engine(server), dict[str, float](), dict[str, float]()
    left = [REQUESTS_EACH] * streams
    now_s = 0.0

    def send(stream: int) -> None:
        left[stream] -= 1
        attempt = f"{stream} {left[stream]}"
        sent_at_s[attempt] = now_s
        engine.arrive(attempt, job(prompt_tokens), now_s)

    for stream in range(streams):
        send(stream)
    while engine.open_attempts:
        report = engine.advance(engine.next_at_s)
        if report is None:
            continue
        now_s, attempt, event = report.at_s, report.attempt_id, report.event
        first_s.setdefault(attempt, now_s - sent_at_s[attempt])
        if isinstance(event, Ending):
            assert event.kind is EndingKind.COMPLETED
            stream = int(attempt.split()[0])
            if left[stream]:
                send(stream)
    return Loop(len(sent_at_s) * OUTPUT_TOKENS / now_s, median(first_s.values()))


def job(prompt_tokens: int) -> Job:
    payload_bytes = 5 * prompt_tokens
    request = Request(
        request_id="", service="", model="m", requirement=Requirement(), payload_bytes=payload_bytes,
        prompt_bytes=payload_bytes, stream=True,
    )  # fmt: skip
    truth = Truth(prompt_tokens=prompt_tokens, output_tokens=OUTPUT_TOKENS, upload_bytes=payload_bytes)
    return Job(request=request, truth=truth)


# ---- both together


def compared(real: dict[int, list[Loop]], simulated: dict[int, Loop]) -> list[dict[str, Any]]:
    """Put real and simulated beside each other. Gains are taken within each round, then their median."""
    rows = []
    for streams, loops in real.items():
        gains = [loop.tokens_per_s / alone.tokens_per_s for loop, alone in zip(loops, real[1], strict=True)]
        rates = [loop.tokens_per_s for loop in loops]
        told, alone = simulated[streams], simulated[1]
        first_s = median(loop.first_token_s for loop in loops)
        rows.append(
            {
                "streams": streams,
                "real_tokens_per_s": median(rates),
                "real_tokens_per_s_range": [min(rates), max(rates)],
                "simulated_tokens_per_s": told.tokens_per_s,
                "tokens_per_s_error": told.tokens_per_s / median(rates) - 1.0,
                "real_gain": median(gains),
                "real_gain_range": [min(gains), max(gains)],
                "simulated_gain": told.tokens_per_s / alone.tokens_per_s,
                "gain_error": told.tokens_per_s / alone.tokens_per_s / median(gains) - 1.0,
                "real_first_token_s": first_s,
                "simulated_first_token_s": told.first_token_s,
                "first_token_error": told.first_token_s / first_s - 1.0,
            }
        )
    return rows


def show(rows: Sequence[dict[str, Any]]) -> None:
    print("streams  tokens/s real (range)  simulated    off  gain real (range)  simulated    off  first ms real  sim")
    for row in rows:
        slowest, fastest = row["real_tokens_per_s_range"]
        least, most = row["real_gain_range"]
        print(
            f"{row['streams']:7} {row['real_tokens_per_s']:9.0f} ({slowest:.0f}-{fastest:.0f})"
            f" {row['simulated_tokens_per_s']:9.0f} {row['tokens_per_s_error']:+6.1%}"
            f" {row['real_gain']:8.2f} ({least:.2f}-{most:.2f}) {row['simulated_gain']:6.2f} {row['gain_error']:+6.1%}"
            f" {row['real_first_token_s'] * 1e3:8.1f} {row['simulated_first_token_s'] * 1e3:8.1f}"
        )


def keep(folder: Path, case: str, result: dict[str, Any]) -> None:
    """Add a case to those that were measured before."""
    file = folder / "batching.json"
    cases = json.loads(file.read_text())["result"] if file.exists() else {}
    write_evidence(folder, "batching", {**cases, case: result})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True, help="where the engine listens")
    parser.add_argument("--model", required=True, help="its name for the model")
    parser.add_argument("--profile", required=True, type=Path, help="what perllm calibrate wrote of it")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--minutes", type=float, default=10.0, help="give up waiting for a quiet machine")
    parser.add_argument(
        "--busy", type=float, default=BUSY_FRACTION, help="how busy a quiet machine may be, from 0 to 1"
    )
    parser.add_argument("--case", default="engine", help="what to call the result in batching.json")
    parser.add_argument("--out", type=Path, help="also write batching.json to this folder")
    options = parser.parse_args()
    driven = asyncio.run(drive(options.url, options.model, options.rounds, options.minutes, options.busy))
    server = emulated_server("m", str(options.profile.resolve()), {})
    simulated = {streams: simulated_loop(server, streams, driven.prompt_tokens) for streams in STREAMS}
    told: dict[str, Any] = {
        "profile": msgspec.to_builtins(server.speed),
        "prompt_tokens": driven.prompt_tokens,
        "output_tokens": OUTPUT_TOKENS,
        "rounds": len(driven.loops[1]),
        "most_busy": options.busy,
        "disturbed_loops": driven.disturbed,
        "loads": compared(driven.loops, simulated),
    }
    print(", ".join(f"{key} {value}" for key, value in told.items() if key not in ("profile", "loads")))
    show(told["loads"])
    if options.out is not None:
        keep(options.out, options.case, told)


if __name__ == "__main__":
    main()

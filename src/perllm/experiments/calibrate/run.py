"""A calibration from its first request to its last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import perllm
from perllm.errors import ConfigError, UpstreamError
from perllm.experiments.calibrate.asked import Asked, Prospect, prospect
from perllm.experiments.calibrate.budget import Budget
from perllm.experiments.calibrate.capacity import capacity, surprises
from perllm.experiments.calibrate.conclusions import conclude
from perllm.experiments.calibrate.heard import ENGINE
from perllm.experiments.calibrate.parts import Measured, measure
from perllm.experiments.calibrate.prompts import Prompts
from perllm.experiments.calibrate.result import Calibration
from perllm.experiments.calibrate.subject import Subject, Watcher
from perllm.machines.discovery import Told, discover
from perllm.machines.engines import EngineKind, Upstream
from perllm.machines.failures import AttemptError
from perllm.machines.http import UpstreamClient

_PATIENCE: Final = 2.0
"""No engine is given more than so many times the time that was asked for."""
_QUOTED_CHARACTERS: Final = 400

Agree = Callable[[Prospect], None]


async def calibrate(asked: Asked, watcher: Watcher, agree: Agree) -> Calibration:
    """Measure an engine. `agree` is told what it will take and may raise.

    Raises ConfigError for what the user can mend, UpstreamError for what the engine does not do.
    """
    try:
        watcher.stage("asking the engine what it is")
        expected = prospect(asked, await _told(asked))
        agree(expected)
        async with asyncio.timeout(asked.seconds * _PATIENCE):
            return await _calibrated(asked, expected, watcher)
    except TimeoutError:
        raise UpstreamError(
            f"the engine is too slow to be measured in {asked.seconds:g} s: allow it more with --seconds"
        ) from None
    except AttemptError as error:
        raise explained(error, asked) from None


def explained(error: AttemptError, asked: Asked) -> ConfigError | UpstreamError:
    """Say what an engine's failure means to whoever calibrates it."""
    if error.status in (401, 403):
        return ConfigError(
            "the engine refuses the API key" if asked.api_key else "the engine wants an API key",
            key=asked.shown_url,
            remedy="Name the environment variable that holds it with --api-key-env.",
        )
    said = error.body.decode(errors="replace").strip()[:_QUOTED_CHARACTERS]
    return UpstreamError(f"{asked.shown_url}: {error}{': ' + said if said else ''}")


async def _told(asked: Asked) -> Told:
    client = _client(asked, EngineKind.OPENAI)
    try:
        return await discover(client, ENGINE)
    except AttemptError as error:
        if error.body or error.status in (401, 403):
            raise
        remedy = "Check the address, and that the engine runs there."
        raise ConfigError(f"the engine cannot be reached: {error}", key=asked.shown_url, remedy=remedy) from None
    finally:
        await client.close()


def _client(asked: Asked, kind: EngineKind) -> UpstreamClient:
    """Make the client the gateway uses: its way of keeping sockets is part of what is measured."""
    upstream = Upstream(server_id=ENGINE, base_url=asked.url, kind=kind, models={}, api_key=asked.api_key)
    return UpstreamClient([upstream], user_agent=f"perllm/{perllm.__version__} calibrate")


async def _calibrated(asked: Asked, expected: Prospect, watcher: Watcher) -> Calibration:
    client = _client(asked, expected.told.kind)
    budget = Budget(expected.most, asked.seconds)
    subject = Subject(client, model=expected.model, prompts=Prompts(asked.nonce), budget=budget, watcher=watcher)
    try:
        measured = await measure(subject, asked.url, expected)
    finally:
        await client.close()
    return _concluded(asked, expected, measured, budget)


def _concluded(asked: Asked, expected: Prospect, measured: Measured, budget: Budget) -> Calibration:
    manner, written = measured.manner, measured.written
    chunk_tokens = None if manner is None else manner.step_tokens
    speed = conclude(measured.first_tokens, written.steps, measured.link, chunk_tokens)
    return Calibration(
        url=asked.shown_url,
        model=expected.model,
        told=expected.told,
        capacity=capacity(asked, expected, written),
        link=measured.link,
        speed=speed.profile,
        manner=manner,
        caches_prefixes=measured.caches_prefixes,
        first_tokens=measured.first_tokens,
        steps=written.steps,
        remarks=speed.remarks,
        warnings=[*measured.drift, *surprises(expected, measured)],
        used=budget.used,
        seconds=budget.elapsed_s,
    )

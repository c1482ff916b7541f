"""The one place where a gateway is put together: scheduler, policy, journal, settings and engines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np

from perllm.config.gateway_parts import GatewayParts
from perllm.config.schema import GatewayFile, JournalSection
from perllm.config.values import scheduler_settings
from perllm.gateway.app import Gateway
from perllm.journal.header import make_header
from perllm.journal.recording import Recording, Sink
from perllm.journal.writer import JournalWriter
from perllm.scheduling.policies import contender_of, make_policy
from perllm.scheduling.scheduler import Scheduler


def overridden(
    file: GatewayFile, *, host: str | None = None, port: int | None = None, policy: str | None = None
) -> GatewayFile:
    """Return the file with what a command line says instead; None leaves it as it is."""
    listen = msgspec.structs.replace(
        file.listen,
        host=file.listen.host if host is None else host,
        port=file.listen.port if port is None else port,
    )
    scheduler = msgspec.structs.replace(file.scheduler, policy=policy or file.scheduler.policy)
    return msgspec.structs.replace(file, listen=listen, scheduler=scheduler)


@contextmanager
def assembled(
    file: GatewayFile,
    parts: GatewayParts,
    *,
    started_at: str,
    sinks: Iterable[Sink] = (),
    on_journal_failure: Callable[[str], None] | None = None,
) -> Iterator[Gateway]:
    """Put a gateway together, not yet listening, and close its journal in the end.

    `started_at` is wall-clock time for the journal's header. Raises ConfigError where the policy is unknown or the
    journal cannot be opened.
    """
    contender = contender_of(file.scheduler.policy)
    scheduler = Scheduler(
        servers=parts.servers,
        services=parts.services,
        policy=make_policy(contender),
        rng=np.random.default_rng(file.scheduler.seed),
        settings=contender.settings(scheduler_settings(file.scheduler)),
    )
    with _journal(file, started_at, on_journal_failure) as journal:
        yield Gateway(
            settings=parts.settings,
            rules=parts.rules,
            servers=parts.servers,
            upstreams=parts.upstreams,
            port=Recording(scheduler, [*journal, *sinks]),
        )


@contextmanager
def _journal(
    file: GatewayFile, started_at: str, on_failure: Callable[[str], None] | None
) -> Iterator[list[JournalWriter]]:
    if not isinstance(file.journal, JournalSection):
        yield []
        return
    section = file.scheduler
    header = make_header(
        policy=section.policy, seed=section.seed, settings=scheduler_settings(section), started_at=started_at
    )
    explanations = file.journal.explanations
    writer = JournalWriter(Path(file.journal.path), header, explanations=explanations, on_failure=on_failure)
    try:
        yield [writer]
    finally:
        writer.close()
        if writer.dropped and on_failure is not None:
            on_failure(f"{writer.dropped} entries of {file.journal.path} were lost")

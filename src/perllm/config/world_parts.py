"""The `world` section of a scenario to the settings of a simulated world."""

from __future__ import annotations

import csv
from math import inf
from pathlib import Path

from perllm.config.values import BYTES_PER_MBIT
from perllm.config.world_schema import BandwidthSection, SiteSection, WorldSection
from perllm.errors import ConfigError
from perllm.simulation.bandwidth import Chain, Fluctuation, Network, Record, Site
from perllm.simulation.scenario import WorldSettings
from perllm.simulation.trouble import Drift, Lie, LinkOutage, Outage, Slowdown, Tenant, Trouble

_COLUMNS = "at_s,factor"


def world_settings(section: WorldSection) -> WorldSettings:
    """Make the settings. Raises ConfigError for a record of bandwidth that cannot be used."""
    return WorldSettings(
        prior_error=section.prior_error,
        service_noise=section.service_noise,
        link_jitter=section.link_jitter,
        probe_interval_s=section.probe_interval_s,
        network=_network(section),
        trouble=_trouble(section),
        idle=section.idle,
    )


def _network(section: WorldSection) -> Network:
    bandwidth = section.bandwidth
    return Network(
        change=None if bandwidth is None else _change(bandwidth),
        varying=None if bandwidth is None else bandwidth.places,
        sites=tuple(_site(name, site) for name, site in section.sites.items()),
        outages=tuple(LinkOutage(place=out.place, from_s=out.from_s, to_s=out.to_s) for out in section.link_outages),
    )


def _change(section: BandwidthSection) -> Fluctuation | Chain | Record:
    if section.fluctuates is not None:
        return Fluctuation(spread=section.fluctuates.spread, every_s=section.fluctuates.every_s)
    if section.markov is not None:
        return Chain(levels=section.markov.levels, stays_s=section.markov.stays_s)
    return Record(rows=_rows(Path(section.file or "")))


def _site(name: str, section: SiteSection) -> Site:
    return Site(
        name=name,
        servers=section.servers,
        up_bytes_per_s=section.up_mbit_per_s * BYTES_PER_MBIT,
        down_bytes_per_s=section.down_mbit_per_s * BYTES_PER_MBIT,
    )


def _trouble(section: WorldSection) -> Trouble:
    return Trouble(
        outages=tuple(
            Outage(server_id=out.server, from_s=out.from_s, to_s=out.to_s, kind=out.kind) for out in section.outages
        ),
        slowdowns=tuple(
            Slowdown(server_id=slow.server, from_s=slow.from_s, to_s=slow.to_s, factor=slow.factor)
            for slow in section.slowdowns
        ),
        drifts=tuple(
            Drift(server_id=drift.server, factor_per_hour=drift.factor_per_hour, limit=drift.limit)
            for drift in section.drifts
        ),
        tenants=tuple(
            Tenant(
                server_id=tenant.server,
                rate_per_s=tenant.rate_per_s,
                prompt_tokens=tenant.prompt_tokens,
                output_tokens=tenant.output_tokens,
                from_s=tenant.from_s,
                to_s=tenant.to_s,
            )
            for tenant in section.tenants
        ),
        lies=tuple(
            Lie(server_id=lie.server, from_s=lie.from_s, to_s=lie.to_s, healthy=lie.healthy) for lie in section.lies
        ),
        telemetry_delay_s=section.telemetry_delay_s,
    )


def _rows(path: Path) -> tuple[tuple[float, float], ...]:
    """Read a record of bandwidth."""
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            table = list(csv.reader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(
            "the record of bandwidth cannot be read", file=str(path), remedy="Check its name, and that it is text."
        ) from error
    rows: list[tuple[float, float]] = []
    for number, row in enumerate(table, start=1):
        if number == 1 and ",".join(row).replace(" ", "") == _COLUMNS:
            continue
        rows.append(_row(path, number, row, rows[-1][0] if rows else -1.0))
    if not rows:
        raise ConfigError("the record of bandwidth is empty", file=str(path), remedy=f"Its columns are {_COLUMNS}.")
    return tuple(rows)


def _row(path: Path, number: int, row: list[str], before_s: float) -> tuple[float, float]:
    try:
        at_s, factor = (float(cell) for cell in row)
    except ValueError:
        at_s, factor = -1.0, -1.0
    if not (before_s < at_s and 0.0 <= at_s < inf and 0.0 <= factor < inf):
        raise ConfigError(
            f"line {number} is no instant and factor: {','.join(row)!r}",
            file=str(path),
            remedy=f"Every line is {_COLUMNS}: seconds that grow from line to line, and a factor of 0 or above.",
        )
    return at_s, factor

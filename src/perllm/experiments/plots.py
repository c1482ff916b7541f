"""A run in four figures, drawn from its time series: requirements met, joules, load and prediction error."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import ceil
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from perllm.accounting.interval import IntervalRow, ServiceRow
from perllm.accounting.samples import ratio
from perllm.domain.entry import Fleet
from perllm.domain.service import Service
from perllm.experiments.style import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    QUIET,
    SKY,
    VERMILION,
    figure,
    in_percent,
    in_unit,
    legend,
    legend_in_head,
    line,
)
from perllm.experiments.time_axis import TimeAxis, time_axis

Rows = Sequence[IntervalRow]

# Accounts from the bottom of the stack to its top: the field, the name, the colour.
_ACCOUNTS = (("idle", "idle", GREY), ("infer", "inference", BLUE), ("transmit", "transmission", ORANGE))

# A share of fewer requests says more of chance than of the policy.
_FEWEST = 5
_DOTS = f"in {{}}, of {_FEWEST} requests or more"


def draw(rows: Rows, fleet: Fleet, subject: str, folder: Path) -> list[Path]:
    """Draw all figures of a series of at least one row into a folder, and return their files.

    `fleet` says targets and slots; `subject`, what was run, stands below every title.
    """
    axis = time_axis(rows)
    files = [folder / f"{name}.png" for name in ("requirements", "energy", "load", "prediction-error")]
    _draw_requirements(files[0], rows, axis, fleet, subject)
    _draw_energy(files[1], rows, axis, subject)
    whole = _whole(rows)
    _draw_load(files[2], whole, time_axis(whole), fleet, subject)
    _draw_prediction_error(files[3], whole, time_axis(whole), subject)
    return files


def _whole(rows: Rows) -> Rows:
    """Leave out a last interval that is too short to compare with the others."""
    first, last = rows[0], rows[-1]
    return rows if len(rows) == 1 or last.to_s - last.from_s > (first.to_s - first.from_s) / 2.0 else rows[:-1]


def _draw_requirements(path: Path, rows: Rows, axis: TimeAxis, fleet: Fleet, subject: str) -> None:
    services = fleet.services
    columns = 1 if len(services) <= 3 else 2
    lines = ceil(len(services) / columns)
    with figure(path, "Requirements met", subject, rows=lines, columns=columns, height=1.3 + 1.7 * lines) as panels:
        for panel in panels[len(services) :]:
            panel.set_axis_off()
        used = panels[: len(services)]
        lowest = min(_draw_service(panel, rows, axis, service) for panel, service in zip(used, services, strict=True))
        for place, panel in enumerate(used):
            panel.set_ylim(lowest - 0.05 * (1.0 - lowest), 1.0 + 0.05 * (1.0 - lowest))
            if place + columns >= len(services):
                axis.label(panel)
                panel.xaxis.set_tick_params(labelbottom=True)
        legend_in_head(panels[0])


def _draw_service(panel: Axes, rows: Rows, axis: TimeAxis, service: Service) -> float:
    """Draw one service and return the lowest share in it."""
    told = [row.services.get(service.name, _NOTHING) for row in rows]
    in_time, counted = list(accumulate(row.in_time for row in told)), list(accumulate(row.counted for row in told))
    so_far = [met / of if of >= _FEWEST else None for met, of in zip(in_time, counted, strict=True)]
    dotted = [place for place, row in enumerate(told) if row.counted >= _FEWEST]
    at, shares = [axis.middles[place] for place in dotted], [told[place].attainment or 0.0 for place in dotted]
    (dots,) = panel.plot(at, shares, "o", color=SKY, markersize=3.5, label=_DOTS.format(axis.interval), clip_on=False)
    # Where there are none, the layout would look for them in the corner of the picture.
    dots.set_in_layout(False)
    line(panel, so_far, axis.edges, BLUE, "since the start")
    panel.axhline(service.attainment, color=VERMILION, linestyle=(0, (5, 3)), linewidth=1.2, label="target")
    panel.set_title(_verdict(service, ratio(in_time[-1], counted[-1])))
    panel.set_ylabel("in time")
    in_percent(panel)
    return min([service.attainment - 0.02, *shares, *(share for share in so_far if share is not None)])


def _verdict(service: Service, share: float | None) -> str:
    if share is None:
        return f"{service.name}: no request is over"
    return f"{service.name}: {share:.1%}{'' if share >= service.attainment else ', target missed'}"


def _draw_energy(path: Path, rows: Rows, axis: TimeAxis, subject: str) -> None:
    with figure(path, "Energy by account", subject, rows=2, height=6.2) as (now, since):
        below, below_since = [0.0] * len(rows), [0.0] * len(axis.edges)
        for account, name, colour in _ACCOUNTS:
            joules = [float(getattr(row.energy_j, account)) for row in rows]
            top = _sums(below, joules)
            now.stairs(top, axis.edges, baseline=below, fill=True, color=colour)
            top_since = _sums(below_since, list(accumulate(joules, initial=0.0)))
            label = f"{name} {_joules(sum(joules))}"
            since.fill_between(axis.edges, below_since, top_since, color=colour, linewidth=0.0, label=label)
            below, below_since = top, top_since
        now.stairs(below, axis.edges, baseline=None, color=BLACK, linewidth=1.0)
        since.plot(axis.edges, below_since, color=BLACK, linewidth=1.0, label=f"total {_joules(below_since[-1])}")
        now.set_title(f"Joules in {axis.interval}, those of an attempt when it ends")
        since.set_title("Joules since the start")
        for panel in (now, since):
            panel.set_ylim(bottom=0.0)
            in_unit(panel, "J")
        legend_in_head(since)
        axis.label(since)


def _sums(one: Sequence[float], other: Sequence[float]) -> list[float]:
    return [left + right for left, right in zip(one, other, strict=True)]


def _joules(value: float) -> str:
    return EngFormatter("J", places=1)(value)


def _draw_load(path: Path, rows: Rows, axis: TimeAxis, fleet: Fleet, subject: str) -> None:
    height = 5.6 + 0.28 * len(fleet.servers)
    with figure(path, "Load", subject, rows=3, height=height) as (flow, open_now, busy):
        line(flow, (row.arrivals for row in rows), axis.edges, BLUE, "arrived")
        line(flow, (row.completed for row in rows), axis.edges, ORANGE, "completed")
        flow.set_title(f"Requests in {axis.interval}")
        line(open_now, (row.in_flight_mean for row in rows), axis.edges, BLUE, "in flight")
        line(open_now, (row.held_mean for row in rows), axis.edges, VERMILION, "held")
        open_now.set_title("Requests open, on average over each interval")
        for panel in (flow, open_now):
            panel.set_ylabel("requests")
            panel.set_ylim(bottom=0.0)
            legend(panel)
        _draw_busy(busy, rows, axis, fleet)
        axis.label(busy)


def _draw_busy(panel: Axes, rows: Rows, axis: TimeAxis, fleet: Fleet) -> None:
    """Draw each server as a band whose colour says how full it is."""
    full = [[_outstanding(row, server.server_id) / server.slots for row in rows] for server in fleet.servers]
    most = max(1.0, *(max(band) for band in full))
    bands = [edge - 0.5 for edge in range(len(fleet.servers) + 1)]
    drawn = panel.pcolormesh(axis.edges, bands, full, cmap="cividis", vmin=0.0, vmax=most)
    panel.set_yticks(range(len(fleet.servers)), [f"{server.server_id} ({server.slots})" for server in fleet.servers])
    panel.invert_yaxis()
    panel.grid(visible=False)
    panel.set_title("Attempts on each server ÷ its slots (their number behind its name)")
    scale = panel.figure.colorbar(drawn, ax=panel, pad=0.01, aspect=12)
    scale.outline.set_visible(False)
    scale.set_label("attempts per slot", color=QUIET)


def _outstanding(row: IntervalRow, server_id: str) -> float:
    server = row.servers.get(server_id)
    return 0.0 if server is None else server.outstanding_mean


def _draw_prediction_error(path: Path, rows: Rows, axis: TimeAxis, subject: str) -> None:
    errors = [row.prediction_error for row in rows]
    heading = f"Prediction error of attempts completed in {axis.interval}"
    with figure(path, heading, subject, rows=2, height=5.6) as panels:
        for panel, prefix, what in zip(panels, ("", "energy_"), ("Time from dispatch to end", "Energy"), strict=True):
            panel.axhline(0.0, color=QUIET, linewidth=0.8)
            median = (getattr(error, f"{prefix}median_absolute_fraction") for error in errors)
            bias = (getattr(error, f"{prefix}bias_fraction") for error in errors)
            line(panel, median, axis.edges, BLUE, "off by (median)")
            line(panel, bias, axis.edges, ORANGE, "bias (above zero: predicted too much)")
            panel.set_title(what)
            panel.set_ylabel("share of the real value")
            in_percent(panel)
        legend(panels[0])
        axis.label(panels[1])


_NOTHING = ServiceRow(arrivals=0, completed=0, in_time=0, counted=0, attainment=None)

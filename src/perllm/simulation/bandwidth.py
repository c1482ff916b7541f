"""How bandwidth changes over time, and the pipes that a world's links and sites are made of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from perllm.domain.server import Server
from perllm.simulation.link import Interval, Pipe, Way
from perllm.simulation.streams import stream
from perllm.simulation.trouble import LinkOutage
from perllm.simulation.weather import Weather, fluctuating, markov, recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Fluctuation:
    """Levels uniform within ± `spread` around 1, drawn anew every `every_s` (the paper's kind of fluctuation)."""

    spread: float
    every_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A Markov chain that stays at `levels` for exponential times around `stays_s`."""

    levels: tuple[float, ...]
    stays_s: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """(instant, level) rows of a file, in order; the last level stays."""

    rows: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Servers that share an uplink."""

    name: str
    servers: tuple[str, ...]
    up_bytes_per_s: float
    down_bytes_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How links and uplinks behave. `varying` lists the servers and sites whose bandwidth changes; None: all."""

    change: Fluctuation | Chain | Record | None = None
    varying: tuple[str, ...] | None = None
    sites: tuple[Site, ...] = ()
    outages: tuple[LinkOutage, ...] = ()


def ways_of(servers: Iterable[Server], network: Network, seed: int) -> Mapping[str, Way]:
    """Return the way to each server: its own link, and its site's uplink in a row with it."""
    fleet = tuple(servers)
    uplinks = {
        site.name: _pair(site.name, site.up_bytes_per_s, site.down_bytes_per_s, network, seed) for site in network.sites
    }
    site_of = {server_id: site.name for site in network.sites for server_id in site.servers}
    return {
        server.server_id: _way(server, uplinks.get(site_of.get(server.server_id, "")), network, seed)
        for server in fleet
    }


def _way(server: Server, uplink: tuple[Pipe, Pipe] | None, network: Network, seed: int) -> Way:
    own = _pair(server.server_id, server.link.up_bytes_per_s, server.link.down_bytes_per_s, network, seed)
    pairs = (own,) if uplink is None else (own, uplink)
    return Way(server.link, tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs))


def _pair(place: str, up_bytes_per_s: float, down_bytes_per_s: float, network: Network, seed: int) -> tuple[Pipe, Pipe]:
    """Return the pipes up and down; both have the same weather, for they are the same wire or air."""
    outages: Collection[Interval] = [(each.from_s, each.to_s) for each in network.outages if each.place == place]
    weather = _weather(place, network, seed)
    return Pipe(up_bytes_per_s, weather, tuple(outages)), Pipe(down_bytes_per_s, weather, tuple(outages))


def _weather(place: str, network: Network, seed: int) -> Weather | None:
    if network.varying is not None and place not in network.varying:
        return None
    match network.change:
        case Fluctuation(spread=spread, every_s=every_s):
            return fluctuating(stream(seed, f"world/bandwidth/{place}"), spread, every_s)
        case Chain(levels=levels, stays_s=stays_s):
            return markov(stream(seed, f"world/bandwidth/{place}"), levels, stays_s)
        case Record(rows=rows):
            return recorded(rows)
        case None:
            return None

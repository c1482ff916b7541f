"""One run of a grid: who decides, in which world, under which load, from which seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from msgspec import Struct

from perllm.errors import ConfigError


class World(Struct, frozen=True, kw_only=True):
    """A scenario's file with keys said otherwise; `variant` is what readers call the difference."""

    file: str
    sets: tuple[str, ...] = ()
    variant: str = ""
    rate_per_s: float | None = None
    requests: int | None = None


class Cell(Struct, frozen=True, kw_only=True):
    """A world, a contender and a seed. `curve`: also how attainment and joules came about over time."""

    world: World
    policy: str
    seed: int
    curve: bool = False


def grid(worlds: Sequence[World], policies: Sequence[str], seeds: Sequence[int], *, curve: bool) -> Iterator[Cell]:
    """Yield every combination. All of a seed stand together, so that an interrupted grid is whole for some seeds."""
    for seed, world, policy in product(seeds, worlds, policies):
        yield Cell(world=world, policy=policy, seed=seed, curve=curve)


def seeds_of(text: str) -> tuple[int, ...]:
    """Read `10` (seeds 1 to 10) or `1001-1010`. Raises ConfigError for anything else."""
    first, dash, last = text.partition("-")
    try:
        bounds = (int(first), int(last)) if dash else (1, int(first))
    except ValueError:
        bounds = (1, 0)
    if not 0 <= bounds[0] <= bounds[1]:
        problem = f"{text!r} is neither a number of seeds nor a range"
        raise ConfigError(problem, key="--seeds", remedy="Write 10, for seeds 1 to 10, or 1001-1010.")
    return tuple(range(bounds[0], bounds[1] + 1))


def rates_of(text: str | None) -> tuple[float | None, ...]:
    """Read `2,3.5,5`; nothing is the scenario's own rate. Raises ConfigError for anything else."""
    try:
        rates = tuple(float(word) for word in text.split(",")) if text else (None,)
    except ValueError:
        rates = (-1.0,)
    if any(rate is not None and not 0.0 < rate < 1e9 for rate in rates):
        raise ConfigError(f"{text!r} is no list of rates", key="--rates", remedy="Write requests/s such as 2,3.5,5.")
    return tuple(dict.fromkeys(rates))

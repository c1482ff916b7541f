"""Less than a core for a process, but that for sure: control groups with a quota and a weight (Linux, as root)."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

CGROUP_V1: Final = Path("/sys/fs/cgroup/cpu")
CGROUP_V2: Final = Path("/sys/fs/cgroup")
# The shorter, the less a process that was idle gets ahead of its share; quotas under a millisecond are refused.
PERIOD_US: Final = 10_000
# As heavy as can be (cgroup v1: cpu.shares, of which 1024 are usual; v2: cpu.weight, 100), so that whatever else runs
# on the machine takes as little as possible of what was promised.
_SHARES: Final = 262_144
_WEIGHT: Final = 10_000


class Quotas:
    """Limits processes until the context ends."""

    def __init__(self) -> None:
        self._groups: dict[int, Path] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for group in self._groups.values():
            _remove(group)

    def limit(self, pid: int, share: float | None) -> bool:
        """Give a process a share of one core, or with None as much as it needs; says whether it may."""
        group = (CGROUP_V1 if CGROUP_V1.is_dir() else CGROUP_V2) / f"perllm-benchmark-{pid}"
        try:
            group.mkdir()
            self._groups[pid] = group
            _write_limits(group, None if share is None else round(share * PERIOD_US))
            (group / "cgroup.procs").write_text(str(pid))
        except OSError:
            return False
        return True

    def throttled_fraction(self, pid: int) -> float:
        """Return in which share of its periods a limited process was stopped."""
        told = dict(line.split() for line in (self._groups[pid] / "cpu.stat").read_text().splitlines())
        return int(told["nr_throttled"]) / max(int(told["nr_periods"]), 1)


def _write_limits(group: Path, quota_us: int | None) -> None:
    if CGROUP_V1.is_dir():
        (group / "cpu.shares").write_text(str(_SHARES))
        (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (group / "cpu.cfs_quota_us").write_text("-1" if quota_us is None else str(quota_us))
    else:
        (group / "cpu.weight").write_text(str(_WEIGHT))
        (group / "cpu.max").write_text(f"{'max' if quota_us is None else quota_us} {PERIOD_US}")


def _remove(group: Path) -> None:
    """Remove a group, which must be empty: who is still in it goes back to where all are."""
    for pid in (group / "cgroup.procs").read_text().split():
        with suppress(OSError):
            (group.parent / "cgroup.procs").write_text(pid)
    with suppress(OSError):
        group.rmdir()

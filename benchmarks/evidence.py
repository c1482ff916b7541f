"""Results of benchmarks as files: what came out, when, and on what machine."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Any


def write_evidence(folder: Path, name: str, result: dict[str, Any]) -> None:
    """Write a result beside its date and machine."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {"date": time.strftime("%Y-%m-%d"), "machine": machine(), "result": result}
    (folder / f"{name}.json").write_text(json.dumps(told, indent=2) + "\n")


def machine() -> str:
    """Name the processor, the cores in use and the Python."""
    cores = len(os.sched_getaffinity(0))
    return f"{_processor()}, {cores} cores, {platform.system()}, Python {platform.python_version()}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()

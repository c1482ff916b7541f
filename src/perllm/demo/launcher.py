"""Start and stop the engines of the demo, each in a process of its own."""

import asyncio
import importlib.util
import json
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from perllm.errors import ConfigError, UpstreamError

_STARTING_LIMIT_S = 30.0
_STOPPING_LIMIT_S = 3.0
_LAST_LINES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """What engine to start: the name clients ask for, its GGUF file, slots and context per slot."""

    name: str
    model: Path
    slots: int
    slot_tokens: int


class Engine:
    """A running engine process."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.url = ""
        self._process = process
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._listening = asyncio.create_task(self._keep_last_lines())

    @property
    def pid(self) -> int:
        """Give the operating system's number of the process."""
        return self._process.pid

    async def healthy(self, limit_s: float) -> None:
        """Wait until the engine has loaded its model and told its address, or raise UpstreamError."""
        assert self._process.stdout
        try:
            async with asyncio.timeout(limit_s):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise self._failure(f"not ready after {limit_s:g} s") from None
        if not line:
            await self._gone()
            raise self._failure(f"died while starting with status {self._process.returncode}")
        self.url = json.loads(line)["url"]

    async def kill(self) -> None:
        """Kill the engine as a crash would, and wait until it is gone."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._gone()

    async def stop(self) -> None:
        """Ask the engine to end, kill it if it does not, and wait until it is gone."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(_STOPPING_LIMIT_S):
                await self._gone()
        except TimeoutError:
            await self.kill()

    async def _gone(self) -> None:
        await self._process.wait()
        await self._listening

    async def _keep_last_lines(self) -> None:
        """Read what the engine says, lest it block on a full pipe."""
        assert self._process.stderr
        async for line in self._process.stderr:
            self._last_lines.append(line.decode(errors="replace").rstrip())

    def _failure(self, what: str) -> UpstreamError:
        said = "\n  ".join(["", *self._last_lines]) or " nothing"
        return UpstreamError(f"engine {self.name!r}: {what}; it last said:{said}")


@asynccontextmanager
async def launch(specs: Sequence[EngineSpec], *, limit_s: float = _STARTING_LIMIT_S) -> AsyncIterator[list[Engine]]:
    """Start engines side by side, give them once all are healthy, and stop them at the end.

    The engines end with this process however it ends. Raises ConfigError when llama.cpp is not
    installed and UpstreamError when an engine dies or needs more than `limit_s` to start.
    """
    if importlib.util.find_spec("xllamacpp") is None:
        raise ConfigError("llama.cpp is not installed", remedy="Run: pip install 'perllm[demo]'")
    engines: list[Engine] = []
    try:
        for spec in specs:
            engines.append(Engine(spec.name, await _spawn(spec)))
        await asyncio.gather(*(engine.healthy(limit_s) for engine in engines))
        yield engines
    finally:
        await asyncio.gather(*(engine.stop() for engine in engines))


async def _spawn(spec: EngineSpec) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        # By path, and without that path's folder among the places to import from: this works from
        # a source tree as well, and no module beside it can hide one of the standard library.
        *("-P", str(Path(__file__).with_name("engine_process.py"))),
        *("--model", str(spec.model), "--name", spec.name),
        *("--slots", str(spec.slots), "--slot-tokens", str(spec.slot_tokens)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # Ctrl-C is for the parent, which then stops its engines in its own order.
        start_new_session=True,
    )

"""Many runs at once, in processes that end with this one, each kept as soon as it is finished."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any

from perllm.errors import ConfigError
from perllm.experiments.contest.cell import Cell
from perllm.experiments.contest.play import play
from perllm.experiments.contest.row import Row
from perllm.experiments.contest.scene import key_of
from perllm.experiments.contest.store import Store

Follow = Callable[[Cell, Row], Iterable[Cell]]


def drive(cells: Iterable[Cell], follow: Follow, store: Store, workers: int) -> None:
    """Run cells, and those that follow from their rows, until none is left; what the store has is not run again.

    Raises whatever a run raises, and ConfigError where a process ended by itself.
    """
    waiting, running = deque(cells), dict[Future[Row], Cell]()
    with _executor(workers) as executor:
        while waiting or running:
            while waiting and len(running) < 2 * workers:
                cell = waiting.popleft()
                known = store.find(cell)
                if known is None:
                    running[executor.submit(play, cell)] = cell
                else:
                    waiting.extend(follow(cell, known))
            for future in wait(running, return_when=FIRST_COMPLETED).done if running else ():
                cell = running.pop(future)
                row = _row(future, cell)
                store.append(row)
                waiting.extend(follow(cell, row))


def _row(future: Future[Row], cell: Cell) -> Row:
    try:
        row = future.result()
    except BrokenProcessPool:
        raise ConfigError(
            "a worker process ended by itself, perhaps for want of memory", key="--workers",
            remedy="Run the same command again with fewer: what is finished is kept.",
        ) from None  # fmt: skip
    if row.key != key_of(cell):
        raise ConfigError(
            "the scenario or PerLLM itself was changed while it was run", file=cell.world.file,
            remedy="Run the same command again: what was finished before is kept.",
        )  # fmt: skip
    return row


@contextmanager
def _executor(workers: int) -> Iterator[Executor]:
    """Yield what runs cells: processes, or for one worker this one. After an error nothing more is begun."""
    # Spawned on every system: a copy of a process with threads, such as one that draws a bar, may hang.
    executor = (
        ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_prepare) if workers > 1 else Here()
    )
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


class Here(Executor):
    """Runs what is submitted at once."""

    def submit(self, call: Callable[..., Any], /, *args: Any, **keywords: Any) -> Future[Any]:
        """Return what is finished already."""
        future: Future[Any] = Future()
        future.set_result(call(*args, **keywords))
        return future


def _prepare() -> None:
    """Let Ctrl-C end a worker at once and in silence, and let none outlive its parent, however that one ends.

    Who was started to ignore Ctrl-C, as shells do in the background, goes on, and so do its workers.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

"""Measures the slices of an event loop from inside its process, in CPU time of the loop's thread.

    python -I meter.py FOLDER [ARGUMENT...]      runs the broker of an integration's folder under the meter

A slice is the run of one handle (a callback, or a step of a task), a turn all handles between two looks at the sockets. The
garbage collector's time is taken off both and kept apart. At SIGUSR1 the figures since the last time go, as JSON, to the
file that TEXTMQ_METER names. Needs nothing but the standard library, since it runs inside whatever is measured.
"""

import asyncio
import gc
import json
import os
from pathlib import Path
import runpy
import selectors
import signal
import sys
import threading
import time
from typing import Any, Final

_LONG: Final = 0.005
"""Seconds above which slices are counted."""


class Meter:
    """Figures of the event loop of the thread that makes this."""

    def __init__(self, file: Path) -> None:
        """Write to a file, in a folder that exists."""
        self._file = file
        self._number = 0
        self._collected = 0.0
        """CPU seconds of the garbage collector in this thread, since the start."""
        self._collection_began = 0.0
        self._turn = 0.0
        self._clear()

    def _clear(self) -> None:
        self._began = time.perf_counter(), time.thread_time(), self._collected
        self._longest_collection = 0.0
        self._longest_slice = 0.0
        self._slice_name = ""
        self._long_slices = 0
        self._longest_turn = 0.0

    def install(self) -> None:
        """Time everything that the loop runs from now on, and listen to SIGUSR1."""
        run = asyncio.Handle._run  # noqa: SLF001
        select = selectors.DefaultSelector.select
        thread = threading.get_ident()
        which = threading.get_ident
        clock = time.thread_time

        def timed(handle: asyncio.Handle) -> None:
            if which() != thread:
                run(handle)
                return
            collected = self._collected
            # Taken now: a handle that is cancelled meanwhile forgets it.
            function = handle._callback  # type: ignore[attr-defined]  # noqa: SLF001
            began = clock()
            run(handle)
            took = clock() - began - (self._collected - collected)
            self._turn += took
            if took > _LONG:
                self._long_slices += 1
            if took > self._longest_slice:
                self._longest_slice = took
                self._slice_name = name(function)

        def turned(selector: Any, timeout: float | None = None) -> Any:
            if which() == thread:
                self._longest_turn = max(self._longest_turn, self._turn)
                self._turn = 0.0
            return select(selector, timeout)

        def collecting(phase: str, _info: dict[str, int]) -> None:
            if which() != thread:
                return
            if phase == "start":
                self._collection_began = clock()
            else:
                took = clock() - self._collection_began
                self._collected += took
                self._longest_collection = max(self._longest_collection, took)

        asyncio.Handle._run = timed  # type: ignore[assignment, method-assign]  # noqa: SLF001
        selectors.DefaultSelector.select = turned  # type: ignore[assignment, method-assign]
        gc.callbacks.append(collecting)
        signal.signal(signal.SIGUSR1, self._report)

    def _report(self, *_: object) -> None:
        wall, cpu, collected = self._began
        self._number += 1
        figures = {
            "number": self._number,
            "wall": time.perf_counter() - wall,
            "cpu": time.thread_time() - cpu - (self._collected - collected),
            "collected": self._collected - collected,
            "longest_collection": self._longest_collection,
            "longest_slice": self._longest_slice,
            "slice_name": self._slice_name,
            "long_slices": self._long_slices,
            "longest_turn": max(self._longest_turn, self._turn),
        }
        # Not by open(): Home Assistant reports each use in its event loop.
        new = self._file.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(descriptor, json.dumps(figures).encode())
        os.close(descriptor)
        new.replace(self._file)
        self._clear()


def name(function: object) -> str:
    """Return what a handle runs: the name of a function, or of a task's coroutine."""
    if isinstance(task := getattr(function, "__self__", None), asyncio.Task):
        return getattr(task.get_coro(), "__qualname__", "task")
    function = getattr(function, "func", function)
    found: str = getattr(function, "__qualname__", type(function).__name__)
    return found


def install() -> None:
    """Measure the event loop of this thread; figures go where TEXTMQ_METER says."""
    Meter(Path(os.environ["TEXTMQ_METER"])).install()


if __name__ == "__main__":
    install()
    # At the end of the path, where the modules beside the broker hide none of the standard library.
    sys.path.append(sys.argv.pop(1))
    runpy.run_module("broker", run_name="__main__", alter_sys=True)

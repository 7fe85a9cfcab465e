"""The saver: when what has changed is written (protocol A6)."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from itertools import chain, islice
import logging
import math
from types import MappingProxyType
from typing import Final, Protocol, override

from ..core.observers import Observer
from ..core.variables import Variable
from .file_format import Snapshot
from .store import Outcome, Store, reason

_LOGGER = logging.getLogger(__name__)

DEFAULT_INTERVAL: Final = 300.0
"""Seconds between saves: docs/protocol.md, A6, says what they cost and what they risk."""
BATCH: Final = 100
"""Files of one trip to the disk: a snapshot of them takes well below a millisecond of the loop."""
DELETE_DELAY: Final = 0.5
"""Seconds until a deletion is on disk: those of a loop of DELs are collected."""
RETRY_DELAY: Final = 30.0
"""Seconds until what failed is tried again, where the interval is not shorter."""
MAX_REASONS: Final = 10
"""Reasons to fail that are told: more is one trouble in many words."""
STOP_TIMEOUT: Final = 60.0
"""Seconds that a stop waits for the disk: Home Assistant gives all its integrations 100."""


class VariableTable(Protocol):
    """Finds variables by name."""

    def get(self, name: str) -> Variable | None:
        """Return a variable, None where there is none."""


class SavedBroker(Protocol):
    """What a saver needs of a broker."""

    @property
    def changed(self) -> dict[str, None]:
        """Names of the variables that are to be saved."""

    def take_changed(self) -> dict[str, None]:
        """Take these names: they are not to be saved again until they change again."""

    @property
    def variables(self) -> VariableTable:
        """The variables; one that is `dirty` is in `changed`."""

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Tell an observer what happens; returns a function that ends it."""


type FailureListener = Callable[[Mapping[str, str]], None]
"""Takes why variables can't be saved, each reason with one of them; nothing when all is well again."""


class Saver(Observer):
    """Writes changed variables every interval, deletions at once, and all that is left at the end.

    What can't be written stays in memory and is tried again. No error ends the saving.
    """

    def __init__(
        self,
        broker: SavedBroker,
        store: Store,
        interval: float = DEFAULT_INTERVAL,
        on_failure: FailureListener | None = None,
    ) -> None:
        """Save every interval seconds; on_failure hears of each new trouble once, and of its end."""
        self._broker = broker
        self._store = store
        self._interval = interval
        self._on_failure = on_failure
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._unobserve: Callable[[], None] | None = None
        self._left: dict[str, None] = {}
        """What was not written at the last save: postponed, failed, or not come to."""
        self._failed: dict[str, str] = {}
        self._reasons: dict[str, str] = {}
        """Why saving has failed since all was well, each with a variable."""
        self._told = 0
        """How many of the reasons were told."""
        self._deleted: dict[str, None] = {}
        """Variables whose files are to go, even where they have come into being again."""
        self._save_at = math.inf
        self._retry_at = math.inf
        self._delete_at = math.inf
        self._paused_until = -math.inf

    @property
    def interval(self) -> float:
        """Seconds between saves; a change counts from the last save on."""
        return self._interval

    @interval.setter
    def interval(self, interval: float) -> None:
        self._save_at += interval - self._interval
        self._interval = interval
        self._wake.set()

    # Life

    def start(self) -> None:
        """Begin to save in the background."""
        loop = asyncio.get_running_loop()
        self._left |= dict.fromkeys(self._store.outdated)
        self._save_at = loop.time() + self._interval
        self._unobserve = self._broker.observe(self)
        self._task = loop.create_task(self._run())

    async def stop(self) -> None:
        """Save what is left, with exact times, and end; waits STOP_TIMEOUT seconds at most."""
        if self._task is None or self._unobserve is None:
            return
        task, self._task = self._task, None
        self._unobserve()
        self._stopping = True
        self._wake.set()
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await task
                await self._save_rest()
        except TimeoutError:
            _LOGGER.error(
                "The disk is too slow: what changed last may not be saved, %s variables",
                len(self._left) + len(self._broker.changed),
            )

    async def _save_rest(self) -> None:
        while self._broker.changed or self._left or self._deleted:
            await self.save()
            if not self._broker.changed and len(self._left) <= len(self._failed):
                break
        if self._failed:
            _LOGGER.error("%s variables could not be saved", len(self._failed))

    def pause(self, seconds: float) -> None:
        """Let the files alone for a time, or until `resume`: only `save` and `stop` write."""
        self._paused_until = asyncio.get_running_loop().time() + seconds

    def resume(self) -> None:
        """End a pause: what has fallen due is written."""
        self._paused_until = -math.inf
        self._wake.set()

    async def save(self, *, exact: bool = True) -> Mapping[str, str]:
        """Save all that has changed; returns what could not be, each with the reason.

        With exact, times that are new on unchanged values are written as well.
        """
        async with self._lock:
            changed = self._broker.take_changed()
            left, self._left = self._left, {}
            await self._save_names(chain(left, changed), exact=exact)
            return MappingProxyType(self._failed)

    # What happens when

    @override
    def variable_deleted(self, variable: Variable) -> None:
        self._deleted[variable.name] = None
        if self._delete_at == math.inf:
            self._delete_at = asyncio.get_running_loop().time() + DELETE_DELAY
            self._wake.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping:
            due = min(self._save_at, self._retry_at, self._delete_at)
            wait = max(due, self._paused_until) - loop.time()
            if wait > 0:
                self._wake.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), wait)
                continue
            try:
                await self._save_due(loop.time())
            except Exception:
                _LOGGER.exception("Saving failed")
                await asyncio.sleep(DELETE_DELAY)

    async def _save_due(self, now: float) -> None:
        if now >= self._save_at:
            self._save_at = now + self._interval
            await self.save(exact=False)
            return
        names: Iterable[str] = ()
        if now >= self._retry_at:
            names = tuple(self._failed)
        async with self._lock:
            await self._save_names(names, exact=False)

    # Saving

    async def _save_names(self, names: Iterable[str], *, exact: bool) -> None:
        """Save these variables and the deletions, a batch after the other; hold the lock."""
        rest = iter(names)
        try:
            while snapshots := self._take(rest):
                await self._save_batch(snapshots, exact=exact)
        finally:
            self._left |= dict.fromkeys(rest)
            self._plan()
            self._tell()

    def _take(self, names: Iterable[str]) -> dict[str, Snapshot]:
        """Take the next batch of snapshots, deletions first."""
        broker = self._broker
        snapshots = {name: Snapshot(name) for name in islice(self._deleted, BATCH)}
        for name in snapshots:
            del self._deleted[name]
            if broker.variables.get(name) is None:
                broker.changed.pop(name, None)
        for name in islice(names, BATCH - len(snapshots)):
            self._deleted.pop(name, None)
            variable = broker.variables.get(name)
            if variable is not None:
                variable.dirty = False
            snapshots[name] = Snapshot.take(name, variable)
        return snapshots

    async def _save_batch(
        self, snapshots: Mapping[str, Snapshot], *, exact: bool
    ) -> None:
        loop = asyncio.get_running_loop()
        try:
            outcome = await loop.run_in_executor(
                None, lambda: self._store.save(snapshots.values(), exact=exact)
            )
        except Exception as err:  # noqa: BLE001
            outcome = Outcome(failed=dict.fromkeys(snapshots, reason(err)))
        except BaseException:
            self._left |= dict.fromkeys(snapshots)
            raise
        for name in snapshots:
            self._failed.pop(name, None)
        self._failed |= outcome.failed
        for name, why in outcome.failed.items():
            if len(self._reasons) < MAX_REASONS:
                self._reasons.setdefault(why, name)
        for names in (outcome.failed, outcome.postponed, outcome.lost):
            self._left |= dict.fromkeys(names)
        if outcome.lost:
            self._save_at = loop.time()

    def _plan(self) -> None:
        """Say when deletions and what failed are looked after the next time."""
        now = asyncio.get_running_loop().time()
        self._delete_at = now + DELETE_DELAY if self._deleted else math.inf
        delay = min(self._interval, RETRY_DELAY)
        self._retry_at = now + delay if self._failed else math.inf

    def _tell(self) -> None:
        """Tell of each reason to fail once, and of the end of all."""
        if self._failed and len(self._reasons) > self._told:
            why, name = next(reversed(self._reasons.items()))
            _LOGGER.error(
                "%s variables can't be saved, will be tried again: %s (%s)",
                len(self._failed),
                why,
                ascii(name),
            )
        elif self._told and not self._failed:
            _LOGGER.info("Variables can be saved again")
            self._reasons.clear()
        else:
            return
        self._told = len(self._reasons)
        if self._on_failure is not None:
            try:
                self._on_failure(self._reasons)
            except Exception:
                _LOGGER.exception("A listener to failures of saving failed")

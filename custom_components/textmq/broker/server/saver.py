"""The saver: when what has changed is written (protocol A6)."""

import asyncio
from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import suppress
from itertools import batched, chain, islice
import logging
import math
from types import MappingProxyType
from typing import Final, override

from ..core.observers import Observer
from ..core.stored import CLOCK, StoredClock
from ..core.variables import SYSTEM, Variable
from .file_format import Snapshot
from .folder import Content, Contents, Outcome, reason
from .saved_broker import SavedBroker
from .store import Store

_LOGGER = logging.getLogger(__name__)

DEFAULT_INTERVAL: Final = 300.0
"""Seconds between saves: docs/protocol.md, A6, says what they cost and what they risk."""
BATCH: Final = 100
"""Files of one trip to the disk: a snapshot of them takes well below a millisecond of the loop."""
URGENT_DELAY: Final = 0.5
"""Seconds until what is urgent is on disk: deletions, and all that is no variable, are collected."""
RETRY_DELAY: Final = 30.0
"""Seconds until what failed is tried again, where the interval is not shorter."""
MAX_REASONS: Final = 10
"""Reasons to fail that are told: more is one trouble in many words."""
STOP_TIMEOUT: Final = 60.0
"""Seconds that a stop waits for the disk: Home Assistant gives all its integrations 100."""


def _is_urgent(name: str) -> bool:
    """Tell whether what is saved under a name is no variable of a client."""
    return name.startswith(SYSTEM)


type FailureListener = Callable[[Mapping[str, str]], None]
"""Takes why files can't be saved, each reason with one name; nothing when all is well again."""


class Saver(Observer):
    """Writes changed variables every interval, what is urgent at once, and all that is left at the end.

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
        """Why saving has failed since all was well, each with a name."""
        self._told = 0
        """How many of the reasons were told."""
        self._urgent: dict[str, None] = {}
        """Variables whose files are to go, even where they have come into being again."""
        self._soon: dict[str, None] = {}
        """Names in `changed` whose content is as urgent."""
        self._save_at = math.inf
        self._retry_at = math.inf
        self._urgent_at = math.inf
        self._paused_until = -math.inf
        self._writing: asyncio.Future[Outcome] | None = None
        """The latest trip to the disk."""

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
        # That of the stop before must not stand there should this run be killed.
        self._want_soon((CLOCK,), delay=0)
        self._unobserve = self._broker.observe(self)
        self._broker.archive.saving_begins()
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
                "The disk is too slow: what changed last may not be saved, %s files",
                len(self._left | self._urgent | self._broker.changed),
            )

    async def _save_rest(self) -> None:
        while True:
            await self._save_all(exact=True)
            if self._is_more_to_save():
                continue
            async with self._lock:
                await self._save_batch({CLOCK: StoredClock(self._broker.now(), True)})
            # That may have been the first to show that the folder has gone.
            if not self._is_more_to_save():
                break
        if self._failed:
            _LOGGER.error("%s files could not be saved", len(self._failed))

    def _is_more_to_save(self) -> bool:
        """Tell whether there is more than what has failed."""
        left = self._left.keys() - self._failed.keys()
        return bool(self._broker.changed or self._urgent or left)

    def pause(self, seconds: float) -> None:
        """Let the files alone for a time, or until `resume`: only `save` and `stop` write.

        Numbers of receipts go on meanwhile, as they do where the disk fails.
        """
        self._paused_until = asyncio.get_running_loop().time() + seconds

    def resume(self) -> None:
        """End a pause: what has fallen due is written."""
        if self._urgent_at < math.inf:
            self._urgent_at = -math.inf
        self._paused_until = -math.inf
        self._wake.set()

    @property
    def _is_paused(self) -> bool:
        return asyncio.get_running_loop().time() < self._paused_until

    async def save(self, *, exact: bool = True) -> Mapping[str, str]:
        """Save all that has changed; returns what could not be, each with the reason.

        With exact, times that are new on unchanged values are written as well.
        """
        return await self._save_all(CLOCK, exact=exact)

    async def _save_all(self, *more: str, exact: bool) -> Mapping[str, str]:
        """Save all that has changed, and more after it."""
        async with self._lock:
            changed = self._broker.take_changed()
            left, self._left = self._left, {}
            first = [name for name in changed if _is_urgent(name) or name in self._soon]
            self._want_soon(first)
            names = [name for name in changed if name not in self._broker.changed]
            await self._save_names(chain(left, names, more), exact=exact)
            return MappingProxyType(self._failed)

    # What happens when

    @override
    def variable_deleted(self, variable: Variable) -> None:
        name = variable.name
        self._soon.pop(name, None)
        if self._is_paused and self._was_never_written(name):
            # Names that come and go would pile up until the end of the pause.
            self._broker.changed.pop(name, None)
        else:
            self._urge((name,))

    def _was_never_written(self, name: str) -> bool:
        """Tell whether there is no file of a name, nor one to come from a save that goes on."""
        return not (
            self._lock.locked() or name in self._left or self._store.may_hold(name)
        )

    @override
    def stored_changed(self, name: str) -> None:
        # The name stays in `changed`: what goes again before its time is taken from there.
        self._want_soon((name,))

    def _urge(self, names: Iterable[str]) -> None:
        """Let the files of these variables go soon."""
        if added := dict.fromkeys(names):
            self._urgent |= added
            self._hurry(URGENT_DELAY)

    def _want_soon(self, names: Iterable[str], delay: float = URGENT_DELAY) -> None:
        """Save these names, as they are then, within so many seconds."""
        if added := dict.fromkeys(names):
            self._broker.changed.update(added)
            self._soon |= added
            self._hurry(delay)

    def _hurry(self, delay: float) -> None:
        """Save what is urgent within so many seconds."""
        at = asyncio.get_running_loop().time() + delay
        if at < self._urgent_at:
            self._urgent_at = at
            self._wake.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping:
            is_paused = self._is_paused
            others = (
                (self._paused_until,) if is_paused else (self._save_at, self._retry_at)
            )
            wait = min(self._urgent_at, *others) - loop.time()
            if wait > 0:
                self._wake.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), wait)
                continue
            try:
                now = loop.time()
                await (self._go_on_unwritten() if is_paused else self._save_due(now))
            except Exception:
                _LOGGER.exception("Saving failed")
                await asyncio.sleep(URGENT_DELAY)

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

    async def _go_on_unwritten(self) -> None:
        """Go on with what waits to be on file, which can't be for a while: it is written after the pause.

        Even a file that is whole at any time must not be written: one that goes meanwhile, as the
        unfinished ones beside them do, would end a backup.
        """
        self._urgent_at = self._paused_until
        for names in batched([*filter(_is_urgent, self._soon)], BATCH, strict=False):
            contents: dict[str, Content | None] = {}
            for name in names:
                self._soon.pop(name, None)
                self._take_content(name, contents)
                if not contents.get(name) and self._was_never_written(name):
                    self._broker.changed.pop(name, None)
            self._broker.archive.saved(names)
            self._broker.flush()
            await asyncio.sleep(0)

    # Saving

    async def _save_names(self, names: Iterable[str], *, exact: bool) -> None:
        """Save what is urgent, and these names, a batch after the other; hold the lock."""
        loop = asyncio.get_running_loop()
        rest = iter(names)
        batch: tuple[str, ...] = ()
        try:
            await self._save_urgent()
            while batch := tuple(islice(rest, BATCH)):
                await self._save_batch(self._take(batch), exact=exact)
                if loop.time() >= self._urgent_at:
                    await self._save_urgent()
        finally:
            given_up = (*batch, *rest)
            self._left |= dict.fromkeys(given_up)
            self._want_soon(filter(_is_urgent, given_up))
            self._plan_retry(loop.time())
            self._tell()

    def _plan_retry(self, now: float) -> None:
        if not self._failed:
            self._retry_at = math.inf
        elif not now < self._retry_at < math.inf:
            self._retry_at = now + min(self._interval, RETRY_DELAY)

    async def _save_urgent(self) -> None:
        """Save what is urgent by now; what becomes so meanwhile has its own time."""
        self._urgent_at = math.inf
        going, self._urgent = self._urgent, {}
        soon, self._soon = self._soon, {}
        soon |= dict.fromkeys(filter(_is_urgent, self._broker.changed))
        # What goes on under another name is there before its old file goes.
        rest = iter(soon | going)
        batch: tuple[str, ...] = ()
        try:
            while batch := tuple(islice(rest, BATCH)):
                await self._save_batch(self._take_urgent(batch, soon))
        finally:
            given_up = (*batch, *rest)
            self._want_soon(name for name in given_up if name in soon)
            self._urge(name for name in given_up if name not in soon)

    def _take(self, names: Iterable[str]) -> Contents:
        """Take what is to be on file now."""
        contents: dict[str, Content | None] = {}
        for name in names:
            if self._broker.variables.get(name) is not None:
                self._urgent.pop(name, None)
            elif name in self._urgent:
                # It goes with what is urgent, after what goes on under another name.
                continue
            self._take_content(name, contents)
        return contents

    def _take_urgent(self, names: Iterable[str], soon: Container[str]) -> Contents:
        """Take what is to be on file now; the files of deleted variables go in any case."""
        broker = self._broker
        contents: dict[str, Content | None] = {}
        for name in names:
            if name not in soon:
                contents[name] = None
                if broker.variables.get(name) is None:
                    broker.changed.pop(name, None)
            elif name in broker.changed:
                broker.changed.pop(name, None)
                self._take_content(name, contents)
        return contents

    def _take_content(self, name: str, contents: dict[str, Content | None]) -> None:
        """Take what is to be on file under a name, None where nothing is."""
        try:
            contents[name] = self._content(name)
        except Exception as err:
            _LOGGER.exception("What is to be saved as %s is not known", ascii(name))
            self._note_failures({name: reason(err)})

    def _content(self, name: str) -> Content | None:
        broker = self._broker
        if name == CLOCK:
            return StoredClock(broker.now(), stopped=False)
        if name.startswith(SYSTEM):
            return broker.archive.stored(name)
        variable = broker.variables.get(name)
        if variable is not None:
            variable.dirty = False
        return Snapshot.take(variable)

    async def _save_batch(self, contents: Contents, *, exact: bool = False) -> None:
        if not contents:
            return
        loop = asyncio.get_running_loop()
        if self._writing is not None:
            # A save that was given up goes on in its thread: what is older must not be written last.
            await asyncio.wait((self._writing,))
        self._writing = loop.run_in_executor(
            None, lambda: self._store.save(contents, exact=exact)
        )
        try:
            outcome = await asyncio.shield(self._writing)
        except Exception as err:  # noqa: BLE001
            outcome = Outcome(failed=dict.fromkeys(contents, reason(err)))
        for name in contents:
            self._failed.pop(name, None)
        self._note_failures(outcome.failed)
        self._left |= dict.fromkeys(chain(outcome.postponed, outcome.lost))
        if outcome.lost:
            self._save_at = loop.time()
        if records := [*filter(_is_urgent, contents)]:
            self._broker.archive.saved(records)
            self._broker.flush()

    def _note_failures(self, failed: Mapping[str, str]) -> None:
        self._failed |= failed
        self._left |= dict.fromkeys(failed)
        for name, why in failed.items():
            if len(self._reasons) < MAX_REASONS:
                self._reasons.setdefault(why, name)

    def _tell(self) -> None:
        """Tell of each reason to fail once, and of the end of all."""
        if self._failed and len(self._reasons) > self._told:
            why, name = next(reversed(self._reasons.items()))
            _LOGGER.error(
                "%s files can't be saved, will be tried again: %s (%s)",
                len(self._failed),
                why,
                ascii(name),
            )
        elif self._told and not self._failed:
            _LOGGER.info("Files can be saved again")
            self._reasons.clear()
        else:
            return
        self._told = len(self._reasons)
        if self._on_failure is not None:
            try:
                self._on_failure(self._reasons)
            except Exception:
                _LOGGER.exception("A listener to failures of saving failed")

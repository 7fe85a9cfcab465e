"""The store: a folder with one file for each variable, each whole or not at all (protocol A6)."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
import logging
import os
from pathlib import Path
import re
import threading
from typing import Final, NamedTuple, Self

from ..core.limits import Limits
from ..core.variables import Variable
from ..protocol.definitions import Definition, Rules
from .file_format import (
    MAX_FILE,
    SUFFIX,
    OversizedError,
    Snapshot,
    dump,
    earlier_file_names,
    file_name,
    load,
)

_LOGGER = logging.getLogger(__name__)

ASIDE: Final = ".bad"
UNFINISHED: Final = ".tmp"
REWRITE_AFTER: Final = 900.0
"""Seconds that an unchanged value may be newer than the time in its file: spares flash."""

_MAX_NAMES_IN_REPORT: Final = 5
_ASIDE_NAME: Final = re.compile(rf"(.+{re.escape(SUFFIX)})(?:\.\d+)?{re.escape(ASIDE)}")


@dataclass(slots=True)
class Outcome:
    """What became of a save, by the names of variables."""

    failed: dict[str, str] = field(default_factory=dict)
    """What could not be written or removed, each with the reason."""
    postponed: list[str] = field(default_factory=list)
    """Unchanged values whose times are not worth a write yet."""
    lost: list[str] = field(default_factory=list)
    """Variables whose files have gone with their folder."""


class _Record(NamedTuple):
    """What is in a file, as far as it must be known in order to leave it alone."""

    fingerprint: int
    definition: Definition | None
    time: float

    @classmethod
    def of(cls, content: Snapshot | Variable) -> Self:
        fingerprint = hash((content.value, content.device, content.owner))
        return cls(fingerprint, content.definition, content.time)

    def is_outdated(self, now: Self, *, exact: bool) -> bool:
        """Tell whether the file is to be written, for an exact time or for any other reason."""
        age = abs(now.time - self.time)
        return now[:2] != self[:2] or (age > 0 if exact else age >= REWRITE_AFTER)


class _Found(NamedTuple):
    """A file that was read."""

    variable: Variable
    file: str
    is_complete: bool

    @property
    def rank(self) -> tuple[float, bool, bool]:
        """Which of two files of one variable stays: the greater."""
        variable = self.variable
        is_current = self.file == file_name(variable.name)
        return variable.time, variable.value is not None, is_current


def _report(what: str, names: list[str]) -> None:
    if names:
        some = ascii(names[:_MAX_NAMES_IN_REPORT])
        _LOGGER.warning("%s stored variables %s: %s", len(names), what, some)


def reason(err: Exception) -> str:
    """Return in a few words why something failed."""
    return (isinstance(err, OSError) and err.strerror) or f"{type(err).__name__}: {err}"


class Store:
    """The folder of files. Every method touches the disk: call it off the event loop."""

    def __init__(
        self,
        folder: Path,
        rules: Rules | None = None,
        max_line: int = Limits().max_line,
    ) -> None:
        """Keep the files in a folder, which is made where it is missing.

        What is in them is judged by the rules of descriptions, and by the bytes of a line.
        """
        self.folder = folder
        self.outdated: list[str] = []
        """Variables that were loaded from files which are to be renamed or removed."""
        self._rules = rules or Rules()
        self._max_line = max_line
        self._lock = threading.Lock()
        self._identity: tuple[int, int] | None = None
        self._records: dict[str, _Record] = {}
        self._superfluous: dict[str, set[str]] = {}
        """Files that go as soon as the variable's own file is right, by the variable's name."""
        self._unread: set[str] = set()
        """Files that are there and were not loaded: they stay until their variables change."""

    # Loading

    def load(self) -> list[Variable]:
        """Read all variables; what can't be read is reported, each kind in one line.

        What is torn or foreign is kept aside. What can't be read now, or is longer than the
        limits of now allow, stays where it is. Raises OSError where the folder itself can't be
        used.
        """
        with self._lock:
            self._open_folder()
            with os.scandir(self.folder) as entries:
                files = sorted(entries, key=lambda entry: entry.name)
            found: dict[str, list[_Found]] = {}
            bad: list[str] = []
            oversized: list[str] = []
            unread: list[str] = []
            for entry in files:
                try:
                    one = self._load_file(entry)
                except OversizedError:
                    oversized.append(entry.name)
                    self._unread.add(entry.name)
                except ValueError:
                    bad.append(entry.name)
                except OSError as err:
                    unread.append(f"{entry.name} ({reason(err)})")
                    self._unread.add(entry.name)
                else:
                    if one is not None:
                        found.setdefault(one.variable.name, []).append(one)
            stuck = [name for name in bad if not self._put_aside(name)]
            chosen = [self._choose(files) for files in found.values()]
        _report(f"can't be read and are kept aside as *{ASIDE}", bad)
        _report("could not be renamed", stuck)
        _report("can't be read now and are left as they are", unread)
        _report("are longer than a line may be and are left as they are", oversized)
        _report(
            "have a description that is not right and is left out",
            [one.file for one in chosen if not one.is_complete],
        )
        return [one.variable for one in chosen]

    def _load_file(self, entry: os.DirEntry[str]) -> _Found | None:
        """Read a file, None where it is none of a variable's.

        Raises OversizedError or ValueError for what it holds, OSError where it can't be read.
        """
        name = entry.name
        if name.endswith(SUFFIX + UNFINISHED):
            with suppress(OSError):
                (self.folder / name).unlink()
        if aside := _ASIDE_NAME.fullmatch(name):
            # An earlier version kept what it could not read just then, or a name that it did not know.
            with suppress(OSError, ValueError):
                return self._read(entry, aside[1])
        if not name.endswith(SUFFIX):
            return None
        return self._read(entry, name)

    def _read(self, entry: os.DirEntry[str], name: str) -> _Found:
        if not entry.is_file():
            raise ValueError("not a file")
        with Path(entry.path).open("rb") as file:
            content = file.read(MAX_FILE + 1)
        if len(content) > MAX_FILE:
            raise ValueError("no file of ours is as large")
        variable, is_complete = load(content, self._rules, self._max_line)
        if name not in {file_name(variable.name), *earlier_file_names(variable.name)}:
            raise ValueError("the file of another variable")
        return _Found(variable, entry.name, is_complete)

    def _put_aside(self, name: str) -> bool:
        """Rename a file that is no variable's, over none that was kept before."""
        aside, number = self.folder / (name + ASIDE), 1
        try:
            while aside.is_symlink() or aside.exists():
                number += 1
                aside = aside.with_name(f"{name}.{number}{ASIDE}")
            (self.folder / name).rename(aside)
        except OSError:
            return False
        return True

    def _choose(self, files: list[_Found]) -> _Found:
        """Take the newest file of a variable; the others go when it is saved."""
        best = max(files, key=lambda one: one.rank)
        name = best.variable.name
        current = file_name(name)
        if best.file == current:
            self._records[name] = _Record.of(best.variable)
        superfluous = {one.file for one in files} - {current}
        if superfluous:
            self._superfluous[name] = superfluous
            # What could not be read may be newer: only a new value replaces that.
            if self._unread.isdisjoint({current, *earlier_file_names(name)}):
                self.outdated.append(name)
        return best

    # Saving

    def save(self, snapshots: Iterable[Snapshot], *, exact: bool = False) -> Outcome:
        """Write or remove files, each whole or not at all; raises nothing.

        An unchanged value's time is written when it is REWRITE_AFTER seconds newer than that
        in the file; with exact, always.
        """
        outcome = Outcome()
        with self._lock:
            try:
                if not self._open_folder():
                    outcome.lost = list(self._records)
                    self._records.clear()
            except OSError as err:
                outcome.failed = {
                    one.name: reason(err)
                    for one in snapshots
                    if not one.is_empty or self._has_files(one.name)
                }
                return outcome
            for snapshot in snapshots:
                try:
                    if not self._save(snapshot, exact=exact):
                        outcome.postponed.append(snapshot.name)
                except Exception as err:  # noqa: BLE001
                    outcome.failed[snapshot.name] = reason(err)
        return outcome

    def _open_folder(self) -> bool:
        """Make the folder where it is missing; returns whether it is still the same one."""
        known = self._identity
        try:
            self.folder.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            if not self.folder.is_dir():
                raise
            is_new = False
        else:
            is_new = True
        found = self.folder.stat()
        self._identity = found.st_dev, found.st_ino
        return known is None or (known == self._identity and not is_new)

    def _save(self, snapshot: Snapshot, *, exact: bool) -> bool:
        """Bring a variable's file up to date; False where its time can wait."""
        name = snapshot.name
        path = self.folder / file_name(name)
        if snapshot.is_empty:
            try:
                path.unlink(missing_ok=True)
            except OSError:
                # Where nothing can be removed, names that were never on file would pile up as failed.
                if self._has_files(name):
                    raise
            self._records.pop(name, None)
        else:
            known, now = self._records.get(name), _Record.of(snapshot)
            if known is None or known.is_outdated(now, exact=exact):
                self._replace(path, dump(snapshot))
                self._records[name] = now
            elif known.time != now.time:
                return False
        self._unread.discard(path.name)
        self._remove_superfluous(name)
        return True

    def _has_files(self, name: str) -> bool:
        files = {file_name(name), *earlier_file_names(name)}
        return (
            name in self._records
            or name in self._superfluous
            or not files.isdisjoint(self._unread)
        )

    def _replace(self, path: Path, content: bytes) -> None:
        """Write a file beside the old one, which it then replaces. Raises OSError."""
        unfinished = path.with_name(path.name + UNFINISHED)
        try:
            with os.fdopen(_create(unfinished), "wb") as file:
                file.write(content)
            unfinished.replace(path)
        except OSError:
            with suppress(OSError):
                unfinished.unlink()
            raise

    def _remove_superfluous(self, name: str) -> None:
        files = self._superfluous.get(name, set())
        files |= earlier_file_names(name) & self._unread
        for file in tuple(files):
            (self.folder / file).unlink(missing_ok=True)
            files.discard(file)
            self._unread.discard(file)
        self._superfluous.pop(name, None)


def _create(path: Path) -> int:
    """Create a file for its owner alone, in place of what may be left of an earlier try."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return os.open(path, flags, 0o600)
    except FileExistsError:
        path.unlink()
        return os.open(path, flags, 0o600)

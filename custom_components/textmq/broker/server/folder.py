"""A folder of files, one for each name that is saved, each whole or not at all (protocol A6)."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
import logging
import os
from pathlib import Path
import stat
from typing import Final, NamedTuple, Protocol, Self

from ..core.stored import Stored, StoredClock, StoredDevice, StoredMessage
from ..core.variables import Variable
from ..protocol.definitions import Definition
from .file_format import Snapshot, dump_variable
from .file_names import (
    ASIDE,
    SUFFIX,
    UNFINISHED,
    earlier_file_names,
    file_name,
    former_name,
)
from .file_syntax import MAX_FILE, Loaded, OversizedError
from .record_format import dump_clock, dump_device, dump_message

_LOGGER = logging.getLogger(__name__)

REWRITE_AFTER: Final = 900.0
"""Seconds that an unchanged value may be newer than the time in its file: spares flash."""

_MAX_NAMES_IN_REPORT: Final = 5

type Content = Snapshot | Stored
"""What a file is to hold."""
type Contents = Mapping[str, Content | None]
"""What is to be on file, by the names under which it is saved; None where nothing is."""


class Named(Protocol):
    """What is saved under a name."""

    @property
    def name(self) -> str:
        """The name."""


type Load[T] = Callable[[bytes, str], Loaded[T]]
"""Reads the content of a file, given the file's name. Raises OversizedError or ValueError."""


@dataclass(slots=True)
class Outcome:
    """What became of a save, by the names under which things are saved."""

    failed: dict[str, str] = field(default_factory=dict)
    """What could not be written or removed, each with the reason."""
    postponed: list[str] = field(default_factory=list)
    """Unchanged values whose times are not worth a write yet."""
    lost: list[str] = field(default_factory=list)
    """What was in files that have gone with their folder."""


class _Record(NamedTuple):
    """What is in a file, as far as it must be known in order to leave it alone."""

    fingerprint: int
    definition: Definition | None
    time: float

    @classmethod
    def of(cls, content: Content | Variable) -> Self:
        if not isinstance(content, Snapshot | Variable):
            return cls(hash(content), None, 0)
        described = content.described_by, content.set_token, content.set_count
        fingerprint = hash(
            (
                (content.value, content.device, content.account, content.will),
                (described, content.set_rules),
            )
        )
        return cls(fingerprint, content.definition, content.time)

    def is_outdated(self, now: Self, *, exact: bool) -> bool:
        """Tell whether the file is to be written, for an exact time or for any other reason."""
        age = abs(now.time - self.time)
        return now[:2] != self[:2] or (age > 0 if exact else age >= REWRITE_AFTER)


class _Found[T](NamedTuple):
    """A file that was read."""

    loaded: Loaded[T]
    name: str
    file: str

    @property
    def rank(self) -> tuple[tuple[float, bool], bool]:
        """Which of two files of one name stays: the greater."""
        return self.loaded.rank, self.file == file_name(self.name)


def reason(err: Exception) -> str:
    """Return in a few words why something failed."""
    return (isinstance(err, OSError) and err.strerror) or f"{type(err).__name__}: {err}"


class Folder[T: Variable | StoredDevice | StoredMessage]:
    """One folder. Every method touches the disk: call it off the event loop."""

    def __init__(
        self, path: Path, what: str, load: Load[T], *, parents: bool = False
    ) -> None:
        """Keep the files in a folder, which is made when it is needed, with parents those above it too.

        what says in the log what they hold.
        """
        self.path = path
        self.outdated: list[str] = []
        """Names of what was loaded from files that are to be renamed or removed."""
        self._parents = parents
        self._what = what
        self._load = load
        self._identity: tuple[int, int] | None = None
        self._records: dict[str, _Record] = {}
        self._superfluous: dict[str, set[str]] = {}
        """Files that go as soon as the right file of a name is there, by that name."""
        self._unread: set[str] = set()
        """Files that are there and were not loaded: they stay until what they hold changes."""

    # Loading

    def load(self) -> list[T]:
        """Read all files; what can't be read is reported, each kind in one line.

        What is torn or foreign is kept aside. What can't be read now, or is longer than the
        limits of now allow, stays where it is. A folder that is missing holds nothing. Raises
        OSError where it can't be read.
        """
        try:
            with os.scandir(self.path) as entries:
                files = sorted(entries, key=lambda entry: entry.name)
            self._identify()
        except FileNotFoundError:
            files = []
        found: dict[str, list[_Found[T]]] = {}
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
                    found.setdefault(one.name, []).append(one)
        stuck = [name for name in bad if not self.put_aside(name)]
        self._unread |= set(stuck)
        chosen = [self._choose(name, files) for name, files in found.items()]
        self._report(f"can't be read and are kept aside as *{ASIDE}", bad)
        self._report("could not be renamed", stuck)
        self._report("can't be read now and are left as they are", unread)
        self._report(
            "are longer than a line may be and are left as they are", oversized
        )
        self._report(
            "have a part that is not right and is left out",
            [one.file for one in chosen if not one.loaded.is_complete],
        )
        return [one.loaded.content for one in chosen]

    def _report(self, what: str, files: list[str]) -> None:
        if files:
            some = ascii(files[:_MAX_NAMES_IN_REPORT])
            _LOGGER.warning("%s stored %s %s: %s", len(files), self._what, what, some)

    def _load_file(self, entry: os.DirEntry[str]) -> _Found[T] | None:
        """Read a file, None where it is none of ours.

        Raises OversizedError or ValueError for what it holds, OSError where it can't be read.
        """
        name = entry.name
        if name.endswith(SUFFIX + UNFINISHED):
            with suppress(OSError):
                (self.path / name).unlink()
        if aside := former_name(name):
            # An earlier version kept what it could not read just then, or a name that it did not know.
            with suppress(OSError, ValueError):
                return self._read(entry, aside)
        if not name.endswith(SUFFIX):
            return None
        return self._read(entry, name)

    def _read(self, entry: os.DirEntry[str], file: str) -> _Found[T]:
        if not entry.is_file():
            raise ValueError("not a file")
        loaded = self._load(read_file(Path(entry.path)), file)
        name = loaded.content.name
        if file not in {file_name(name), *earlier_file_names(name)}:
            raise ValueError("the file of something else")
        return _Found(loaded, name, entry.name)

    def put_aside(self, file: str) -> bool:
        """Rename a file that can't be used, over none that was kept before; False where it can't be."""
        aside, number = self.path / (file + ASIDE), 1
        try:
            while aside.is_symlink() or aside.exists():
                number += 1
                aside = aside.with_name(f"{file}.{number}{ASIDE}")
            (self.path / file).rename(aside)
        except OSError:
            return False
        return True

    def _choose(self, name: str, files: list[_Found[T]]) -> _Found[T]:
        """Take the newest file of a name; the others go when it is saved."""
        best = max(files, key=lambda one: one.rank)
        current = file_name(name)
        if best.file == current:
            self._records[name] = _Record.of(best.loaded.content)
        superfluous = {one.file for one in files} - {current}
        if superfluous:
            self._superfluous[name] = superfluous
            # What could not be read may be newer: only a new content replaces that.
            if self._unread.isdisjoint({current, *earlier_file_names(name)}):
                self.outdated.append(name)
        return best

    # Saving

    def save(self, contents: Contents, outcome: Outcome, *, exact: bool) -> None:
        """Write or remove files, each whole or not at all; raises nothing.

        An unchanged value's time is written when it is REWRITE_AFTER seconds newer than that
        in the file; with exact, always.
        """
        if not (self.is_known or any(contents.values())):
            # No folder is made only to remove something from it.
            return
        try:
            if not self.open():
                self.lose(outcome)
        except OSError as err:
            self.fail(contents, err, outcome)
            return
        for name, content in contents.items():
            try:
                if not self._save(name, content, exact=exact):
                    outcome.postponed.append(name)
            except Exception as err:  # noqa: BLE001
                outcome.failed[name] = reason(err)

    @property
    def is_known(self) -> bool:
        """The folder has been there."""
        return self._identity is not None

    def lose(self, outcome: Outcome) -> None:
        """Note that the files have gone with their folder."""
        outcome.lost += self._records
        self._records.clear()

    def fail(self, contents: Contents, err: OSError, outcome: Outcome) -> None:
        """Note that nothing can be written or removed."""
        outcome.failed |= {
            name: reason(err)
            for name, content in contents.items()
            if content is not None or self.holds(name)
        }

    def open(self) -> bool:
        """Make the folder where it is missing; returns whether it is still the same one.

        Raises OSError where it can't be used.
        """
        known = self._identity
        try:
            self.path.mkdir(mode=0o700, parents=self._parents)
        except FileExistsError:
            if not self.path.is_dir():
                raise
            is_new = False
        else:
            is_new = True
        self._identify()
        return known is None or (known == self._identity and not is_new)

    def _identify(self) -> None:
        found = self.path.stat()
        self._identity = found.st_dev, found.st_ino

    def _save(self, name: str, content: Content | None, *, exact: bool) -> bool:
        """Bring a file up to date; False where a value's time can wait."""
        path = self.path / file_name(name)
        if content is None:
            try:
                path.unlink(missing_ok=True)
            except OSError:
                # Where nothing can be removed, names that were never on file would pile up as failed.
                if self.holds(name):
                    raise
            self._records.pop(name, None)
        else:
            known, now = self._records.get(name), _Record.of(content)
            if known is None or known.is_outdated(now, exact=exact):
                _replace(path, _dump(content))
                self._records[name] = now
            elif known.time != now.time:
                return False
        self._unread.discard(path.name)
        self._remove_superfluous(name)
        return True

    def holds(self, name: str) -> bool:
        """Tell whether there is, or may be, a file of a name."""
        return (
            name in self._records
            or name in self._superfluous
            or not self._unread.isdisjoint({file_name(name), *earlier_file_names(name)})
        )

    def _remove_superfluous(self, name: str) -> None:
        files = self._superfluous.get(name, set())
        files |= earlier_file_names(name) & self._unread
        for file in tuple(files):
            (self.path / file).unlink(missing_ok=True)
            files.discard(file)
            self._unread.discard(file)
        self._superfluous.pop(name, None)


def read_file(path: Path) -> bytes:
    """Read a file.

    Raises ValueError where it is none, or larger than any of ours, OSError where it can't be read.
    """
    # To open a pipe or a device may take for ever.
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("not a file")
    with path.open("rb") as file:
        content = file.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        raise ValueError("no file of ours is as large")
    return content


def _dump(content: Content) -> bytes:
    match content:
        case Snapshot():
            return dump_variable(content)
        case StoredDevice():
            return dump_device(content)
        case StoredMessage():
            return dump_message(content)
        case StoredClock():
            return dump_clock(content)


def _replace(path: Path, content: bytes) -> None:
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


def _create(path: Path) -> int:
    """Create a file for its owner alone, in place of what may be left of an earlier try."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return os.open(path, flags, 0o600)
    except FileExistsError:
        path.unlink()
        return os.open(path, flags, 0o600)

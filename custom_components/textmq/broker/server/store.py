"""The store: all that the broker keeps on file (protocol A6)."""

from contextlib import suppress
from functools import partial
import logging
from pathlib import Path
import threading
from typing import NamedTuple

from ..core.limits import Limits
from ..core.stored import StoredClock, StoredDevice, StoredMessage
from ..core.variables import Variable
from ..protocol.definitions import Rules
from .file_format import load_variable
from .file_names import (
    ASIDE,
    CLOCK_FILE,
    DEVICES_FOLDER,
    MESSAGES_FOLDER,
    UNFINISHED,
    folder_of,
)
from .file_syntax import MAX_NUMBER, Loaded
from .folder import Content, Contents, Folder, Outcome, read_file, reason
from .record_format import load_clock, load_device, load_message

_LOGGER = logging.getLogger(__name__)


class Archived(NamedTuple):
    """All that was on file."""

    variables: list[Variable]
    devices: list[StoredDevice]
    messages: list[StoredMessage]
    """In their order."""
    clock: StoredClock | None
    """When the broker saved last; None where that is not known."""
    last_serial: int
    """The largest number that a message's file has, whether it could be read or not.

    Those above MAX_NUMBER are not the broker's.
    """


class Store:
    """The folders of files. Every method touches the disk: call it off the event loop."""

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
        rules = rules or Rules()

        def variable(content: bytes, _: str) -> Loaded[Variable]:
            return load_variable(content, rules, max_line)

        def device(content: bytes, _: str) -> Loaded[StoredDevice]:
            return load_device(content, max_line)

        self._variables = Folder(folder, "variables", variable, parents=True)
        self._devices = Folder(folder / DEVICES_FOLDER, "devices", device)
        self._messages = Folder(
            folder / MESSAGES_FOLDER,
            "messages",
            partial(load_message, max_line=max_line),
        )
        self._folders: dict[
            str, Folder[Variable] | Folder[StoredDevice] | Folder[StoredMessage]
        ] = {
            "": self._variables,
            DEVICES_FOLDER: self._devices,
            MESSAGES_FOLDER: self._messages,
        }
        self._lock = threading.Lock()

    @property
    def outdated(self) -> list[str]:
        """Names of what was loaded from files that are to be renamed or removed."""
        return [name for one in self._folders.values() for name in one.outdated]

    def load(self) -> Archived:
        """Read everything; what can't be read is reported, and stops nothing.

        Raises OSError where the folder itself can't be used.
        """
        with self._lock:
            self._variables.open()
            messages = _load_folder(self._messages)
            messages.sort(key=lambda message: message.serial)
            return Archived(
                self._variables.load(),
                _load_folder(self._devices),
                messages,
                self._load_clock(),
                self._find_last_serial(),
            )

    def _find_last_serial(self) -> int:
        try:
            stems = [path.name.split(".")[0] for path in self._messages.path.iterdir()]
        except OSError:
            return 0
        serials = (int(stem) for stem in stems if stem.isdecimal())
        return max((one for one in serials if one <= MAX_NUMBER), default=0)

    def _load_clock(self) -> StoredClock | None:
        path = self.folder / CLOCK_FILE
        with suppress(OSError):
            path.with_name(CLOCK_FILE + UNFINISHED).unlink()
        try:
            return load_clock(read_file(path))
        except FileNotFoundError:
            return None
        except ValueError:
            is_aside = self._variables.put_aside(CLOCK_FILE)
            what = f"kept aside as *{ASIDE}" if is_aside else "left as it is"
            _LOGGER.warning("The time of the last save can't be read and is %s", what)
        except OSError as err:
            _LOGGER.warning("The time of the last save can't be read: %s", reason(err))
        return None

    def save(self, contents: Contents, *, exact: bool = False) -> Outcome:
        """Write or remove files, each whole or not at all; raises nothing.

        An unchanged value's time is written when it is REWRITE_AFTER seconds newer than that
        in the file; with exact, always.
        """
        outcome = Outcome()
        places: dict[str, dict[str, Content | None]] = {
            one: {} for one in self._folders
        }
        for name, content in contents.items():
            places[folder_of(name)][name] = content
        root = self._variables
        with self._lock:
            if not (root.is_known or any(contents.values())):
                return outcome
            try:
                is_lost = not root.open()
            except OSError as err:
                for place, folder in self._folders.items():
                    folder.fail(places[place], err, outcome)
                return outcome
            for place, folder in self._folders.items():
                # Where the folder of all has gone, those in it have gone, too.
                if is_lost:
                    folder.lose(outcome)
                if places[place]:
                    folder.save(places[place], outcome, exact=exact)
        return outcome

    def may_hold(self, name: str) -> bool:
        """Tell whether there is, or may soon be, a file of a name; waits for nothing."""
        if not self._lock.acquire(blocking=False):
            return True
        try:
            return self._folders[folder_of(name)].holds(name)
        finally:
            self._lock.release()


def _load_folder[T: StoredDevice | StoredMessage](folder: Folder[T]) -> list[T]:
    """Read a folder that the start does not depend on."""
    try:
        return folder.load()
    except OSError as err:
        _LOGGER.warning("The folder %s can't be read: %s", folder.path, reason(err))
    return []

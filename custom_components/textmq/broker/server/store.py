"""The store: one text file a variable, written behind, atomically (protocol A6)."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
import hashlib
import logging
import os
from pathlib import Path
import re
from typing import NamedTuple, Self, override

from ..core.broker import Broker
from ..core.observers import Observer
from ..core.variables import Variable
from ..protocol import names, wire
from ..protocol.definitions import Definition, Rules
from ..protocol.reasons import BadReason, Refusal

_LOGGER = logging.getLogger(__name__)

SUFFIX = ".txt"
ASIDE = ".bad"
UNFINISHED = ".tmp"
MAX_FILE_NAME = 200
"""Characters of a file's name: file systems take 255 bytes, endings included."""
MAX_FILE = 1 << 18
"""Bytes: no file of ours is as large."""

_NAMED = 5
"""Files that a report names."""

_KEPT = re.compile(r"[^a-z0-9_.-]")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)")


class Snapshot(NamedTuple):
    """What a variable's file is to hold, taken in one moment; nothing where the variable is gone."""

    name: str
    value: str | None = None
    time: float = 0
    device: str = ""
    owner: str = ""
    definition: Definition | None = None

    @classmethod
    def take(cls, name: str, variable: Variable | None) -> Self:
        """Take the snapshot of a variable, None for one that is gone."""
        if variable is None:
            return cls(name)
        return cls(
            name,
            variable.value,
            variable.time,
            variable.device,
            variable.owner,
            variable.definition,
        )


def file_name(name: str) -> str:
    """Return the name of a variable's file: safe and distinct on every file system.

    Capital letters are encoded too, for file systems that do not tell them apart.
    """
    safe = _KEPT.sub(lambda found: f"%{ord(found.group()):02X}", name)
    if safe.startswith(".") or _RESERVED.match(safe):
        safe = f"%{ord(safe[0]):02X}{safe[1:]}"
    if len(safe) > MAX_FILE_NAME:
        digest = hashlib.sha256(name.encode("ascii")).hexdigest()[:32]
        safe = f"{safe[: MAX_FILE_NAME - 40]}~{digest}"
    return safe + SUFFIX


def dump(snapshot: Snapshot) -> bytes:
    """Write the content of a variable's file: the last publish, then the description."""
    name, value, time, device, owner, definition = snapshot
    by = {"DEVICE": device} | ({} if owner == device else {"OWNER": owner})
    content = b""
    if value is not None:
        publish = {"VARIABLE": name, "VALUE": value, "TIME": wire.encode_time(time)}
        content += wire.encode_message("PUB", publish | by)
    if definition is not None:
        params = {"VARIABLE": name} | dict(definition.params)
        if not content:
            params["DEVICE"] = device
        content += wire.encode_message("DEF", params)
    return content


def load(content: bytes, rules: Rules) -> tuple[Variable, bool]:
    """Read a variable from the content of its file, and whether its description is right.

    One that is not, or not any more, is left out. Raises ValueError for a torn or foreign file.
    """
    first, _, second = content.removesuffix(b"\n").partition(b"\n")
    try:
        command, params = wire.parse(first)
        name = params["VARIABLE"]
        names.check_variable_name(name)
        variable = Variable(name, params.get("OWNER", params["DEVICE"]))
        variable.device = params["DEVICE"]
        if command == "PUB":
            variable.value = params["VALUE"]
            variable.time = wire.decode_time(params["TIME"])
        else:
            second = first
    except (Refusal, KeyError) as err:
        raise ValueError(str(err)) from err
    if second:
        try:
            variable.definition = _load_definition(second, name, rules)
        except Refusal as err:
            if variable.value is None:
                raise ValueError(str(err)) from err
            return variable, False
    return variable, True


def _load_definition(line: bytes, name: str, rules: Rules) -> Definition:
    command, params = wire.parse(line)
    if command != "DEF" or params.get("VARIABLE") != name:
        raise Refusal(BadReason.BAD_DEFINITION, "a foreign line")
    return Definition.parse(params, rules)


def _report(what: str, names: list[str]) -> None:
    if names:
        some = ascii(names[:_NAMED])
        _LOGGER.warning("%s stored variables %s: %s", len(names), what, some)


class Store:
    """The folder of files. Every method touches the disk: call it off the event loop."""

    def __init__(self, folder: Path, rules: Rules | None = None) -> None:
        """Keep the files in a folder, which is made where it is missing."""
        self._folder = folder
        self._rules = rules or Rules()

    def load(self) -> list[Variable]:
        """Read all variables; what can't be read is kept aside and reported in one line.

        Raises OSError where the folder itself can't be used.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        variables: list[Variable] = []
        bad: list[str] = []
        undescribed: list[str] = []
        with os.scandir(self._folder) as entries:
            names = sorted(entry.name for entry in entries)
        for name in names:
            path = self._folder / name
            if name.endswith(UNFINISHED):
                with suppress(OSError):
                    path.unlink()
            elif name.endswith(SUFFIX):
                try:
                    variable, described = self._read(path)
                    variables.append(variable)
                    if not described:
                        undescribed.append(name)
                except (OSError, ValueError):
                    bad.append(name)
                    with suppress(OSError):
                        path.rename(path.with_name(name + ASIDE))
        _report(f"can't be read and are kept aside as *{ASIDE}", bad)
        _report("have a description that is not right and is left out", undescribed)
        return variables

    def _read(self, path: Path) -> tuple[Variable, bool]:
        with path.open("rb") as file:
            variable, described = load(file.read(MAX_FILE), self._rules)
        if path.name != file_name(variable.name):
            raise ValueError("the file of another variable")
        return variable, described

    def save(self, snapshots: Iterable[Snapshot]) -> None:
        """Write or remove files, each whole or not at all. Raises OSError for the first that fails."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for snapshot in snapshots:
            path = self._folder / file_name(snapshot.name)
            content = dump(snapshot)
            if not content:
                path.unlink(missing_ok=True)
                continue
            unfinished = path.with_name(path.name + UNFINISHED)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            with os.fdopen(os.open(unfinished, flags, 0o600), "wb") as file:
                file.write(content)
            unfinished.replace(path)


class Saver(Observer):
    """Writes what has changed: every interval, when a variable is deleted, and at the end."""

    def __init__(self, broker: Broker, store: Store, interval: float) -> None:
        """Save every interval seconds."""
        self._broker = broker
        self._store = store
        self._interval = interval
        self._wake = asyncio.Event()
        self._stopping = False
        self._failing = False
        self._task: asyncio.Task[None] | None = None
        self._unobserve: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to save in the background."""
        self._unobserve = self._broker.observe(self)
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Save what is left, and end."""
        if self._task is None or self._unobserve is None:
            return
        self._unobserve()
        self._stopping = True
        self._wake.set()
        await self._task

    @override
    def variable_deleted(self, variable: Variable) -> None:
        self._wake.set()

    async def _run(self) -> None:
        while not self._stopping:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._interval)
            self._wake.clear()
            await self._save()

    async def _save(self) -> None:
        broker = self._broker
        names = dict(broker.changed)
        broker.changed.clear()
        if not names:
            return
        snapshots = []
        for name in names:
            variable = broker.variables.get(name)
            if variable is not None:
                variable.dirty = False
            snapshots.append(Snapshot.take(name, variable))
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(None, self._store.save, snapshots)
        except OSError as err:
            broker.changed.update(names)
            if not self._failing:
                _LOGGER.error("Variables can't be saved, will be tried again: %s", err)
            self._failing = True
        else:
            self._failing = False

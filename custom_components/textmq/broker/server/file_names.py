"""Where things are on file: folders and names of files, by the names under which they are saved (protocol A6)."""

import hashlib
import re
from typing import Final

from ..core.stored import CLOCK, DEVICE_PREFIX, MESSAGE_PREFIX

SUFFIX: Final = ".txt"
ASIDE: Final = ".bad"
UNFINISHED: Final = ".tmp"
DEVICES_FOLDER: Final = "devices"
MESSAGES_FOLDER: Final = "messages"
CLOCK_FILE: Final = "saved"
"""Without a suffix: versions that do not know it leave it alone."""
MAX_FILE_NAME: Final = 120
"""Characters of a file's name before its suffixes: encrypted file systems take 143 bytes in all."""
EARLIER_MAX_FILE_NAMES: Final = (200,)
"""What it was before: files with such names are read, and renamed when they are saved."""

_DIGEST: Final = 32
_KEPT: Final = re.compile(r"[^a-z0-9_.-]")
_RESERVED: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)")
_ASIDE_NAME: Final = re.compile(rf"(.+{re.escape(SUFFIX)})(?:\.\d+)?{re.escape(ASIDE)}")


def folder_of(name: str) -> str:
    """Return the folder of what is saved under a name, below that of the variables; "" for that itself."""
    if name.startswith(DEVICE_PREFIX):
        return DEVICES_FOLDER
    return MESSAGES_FOLDER if name.startswith(MESSAGE_PREFIX) else ""


def file_name(name: str) -> str:
    """Return the name of the file of what is saved under a name."""
    if name == CLOCK:
        return CLOCK_FILE
    if name.startswith(MESSAGE_PREFIX):
        return name.removeprefix(MESSAGE_PREFIX) + SUFFIX
    return _safe(name.removeprefix(DEVICE_PREFIX), MAX_FILE_NAME)


def earlier_file_names(name: str) -> set[str]:
    """Return the names that the file of a variable had by earlier rules, where they differ."""
    if folder_of(name) or name == CLOCK:
        return set()
    earlier = {_safe(name, longest) for longest in EARLIER_MAX_FILE_NAMES}
    return earlier - {file_name(name)}


def former_name(file: str) -> str | None:
    """Return the name that a file had before it was put aside; None where it was not."""
    aside = _ASIDE_NAME.fullmatch(file)
    return aside[1] if aside else None


def _safe(name: str, longest: int) -> str:
    """Make a file's name that is safe and distinct on every file system.

    Capital letters are encoded too, for file systems that do not tell them apart. A name of
    more than longest characters is shortened and made unique.
    """
    safe = _KEPT.sub(lambda found: f"%{ord(found.group()):02X}", name)
    if safe.startswith(".") or _RESERVED.match(safe):
        safe = f"%{ord(safe[0]):02X}{safe[1:]}"
    if len(safe) > longest:
        digest = hashlib.sha256(name.encode("ascii")).hexdigest()[:_DIGEST]
        safe = f"{safe[: longest - _DIGEST - 8]}~{digest}"
    return safe + SUFFIX

"""The time zone of the house as POSIX writes it: what small devices can use (protocol A4)."""

from importlib.resources import files
import os
from pathlib import Path
import zoneinfo

_LOCAL = Path("/etc/localtime")


def posix_time_zone(name: str | None = None) -> str:
    """Return the rule of a time zone (`Europe/Berlin`), or of this machine's; "" where it is not known.

    Touches the disk.
    """
    if name is None:
        name = os.environ.get("TZ", "").removeprefix(":")
    try:
        content = _read(name) if name else _LOCAL.read_bytes()
    except (OSError, ValueError, LookupError, ImportError):
        return ""
    # RFC 9636: the footer of a file from version 2 on is the rule, between line feeds.
    *_, footer, end = (b"", b"", *content.split(b"\n"))
    rule = footer.decode("ascii", "replace")
    return rule if not end and rule.isascii() and rule.isprintable() else ""


def _read(name: str) -> bytes:
    """Read the file of a time zone. Raises ValueError or OSError where there is none."""
    zoneinfo.ZoneInfo(name)
    for folder in zoneinfo.TZPATH:
        path = Path(folder, name)
        if path.is_file():
            return path.read_bytes()
    return files("tzdata").joinpath("zoneinfo", name).read_bytes()

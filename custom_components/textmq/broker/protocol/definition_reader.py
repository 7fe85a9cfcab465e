"""The parameters of a DEF: read, refused, left out, passed on (protocol B6)."""

from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from math import isfinite
from typing import Final

from . import wire
from .reasons import BadReason, Refusal

KEYS: Final = (
    "TYPE",
    "NAME",
    "UNIT",
    "CLASS",
    "STATE",
    "ICON",
    "CATEGORY",
    "PRECISION",
    "OPTIONS",
    "MIN",
    "MAX",
    "STEP",
    "MODE",
    "EXPIRE",
    "FORCE",
    "HIDDEN",
    "SET",
    "PART",
    "PART_NAME",
    "PART_AREA",
    "CODE",
)
RESERVED: Final = frozenset(
    {
        "COMMAND",
        "VARIABLE",
        "SEQ",
        "ACK",
        "DEVICE",
        "OWNER",
        "TIME",
        "AGE",
        "FULL",
        "WILL",
        "RETAIN",
        "DEFS",
        "TOKEN",
        "COUNT",
    }
)
"""Keys of a DEF, on the wire or on file, that are not of the description: they are not passed on."""
MAX_UNKNOWN: Final = 1024
"""Bytes of `KEY=VALUE` that are passed on without being understood."""
MAX_UNKNOWN_KEYS: Final = 24
"""How many there may be: each costs a delivery a few bytes more than it has cost its sender."""
_SHOWN: Final = 40
"""Characters of a wrong value that a sentence repeats."""
_MAX_NAMED: Final = 24
"""Units and keys that a sentence names."""


def brief(value: str) -> str:
    """Return a wrong value as a sentence repeats it."""
    return value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."


def listed(items: Iterable[str], word: str) -> str:
    """Return some of the items, with a word between them."""
    all_items = [brief(item) for item in items]
    more = ["..."] if len(all_items) > _MAX_NAMED else []
    return f" {word} ".join(all_items[:_MAX_NAMED] + more)


def refuse(detail: str) -> Refusal:
    """Return the refusal (bad-definition) with a sentence for a person."""
    return Refusal(BadReason.BAD_DEFINITION, detail)


def perhaps(value: str, known: Collection[str]) -> str:
    """Return which of the known words was meant, as the beginning of a hint."""
    near = get_close_matches(brief(value), known, n=1)
    return f"perhaps {near[0]}; " if near else ""


def one_of(key: str, value: str, known: Collection[str]) -> str:
    """Return a value that is one of the known words. Raises Refusal."""
    if value not in known:
        hint = perhaps(value, known)
        raise refuse(
            f"{key}={brief(value)} is not known: {hint}one of {', '.join(known)}"
        )
    return value


def _number(key: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not isfinite(number) or "_" in value:
        raise refuse(f"{key}={brief(value)} is not a number")
    return number


class DefinitionReader:
    """The parameters of one DEF: the raw ones are what is kept of them, notes say what is not."""

    def __init__(self, given: Mapping[str, str]) -> None:
        """Take the keys that are known; an empty one counts as not given, but for NAME."""
        self.notes: list[str] = []
        self.raw = {
            key: given[key]
            for key in KEYS
            if given.get(key) or (key == "NAME" and key in given)
        }
        self._text = {key: wire.decode(value) for key, value in self.raw.items()}
        self._unknown = self._pass_on(given)

    def _pass_on(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the keys that are not known, as far as there is room for them."""
        room = MAX_UNKNOWN
        kept: dict[str, str] = {}
        left_out: list[str] = []
        for key, value in given.items():
            if key in KEYS or key in RESERVED:
                continue
            size = len(key) + len(value) + 1
            if size <= room and len(kept) < MAX_UNKNOWN_KEYS:
                room -= size
                kept[key] = value
            else:
                left_out.append(key)
        if left_out:
            self.notes.append(
                f"{listed(left_out, 'and')} left out: {MAX_UNKNOWN_KEYS} keys that are"
                f" not known are kept, {MAX_UNKNOWN} bytes in all"
            )
        return kept

    @property
    def params(self) -> dict[str, str]:
        """What is kept, in wire form."""
        return self.raw | self._unknown

    def text(self, key: str) -> str | None:
        """Return a value as text, None where it is not given or left out."""
        return self._text.get(key)

    def number(self, key: str) -> float | None:
        """Read a number. Raises Refusal."""
        text = self.text(key)
        return None if text is None else _number(key, text)

    def choice(self, key: str, known: Collection[str]) -> str | None:
        """Read one of the words that are known. Raises Refusal."""
        text = self.text(key)
        return None if text is None else one_of(key, text, known)

    def flag(self, key: str) -> bool:
        """Read YES or NO, which is what counts where nothing is given. Raises Refusal."""
        return self.choice(key, ("YES", "NO")) == "YES"

    def options(self) -> tuple[str, ...]:
        """Read OPTIONS: a comma of an option itself is an escape."""
        items = (item.strip() for item in self.raw.get("OPTIONS", "").split(","))
        return tuple(wire.decode(item) for item in items if item)

    def leave_out(self, key: str, why: str) -> None:
        """Do without a parameter; `why` follows on it in the note."""
        self.notes.append(f"{key}={brief(self._text[key])} {why}: left out")
        del self._text[key], self.raw[key]

    def leave_out_unless(
        self, key: str, fits: Callable[[float], bool], why: str
    ) -> None:
        """Do without a number that does not fit. Raises Refusal where it is none."""
        number = self.number(key)
        if number is not None and not fits(number):
            self.leave_out(key, why)

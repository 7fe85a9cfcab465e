"""Text that devices supply, made safe to be shown: it may be anything."""

import re
from typing import Final
import unicodedata

from homeassistant.util import slugify

MAX_LENGTH: Final = 100

# Controls, formats (which turn the direction of writing), halves of pairs, private use, line ends.
_UNWANTED: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINER: Final = "\u200d"
_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&:/@^=])")


def single_line(text: str, length: int = MAX_LENGTH) -> str:
    """Return text in one line, without anything invisible, at most length characters."""
    kept = "".join(
        character
        if character == _JOINER or unicodedata.category(character) not in _UNWANTED
        else " "
        for character in text[: 2 * length]
    )
    line = " ".join(kept.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def label(text: str) -> str:
    """Return text as a name: plain, and no longer than an entity ID has room for when it is spelt in Latin letters."""
    name = single_line(text)
    while len(slugify(name)) > MAX_LENGTH:
        name = single_line(name, len(name) * 3 // 4)
    return name


def escape_markdown(text: str, length: int = MAX_LENGTH) -> str:
    """Escape text so that Markdown shows it literally, at most length characters of it."""
    return _MARKDOWN.sub(r"\\\1", single_line(text, length))


def for_log(text: str, length: int = MAX_LENGTH) -> str:
    """Return text for the log: plain, in ASCII, at most length characters of it."""
    return ascii(single_line(text, length))

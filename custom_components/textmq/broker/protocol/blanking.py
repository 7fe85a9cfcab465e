"""Blanks secrets in lines of the wire, for every log and trace (protocol B6).

Nothing of a line is shown that is not certain to be harmless: while there are secrets, a line
that is no message could be the end of one that holds a secret, and is blanked whole.
"""

from collections.abc import Collection, Iterator
import re
from typing import Final

from .definition_reader import KEYS, RESERVED
from .reasons import Refusal
from .wire import Message, decode, parse

BLANK: Final = "***"
"""Stands where a secret was."""

_KEY: Final = "KEY"
_KEY_SIGNS: Final = re.compile(rb"KEY[ \t\0]*=|[A-Za-z0-9+/]{40}", re.IGNORECASE)
"""What a line with a key has: the parameter, or what looks like 32 bytes in base64."""
_SECRET_SIGNS: Final = re.compile(rb"[CM]ODE", re.IGNORECASE)
"""What a description has that makes something secret."""
_NEXT_MESSAGE: Final = re.compile(rb"(?<=END)[ \t\0]*(?=START[ \t]*\|)", re.IGNORECASE)
_PADDING: Final = b" \t\0\r\n"
_SHOWN_KEYS: Final = frozenset(
    (*KEYS, *RESERVED, "REASON", "DETAIL", "REPLAY", "DEF", "WRITE", "READ", "SEND")
)
"""Parameters that are shown of a message with a secret: any other may be a misspelt VALUE, or a part of one."""
_HIDDEN_KEYS: Final = frozenset(("VALUE", _KEY))
_WITHOUT_VALUE: Final = frozenset(("DEF", "DEL", "GET", "SUB", "UNSUB", "OK", "BAD"))
"""Commands that name a secret without telling it."""


_WITHOUT_VARIABLE: Final = frozenset(
    ("OK", "BAD", "HELLO?", "HELLO!", "ID", "CLOSE", "GOT", "DEFS", "UNSUBALL", "MSG")
)
"""Commands that are of no variable, however they are spelt."""


def blank(line: bytes, secrets: Collection[str]) -> bytes:
    """Return a line as it was on the wire with KEY and the values of secrets blanked.

    The line may hold several messages, and be anything. The secrets are names of variables
    whose values are secret; names are compared as they are sent.
    """
    if not secrets and not _KEY_SIGNS.search(line):
        return line
    return b"".join(_blank_message(piece, secrets) for piece in _pieces(line))


def may_hold_secret(message: Message, secrets: Collection[str]) -> bool:
    """Tell whether something of a message is to be blanked, or could be if it were spelt right."""
    command, params = message
    if _KEY in params:
        return True
    if not secrets:
        return False
    variable = params.get("VARIABLE")
    if "=" in command or variable is None:
        return command not in _WITHOUT_VARIABLE
    if variable in secrets:
        return command not in _WITHOUT_VALUE or not _SHOWN_KEYS.issuperset(params)
    return "=" in variable and any(name in variable for name in secrets)


def names_made_secret(line: bytes) -> tuple[str, ...]:
    """Return the names of variables that a description in a line makes secret."""
    if not _SECRET_SIGNS.search(line):
        return ()
    names: list[str] = []
    for piece in _pieces(line):
        message = _read(piece.strip(_PADDING))
        if message is not None and message.command == "DEF":
            params = message.params
            if params.get("CODE") or decode(params.get("MODE", "")) == "password":
                names.append(params.get("VARIABLE", ""))
    return tuple(one for name in names for one in (name, f"{name}/set"))


def _pieces(line: bytes) -> Iterator[bytes]:
    """Cut a line into its messages, each with the blanks before it."""
    at = 0
    for found in _NEXT_MESSAGE.finditer(line):
        yield line[at : found.start()]
        at = found.start()
    yield line[at:]


def _blank_message(piece: bytes, secrets: Collection[str]) -> bytes:
    text = piece.strip(_PADDING)
    if not text:
        return piece
    message = _read(text)
    if message is None:
        unsafe = bool(secrets) or _KEY_SIGNS.search(piece) is not None
        return BLANK.encode() if unsafe else piece
    command, params = message
    if _KEY not in params:
        if not _names_secret(command, text, params.get("VARIABLE"), secrets):
            return piece
        if "VALUE" not in params and command not in _WITHOUT_VALUE:
            return BLANK.encode()
    first, *parts, last = piece.split(b"|")
    return b"|".join((first, *map(_blank_parameter, parts), last))


def _read(text: bytes) -> Message | None:
    """Read a message; None where it is none, or a bar is missing behind its command."""
    try:
        message = parse(text)
    except Refusal:
        return None
    return None if "=" in message.command else message


def _names_secret(
    command: str, text: bytes, variable: str | None, secrets: Collection[str]
) -> bool:
    """Tell whether a message is of a secret, or would be if a key were spelt right or a bar not missing."""
    if variable is None:
        return command not in _WITHOUT_VARIABLE and any(
            name.encode() in text for name in secrets
        )
    return variable in secrets or (
        "=" in variable and any(name in variable for name in secrets)
    )


def _blank_parameter(part: bytes) -> bytes:
    """Blank one parameter of a message with a secret; blanks around it stay."""
    key, equals, value = part.partition(b"=")
    name = key.strip().upper().decode("ascii")
    if name in _SHOWN_KEYS and b"=" not in value:
        return part
    if name in _HIDDEN_KEYS:
        return key + equals + _blank_text(value)
    return _blank_text(part)


def _blank_text(text: bytes) -> bytes:
    """Blank a text but for the blanks around it."""
    secret = text.strip(_PADDING)
    if not secret:
        return text
    head, _, tail = text.partition(secret)
    return head + BLANK.encode() + tail

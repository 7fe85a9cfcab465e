"""The wire, line by line, in the log: logger `textmq.wire` at debug level; secrets are blanked (protocol B6)."""

from collections.abc import Callable, Collection, Set as AbstractSet
import logging
import re
from typing import Final

from ..core.session import Session
from ..protocol.blanking import blank, names_made_secret
from ..protocol.reasons import Refusal
from ..protocol.wire import parse

_WIRE: Final = logging.getLogger("textmq.wire")
_MAX_SHOWN: Final = 1000
"""Characters of a line that are shown."""
_MAX_LINES: Final = 50
"""Lines that are shown of what comes or goes at once: a flood is not to hold the loop by its trace."""
_MAX_DESCRIBED: Final = 1000
"""Names of secrets that are remembered of one connection: the broker knows them by then."""
_MAX_KEPT: Final = 1 << 14
"""Bytes of a line that are kept until its end comes; of a longer one nothing more is shown."""
_LINE_ENDS: Final = re.compile(rb"[\r\n]+")
_PADDING: Final = b" \t\0"


class _Way:
    """One direction of a connection: what has come of the next line."""

    __slots__ = ("is_too_long", "rest")

    def __init__(self) -> None:
        self.rest = b""
        self.is_too_long = False
        """The beginning of the next line was shown: what is left of it is passed over."""

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; returns the lines that are whole by that, and may be empty."""
        *lines, rest = _LINE_ENDS.split(self.rest + data)
        if self.is_too_long:
            if not lines:
                return []
            self.is_too_long = False
            del lines[0]
        if _is_message(rest):
            lines.append(rest)
            rest = b""
        elif len(rest) > _MAX_KEPT:
            self.is_too_long = True
            lines.append(rest)
            rest = b""
        self.rest = rest
        return lines

    def end(self) -> list[bytes]:
        """Return what has come of a line that will have no end."""
        rest, self.rest = self.rest, b""
        return [rest]


def _is_message(text: bytes) -> bool:
    """Tell whether a text needs no line end (protocol A1)."""
    text = text.strip(_PADDING)
    if text[-3:].upper() != b"END":
        return False
    try:
        parse(text)
    except Refusal:
        return False
    return True


class Trace:
    """Logs what one connection receives (`<`) and sends (`>`). Connections have one only while it is wanted.

    Lines are put together before they are shown: a part of one does not tell whether it is secret.
    """

    def __init__(
        self, session: Session, secrets: Callable[[], Collection[str]]
    ) -> None:
        """Trace the connection of a session; secrets gives the names of variables whose values are secret."""
        self._session = session
        self._secrets = secrets
        self._described: dict[str, None] = {}
        """Names that a description has made secret which the broker may not have come to yet."""
        self._received = _Way()
        self._sent = _Way()

    @staticmethod
    def wanted() -> bool:
        """Tell whether the log shows it."""
        return _WIRE.isEnabledFor(logging.DEBUG)

    def received(self, data: bytes) -> None:
        """Log received bytes."""
        self._log("<", self._received.feed(data))

    def sent(self, data: bytes) -> None:
        """Log sent bytes."""
        self._log(">", self._sent.feed(data))

    def end(self) -> None:
        """Log what is left, at the end of the connection."""
        self._log("<", self._received.end())
        self._log(">", self._sent.end())

    def _log(self, sign: str, lines: list[bytes]) -> None:
        name = self._session.device_id or self._session.address
        secrets = {*self._secrets(), *self._described}
        lines = [line for line in lines if line.strip(_PADDING)]
        for line in lines[:_MAX_LINES]:
            secrets |= self._describe(line)
            text = blank(line, secrets).decode("ascii", "backslashreplace")
            safe = text if text.isprintable() else ascii(text)[1:-1]
            _WIRE.debug("%s %s %s", name, sign, safe[:_MAX_SHOWN])
        if left := lines[_MAX_LINES:]:
            count = sum(map(len, left)) + len(left)
            _WIRE.debug("%s %s (%s more bytes)", name, sign, count)

    def _describe(self, line: bytes) -> AbstractSet[str]:
        """Return the names that a line makes secret, in the eyes of this connection from now on."""
        found = dict.fromkeys(names_made_secret(line))
        self._described |= found
        while len(self._described) > _MAX_DESCRIBED:
            del self._described[next(iter(self._described))]
        return found.keys()

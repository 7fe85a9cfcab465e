"""The wire, line by line, in the log: logger `textmq.wire` at debug level."""

import logging
from typing import Final

from ..core.session import Session

_WIRE: Final = logging.getLogger("textmq.wire")
_MAX_SHOWN: Final = 1000
"""Characters of a line that are shown."""
_MAX_LINES: Final = 50
"""Lines that are shown of what comes or goes at once: a flood is not to hold the loop by its trace."""


class Trace:
    """Logs what is received (`<`) and sent (`>`). Connections have one only while it is wanted."""

    @staticmethod
    def wanted() -> bool:
        """Tell whether the log shows it."""
        return _WIRE.isEnabledFor(logging.DEBUG)

    def received(self, session: Session, data: bytes) -> None:
        """Log received bytes."""
        self._log("<", session, data)

    def sent(self, session: Session, data: bytes) -> None:
        """Log sent bytes."""
        self._log(">", session, data)

    def _log(self, sign: str, session: Session, data: bytes) -> None:
        name = session.device_id or session.address
        *lines, rest = data.rstrip(b"\r\n").split(b"\n", _MAX_LINES)
        for line in [*lines, rest] if len(lines) < _MAX_LINES else lines:
            text = line.rstrip(b"\r").decode("ascii", "backslashreplace")
            safe = text if text.isprintable() else ascii(text)[1:-1]
            _WIRE.debug("%s %s %s", name, sign, safe[:_MAX_SHOWN])
        if len(lines) == _MAX_LINES:
            _WIRE.debug("%s %s (%s more bytes)", name, sign, len(rest))

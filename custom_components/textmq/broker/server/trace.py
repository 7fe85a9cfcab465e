"""The wire, line by line, in the log: logger `textmq.wire` at debug level."""

import logging
from typing import Final

from ..core.session import Session

_WIRE: Final = logging.getLogger("textmq.wire")
_MAX_SHOWN: Final = 1000
"""Characters of a line that are shown."""


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
        for line in data.splitlines():
            text = line.decode("ascii", "backslashreplace")
            safe = text if text.isprintable() else ascii(text)[1:-1]
            _WIRE.debug("%s %s %s", name, sign, safe[:_MAX_SHOWN])

"""Lines of the log about devices, each written once."""

import logging
from typing import Final

from ..const import LOGGER
from .sanitize import for_log

MAX_LINES: Final = 1000
"""Lines in all: bounds the log where devices make up ever new causes."""
MAX_LINES_OF_DEVICE: Final = 20
"""Lines about one device: it leaves room for what there is to say of others."""
_MAX_DETAIL: Final = 300
"""Characters of what a line says more."""


class WarnOnce:
    """Warns of each device and cause once."""

    def __init__(self) -> None:
        """Begin with nothing said."""
        self._causes: dict[str, set[str]] = {}
        self._lines = 0

    def __call__(
        self,
        device_id: str,
        cause: str,
        name: str = "",
        detail: str = "",
        level: int = logging.WARNING,
    ) -> None:
        """Log what is wrong with a device, or a variable of it; the cause ends the sentence.

        The detail says more, and may be any text; with another one it is the same cause.
        """
        causes = self._causes.setdefault(device_id, set())
        if (
            cause in causes
            or len(causes) >= MAX_LINES_OF_DEVICE
            or self._lines >= MAX_LINES
        ):
            return
        causes.add(cause)
        self._lines += 1
        LOGGER.log(
            level,
            "Device %s: %s %s%s",
            for_log(device_id),
            for_log(name) if name else "it",
            cause,
            f": {for_log(detail, _MAX_DETAIL)}" if detail else "",
        )

    def of_error(self, device_id: str, name: str, err: Exception) -> None:
        """Log an error of our own: it ends here, nothing else breaks."""
        LOGGER.debug("Error of %s", for_log(name), exc_info=err)
        self(device_id, f"can't be shown, for an error: {type(err).__name__}", name)

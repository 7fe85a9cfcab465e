"""Lines of the log about devices, each written once."""

from typing import Final

from ..const import LOGGER
from .sanitize import for_log

MAX_LINES: Final = 1000
"""Lines in all: bounds the log where devices make up ever new causes."""
MAX_LINES_OF_DEVICE: Final = 20
"""Lines about one device: it leaves room for what there is to say of others."""


class WarnOnce:
    """Warns of each device and cause once."""

    def __init__(self) -> None:
        """Begin with nothing said."""
        self._causes: dict[str, set[str]] = {}
        self._lines = 0

    def __call__(self, device_id: str, cause: str, name: str = "") -> None:
        """Log what is wrong with a device, or a variable of it; the cause ends the sentence."""
        causes = self._causes.setdefault(device_id, set())
        if (
            cause in causes
            or len(causes) >= MAX_LINES_OF_DEVICE
            or self._lines >= MAX_LINES
        ):
            return
        causes.add(cause)
        self._lines += 1
        LOGGER.warning(
            "Device %s: %s %s",
            for_log(device_id),
            for_log(name) if name else "it",
            cause,
        )

    def of_error(self, device_id: str, name: str, err: Exception) -> None:
        """Log an error of our own: it ends here, nothing else breaks."""
        LOGGER.debug("Error of %s", for_log(name), exc_info=err)
        self(device_id, f"can't be shown, for an error: {type(err).__name__}", name)

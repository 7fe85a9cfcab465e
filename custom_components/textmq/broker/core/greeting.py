"""What the OK of an ID says (protocol A4, B5, B6)."""

from collections.abc import Callable
from typing import Final

from ..protocol import wire
from .definition_sets import DefinitionSets
from .limits import Limits
from .request import Request

PROTOCOL: Final = "1"
CAPABILITIES: Final = ("defs", "full", "presence", "receipts")
"""What this broker can beyond the base protocol's first version."""


class Greeting:
    """Tells a client that is let in what it asked for."""

    def __init__(
        self, sets: DefinitionSets, limits: Limits, now: Callable[[], float]
    ) -> None:
        """Look for descriptions in sets; now is the wall's clock."""
        self._sets = sets
        self._limits = limits
        self._now = now
        self.time_zone = ""
        """POSIX time zone of the house, "" where it is not known."""

    def answer(self, request: Request, keepalive: float) -> dict[str, str]:
        """Return the parameters of the OK; keepalive is the interval that was granted, in seconds."""
        params = {
            "KEEPALIVE": f"{keepalive:g}",
            "TIME": wire.encode_time(self._now()),
        }
        if request.defs and self._sets.is_known(request.device_id, request.defs):
            params["DEFS"] = "KNOWN"
        if request.extended:
            params["PROTOCOL"] = PROTOCOL
            params["LINE"] = str(self._limits.max_line)
            if self.time_zone:
                params["TZ"] = wire.encode(self.time_zone)
            params["CAN"] = ",".join(CAPABILITIES)
        return params

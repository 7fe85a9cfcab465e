"""What an ID asks for (protocol A4, B5, B6)."""

from collections.abc import Mapping
from typing import Final, NamedTuple, Self

from ..protocol import names
from .devices import DeviceDetails
from .parameters import Params, flag, required, seconds, token

_KEEPALIVE: Final = (10, 3600)
"""Seconds of silence that a client may ask for."""


class Request(NamedTuple):
    """One ID command."""

    device_id: str = ""
    details: DeviceDetails = DeviceDetails()
    keepalive: float | None = None
    """Interval of the client's own, in seconds; None where it asks for none."""
    receipts: bool = False
    """It acknowledges messages."""
    defs: str = ""
    """Token of its set of descriptions, "" for none."""
    extended: bool = False
    """It wants to know what the broker can."""
    params: Mapping[str, str] = {}
    """What the command carried."""

    @classmethod
    def parse(cls, params: Params) -> Self:
        """Read the parameters of ID. Raises Refusal (missing-parameter, bad-name, malformed)."""
        device_id = required(params, "ID")
        names.check_device_id(device_id)
        keepalive = seconds(params, "KEEPALIVE")
        if keepalive is not None:
            least, most = _KEEPALIVE
            keepalive = min(max(keepalive, least), most)
        return cls(
            device_id,
            DeviceDetails.parse(params),
            keepalive,
            flag(params, "RECEIPTS", default=False),
            token(params, "DEFS"),
            "CAN" in params,
            params,
        )

"""How much has gone over the wire."""

from dataclasses import dataclass


@dataclass(slots=True)
class Traffic:
    """Messages since the broker was made, of all clients."""

    received: int = 0
    sent: int = 0

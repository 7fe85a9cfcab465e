"""Every bound of the broker, each with its reason (protocol A1, A4, B5, B8)."""

from dataclasses import dataclass
from typing import Final

UNLIMITED: Final = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what clients may use; times in seconds, sizes in bytes."""

    line: int = 4096
    """Longest line: fits the buffer of a small node, and a value of any sensible size."""

    clients: int = 1000
    """Connections at once: well above a large house, well below the file descriptors of a process."""

    strangers: int = 32
    """Connections not yet let in: the oldest goes, since a real device identifies within milliseconds."""

    identify_timeout: float = 10
    """Time to send ID where one is needed: a slow link takes a second, a port scanner stays silent."""

    keepalive: float = 30
    """Silence before HELLO? is sent: Wi-Fi power saving makes anything below 10 s drop healthy nodes."""

    keepalive_timeout: float = 10
    """Silence after HELLO? before the client counts as lost."""

    variables: int = 5000
    """Variables in all: 500 devices of 10; each is a file and perhaps an entity."""

    variables_per_client: int = 2000
    """Variables that one client may create, so that a runaway device leaves room for the others."""

    subscriptions: int = 1000
    """Subscriptions per client, filters included."""

    filter_levels: int = 4000
    """Levels of all filters of a client together: bounds the time to find who gets a variable."""

    waiting: int = 1 << 20
    """Bytes that may wait for a client that does not read, besides the newest values of its variables."""

    high_water: int = 1 << 16
    """Bytes in the socket's write buffer above which a client counts as not reading."""

    messages: int = 32
    """MSGs that wait for a device, asleep or slow: past that the sender is told (B8)."""

    queued: int = 1 << 22
    """Bytes of the MSGs that wait for devices that are not here, all together."""

    message_ttl: float = 7 * 86400
    """Longest time that a MSG may wait for a device (B5)."""

    devices: int = 2000
    """Devices remembered, connected or not: twice the clients, the longest gone is forgotten first."""

    connects: int = 20
    """Connects of one ID within a minute: more is a loop, or two clients that use the same ID."""

    rate: float = 1000
    """Commands a second that a client may send for long; beyond it the broker reads no faster."""

    burst: float = 5000
    """Commands that a client may send at once: a node with many entities after a reconnect."""

    malformed: int = 16
    """Malformed lines in a row before the connection is closed (B1)."""

    system_interval: float = 10
    """Time between updates of the broker's own variables for their subscribers (B9)."""

    linger: float = 2
    """Time that a closed connection gets to take its CLOSE before it is cut."""


NO_LIMITS: Final = Limits(
    clients=UNLIMITED,
    strangers=UNLIMITED,
    variables=UNLIMITED,
    variables_per_client=UNLIMITED,
    subscriptions=UNLIMITED,
    filter_levels=UNLIMITED,
    devices=UNLIMITED,
    connects=UNLIMITED,
    rate=UNLIMITED,
    burst=UNLIMITED,
)
"""For measurements: only what keeps memory bounded is left."""

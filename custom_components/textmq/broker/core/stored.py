"""What is kept on file besides variables: devices, messages that wait, and the time of the last save (protocol A6, B5).

Each is known by a name that no client can give to a variable, so one table of changed names
says what is to be written.
"""

from typing import Final, NamedTuple

DEVICE_PREFIX: Final = "$DEVICES/"
"""Before a device's ID: the name of its file's content, and of its presence (protocol B5)."""
MESSAGE_PREFIX: Final = "$MESSAGES/"
"""Before the serial number of a message that waits."""
CLOCK: Final = "$SYS/saved"
"""The time of the last save, and whether the broker was stopped then."""


class StoredWill(NamedTuple):
    """The will of a device that sleeps; value in wire form."""

    variable: str
    value: str
    retain: bool


class StoredDevice(NamedTuple):
    """What is needed of a device over a restart; times in seconds since 1970."""

    id: str
    presence: str
    """Value of `$DEVICES/<id>`, empty where it is not published."""
    time: float
    """When it was written."""
    receipts: int = 0
    """Numbers up to this one may have been used for receipts."""
    will: StoredWill | None = None

    @property
    def name(self) -> str:
        """The name under which it is saved."""
        return DEVICE_PREFIX + self.id


class StoredMessage(NamedTuple):
    """A message that waits for its device; times in seconds, until since 1970."""

    serial: int
    """Order among all messages."""
    device: str
    sender: str
    value: str
    """In wire form."""
    until: float
    """When its time is over."""
    ttl: float
    """The whole of its time: no more can be left, whatever the clock says."""
    receipt: int = 0
    """The number that the device was told, 0 for none yet."""
    re: str = ""
    """RE as it came, empty for none."""

    @property
    def name(self) -> str:
        """The name under which it is saved."""
        return f"{MESSAGE_PREFIX}{self.serial}"


class StoredClock(NamedTuple):
    """When the broker saved last, in seconds since 1970, and whether it was stopped then."""

    time: float
    stopped: bool

    @property
    def name(self) -> str:
        """The name under which it is saved."""
        return CLOCK


type Stored = StoredDevice | StoredMessage | StoredClock

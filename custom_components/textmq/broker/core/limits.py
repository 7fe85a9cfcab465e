"""Every bound of the broker, each with its reason (protocol A1, A4, B3 to B8, Limits)."""

from dataclasses import dataclass, fields
from typing import Final

UNLIMITED: Final = 1 << 62
MINUTE: Final = 60.0
"""Seconds in which what is bounded by the minute is counted."""


@dataclass(slots=True, kw_only=True)
class Limits:
    """Bounds on what clients may use; times in seconds, sizes in bytes.

    One object is shared by all rooms of a broker, so a bound that changes holds at once.
    """

    max_line: int = 4096
    """Longest line: fits the buffer of a small node, and a value of any sensible size."""

    clients: int = 1000
    """Connections at once: well above a large house, well below the file descriptors of a process."""

    max_unauthorized: int = 32
    """Connections not yet let in: the oldest goes, since a real device identifies within milliseconds."""

    closing: int = 64
    """Sockets that are being closed: past it the oldest is cut, so that nobody uses up the descriptors."""

    identify_timeout: float = 10
    """Time to send ID where one is needed: a slow link takes a second, a port scanner stays silent."""

    keepalive: float = 30
    """Silence before HELLO? is sent: Wi-Fi power saving makes anything below 10 s drop healthy nodes."""

    keepalive_timeout: float = 10
    """Silence after HELLO? before the client counts as lost."""

    decision_timeout: float = 600
    """The same while a person is to decide: who types by hand does not answer HELLO?."""

    variables: int = 5000
    """Variables in all: 500 devices of 10; each is a file and perhaps an entity."""

    variables_per_client: int = 2000
    """Variables that one client may create, so that a runaway device leaves room for the others."""

    subscriptions: int = 1000
    """Subscriptions per client, filters included."""

    filter_levels: int = 500
    """Levels of all filters of a client together; a node of a house has under 50."""

    filter_levels_total: int = 6000
    """Levels of the filters of all clients, shared ones once: bounds the time to find who gets a variable to 2 ms."""

    subscription_bytes: int = 1 << 24
    """Memory of the subscriptions of all clients together, as estimated."""

    max_pending_bytes: int = 1 << 20
    """Bytes that may wait for a client that does not read, besides the latest values of its variables."""

    high_water: int = 1 << 16
    """Bytes that the system did not take above which a client counts as not reading."""

    events_per_variable: int = 8
    """Publishes with RETAIN=NO of one variable that wait for a slow reader: what a button does in a second."""

    events: int = 256
    """The same of all variables together."""

    max_queued_messages: int = 32
    """MSGs that wait for a device, asleep or slow: past that the sender is told (B8)."""

    max_queued_bytes: int = 1 << 22
    """Bytes of the MSGs that wait for devices that are not here, all together."""

    queued_bytes_per_sender: int = 1 << 18
    """The same of one sender, so that nobody fills the room of all."""

    message_ttl: float = 7 * 86400
    """Longest time that a MSG may wait for a device (B5)."""

    max_sleep: float = 7 * 86400
    """Longest sleep that a device may announce: a longer one counts as that (B5)."""

    presence_grace: float = 60
    """Time after a start in which a device that was connected before may come without having been away."""

    devices: int = 2000
    """Devices remembered, connected or not: twice the clients, the longest gone is forgotten first."""

    max_connects_per_minute: int = 20
    """Connects of one ID within a minute: more is a loop, or two clients that use the same ID."""

    max_id_changes_per_minute: int = 20
    """Changes of the ID of one connection within a minute: a device has one."""

    admissions: int = 20
    """Devices that one window of "Allow new devices" lets in: more than a person unpacks at once."""

    rate: float = 1000
    """Commands a second that a client may send for long; beyond it the broker reads no faster."""

    burst: float = 5000
    """Commands that a client may send at once: a node with many entities after a reconnect."""

    unauthorized_rate: float = 10
    """The same of a client that is not let in yet: it has nothing to say but its ID."""

    unauthorized_burst: float = 20
    """The same at once."""

    share: float = 0.08
    """Time of the event loop, seconds each second, that a client may cost for long: with what can't be measured, a tenth."""

    share_burst: float = 0.5
    """The same at once: a node with many entities after a reconnect."""

    unauthorized_share: float = 0.01
    """The same of a client that is not let in yet."""

    unauthorized_share_burst: float = 0.02
    """The same at once: a TLS handshake takes a millisecond, on a small and busy machine ten."""

    unauthorized_share_total: float = 0.03
    """The same of all clients that are not let in yet, together, whoever connects how often."""

    unauthorized_share_total_burst: float = 0.25
    """The same at once: a house with hundreds of nodes after a restart."""

    fresh: float = 0.0003
    """Time that a client may have cost of late, in seconds, and still goes first of all: a node that tells a value."""

    light: float = 0.02
    """Time that a client may have cost of late, in seconds, and still goes before those that cost more."""

    accept_share: float = 0.05
    """Time of the event loop, seconds each second, in which connections are accepted, for long."""

    accept_share_burst: float = 0.2
    """The same at once: every node of a house after a restart, and a flood of others beside them."""

    wake: float = 0.00001
    """Time that the event loop takes to come to a client: it is charged too, and can't be measured from inside."""

    slice: float = 0.0015
    """Time in which one client is served before the next one's turn: no one else notices it."""

    turn: float = 0.003
    """Time in which clients are served in one turn of the event loop: then Home Assistant goes on."""

    malformed: int = 16
    """Malformed lines in a row before the connection is closed (B1)."""

    system_interval: float = 10
    """Time between updates of the broker's own variables for their subscribers (B9)."""

    linger: float = 2
    """Time that a closed connection gets to take its CLOSE before it is cut."""

    def update(self, other: "Limits") -> None:
        """Take over the bounds of another object."""
        for field in fields(other):
            setattr(self, field.name, getattr(other, field.name))


def no_limits() -> Limits:
    """Return bounds for measurements: only what keeps memory and the turns bounded is left."""
    return Limits(
        clients=UNLIMITED,
        max_unauthorized=UNLIMITED,
        variables=UNLIMITED,
        variables_per_client=UNLIMITED,
        subscriptions=UNLIMITED,
        filter_levels=UNLIMITED,
        filter_levels_total=UNLIMITED,
        subscription_bytes=UNLIMITED,
        devices=UNLIMITED,
        max_connects_per_minute=UNLIMITED,
        max_id_changes_per_minute=UNLIMITED,
        rate=UNLIMITED,
        burst=UNLIMITED,
        unauthorized_rate=UNLIMITED,
        unauthorized_burst=UNLIMITED,
        share=UNLIMITED,
        share_burst=UNLIMITED,
        unauthorized_share=UNLIMITED,
        unauthorized_share_burst=UNLIMITED,
        unauthorized_share_total=UNLIMITED,
        unauthorized_share_total_burst=UNLIMITED,
        accept_share=UNLIMITED,
        accept_share_burst=UNLIMITED,
    )

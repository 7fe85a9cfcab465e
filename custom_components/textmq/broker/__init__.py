"""The TextMQ broker: standard library only, knows nothing of Home Assistant."""

from .client.client import Client
from .client.client_session import ClientSession
from .client.deliveries import (
    Closed,
    Connected,
    Deletion,
    Description,
    MessageReceived,
    Value,
)
from .client.errors import ClientError, ConnectionLost, Refused
from .client.lifecycle import Status
from .client.reconnect import Phase
from .core.access import ALL_RIGHTS, Access, AccessMode, Rights
from .core.broker import Broker
from .core.devices import Device, DeviceDetails, DeviceState
from .core.limits import Limits
from .core.mailbox import Delivery
from .core.observers import Observer, Publication
from .core.variables import Variable
from .protocol import names, wire
from .protocol.definitions import Definition, Rules
from .protocol.reasons import BadReason, CloseReason, Refusal
from .server.listener import Listener
from .server.saver import Saver
from .server.store import Store
from .server.time_zone import posix_time_zone

__version__ = "0.1.0"

__all__ = [
    "ALL_RIGHTS",
    "Access",
    "AccessMode",
    "BadReason",
    "Broker",
    "Client",
    "ClientError",
    "ClientSession",
    "CloseReason",
    "Closed",
    "Connected",
    "ConnectionLost",
    "Definition",
    "Deletion",
    "Delivery",
    "Description",
    "Device",
    "DeviceDetails",
    "DeviceState",
    "Limits",
    "Listener",
    "MessageReceived",
    "Observer",
    "Phase",
    "Publication",
    "Refusal",
    "Refused",
    "Rights",
    "Rules",
    "Saver",
    "Status",
    "Store",
    "Value",
    "Variable",
    "names",
    "posix_time_zone",
    "wire",
]

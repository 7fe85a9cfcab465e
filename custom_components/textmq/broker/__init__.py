"""The TextMQ broker: standard library only, knows nothing of Home Assistant."""

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
    "CloseReason",
    "Definition",
    "Delivery",
    "Device",
    "DeviceDetails",
    "DeviceState",
    "Limits",
    "Listener",
    "Observer",
    "Publication",
    "Refusal",
    "Rights",
    "Rules",
    "Saver",
    "Store",
    "Variable",
    "names",
    "posix_time_zone",
    "wire",
]

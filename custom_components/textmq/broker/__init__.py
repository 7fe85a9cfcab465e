"""The TextMQ broker: standard library only, knows nothing of Home Assistant."""

from .access import ALL_RIGHTS, Access, AccessMode, Rights
from .broker import Broker, Delivery, Observer, Publication
from .definitions import Definition, Rules
from .devices import Device, DeviceInfo, DeviceState
from .limits import Limits
from .listener import Listener
from .store import Saver, Store
from .variables import Variable
from .wire import BadReason, CloseReason, Refusal

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
    "DeviceInfo",
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
]

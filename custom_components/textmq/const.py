"""Names and numbers that several modules share."""

from datetime import timedelta
import logging
from typing import Final

from homeassistant.const import Platform

from .broker.server.saver import DEFAULT_INTERVAL

LOGGER: Final = logging.getLogger(__package__)

DOMAIN: Final = "textmq"
NAME: Final = "TextMQ"

# A slash can't stand in a device ID: the broker is never taken for a device.
BROKER: Final = "textmq/broker"

SUBENTRY_DEVICE: Final = "device"

CONF_ACCESS: Final = "access"
CONF_AREA: Final = "area"
CONF_DELETE_VARIABLES: Final = "delete_variables"
CONF_ENCRYPTED: Final = "encrypted"
CONF_EXCLUDE: Final = "exclude"
CONF_INCLUDE: Final = "include"
CONF_KEY: Final = "key"
CONF_KEEPALIVE: Final = "keepalive"
CONF_KEEPALIVE_TIMEOUT: Final = "keepalive_timeout"
CONF_LIMITS: Final = "limits"
CONF_MESSAGE: Final = "message"
CONF_QR_CODE: Final = "qr_code"
CONF_READ: Final = "read"
CONF_REPLACES: Final = "replaces"
CONF_RIGHTS: Final = "rights"
CONF_SAVE_INTERVAL: Final = "save_interval"
CONF_WRITE: Final = "write"

ALL_INTERFACES: Final = "all"
PRESENCE: Final = "$DEVICES/#"
"""A filter of the presence of all devices (protocol B5)."""
MINOR_VERSION: Final = 2
"""Of what is stored in the config entry and its subentries."""
EVERYTHING: Final = "#"

DEFAULT_PORT: Final = 7883
DEFAULT_SAVE_INTERVAL: Final = int(DEFAULT_INTERVAL)

ATTR_DEVICE: Final = "device"
ATTR_PREVIOUS: Final = "previous"
ATTR_PUBLISHED: Final = "published"
ATTR_REASON: Final = "reason"
ATTR_TEXT: Final = "text"
ATTR_TIME: Final = "time"
ATTR_UNTIL: Final = "until"
ATTR_VALUE: Final = "value"
ATTR_VARIABLE: Final = "variable"

EVENT_CONNECTED: Final = f"{DOMAIN}_device_connected"
EVENT_DISCONNECTED: Final = f"{DOMAIN}_device_disconnected"
EVENT_MESSAGE: Final = f"{DOMAIN}_message_received"

# The permit window: by the button, and how long a person may ask for.
PERMIT_DEFAULT: Final = timedelta(seconds=60)
PERMIT_MIN: Final = timedelta(minutes=1)
PERMIT_MAX: Final = timedelta(minutes=15)

# For how long entities keep their values without their device: a short loss of Wi-Fi is no news.
GRACE: Final = timedelta(seconds=10)
# The same after a start of Home Assistant: nodes try again after a minute at most.
START_GRACE: Final = timedelta(seconds=90)

# How often it is written when a connected device was last seen.
REFRESH: Final = timedelta(minutes=10)

MAX_STATE: Final = 255

PLATFORMS: Final = (
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.EVENT,
    Platform.NOTIFY,
    Platform.NUMBER,
    Platform.SELECT,
    Platform.SENSOR,
    Platform.SWITCH,
    Platform.TEXT,
)

# The spelling of values and commands on the wire.
WIRE_ON: Final = "ON"
WIRE_OFF: Final = "OFF"
WIRE_PRESS: Final = "PRESS"

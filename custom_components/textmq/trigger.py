"""Triggers: a variable is published or changes, a message comes, a device comes or goes."""

from abc import abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, override

import probatio

from homeassistant.const import ATTR_DEVICE_ID, CONF_OPTIONS
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.trigger import (
    Trigger,
    TriggerActionRunner,
    TriggerConfig,
    TriggerNotTriggeredReporter,
)
from homeassistant.helpers.typing import ConfigType

from .broker import Publication, names, wire
from .const import (
    ATTR_DEVICE,
    ATTR_PREVIOUS,
    ATTR_REASON,
    ATTR_TEXT,
    ATTR_TIME,
    ATTR_VALUE,
    ATTR_VARIABLE,
    EVENT_CONNECTED,
    EVENT_DISCONNECTED,
    EVENT_MESSAGE,
)
from .hub.runtime_data import SIGNAL_STARTED, RuntimeData, async_get_runtime_data
from .hub.sanitize import single_line
from .yaml_values import WANTED, is_wanted

ATTR_UNKNOWN: Final = "unknown"

_MAX_UNKNOWN: Final = 1000
"""Variables whose last values are remembered while they are unknown."""


def variable_filter(value: Any) -> str:
    """Validate a variable's name or a filter. Raises Invalid."""
    text = cv.string(value)
    if not names.is_filter(text):
        raise probatio.Invalid(
            "a variable's name, or a filter: + is one level, # at the end all below"
        )
    return text


_VARIABLE_OPTIONS: Final = {
    probatio.Required(ATTR_VARIABLE): variable_filter,
    probatio.Optional(ATTR_VALUE): WANTED,
}
_VARIABLE_SCHEMA: Final = probatio.Schema(
    {probatio.Required(CONF_OPTIONS): _VARIABLE_OPTIONS}
)
_CHANGED_SCHEMA: Final = probatio.Schema(
    {
        probatio.Required(CONF_OPTIONS): {
            **_VARIABLE_OPTIONS,
            probatio.Optional(ATTR_PREVIOUS): WANTED,
            probatio.Optional(ATTR_UNKNOWN, default=False): cv.boolean,
        }
    }
)
_DEVICE_OPTIONS: Final = {
    probatio.Optional(ATTR_DEVICE_ID): probatio.All(probatio.EnsureList(), [cv.string])
}
_DEVICE_SCHEMA: Final = probatio.Schema(
    {probatio.Required(CONF_OPTIONS, default=dict): _DEVICE_OPTIONS}
)
_MESSAGE_SCHEMA: Final = probatio.Schema(
    {
        probatio.Required(CONF_OPTIONS, default=dict): {
            **_DEVICE_OPTIONS,
            probatio.Optional(ATTR_TEXT): WANTED,
        }
    }
)


class _Trigger(Trigger):
    """What all triggers of ours have in common."""

    schema: ClassVar[probatio.Schema]

    @classmethod
    @override
    async def async_validate_config(
        cls, hass: HomeAssistant, config: ConfigType
    ) -> ConfigType:
        validated: ConfigType = cls.schema(config)
        return validated

    def __init__(self, hass: HomeAssistant, config: TriggerConfig) -> None:
        """Keep the options."""
        super().__init__(hass, config)
        self.options = config.options or {}

    @override
    async def async_attach_runner(
        self,
        run_action: TriggerActionRunner,
        did_not_trigger: TriggerNotTriggeredReporter | None = None,
    ) -> CALLBACK_TYPE:
        return self.attach(run_action)

    @abstractmethod
    def attach(self, run_action: TriggerActionRunner) -> CALLBACK_TYPE:
        """Run the action for what happens; returns a function that ends it."""


class VariablePublishedTrigger(_Trigger):
    """A variable is published."""

    schema = _VARIABLE_SCHEMA

    @override
    def attach(self, run_action: TriggerActionRunner) -> CALLBACK_TYPE:
        wanted: bool | str | None = self.options.get(ATTR_VALUE)

        @callback
        def published(publication: Publication) -> None:
            value, previous = publication.text, self.previous(publication)
            if not is_wanted(value, wanted) or not self.concerns(publication, previous):
                return
            run_action(
                {
                    ATTR_VARIABLE: publication.name,
                    ATTR_VALUE: value,
                    ATTR_PREVIOUS: previous,
                    ATTR_DEVICE: publication.device,
                    ATTR_TIME: datetime.fromtimestamp(publication.time, UTC),
                },
                f"variable {single_line(publication.name)}",
            )

        return _watch(self._hass, self.options[ATTR_VARIABLE], published)

    def previous(self, publication: Publication) -> str | None:
        """Return the value before a publish, None where there was none. Called for each publish."""
        previous = publication.previous
        return None if previous is None else wire.decode(previous)

    def concerns(self, publication: Publication, previous: str | None) -> bool:
        """Tell whether a publish is what is waited for."""
        return True


class VariableChangedTrigger(VariablePublishedTrigger):
    """A variable gets another value than it had.

    An empty value is unknown, and no value: a variable that has none for a while, as that of a
    node which restarts, changes where its next value is another than its last.
    """

    schema = _CHANGED_SCHEMA

    def __init__(self, hass: HomeAssistant, config: TriggerConfig) -> None:
        """Keep the options."""
        super().__init__(hass, config)
        self._last: dict[str, str] = {}
        """The last values of variables that have been unknown since, by name."""

    @override
    def previous(self, publication: Publication) -> str | None:
        previous = super().previous(publication)
        if self.options[ATTR_UNKNOWN] or not publication.retain:
            return previous
        if publication.text:
            return previous or self._last.pop(publication.name, None)
        if previous:
            self._last[publication.name] = previous
            if len(self._last) > _MAX_UNKNOWN:
                del self._last[next(iter(self._last))]
        return previous

    @override
    def concerns(self, publication: Publication, previous: str | None) -> bool:
        value = publication.text
        if not publication.retain or value == previous:
            return False
        if not self.options[ATTR_UNKNOWN] and not (value and previous):
            return False
        return is_wanted(previous or "", self.options.get(ATTR_PREVIOUS))


class _EventTrigger(_Trigger):
    """An event that concerns a device."""

    schema = _DEVICE_SCHEMA
    event: ClassVar[str]
    keys: ClassVar[tuple[str, ...]] = (ATTR_DEVICE, ATTR_DEVICE_ID)
    description: ClassVar[str]

    @override
    def attach(self, run_action: TriggerActionRunner) -> CALLBACK_TYPE:
        devices: list[str] = self.options.get(ATTR_DEVICE_ID, [])
        wanted: bool | str | None = self.options.get(ATTR_TEXT)

        @callback
        def happened(event: Event) -> None:
            data = event.data
            if devices and data[ATTR_DEVICE_ID] not in devices:
                return
            if wanted is not None and not is_wanted(data[ATTR_TEXT], wanted):
                return
            run_action(
                {key: data[key] for key in self.keys} | {ATTR_TIME: event.time_fired},
                f"{self.description} {single_line(data[ATTR_DEVICE])}",
                event.context,
            )

        return self._hass.bus.async_listen(self.event, happened)


class MessageReceivedTrigger(_EventTrigger):
    """A device has sent a message to Home Assistant."""

    schema = _MESSAGE_SCHEMA
    event = EVENT_MESSAGE
    keys = (ATTR_DEVICE, ATTR_DEVICE_ID, ATTR_TEXT)
    description = "message from device"


class DeviceConnectedTrigger(_EventTrigger):
    """A device has connected."""

    event = EVENT_CONNECTED
    description = "connection of device"


class DeviceDisconnectedTrigger(_EventTrigger):
    """A device has gone."""

    event = EVENT_DISCONNECTED
    keys = (ATTR_DEVICE, ATTR_DEVICE_ID, ATTR_REASON)
    description = "disconnection of device"


TRIGGERS: Final[dict[str, type[Trigger]]] = {
    "variable_published": VariablePublishedTrigger,
    "variable_changed": VariableChangedTrigger,
    "message_received": MessageReceivedTrigger,
    "device_connected": DeviceConnectedTrigger,
    "device_disconnected": DeviceDisconnectedTrigger,
}


async def async_get_triggers(hass: HomeAssistant) -> dict[str, type[Trigger]]:
    """Return the triggers."""
    return TRIGGERS


def _watch(
    hass: HomeAssistant, pattern: str, watcher: Callable[[Publication], None]
) -> CALLBACK_TYPE:
    """Watch variables, with every broker that is started; returns a function that ends it."""
    unwatch: CALLBACK_TYPE | None = None

    @callback
    def started(data: RuntimeData) -> None:
        nonlocal unwatch
        unwatch = data.variables.watch(pattern, watcher)

    if (running := async_get_runtime_data(hass)) is not None:
        started(running)
    disconnect = async_dispatcher_connect(hass, SIGNAL_STARTED, started)

    @callback
    def stop() -> None:
        disconnect()
        if unwatch is not None:
            unwatch()

    return stop

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
from .values import spell


def variable_filter(value: Any) -> str:
    """Validate a variable's name or a filter. Raises Invalid."""
    text = cv.string(value)
    if not names.is_filter(text):
        raise probatio.Invalid(
            "a variable's name, or a filter: + is one level, # at the end all below"
        )
    return text


_VARIABLE_SCHEMA: Final = probatio.Schema(
    {
        probatio.Required(CONF_OPTIONS): {
            probatio.Required(ATTR_VARIABLE): variable_filter,
            probatio.Optional(ATTR_VALUE): spell,
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
            probatio.Optional(ATTR_TEXT): cv.string,
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
        wanted: str | None = self.options.get(ATTR_VALUE)

        @callback
        def published(publication: Publication) -> None:
            if not self.concerns(publication):
                return
            value = publication.text
            if wanted is not None and value != wanted:
                return
            previous = publication.previous
            run_action(
                {
                    ATTR_VARIABLE: publication.name,
                    ATTR_VALUE: value,
                    ATTR_PREVIOUS: None if previous is None else wire.decode(previous),
                    ATTR_DEVICE: publication.device,
                    ATTR_TIME: datetime.fromtimestamp(publication.time, UTC),
                },
                f"variable {single_line(publication.name)}",
            )

        return _watch(self._hass, self.options[ATTR_VARIABLE], published)

    def concerns(self, publication: Publication) -> bool:
        """Tell whether a publish is what is waited for."""
        return True


class VariableChangedTrigger(VariablePublishedTrigger):
    """A variable gets another value than it had."""

    @override
    def concerns(self, publication: Publication) -> bool:
        return publication.retain and publication.value != publication.previous


class _EventTrigger(_Trigger):
    """An event that concerns a device."""

    schema = _DEVICE_SCHEMA
    event: ClassVar[str]
    keys: ClassVar[tuple[str, ...]] = (ATTR_DEVICE, ATTR_DEVICE_ID)
    description: ClassVar[str]

    @override
    def attach(self, run_action: TriggerActionRunner) -> CALLBACK_TYPE:
        devices: list[str] = self.options.get(ATTR_DEVICE_ID, [])
        text: str | None = self.options.get(ATTR_TEXT)

        @callback
        def happened(event: Event) -> None:
            data = event.data
            if devices and data[ATTR_DEVICE_ID] not in devices:
                return
            if text is not None and data[ATTR_TEXT] != text:
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

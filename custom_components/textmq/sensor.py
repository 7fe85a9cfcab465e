"""Sensors: variables, and what there is to know of the broker and its devices."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Final, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.components.sensor.const import (
    DEVICE_CLASS_STATE_CLASSES,
    NON_NUMERIC_DEVICE_CLASSES,
    SensorEntityCapabilityAttribute,
)
from homeassistant.const import EntityCategory, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .broker import Broker, Definition, Device, Variable
from .const import DOMAIN
from .devices import HubDevice
from .entity import FollowingEntity, TextMqEntity, VariableEntity
from .hub import Hub, TextMqConfigEntry
from .platforms import Parts
from .values import day, is_number, moment, number, option, short
from .variables import unique_id

PARALLEL_UPDATES = 0
SCAN_INTERVAL = timedelta(seconds=30)

type Value = str | int | float | datetime | date | None

_READERS: Final[Mapping[SensorDeviceClass | None, Callable[[str], Value]]] = {
    SensorDeviceClass.DATE: day,
    SensorDeviceClass.TIMESTAMP: moment,
    SensorDeviceClass.UPTIME: moment,
}


@dataclass(frozen=True, kw_only=True)
class StatisticDescription(SensorEntityDescription):
    """A number of the broker."""

    value: Callable[[Broker], int]


STATISTICS: Final = (
    StatisticDescription(
        key="connections",
        state_class=SensorStateClass.MEASUREMENT,
        value=lambda broker: len(broker.sessions),
    ),
    StatisticDescription(
        key="variables",
        state_class=SensorStateClass.MEASUREMENT,
        value=lambda broker: len(broker.variables),
    ),
    StatisticDescription(
        key="messages_received",
        state_class=SensorStateClass.TOTAL_INCREASING,
        value=lambda broker: broker.messages_received,
    ),
    StatisticDescription(
        key="messages_sent",
        state_class=SensorStateClass.TOTAL_INCREASING,
        value=lambda broker: broker.messages_sent,
    ),
)


@dataclass(frozen=True, kw_only=True)
class DeviceSensorDescription(SensorEntityDescription):
    """Something that is known of a device."""

    value: Callable[[Device], Value]


DEVICE_SENSORS: Final = (
    DeviceSensorDescription(
        key="last_seen",
        device_class=SensorDeviceClass.TIMESTAMP,
        value=lambda device: (
            device.last_seen and datetime.fromtimestamp(device.last_seen, UTC)
        ),
    ),
    DeviceSensorDescription(key="address", value=lambda device: device.address or None),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: TextMqConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the platform."""
    entry.runtime_data.platforms.enter(
        Platform.SENSOR,
        Parts(
            async_add_entities,
            broker=tuple(partial(StatisticSensor, one) for one in STATISTICS),
            device=tuple(partial(DeviceSensor, one) for one in DEVICE_SENSORS),
            variable=VariableSensor,
        ),
    )


class StatisticSensor(TextMqEntity, SensorEntity):
    """A number of the broker."""

    entity_description: StatisticDescription
    _attr_entity_category = EntityCategory.DIAGNOSTIC
    _attr_entity_registry_enabled_default = False
    _attr_should_poll = True

    def __init__(
        self, description: StatisticDescription, hub: Hub, device: HubDevice
    ) -> None:
        """Make the sensor."""
        super().__init__(hub, device, description.key)
        self.entity_description = description

    async def async_update(self) -> None:
        """Read the number."""
        self._attr_native_value = self.entity_description.value(self.hub.broker)

    @override
    async def async_added_to_hass(self) -> None:
        await self.async_update()


class DeviceSensor(FollowingEntity, SensorEntity):
    """Something that is known of a device."""

    entity_description: DeviceSensorDescription
    _attr_entity_category = EntityCategory.DIAGNOSTIC

    def __init__(
        self, description: DeviceSensorDescription, hub: Hub, device: HubDevice
    ) -> None:
        """Make the sensor."""
        super().__init__(hub, device, description.key)
        self.entity_description = description

    @property
    @override
    def native_value(self) -> Value:
        """Return what is known, None before the device has first come."""
        known = self.hub.broker.devices.get(self.device.id)
        return self.entity_description.value(known) if known else None


class VariableSensor(VariableEntity, SensorEntity):
    """A variable that is read.

    Whether it is a number is told by its description, else by its first value: so it stays.
    """

    PLATFORM = Platform.SENSOR

    def __init__(self, hub: Hub, device: HubDevice, variable: Variable) -> None:
        """Make the sensor of a variable."""
        registry = er.async_get(hub.hass)
        entity_id = registry.async_get_entity_id(
            Platform.SENSOR, DOMAIN, unique_id(variable.name)
        )
        entry = registry.async_get(entity_id) if entity_id else None
        capabilities = (entry and entry.capabilities) or {}
        was_number = SensorEntityCapabilityAttribute.STATE_CLASS in capabilities
        self._guess: bool | None = was_number or None
        self._definition: Definition | None = None
        self._numeric: bool | None = None
        self._reader: Callable[[str], Value] = short
        super().__init__(hub, device, variable)

    @override
    def async_describe(self, definition: Definition | None) -> None:
        if definition is not None and definition.type != Platform.SENSOR:
            definition = None
        device_class = (
            SensorDeviceClass(definition.device_class)
            if definition is not None and definition.device_class
            else None
        )
        if self._attr_entity_category is EntityCategory.CONFIG:
            # Of a TYPE that is only shown as a sensor: Home Assistant has no settings among these.
            self._attr_entity_category = None
        self._definition = definition
        self._attr_device_class = device_class
        self._attr_native_unit_of_measurement = definition.unit if definition else None
        self._attr_suggested_display_precision = (
            definition.precision if definition else None
        )
        self._attr_options = (
            list(definition.options)
            if definition is not None
            and definition.options
            and device_class is SensorDeviceClass.ENUM
            else None
        )
        told = _is_number(definition, device_class)
        self._settle(self._guess if told is None else told)

    @override
    def async_take(self, text: str | None) -> None:
        if text is None:
            self._attr_native_value = None
            return
        if self._numeric is None:
            self._guess = is_number(text)
            self._settle(self._guess)
        self._attr_native_value = self._reader(text)

    def _settle(self, numeric: bool | None) -> None:
        """Take the values as numbers, or not, or not decided yet."""
        self._numeric = numeric
        self._attr_state_class = (
            _state_class(self._definition, self._attr_device_class) if numeric else None
        )
        if self._attr_options is not None:
            self._reader = partial(option, options=self._attr_options)
        else:
            default = number if numeric else short
            self._reader = _READERS.get(self._attr_device_class, default)


def _is_number(
    definition: Definition | None, device_class: SensorDeviceClass | None
) -> bool | None:
    """Return whether a description tells that values are numbers, None where it tells nothing."""
    if definition is None:
        return None
    if device_class in NON_NUMERIC_DEVICE_CLASSES or definition.mode == Platform.TEXT:
        return False
    told = (device_class, definition.unit, definition.state_class, definition.precision)
    return True if any(one is not None for one in told) else None


def _state_class(
    definition: Definition | None, device_class: SensorDeviceClass | None
) -> SensorStateClass | None:
    """Return the state class of a number: the one that is described, if its device class has it."""
    wanted = SensorStateClass.MEASUREMENT
    if definition is not None and definition.state_class:
        wanted = SensorStateClass(definition.state_class)
    if device_class is None or wanted in DEVICE_CLASS_STATE_CLASSES[device_class]:
        return wanted
    return None

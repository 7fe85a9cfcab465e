"""Sensors: variables, and what there is to know of the broker and its devices."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, Final, override

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

from .broker import Definition, Device, Variable
from .const import DOMAIN
from .entity import DeviceEntity, TextMqEntity, VariableEntity
from .hub.broker_api import BrokerApi
from .hub.entity_queue import EntityFactories
from .hub.runtime_data import RuntimeData, TextMqConfigEntry
from .hub.shown_device import ShownDevice
from .hub.variable_entities import PREFIX
from .kinds import UNDESCRIBED
from .values import (
    is_number,
    parse_date,
    parse_number,
    parse_option,
    parse_state_text,
    parse_timestamp,
)

PARALLEL_UPDATES = 0
SCAN_INTERVAL = timedelta(seconds=30)

type Value = str | int | float | datetime | date | None

_NUMERIC: Final = "numeric"
"""Option of a registry entry: whether the values are numbers, where no description tells it."""
_USUAL: Final = (
    SensorStateClass.MEASUREMENT,
    SensorStateClass.MEASUREMENT_ANGLE,
    SensorStateClass.TOTAL_INCREASING,
    SensorStateClass.TOTAL,
)
"""State classes, the one first that is meant where none is described."""
_READERS: Final[Mapping[SensorDeviceClass | None, Callable[[str], Value]]] = {
    SensorDeviceClass.DATE: parse_date,
    SensorDeviceClass.TIMESTAMP: parse_timestamp,
    SensorDeviceClass.UPTIME: parse_timestamp,
}


@dataclass(frozen=True, kw_only=True)
class StatisticDescription(SensorEntityDescription):
    """A number of the broker."""

    value: Callable[[BrokerApi], int]


STATISTICS: Final = (
    StatisticDescription(
        key="connections",
        state_class=SensorStateClass.MEASUREMENT,
        value=lambda broker: broker.connections,
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
    data = entry.runtime_data
    data.queue.register(
        Platform.SENSOR,
        EntityFactories(
            async_add_entities,
            broker=tuple(partial(StatisticSensor, data, one) for one in STATISTICS),
            device=tuple(partial(DeviceSensor, data, one) for one in DEVICE_SENSORS),
            variable=partial(VariableSensor, data),
        ),
    )


class StatisticSensor(TextMqEntity, SensorEntity):
    """A number of the broker."""

    entity_description: StatisticDescription
    _attr_entity_category = EntityCategory.DIAGNOSTIC
    _attr_entity_registry_enabled_default = False
    _attr_should_poll = True

    def __init__(
        self, data: RuntimeData, description: StatisticDescription, device: ShownDevice
    ) -> None:
        """Make the sensor."""
        super().__init__(data, device, description.key)
        self.entity_description = description

    async def async_update(self) -> None:
        """Read the number."""
        self._attr_native_value = self.entity_description.value(self.data.broker)

    @override
    async def async_begin(self) -> None:
        await self.async_update()


class DeviceSensor(DeviceEntity, SensorEntity):
    """Something that is known of a device."""

    entity_description: DeviceSensorDescription
    _attr_entity_category = EntityCategory.DIAGNOSTIC

    def __init__(
        self,
        data: RuntimeData,
        description: DeviceSensorDescription,
        device: ShownDevice,
    ) -> None:
        """Make the sensor."""
        super().__init__(data, device, description.key)
        self.entity_description = description

    @property
    @override
    def native_value(self) -> Value:
        """Return what is known, None before the device has first come."""
        known = self.data.broker.devices.get(self.device.id)
        return self.entity_description.value(known) if known else None


class VariableSensor(VariableEntity, SensorEntity):
    """A variable that is read.

    Whether it is a number is told by its description, else by its first value: so it stays, over
    restarts too.
    """

    PLATFORM = Platform.SENSOR

    def __init__(
        self, data: RuntimeData, device: ShownDevice, variable: Variable
    ) -> None:
        """Make the sensor of a variable."""
        self._decided = _decided(data.hass, variable)
        self._definition = UNDESCRIBED
        self._numeric: bool | None = None
        self._reader: Callable[[str], Value] = parse_state_text
        super().__init__(data, device, variable)

    @override
    async def async_begin(self) -> None:
        await super().async_begin()
        self._remember()

    @override
    def describe(self, definition: Definition) -> None:
        if definition.type != Platform.SENSOR:
            # It is only shown as a sensor: Home Assistant has no settings among these.
            definition = UNDESCRIBED
            self._attr_entity_category = None
        self._definition = definition
        self._attr_native_unit_of_measurement = definition.unit
        self._attr_suggested_display_precision = definition.precision
        self._attr_options = (
            list(definition.options)
            if definition.options and self.device_class is SensorDeviceClass.ENUM
            else None
        )
        told = _is_number(definition, self.device_class)
        self._set_numeric(self._decided if told is None else told)

    @override
    def show_text(self, text: str | None) -> None:
        if text is None:
            self._attr_native_value = None
            return
        if self._numeric is None:
            self._decided = is_number(text)
            self._set_numeric(self._decided)
            self._remember()
        self._attr_native_value = self._reader(text)

    def _set_numeric(self, numeric: bool | None) -> None:
        """Take the values as numbers, or not, or not decided yet."""
        self._numeric = numeric
        self._attr_state_class = (
            _state_class(self._definition, self.device_class) if numeric else None
        )
        if self._attr_options is not None:
            self._reader = partial(parse_option, options=self._attr_options)
        else:
            default = parse_number if numeric else parse_state_text
            self._reader = _READERS.get(self.device_class, default)

    def _remember(self) -> None:
        """Keep over restarts what the first value has decided."""
        if self.added and self._decided is not None:
            registry = er.async_get(self.hass)
            entry = registry.async_get(self.entity_id)
            wanted = {_NUMERIC: self._decided}
            if entry is not None and entry.options.get(DOMAIN) != wanted:
                registry.async_update_entity_options(self.entity_id, DOMAIN, wanted)


def _decided(hass: HomeAssistant, variable: Variable) -> bool | None:
    """Return what the first value of a variable has decided: a number or a text; None for nothing yet."""
    registry = er.async_get(hass)
    entity_id = registry.async_get_entity_id(
        Platform.SENSOR, DOMAIN, f"{PREFIX}{variable.name}"
    )
    entry = registry.async_get(entity_id) if entity_id else None
    if entry is None:
        return None
    options: Mapping[str, Any] = entry.options.get(DOMAIN, {})
    if _NUMERIC in options:
        return bool(options[_NUMERIC])
    # Of a version that did not keep it. A number has a state class.
    if SensorEntityCapabilityAttribute.STATE_CLASS in (entry.capabilities or {}):
        return True
    return None if variable.value is None else False


def _is_number(
    definition: Definition, device_class: SensorDeviceClass | None
) -> bool | None:
    """Return whether a description tells that values are numbers, None where it tells nothing."""
    if device_class in NON_NUMERIC_DEVICE_CLASSES or definition.mode == Platform.TEXT:
        return False
    told = (device_class, definition.unit, definition.state_class, definition.precision)
    return True if any(one is not None for one in told) else None


def _state_class(
    definition: Definition, device_class: SensorDeviceClass | None
) -> SensorStateClass | None:
    """Return the state class of a number: the one that is described, else the first that its device class has."""
    if definition.state_class:
        return SensorStateClass(definition.state_class)
    if device_class is None:
        return SensorStateClass.MEASUREMENT
    known = DEVICE_CLASS_STATE_CLASSES[device_class]
    return next((one for one in _USUAL if one in known), None)

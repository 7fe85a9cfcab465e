"""Sensors: variables, and what there is to know of the broker and its devices."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, Final, cast, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.components.sensor.const import SensorEntityCapabilityAttribute
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
from .kinds import (
    decide,
    description_of,
    is_numeric,
    kind_of,
    sensor_options,
    state_class,
)
from .values import is_number

PARALLEL_UPDATES = 0
SCAN_INTERVAL = timedelta(seconds=30)

type Value = str | int | float | datetime | date

_NUMERIC: Final = "numeric"
"""Option of a registry entry: whether the values are numbers, where no description tells it."""


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

    value: Callable[[Device], Value | None]


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
    def native_value(self) -> Value | None:
        """Return what is known, None before the device has first come."""
        known = self.data.broker.devices.get(self.device.id)
        return self.entity_description.value(known) if known else None


class VariableSensor(VariableEntity[Value], SensorEntity):
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
        super().__init__(data, device, variable)

    @override
    async def async_begin(self) -> None:
        await super().async_begin()
        self._remember()

    @override
    def describe(self, definition: Definition) -> None:
        definition = decide(definition, self._decided)
        self._attr_native_unit_of_measurement = definition.unit
        self._attr_suggested_display_precision = definition.precision
        self._attr_options = sensor_options(definition)
        self._attr_state_class = state_class(definition)
        decided = is_numeric(definition) is not None
        self.read = kind_of(definition).reader(definition) if decided else self._decide

    @override
    def show_value(self, value: Value | None) -> None:
        self._attr_native_value = value

    def _decide(self, text: str) -> Value:
        """Read the first value: it decides. Raises InvalidValue."""
        self._decided = is_number(text)
        self.describe(description_of(self.variable))
        self._remember()
        return cast(Value, self.read(text))

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

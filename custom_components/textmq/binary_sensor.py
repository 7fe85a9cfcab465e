"""Binary sensors: variables that are ON or OFF, connections, and the window for new devices."""

from functools import partial
from typing import Any, override

from homeassistant.components.binary_sensor import (
    BinarySensorDeviceClass,
    BinarySensorEntity,
)
from homeassistant.const import EntityCategory, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .broker import DeviceState
from .const import ATTR_UNTIL
from .entity import DeviceEntity, VariableEntity
from .hub.entity_queue import EntityFactories
from .hub.runtime_data import RuntimeData, TextMqConfigEntry
from .hub.shown_device import ShownDevice

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: TextMqConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the platform."""
    data = entry.runtime_data
    data.queue.register(
        Platform.BINARY_SENSOR,
        EntityFactories(
            async_add_entities,
            broker=(partial(WindowSensor, data),),
            device=(partial(ConnectionSensor, data),),
            variable=partial(VariableBinarySensor, data),
        ),
    )


class WindowSensor(DeviceEntity, BinarySensorEntity):
    """Whether new devices are let in."""

    _attr_entity_category = EntityCategory.DIAGNOSTIC

    def __init__(self, data: RuntimeData, device: ShownDevice) -> None:
        """Make the sensor."""
        super().__init__(data, device, "new_devices_allowed")

    @property
    @override
    def is_on(self) -> bool:
        """Return whether the window is open."""
        return self.data.approved.lets_in

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return until when."""
        return {ATTR_UNTIL: self.data.approved.window_end}


class ConnectionSensor(DeviceEntity, BinarySensorEntity):
    """Whether a device is connected."""

    _attr_device_class = BinarySensorDeviceClass.CONNECTIVITY
    _attr_entity_category = EntityCategory.DIAGNOSTIC

    def __init__(self, data: RuntimeData, device: ShownDevice) -> None:
        """Make the sensor."""
        super().__init__(data, device, "connection")

    @property
    @override
    def is_on(self) -> bool:
        """Return whether the device is connected."""
        return self.data.broker.state(self.device.id) is DeviceState.CONNECTED


class VariableBinarySensor(VariableEntity[bool], BinarySensorEntity):
    """A variable that is ON or OFF."""

    PLATFORM = Platform.BINARY_SENSOR

    @override
    def show_value(self, value: bool | None) -> None:
        self._attr_is_on = value

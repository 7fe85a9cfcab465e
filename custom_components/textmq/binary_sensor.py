"""Binary sensors: variables that are ON or OFF, connections, and the window for new devices."""

from typing import Any, override

from homeassistant.components.binary_sensor import (
    BinarySensorDeviceClass,
    BinarySensorEntity,
)
from homeassistant.const import EntityCategory, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .broker import Definition, DeviceState
from .const import ATTR_UNTIL
from .devices import HubDevice
from .entity import FollowingEntity, VariableEntity
from .hub import Hub, TextMqConfigEntry
from .platforms import Parts
from .values import switched

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: TextMqConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the platform."""
    entry.runtime_data.platforms.enter(
        Platform.BINARY_SENSOR,
        Parts(
            async_add_entities,
            broker=(WindowSensor,),
            device=(ConnectionSensor,),
            variable=VariableBinarySensor,
        ),
    )


class WindowSensor(FollowingEntity, BinarySensorEntity):
    """Whether new devices are let in."""

    _attr_entity_category = EntityCategory.DIAGNOSTIC

    def __init__(self, hub: Hub, device: HubDevice) -> None:
        """Make the sensor."""
        super().__init__(hub, device, "new_devices_allowed")

    @property
    @override
    def is_on(self) -> bool:
        """Return whether the window is open."""
        return self.hub.permit_until is not None

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return until when."""
        return {ATTR_UNTIL: self.hub.permit_until}


class ConnectionSensor(FollowingEntity, BinarySensorEntity):
    """Whether a device is connected."""

    _attr_device_class = BinarySensorDeviceClass.CONNECTIVITY
    _attr_entity_category = EntityCategory.DIAGNOSTIC

    def __init__(self, hub: Hub, device: HubDevice) -> None:
        """Make the sensor."""
        super().__init__(hub, device, "connection")

    @property
    @override
    def is_on(self) -> bool:
        """Return whether the device is connected."""
        return self.hub.state(self.device.id) is DeviceState.CONNECTED


class VariableBinarySensor(VariableEntity, BinarySensorEntity):
    """A variable that is ON or OFF."""

    PLATFORM = Platform.BINARY_SENSOR

    @override
    def async_describe(self, definition: Definition | None) -> None:
        self._attr_device_class = (
            BinarySensorDeviceClass(definition.device_class)
            if definition is not None and definition.device_class
            else None
        )

    @override
    def async_take(self, text: str | None) -> None:
        self._attr_is_on = None if text is None else switched(text)

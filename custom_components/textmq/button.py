"""Buttons: variables that are pressed, and what the broker can be told."""

from typing import override

from homeassistant.components.button import ButtonDeviceClass, ButtonEntity
from homeassistant.const import EntityCategory, Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .broker import Definition, DeviceState
from .const import PERMIT_DEFAULT, WIRE_PRESS
from .devices import HubDevice
from .entity import FollowingEntity, TextMqEntity, VariableEntity
from .hub import Hub, TextMqConfigEntry
from .platforms import Parts

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: TextMqConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the platform."""
    entry.runtime_data.platforms.enter(
        Platform.BUTTON,
        Parts(
            async_add_entities,
            broker=(AllowButton,),
            device=(DisconnectButton,),
            variable=VariableButton,
        ),
    )


class AllowButton(TextMqEntity, ButtonEntity):
    """Lets new devices in for a minute."""

    def __init__(self, hub: Hub, device: HubDevice) -> None:
        """Make the button."""
        super().__init__(hub, device, "allow_new_devices")

    @override
    async def async_press(self) -> None:
        """Open the window."""
        self.hub.permit(PERMIT_DEFAULT)


class DisconnectButton(FollowingEntity, ButtonEntity):
    """Closes the connection of a device, which may come back."""

    _attr_entity_category = EntityCategory.CONFIG

    def __init__(self, hub: Hub, device: HubDevice) -> None:
        """Make the button."""
        super().__init__(hub, device, "disconnect")

    @property
    @override
    def available(self) -> bool:
        """Return whether there is a connection."""
        return self.hub.state(self.device.id) is DeviceState.CONNECTED

    @override
    async def async_press(self) -> None:
        """Close the connection."""
        self.hub.disconnect(self.device.id)


class VariableButton(VariableEntity, ButtonEntity):
    """A variable without a value, which is pressed."""

    PLATFORM = Platform.BUTTON

    @override
    def async_describe(self, definition: Definition | None) -> None:
        self._attr_device_class = (
            ButtonDeviceClass(definition.device_class)
            if definition is not None and definition.device_class
            else None
        )

    @override
    @callback
    def async_take(self, text: str | None) -> None:
        """Take no value: a button has none."""

    @override
    async def async_press(self) -> None:
        """Tell the device that it was pressed."""
        self.command(WIRE_PRESS)

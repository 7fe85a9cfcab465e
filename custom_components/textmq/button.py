"""Buttons: variables that are pressed, and what the broker can be told."""

from functools import partial
from typing import override

from homeassistant.components.button import ButtonEntity
from homeassistant.const import EntityCategory, Platform
from homeassistant.core import Context, HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .broker import AccessMode, DeviceState
from .const import PERMIT_DEFAULT
from .entity import DeviceEntity, VariableEntity
from .hub.entity_queue import EntityFactories
from .hub.permissions import Permissions
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
        Platform.BUTTON,
        EntityFactories(
            async_add_entities,
            broker=(partial(AllowButton, data),),
            device=(partial(DisconnectButton, data),),
            variable=partial(VariableButton, data),
        ),
    )


class AllowButton(DeviceEntity, ButtonEntity):
    """Approves new devices for a minute."""

    _pressed_in: Context | None = None

    def __init__(self, data: RuntimeData, device: ShownDevice) -> None:
        """Make the button."""
        super().__init__(data, device, "allow_new_devices")

    @property
    @override
    def available(self) -> bool:
        """Return whether a device can be approved without its key."""
        return super().available and self.data.approved.access is not AccessMode.KEY

    @callback
    @override
    def async_set_context(self, context: Context) -> None:
        super().async_set_context(context)
        self._pressed_in = context

    @override
    async def async_press(self) -> None:
        """Open the window, for an administrator: it changes which devices are approved."""
        context = self._pressed_in or Context()
        (await Permissions.async_of(self.hass, context)).check_administrator()
        await self.data.approved.permit(PERMIT_DEFAULT)


class DisconnectButton(DeviceEntity, ButtonEntity):
    """Closes the connection of a device, which may come back."""

    _attr_entity_category = EntityCategory.CONFIG

    def __init__(self, data: RuntimeData, device: ShownDevice) -> None:
        """Make the button."""
        super().__init__(data, device, "disconnect")

    @property
    @override
    def available(self) -> bool:
        """Return whether there is a connection."""
        state = self.data.broker.state(self.device.id)
        return super().available and state is DeviceState.CONNECTED

    @override
    async def async_press(self) -> None:
        """Close the connection."""
        await self.data.actions.disconnect(self.device.id)


class VariableButton(VariableEntity[None], ButtonEntity):
    """A variable without a value, which is pressed."""

    PLATFORM = Platform.BUTTON

    @override
    async def async_press(self) -> None:
        """Tell the device that it was pressed."""
        await self.async_command(None)

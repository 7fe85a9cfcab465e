"""The devices of the broker as Home Assistant shows them: registry, availability, events."""

from collections.abc import Callable, Iterator
import re
from typing import Final, override

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import (
    CONNECTION_NETWORK_MAC,
    DeviceEntryType,
)
from homeassistant.helpers.typing import UNDEFINED, UndefinedType

from ..broker import (
    CloseReason,
    Device,
    DeviceDetails,
    DeviceState,
    Observer,
    Variable,
    __version__,
    names,
)
from ..broker.core.variables import may_own
from ..const import (
    ATTR_DEVICE,
    ATTR_REASON,
    BROKER,
    DOMAIN,
    EVENT_CONNECTED,
    EVENT_DISCONNECTED,
    GRACE,
    LOGGER,
    NAME,
    START_GRACE,
)
from .broker_api import BrokerApi
from .entity_queue import EntityQueue
from .sanitize import for_log, single_line
from .shown_device import ShownDevice
from .sub_devices import is_part_id, owning_device_id
from .warn_once import WarnOnce

_MAC: Final = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")


class ShownDevices(Observer):
    """All devices that are shown, by device ID: those that are approved, and in open mode those that came."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        broker: BrokerApi,
        queue: EntityQueue,
        warn_once: WarnOnce,
    ) -> None:
        """Show the devices of a broker in a config entry."""
        self._hass = hass
        self._entry = entry
        self._broker = broker
        self._queue = queue
        self._warn_once = warn_once
        self._registry = dr.async_get(hass)
        self._by_id: dict[str, ShownDevice] = {}
        self._outgoing: set[str] = set()
        """IDs of devices that others are taking over: they get no page again until the broker has followed."""
        self._move: Callable[[str], None] = lambda device_id: None
        self._was_here: Callable[[str], bool] = lambda device_id: False
        self.broker_device: ShownDevice
        """The broker itself, and all variables that belong to no device."""

    def __iter__(self) -> Iterator[ShownDevice]:
        """Iterate over the devices, without the broker itself."""
        return iter(self._by_id.values())

    @callback
    def get(self, device_id: str) -> ShownDevice | None:
        """Return a device that is shown."""
        return self._by_id.get(device_id)

    @callback
    def showing(self, owner: str) -> ShownDevice:
        """Return the device that shows the variables of an owner."""
        return self._by_id.get(owner, self.broker_device)

    @callback
    def on_move(self, move: Callable[[str], None]) -> None:
        """Call move with the ID of a device whose variables are to be shown elsewhere from now on."""
        self._move = move

    # Whether a value is worth anything (protocol B6)

    @callback
    def vouch_for(self, variable: Variable) -> bool:
        """Tell whether anybody who is there answers for the value of a variable.

        That is its owner, or the device that published it last; what no device describes may be
        Home Assistant's or a guest's. A will is true while its device is away.
        """
        if variable.will or self.is_there(variable.owner):
            return True
        publisher = variable.device
        if publisher and publisher != names.HOME_ASSISTANT:
            return self.is_there(publisher)
        return not may_own(variable.described_by)

    @callback
    def is_there(self, device_id: str) -> bool:
        """Tell whether a device is connected or asleep, or was so until a moment ago."""
        device = self._by_id.get(device_id)
        if device is None:
            return self._broker.state(device_id) is not DeviceState.DISCONNECTED
        return device.available

    # Life

    @callback
    def start(self, was_here: Callable[[str], bool]) -> None:
        """Show the broker, and the devices of former runs that no person approved.

        was_here tells whether a device was here at the end of the former run: it may come back soon.
        """
        entry = self._registry.async_get_or_create(
            config_entry_id=self._entry.entry_id,
            identifiers={(DOMAIN, BROKER)},
            entry_type=DeviceEntryType.SERVICE,
            manufacturer=NAME,
            model="Broker",
            name=self._entry.title,
            sw_version=__version__,
        )
        self.broker_device = ShownDevice(self._hass, entry, "")
        self._queue.add_broker(self.broker_device)
        self._was_here = was_here
        for entry in dr.async_entries_for_config_entry(
            self._registry, self._entry.entry_id
        ):
            device_id = device_id_of(entry)
            if (
                device_id is not None
                and entry.config_subentry_id is None
                and not is_part(entry)
            ):
                self.add(device_id, entry.name or device_id, None)

    @callback
    def stop(self) -> None:
        """End what runs."""
        for device in self._by_id.values():
            device.stop()

    @callback
    def refresh(self) -> None:
        """Write again when the connected devices were last seen."""
        for device in tuple(self._by_id.values()):
            if self._broker.state(device.id) is DeviceState.CONNECTED:
                device.notify()

    @callback
    def notify_all(self) -> None:
        """Tell all entities that the broker is gone, or back."""
        for device in (self.broker_device, *self._by_id.values()):
            device.notify()

    # Which devices are shown

    @callback
    def add(self, device_id: str, name: str, subentry_id: str | None) -> None:
        """Show a device with the entities that every device has."""
        self.remove(device_id)
        key = (DOMAIN, device_id)
        old = self._registry.async_get_device_by_identifier(key, self._entry.entry_id)
        if old is not None and old.config_subentry_id != subentry_id:
            # A device can't change its subentry. What a person set is kept, and taken up by the new entry.
            self._registry.async_remove_device(old.id)
        entry = self._registry.async_get_or_create(
            config_entry_id=self._entry.entry_id,
            config_subentry_id=subentry_id,
            identifiers={key},
            name=single_line(name) or device_id,
            via_device_id=self.broker_device.registry_id,
        )
        device = self._by_id[device_id] = ShownDevice(self._hass, entry, device_id)
        device.available = self._was_here(device_id)
        if self._broker.state(device_id) is DeviceState.DISCONNECTED:
            device.update(available=False, grace=START_GRACE.total_seconds())
        self._queue.add_device(device)
        self._move(device_id)

    @callback
    def rename(self, device_id: str, name: str) -> None:
        """Give a device the name that a person has chosen."""
        device = self._by_id[device_id]
        self._registry.async_update_device(
            device.registry_id, name=single_line(name) or device_id
        )

    @callback
    def set_area(self, device_id: str, area_id: str) -> None:
        """Put a device into an area."""
        self._registry.async_update_device(
            self._by_id[device_id].registry_id, area_id=area_id
        )

    @callback
    def remove(self, device_id: str) -> None:
        """Show a device no more; its variables are the broker's."""
        if device := self._by_id.pop(device_id, None):
            device.stop()
            self._move(device_id)

    @callback
    def remove_page(self, device_id: str) -> None:
        """Remove a device with its page; its variables are the broker's."""
        device = self._by_id.get(device_id)
        if device is not None:
            self.remove(device_id)
            self._registry.async_remove_device(device.registry_id)

    @callback
    def replacement_begins(self, old: str) -> None:
        """Give a device no page while another one takes over."""
        self._outgoing.add(old)

    @callback
    def replacement_ends(self, old: str) -> None:
        """Show a device again that comes under the ID of one that was replaced."""
        self._outgoing.discard(old)

    @callback
    def change_id(self, old: str, new: str) -> None:
        """Show a device under another ID, after the registry has it so."""
        device = self._by_id.pop(old, None)
        if device is None:
            return
        entry = self._registry.async_get(device.registry_id)
        assert entry is not None
        device.id = new
        device.device_info["identifiers"] = entry.identifiers
        device.update(available=self._broker.state(new) is not DeviceState.DISCONNECTED)
        self._by_id[new] = device
        self._move(new)

    @callback
    def rename_broker(self) -> None:
        """Give the broker itself the title of its config entry."""
        self._registry.async_update_device(
            self.broker_device.registry_id, name=self._entry.title
        )

    # What the broker tells

    @override
    def device_connected(self, device: Device) -> None:
        if device.id not in self._by_id:
            if device.id in self._outgoing:
                return
            if len(self._by_id) >= self._broker.limits.devices:
                self._warn_once(device.id, "is not shown: there are too many devices")
                self._move(device.id)
                return
            self.add(device.id, device.details.name or device.id, None)
        shown = self._by_id[device.id]
        self._update_details(shown, device.details)
        shown.update(available=True)
        if shown.connected_at != device.connected_at:
            shown.connected_at = device.connected_at
            LOGGER.info("Device %s is connected", for_log(device.id))
            self._fire(EVENT_CONNECTED, shown)

    @override
    def device_disconnected(self, device: Device, reason: CloseReason) -> None:
        if (shown := self._by_id.get(device.id)) is None:
            # Its variables, if there are any, are on the broker's page.
            self._move(device.id)
            return
        asleep = device.state is DeviceState.ASLEEP
        shown.update(available=asleep, grace=GRACE.total_seconds())
        LOGGER.info("Device %s is not connected: %s", for_log(device.id), reason)
        self._fire(EVENT_DISCONNECTED, shown, {ATTR_REASON: str(reason)})

    @override
    def device_lost(self, device: Device) -> None:
        if shown := self._by_id.get(device.id):
            LOGGER.info("Device %s has not woken in time", for_log(device.id))
            shown.update(available=False)
        else:
            self._move(device.id)

    def _fire(
        self, event: str, device: ShownDevice, data: dict[str, str] | None = None
    ) -> None:
        self._hass.bus.async_fire(
            event,
            {
                ATTR_DEVICE_ID: device.registry_id,
                ATTR_DEVICE: device.id,
                **(data or {}),
            },
        )

    def _update_details(self, device: ShownDevice, details: DeviceDetails) -> None:
        """Enter what a device says of itself; what it does not say stays as it was."""
        self._registry.async_update_device(
            device.registry_id,
            manufacturer=_told(details.manufacturer),
            model=_told(details.model),
            new_connections=self._connections(device, details.mac),
            sw_version=_told(details.sw),
        )

    def _connections(
        self, device: ShownDevice, mac: str | None
    ) -> set[tuple[str, str]] | UndefinedType:
        """Return the connections of a device that says to have a MAC address.

        What is no address, or belongs to another device of the broker, is passed over: the
        registry would take the two for one.
        """
        address = dr.format_mac(mac or "")
        wanted = {(CONNECTION_NETWORK_MAC, address)}
        if not _MAC.fullmatch(address) or any(
            other.config_entry_id == self._entry.entry_id
            and other.id != device.registry_id
            for other in self._registry.async_get_devices(connections=wanted)
        ):
            return UNDEFINED
        return wanted


def _told(text: str | None) -> str | UndefinedType:
    return single_line(text) if text else UNDEFINED


def device_id_of(entry: dr.AnyDeviceEntry) -> str | None:
    """Return the device ID of an entry of the registry, of a part too; None for the broker itself."""
    for domain, identifier in entry.identifiers:
        if domain == DOMAIN and identifier != BROKER:
            return owning_device_id(identifier)
    return None


def is_part(entry: dr.AnyDeviceEntry) -> bool:
    """Tell whether an entry of the registry is a part of a device."""
    return any(
        domain == DOMAIN and is_part_id(one) for domain, one in entry.identifiers
    )

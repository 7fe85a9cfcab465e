"""The devices of the broker as Home Assistant shows them: registry, availability, events."""

from collections.abc import Callable, Iterator
import re
from typing import TYPE_CHECKING, Final, override

from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import ATTR_DEVICE_ID, CONF_DEVICE_ID
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import area_registry as ar, device_registry as dr
from homeassistant.helpers.device_registry import (
    CONNECTION_NETWORK_MAC,
    DeviceEntryType,
    DeviceInfo,
)
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.typing import UNDEFINED, UndefinedType

from .broker import (
    ALL_RIGHTS,
    CloseReason,
    Device,
    DeviceDetails,
    DeviceState,
    Observer,
    __version__,
)
from .const import (
    ATTR_DEVICE,
    ATTR_REASON,
    BROKER,
    CONF_KEY,
    CONF_RIGHTS,
    DOMAIN,
    EVENT_CONNECTED,
    EVENT_DISCONNECTED,
    GRACE,
    LOGGER,
    NAME,
    START_GRACE,
    SUBENTRY_DEVICE,
)
from .safe import logged, plain
from .settings import DeviceSettings
from .sub_devices import is_part_id, owning_device_id
from .troubles import Trouble

if TYPE_CHECKING:
    from .hub import Hub

_FAULTS: Final = {
    CONF_KEY: "a key that can't be read, so it is kept out until its key is entered anew",
    CONF_RIGHTS: "rights that can't be read, so it may do nothing until they are set anew",
}
_MAC: Final = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")


class HubDevice:
    """A device, or the broker itself, with what follows its connection."""

    def __init__(
        self, hass: HomeAssistant, entry: dr.DeviceEntry, device_id: str
    ) -> None:
        """Keep the registry's entry and the device ID, empty for the broker itself."""
        self.id = device_id
        self.registry_id = entry.id
        self.subentry_id = entry.config_subentry_id
        self.device_info = DeviceInfo(identifiers=entry.identifiers)
        self.available = True
        """Its variables are shown: it is connected or asleep, or was until a moment ago."""
        self.connected_at: float | None = None
        self.receive: Callable[[str], None] | None = None
        """Takes the text of each message from it to Home Assistant."""
        self._hass = hass
        self._listeners: dict[Callable[[], None], None] = {}
        self._grace: CALLBACK_TYPE | None = None

    @callback
    def listen(self, listener: Callable[[], None]) -> CALLBACK_TYPE:
        """Call listener when the device comes, goes or changes; returns a function that ends it."""
        self._listeners[listener] = None

        @callback
        def unlisten() -> None:
            del self._listeners[listener]

        return unlisten

    @callback
    def update(self, *, available: bool, grace: float = 0) -> None:
        """Take a change; what becomes unavailable does so after the grace in seconds."""
        self.stop()
        if grace and not available:
            self._grace = async_call_later(self._hass, grace, self._lose)
        else:
            self.available = available
        self.notify()

    @callback
    def notify(self) -> None:
        """Tell those who listen."""
        for listener in tuple(self._listeners):
            listener()

    @callback
    def stop(self) -> None:
        """End the grace that runs."""
        if self._grace is not None:
            self._grace()
            self._grace = None

    @callback
    def _lose(self, _now: object) -> None:
        self._grace = None
        self.available = False
        self.notify()


class Devices(Observer):
    """All devices that are shown, by device ID: those let in for good, and in open mode those that came."""

    def __init__(self, hub: Hub) -> None:
        """Show the devices of a hub."""
        self._hub = hub
        self._hass = hub.hass
        self._entry = hub.entry
        self._registry = dr.async_get(hub.hass)
        self._by_id: dict[str, HubDevice] = {}
        self.own: HubDevice
        """The broker itself, and all variables that belong to no device."""

    def __iter__(self) -> Iterator[HubDevice]:
        """Iterate over the devices, without the broker itself."""
        return iter(self._by_id.values())

    @callback
    def get(self, device_id: str) -> HubDevice | None:
        """Return a device that is shown."""
        return self._by_id.get(device_id)

    @callback
    def home(self, owner: str) -> HubDevice:
        """Return where the variables of an owner are shown."""
        return self._by_id.get(owner, self.own)

    @callback
    def start(self) -> None:
        """Show what is known; whoever was here may come back soon."""
        own = self._registry.async_get_or_create(
            config_entry_id=self._entry.entry_id,
            identifiers={(DOMAIN, BROKER)},
            entry_type=DeviceEntryType.SERVICE,
            manufacturer=NAME,
            model="Broker",
            name=self._entry.title,
            sw_version=__version__,
        )
        self.own = HubDevice(self._hass, own, "")
        self._hub.platforms.add_broker(self._hub, self.own)
        for device_id, subentry in self._approved().items():
            self._enter(device_id, subentry.title, subentry.subentry_id)
        for entry in dr.async_entries_for_config_entry(
            self._registry, self._entry.entry_id
        ):
            bare = device_id_of(entry)
            if bare is not None and bare not in self._by_id and not is_part(entry):
                self._enter(bare, entry.name or bare, None)
        for known in tuple(self._hub.broker.devices):
            if known.state is DeviceState.CONNECTED:
                self.device_connected(known)
        for device in self._by_id.values():
            if self._hub.state(device.id) is DeviceState.DISCONNECTED:
                device.available = True
                device.update(available=False, grace=START_GRACE.total_seconds())

    @callback
    def stop(self) -> None:
        """End what runs."""
        for device in self._by_id.values():
            device.stop()

    @callback
    def refresh(self) -> None:
        """Write anew when the connected devices were last seen."""
        for device in tuple(self._by_id.values()):
            if self._hub.state(device.id) is DeviceState.CONNECTED:
                device.notify()

    @callback
    def admit_approved(self) -> None:
        """Let in the devices that a person has approved, each with its key and its rights."""
        approved = self._approved()
        self._hub.broker.know(approved)
        for device_id, subentry in approved.items():
            self._apply(device_id, subentry)

    def _apply(self, device_id: str, subentry: ConfigSubentry) -> None:
        """Set key and rights of a device, where they have changed."""
        settings = DeviceSettings.read(subentry.data)
        broker, troubles = self._hub.broker, self._hub.troubles
        if broker.access.keys.get(device_id) != settings.key:
            broker.set_key(device_id, settings.key)
            troubles.forget(device_id)
        if broker.access.rights.get(device_id, ALL_RIGHTS) != settings.rights:
            broker.set_rights(device_id, settings.rights)
            troubles.forget(device_id)
        for fault in settings.faults:
            self._hub.complain(device_id, f"has {_FAULTS[fault]}")
        if CONF_KEY in settings.faults:
            troubles.tell(Trouble.DAMAGED_KEY, device_id)

    @callback
    def set_key(self, device_id: str, key: str) -> None:
        """Give a device that is let in another key, in base64."""
        subentry = self._approved()[device_id]
        self._hass.config_entries.async_update_subentry(
            self._entry, subentry, data={**subentry.data, CONF_KEY: key}
        )
        self._hub.troubles.forget(device_id)
        self.follow_subentries()

    @callback
    def follow_subentries(self) -> None:
        """Let in, rename and revoke devices, after the subentries have changed."""
        self._registry.async_update_device(self.own.registry_id, name=self._entry.title)
        approved = self._approved()
        for device_id, device in tuple(self._by_id.items()):
            if device.subentry_id is not None and device_id not in approved:
                self.revoke(device_id)
        for device_id, subentry in approved.items():
            self._apply(device_id, subentry)
            shown = self._by_id.get(device_id)
            if shown is None or shown.subentry_id != subentry.subentry_id:
                self._leave(device_id)
                self._enter(device_id, subentry.title, subentry.subentry_id)
                self._hub.variables.move(device_id)
                self._hub.broker.approve(device_id)
                self._hub.cards.end_attempts(device_id)
            else:
                self._registry.async_update_device(
                    shown.registry_id, name=subentry.title
                )

    def _approved(self) -> dict[str, ConfigSubentry]:
        return {
            subentry.data[CONF_DEVICE_ID]: subentry
            for subentry in self._entry.subentries.values()
            if subentry.subentry_type == SUBENTRY_DEVICE
        }

    def _enter(self, device_id: str, name: str, subentry_id: str | None) -> HubDevice:
        """Show a device with the entities that every device has."""
        key = (DOMAIN, device_id)
        old = self._registry.async_get_device_by_identifier(key, self._entry.entry_id)
        if old is not None and old.config_subentry_id != subentry_id:
            # A device can't change its subentry. What a person set is kept, and taken up by the new entry.
            self._registry.async_remove_device(old.id)
        entry = self._registry.async_get_or_create(
            config_entry_id=self._entry.entry_id,
            config_subentry_id=subentry_id,
            identifiers={key},
            name=plain(name),
            via_device_id=self.own.registry_id,
        )
        device = self._by_id[device_id] = HubDevice(self._hass, entry, device_id)
        device.available = self._hub.state(device_id) is not DeviceState.DISCONNECTED
        self._hub.platforms.add_device(self._hub, device)
        return device

    def _leave(self, device_id: str) -> None:
        if device := self._by_id.pop(device_id, None):
            device.stop()

    @callback
    def revoke(self, device_id: str) -> None:
        """Forget a device that a person has removed: it has to ask again."""
        self._leave(device_id)
        self._hub.troubles.forget(device_id)
        self._hub.broker.revoke(
            device_id, delete_variables=self._hub.settings.delete_variables
        )
        self._hub.variables.move(device_id)

    # What the broker tells

    @override
    def device_admitted(self, device: Device) -> None:
        area = None
        if device.details.area:
            area = ar.async_get(self._hass).async_get_area_by_name(device.details.area)
        self._hub.approve(
            device.id, device.details.name or device.id, area.id if area else None
        )

    @override
    def device_connected(self, device: Device) -> None:
        shown = self._by_id.get(device.id)
        if shown is None:
            if len(self._by_id) >= self._hub.broker.limits.devices:
                self._hub.complain(
                    device.id, "is not shown: there are too many devices"
                )
                return
            shown = self._enter(device.id, device.details.name or device.id, None)
            self._hub.variables.move(device.id)
        self._introduce(shown, device.details)
        shown.update(available=True)
        if shown.connected_at != device.connected_at:
            shown.connected_at = device.connected_at
            LOGGER.info("Device %s is connected", logged(device.id))
            self._fire(EVENT_CONNECTED, shown)

    @override
    def device_disconnected(self, device: Device, reason: CloseReason) -> None:
        if (shown := self._by_id.get(device.id)) is None:
            return
        asleep = device.state is DeviceState.ASLEEP
        shown.update(available=asleep, grace=GRACE.total_seconds())
        LOGGER.info("Device %s is not connected: %s", logged(device.id), reason)
        self._fire(EVENT_DISCONNECTED, shown, {ATTR_REASON: str(reason)})

    @override
    def device_lost(self, device: Device) -> None:
        if shown := self._by_id.get(device.id):
            LOGGER.info("Device %s has not woken in time", logged(device.id))
            shown.update(available=False)

    def _fire(
        self, event: str, device: HubDevice, data: dict[str, str] | None = None
    ) -> None:
        self._hub.remember()
        self._hass.bus.async_fire(
            event,
            {
                ATTR_DEVICE_ID: device.registry_id,
                ATTR_DEVICE: device.id,
                **(data or {}),
            },
        )

    def _introduce(self, device: HubDevice, introduction: DeviceDetails) -> None:
        """Enter what a device says of itself; what it does not say stays as it was."""
        self._registry.async_update_device(
            device.registry_id,
            manufacturer=_told(introduction.manufacturer),
            model=_told(introduction.model),
            new_connections=self._connections(device, introduction.mac),
            sw_version=_told(introduction.sw),
        )

    def _connections(
        self, device: HubDevice, mac: str | None
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
    return plain(text) if text else UNDEFINED


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

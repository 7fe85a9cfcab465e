"""Discovery cards: an unknown device asks to be let in, a person decides."""

from typing import Any, Final, TypedDict, override

from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    SOURCE_IGNORE,
    SOURCE_INTEGRATION_DISCOVERY,
    ConfigEntry,
    ConfigEntryChange,
)
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.discovery_flow import DiscoveryKey, async_create_flow
from homeassistant.helpers.dispatcher import async_dispatcher_connect

from .broker import Broker, DeviceInfo, Observer
from .const import DOMAIN

PER_MINUTE: Final = 32
"""New cards in a minute: someone who connects under ever new IDs gets no more."""


class Discovered(TypedDict):
    """The data of a discovery flow: the same for the same device."""

    device: str


class Cards(Observer):
    """The cards of the devices that wait to be let in, and the devices that a person ignores."""

    def __init__(self, hass: HomeAssistant, broker: Broker) -> None:
        """Show cards for the devices that wait at a broker."""
        self._hass = hass
        self._broker = broker
        self._offered: set[str] = set()
        self._budget = PER_MINUTE

    @callback
    def refuse_ignored(self) -> CALLBACK_TYPE:
        """Keep out the devices that are ignored, now and from now on; returns a function that ends it."""
        self._broker.access.refused.update(
            entry.unique_id
            for entry in self._hass.config_entries.async_entries(DOMAIN)
            if entry.source == SOURCE_IGNORE and entry.unique_id
        )
        return async_dispatcher_connect(
            self._hass, SIGNAL_CONFIG_ENTRY_CHANGED, self._entry_changed
        )

    @callback
    def refill(self) -> None:
        """Show the cards that had to wait; called once a minute."""
        self._budget = PER_MINUTE
        self.offer_all()

    @callback
    def offer_all(self) -> None:
        """Show a card for each device that waits."""
        for device_id in self._broker.waiting:
            self._offer(device_id)

    @override
    def device_waiting(self, device_id: str, info: DeviceInfo, address: str) -> None:
        self._offer(device_id)

    @override
    def device_left(self, device_id: str) -> None:
        self._withdraw(device_id)

    def _offer(self, device_id: str) -> None:
        if device_id in self._offered or self._budget == 0:
            return
        self._budget -= 1
        self._offered.add(device_id)
        async_create_flow(
            self._hass,
            DOMAIN,
            context={"source": SOURCE_INTEGRATION_DISCOVERY},
            data=Discovered(device=device_id),
            discovery_key=DiscoveryKey(domain=DOMAIN, key=device_id, version=1),
        )

    @callback
    def forget(self, device_id: str) -> None:
        """Leave the card of a device to the flow that has just let it in."""
        self._offered.discard(device_id)

    def _withdraw(self, device_id: str) -> None:
        if device_id not in self._offered:
            return
        self._offered.remove(device_id)
        flows = self._hass.config_entries.flow
        for flow in flows.async_progress_by_handler(
            DOMAIN,
            include_uninitialized=True,
            match_context={
                "source": SOURCE_INTEGRATION_DISCOVERY,
                "unique_id": device_id,
            },
        ):
            flows.async_abort(flow["flow_id"])

    @callback
    def withdraw_all(self) -> None:
        """Take all cards away."""
        for device_id in tuple(self._offered):
            self._withdraw(device_id)

    @callback
    def _entry_changed(
        self, change: ConfigEntryChange, entry: ConfigEntry[Any]
    ) -> None:
        if entry.domain != DOMAIN or entry.source != SOURCE_IGNORE:
            return
        if (device_id := entry.unique_id) is None:
            return
        if change is ConfigEntryChange.ADDED:
            self._broker.refuse(device_id)
        elif change is ConfigEntryChange.REMOVED:
            self._broker.access.refused.discard(device_id)

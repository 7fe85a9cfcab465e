"""Which devices may come in: those that a person has approved, each a subentry of the config entry."""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, override

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.const import CONF_DEVICE_ID
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers.event import async_track_point_in_utc_time
from homeassistant.util import dt as dt_util

from ..broker import AccessMode, Device, Observer
from ..const import (
    CONF_KEY,
    CONF_REPLACES,
    CONF_RIGHTS,
    DOMAIN,
    LOGGER,
    SUBENTRY_DEVICE,
)
from .actions import asked
from .broker_api import Approval, BrokerApi, BrokerGone
from .device_issues import ENDED_BY_SETTINGS, DeviceIssues, Trouble
from .device_registry import ShownDevices
from .device_replacement import Replacement
from .discovery_flows import DiscoveryFlows
from .sanitize import single_line
from .settings import DeviceSettings, Settings
from .warn_once import WarnOnce

_FAULTS: Final = {
    CONF_KEY: "a key that can't be read, so it is kept out until its key is entered again",
    CONF_RIGHTS: "rights that can't be read, so it may do nothing until they are set again",
}


class ApprovedDevices(Observer):
    """Keeps the broker and the device pages as the subentries say, and the window for new devices."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        broker: BrokerApi,
        devices: ShownDevices,
        replacement: Replacement,
        discovery: DiscoveryFlows,
        issues: DeviceIssues,
        warn_once: WarnOnce,
    ) -> None:
        """Follow the subentries of a config entry."""
        self._hass = hass
        self._entry = entry
        self._broker = broker
        self._devices = devices
        self._replacement = replacement
        self._discovery = discovery
        self._issues = issues
        self._warn_once = warn_once
        self._shown: dict[str, tuple[str, str]] = {}
        """IDs and titles of subentries as the device pages show them, by device ID."""
        self._told: dict[str, Mapping[str, Any] | None] = {}
        """Data of subentries as the broker knows them, by device ID; a change makes new data.

        None where it has been asked, and has not answered yet.
        """
        self._telling = asyncio.Lock()
        self._window_end: datetime | None = None
        self._close_window: CALLBACK_TYPE | None = None

    # Devices

    async def start(self) -> None:
        """Approve the devices of the subentries, before any client is served, and show them."""
        self._begin_replacements()
        for device_id, subentry in self._subentries().items():
            self._replacement.make_up(device_id, subentry.subentry_id)
        async with self._telling:
            await self._tell()
        self._show()

    async def follow(self) -> None:
        """Approve, rename, replace and revoke devices, after the subentries have changed."""
        self._begin_replacements()
        self._show()
        async with self._telling:
            await self._tell()

    @property
    def ids(self) -> Collection[str]:
        """The IDs of the approved devices."""
        return self._subentries().keys()

    @callback
    def _subentries(self) -> dict[str, ConfigSubentry]:
        return {
            subentry.data[CONF_DEVICE_ID]: subentry
            for subentry in self._entry.subentries.values()
            if subentry.subentry_type == SUBENTRY_DEVICE
        }

    @callback
    def _begin_replacements(self) -> None:
        """Bring the registries up to date with the devices that replace others."""
        for device_id, subentry in self._subentries().items():
            old = subentry.data.get(CONF_REPLACES)
            if old is not None and not self._replacement.is_replaced(old):
                self._replacement.begin(old, device_id)
                if replaced := self._shown.pop(old, None):
                    self._shown[device_id] = replaced

    @callback
    def _show(self) -> None:
        """Bring the device pages up to date."""
        wanted = self._subentries()
        for device_id in self._shown.keys() - wanted.keys():
            del self._shown[device_id]
            self._replacement.end(device_id)
            self._devices.remove(device_id)
            self._issues.forget(device_id)
        for device_id, subentry in wanted.items():
            subentry_id, title = subentry.subentry_id, subentry.title
            shown_id, shown_title = self._shown.get(device_id, ("", ""))
            if shown_id != subentry_id:
                self._devices.add(device_id, title, subentry_id)
            elif shown_title != title:
                self._devices.rename(device_id, title)
            self._shown[device_id] = subentry_id, title

    async def _tell(self) -> None:
        """Bring the broker up to date; what it can't be told now is told when it is back."""
        wanted = self._subentries()
        try:
            for device_id in self._told.keys() - wanted.keys():
                if not self._replacement.is_replaced(device_id):
                    await self._revoke(device_id)
                    del self._told[device_id]
            changed = {
                device_id: subentry
                for device_id, subentry in wanted.items()
                if self._told.get(device_id) is not subentry.data
            }
            data = {device_id: one.data for device_id, one in changed.items()}
            if not changed:
                return
            approvals = {
                device_id: self._approval(device_id, subentry)
                for device_id, subentry in changed.items()
            }
            for device_id in changed:
                self._told.setdefault(device_id, None)
            await self._broker.approve(approvals)
            for device_id, subentry in changed.items():
                if (old := data[device_id].get(CONF_REPLACES)) is not None:
                    await self._broker.replace_device(old, device_id)
                    self._told.pop(old, None)
                    self._replaced(device_id, subentry)
        except BrokerGone:
            LOGGER.debug("The broker is told of changed devices when it is back")
            return
        self._told |= data
        for device_id in changed:
            self._discovery.forget_attempts(device_id)

    def _approval(self, device_id: str, subentry: ConfigSubentry) -> Approval:
        """Return what a device comes by and may do; what was told of both before is settled by a change."""
        settings = DeviceSettings.read(subentry.data)
        told = self._told.get(device_id)
        if told is not None and DeviceSettings.read(told) != settings:
            self._issues.forget(device_id, ENDED_BY_SETTINGS)
        for fault in settings.faults:
            self._warn_once(device_id, f"has {_FAULTS[fault]}")
        if CONF_KEY in settings.faults:
            self._issues.create(Trouble.DAMAGED_KEY, device_id)
        return Approval(settings.key, settings.rights)

    @callback
    def _replaced(self, device_id: str, subentry: ConfigSubentry) -> None:
        """Note that a device has taken over all that belonged to the one before."""
        self._replacement.end(device_id)
        if subentry.subentry_id not in self._entry.subentries:
            # A person has removed it meanwhile.
            return
        data = {key: one for key, one in subentry.data.items() if key != CONF_REPLACES}
        self._hass.config_entries.async_update_subentry(
            self._entry, subentry, data=data
        )

    async def approve(
        self,
        device_id: str,
        name: str,
        area_id: str | None = None,
        key: str | None = None,
    ) -> None:
        """Approve a device under a person's name for it, at once if it waits; with a key only by that."""
        self._add(device_id, name, area_id, key)
        await self.follow()

    @callback
    def _add(
        self, device_id: str, name: str, area_id: str | None, key: str | None
    ) -> None:
        self._discovery.approved(device_id)
        data = {CONF_DEVICE_ID: device_id}
        if key is not None:
            data[CONF_KEY] = key
        self._hass.config_entries.async_add_subentry(
            self._entry,
            ConfigSubentry(
                data=MappingProxyType(data),
                subentry_type=SUBENTRY_DEVICE,
                title=single_line(name) or device_id,
                unique_id=device_id,
            ),
        )
        self._show()
        if area_id is not None:
            self._devices.set_area(device_id, area_id)

    @callback
    def has_key(self, device_id: str, key: str) -> bool:
        """Tell whether an approved device has a key, in base64."""
        subentry = self._subentries().get(device_id)
        return subentry is not None and subentry.data.get(CONF_KEY) == key

    async def set_key(self, device_id: str, key: str) -> bool:
        """Give an approved device another key, in base64; returns False where it is gone."""
        subentry = self._subentries().get(device_id)
        if subentry is None:
            return False
        self._hass.config_entries.async_update_subentry(
            self._entry, subentry, data={**subentry.data, CONF_KEY: key}
        )
        self._issues.forget(device_id, ENDED_BY_SETTINGS)
        await self.follow()
        return True

    async def revoke(self, device_id: str) -> None:
        """Forget a device that a person has removed: it has to ask again."""
        await asked(self._revoke(device_id), device_id)
        self._devices.remove(device_id)
        self._issues.forget(device_id)

    async def _revoke(self, device_id: str) -> None:
        settings = Settings.read(self._entry)
        await self._broker.revoke(device_id, delete_variables=settings.delete_variables)

    # The window

    @property
    def access(self) -> AccessMode:
        """How unknown devices are treated."""
        return Settings.read(self._entry).access

    @property
    def window_end(self) -> datetime | None:
        """End of the time in which new devices are approved, None where it is over or was not begun."""
        return self._window_end

    @property
    def lets_in(self) -> bool:
        """Whether a new device is approved now."""
        if self.access is AccessMode.APPROVE:
            return self._window_end is not None
        return self.access is AccessMode.OPEN

    async def permit(self, duration: timedelta) -> None:
        """Approve new devices for a time. Raises HomeAssistantError."""
        if self.access is AccessMode.KEY:
            raise ServiceValidationError(
                translation_domain=DOMAIN, translation_key="only_by_key"
            )
        former = self._window_end
        # The broker may close it while it lets in those that wait.
        self._begin_window(dt_util.utcnow() + duration)
        try:
            await asked(self._broker.permit(duration.total_seconds()))
        except HomeAssistantError:
            self._begin_window(former)
            raise
        finally:
            self._devices.broker_device.notify()

    def _begin_window(self, end: datetime | None) -> None:
        self._end_window()
        if end is not None:
            self._window_end = end
            self._close_window = async_track_point_in_utc_time(
                self._hass, self._window_over, end
            )

    async def _window_over(self, _now: datetime) -> None:
        self._close_window = None
        self._end_window()
        self._devices.broker_device.notify()
        with suppress(BrokerGone):
            # Its own clock may have come less far.
            await self._broker.permit(0)

    def _end_window(self) -> None:
        self._window_end = None
        if self._close_window is not None:
            self._close_window()
            self._close_window = None

    @callback
    def stop(self) -> None:
        """End what runs."""
        self._end_window()

    # What the broker tells

    @override
    def window_closed(self) -> None:
        LOGGER.warning(
            "As many new devices as may be were allowed at once; more are asked for one by one"
        )
        self._end_window()
        self._devices.broker_device.notify()

    @override
    def device_admitted(self, device: Device) -> None:
        details = device.details
        area = None
        if details.area:
            area = ar.async_get(self._hass).async_get_area_by_name(details.area)
        self._add(device.id, details.name or device.id, area.id if area else None, None)

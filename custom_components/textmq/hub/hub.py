"""The broker in Home Assistant: its rooms put together, started and stopped."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EVENT_CORE_CONFIG_UPDATE
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.start import async_at_started
from homeassistant.util import dt as dt_util

from ..broker import DeviceState
from ..const import DOMAIN, REFRESH
from . import issues
from .actions import Actions
from .approved_devices import ApprovedDevices
from .broker_api import BrokerApi, BrokerGone, RememberedDevice
from .device_classes import home_assistant_rules
from .device_issues import DeviceIssues
from .device_registry import ShownDevices
from .device_replacement import Replacement
from .device_store import DeviceStore
from .discovery_flows import DiscoveryFlows
from .entity_queue import EntityQueue
from .inbox import Inbox
from .local import LocalBroker
from .runtime_data import SIGNAL_STARTED, RuntimeData
from .settings import Settings
from .state_writer import StateWriter
from .sub_devices import SubDevices
from .variable_entities import VariableEntities
from .warn_once import WarnOnce

_SECOND: Final = timedelta(seconds=1)
_MINUTE: Final = timedelta(minutes=1)


def make_broker(hass: HomeAssistant, entry: ConfigEntry) -> BrokerApi:
    """Return the broker of a config entry, not opened yet."""
    folder = Path(hass.config.path(DOMAIN))

    @callback
    def saving_failed(reasons: Mapping[str, str]) -> None:
        issues.async_saving(hass, entry.entry_id, folder, reasons)

    return LocalBroker(
        hass.loop, folder, Settings.read(entry), home_assistant_rules(), saving_failed
    )


class Hub:
    """Starts, updates and stops the rooms of a broker."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry) -> None:
        """Put the rooms of a config entry together."""
        self._hass = hass
        self._entry = entry
        self._settings = Settings.read(entry)
        self._store = DeviceStore(hass)
        self._remembered: Mapping[str, RememberedDevice] = {}
        self._on_stop: list[CALLBACK_TYPE] = []
        self._stopped = False
        broker = self._broker = make_broker(hass, entry)
        warn_once = WarnOnce()
        queue = EntityQueue(hass, entry)
        parts = SubDevices(hass, entry)
        device_issues = DeviceIssues(hass, entry.entry_id, broker, warn_once)
        discovery = DiscoveryFlows(hass, broker)
        devices = ShownDevices(hass, entry, broker, queue, warn_once)
        variables = VariableEntities(
            hass,
            entry,
            broker,
            devices,
            parts,
            queue,
            warn_once,
            self._settings.shows,
        )
        devices.on_move(variables.device_changed)
        approved = ApprovedDevices(
            hass,
            entry,
            broker,
            devices,
            Replacement(hass, entry, devices, variables),
            discovery,
            device_issues,
            warn_once,
        )
        self._inbox = Inbox(hass, devices, queue)
        self.runtime_data = RuntimeData(
            hass=hass,
            broker=broker,
            actions=Actions(broker),
            devices=devices,
            parts=parts,
            approved=approved,
            discovery=discovery,
            issues=device_issues,
            variables=variables,
            queue=queue,
            writer=StateWriter(hass.loop),
            warn_once=warn_once,
            save=self.async_save,
            stop=self.async_stop,
        )

    async def async_open(self) -> None:
        """Take what is stored, and hold the port. Raises OSError where the folder or the port can't be had."""
        remembered = await self._store.async_load()
        await self._broker.open(remembered)
        if self._has_stopped():
            await self._broker.close()
            return
        self._store.follow(self._broker, self.runtime_data.devices.is_there)
        self._remembered = remembered
        await self._follow_time_zone()

    async def async_serve(self) -> None:
        """Show what there is, now that the platforms are set up, and serve clients last of all."""
        if self._has_stopped():
            return
        hass, broker, rooms = self._hass, self._broker, self.runtime_data
        self._check(dt_util.utcnow())
        rooms.devices.start(self._was_here)
        await rooms.approved.start()
        # From now on the broker knows better.
        self._remembered = {}
        await rooms.discovery.tell_ignored()
        if self._has_stopped():
            return
        self._on_stop += [
            *map(
                broker.observe,
                (
                    rooms.approved,
                    rooms.issues,
                    rooms.devices,
                    rooms.variables,
                    rooms.discovery,
                    self._store,
                ),
            ),
            broker.watch("#", rooms.variables.published),
            broker.listen_available(self._available_changed),
            rooms.discovery.follow_ignored(),
            async_track_time_interval(hass, self._every_second, _SECOND),
            async_track_time_interval(hass, self._check, _MINUTE),
            async_track_time_interval(hass, self._refresh, REFRESH),
            hass.bus.async_listen(EVENT_CORE_CONFIG_UPDATE, self._follow_time_zone),
        ]
        await rooms.variables.async_start()
        await rooms.queue.async_added()
        if self._has_stopped():
            return
        self._on_stop.append(async_at_started(hass, self._take_messages))
        async_dispatcher_send(hass, SIGNAL_STARTED, rooms)
        broker.serve()

    def _has_stopped(self) -> bool:
        """Tell whether Home Assistant stopped the broker while it started."""
        return self._stopped

    @callback
    def _was_here(self, device_id: str) -> bool:
        """Tell whether a device was here when Home Assistant stopped, or is within its sleep."""
        if self._broker.knows(device_id):
            return self._broker.was_here(device_id)
        if self._broker.state(device_id) is not DeviceState.DISCONNECTED:
            return True
        remembered = self._remembered.get(device_id)
        return (
            remembered is not None
            and remembered.present
            and remembered.asleep_until is None
        )

    @callback
    def _take_messages(self, _hass: HomeAssistant) -> None:
        """Take messages from now on, those that waited first: automations listen."""
        self._broker.receive_messages(self._inbox.receive)

    async def async_stop(self) -> None:
        """Close the port and every connection, and save; the port is free when this returns."""
        if self._stopped:
            return
        self._stopped = True
        while self._on_stop:
            self._on_stop.pop()()
        rooms = self.runtime_data
        self._broker.receive_messages(None)
        rooms.discovery.abort_all()
        rooms.issues.stop()
        rooms.approved.stop()
        rooms.devices.stop()
        rooms.queue.stop()
        rooms.writer.stop()
        # Before the connections are closed: who is here now may be expected back.
        await self._store.async_save()
        await self._broker.close()

    async def async_save(self) -> str | None:
        """Save variables and devices now; returns the reason where not everything could be."""
        failed = await self._broker.save()
        if failed is None and not await self._store.async_save():
            failed = "the file of the devices can't be written"
        return failed

    async def async_update(self) -> None:
        """Follow a change of the config entry; a reload only where the port or the access has changed."""
        if self._stopped:
            return
        old, new = self._settings, Settings.read(self._entry)
        self._settings = new
        if (old.host, old.port, old.access) != (new.host, new.port, new.access):
            self._hass.config_entries.async_schedule_reload(self._entry.entry_id)
            return
        rooms = self.runtime_data
        rooms.devices.rename_broker()
        if (old.include, old.exclude) != (new.include, new.exclude):
            rooms.variables.filter(new.shows)
        await self._tell()

    async def _tell(self) -> None:
        """Bring the broker up to date; one that is gone learns it when it is back."""
        rooms = self.runtime_data
        await rooms.approved.follow()
        await rooms.discovery.tell_ignored()
        with suppress(BrokerGone):
            await self._broker.set_limits(self._settings.limits)
            await self._broker.set_save_interval(self._settings.save_interval)

    @callback
    def _available_changed(self) -> None:
        self.runtime_data.devices.notify_all()
        if self._broker.available:
            self._entry.async_create_task(
                self._hass, self._come_back(), "textmq broker that is back"
            )

    async def _come_back(self) -> None:
        """Bring the broker up to date that was gone."""
        await self._tell()
        await self._follow_time_zone()

    @callback
    def _every_second(self, _now: datetime) -> None:
        self.runtime_data.variables.expire()

    @callback
    def _check(self, _now: datetime) -> None:
        entry_id = self._entry.entry_id
        issues.async_clock(self._hass, entry_id, self._broker.clock_behind)
        issues.async_access(self._hass, entry_id, self._settings)
        self.runtime_data.discovery.replenish_quota()

    @callback
    def _refresh(self, _now: datetime) -> None:
        self.runtime_data.devices.refresh()
        self.runtime_data.issues.refresh()

    async def _follow_time_zone(self, _event: Event | None = None) -> None:
        with suppress(BrokerGone):
            await self._broker.set_time_zone(self._hass.config.time_zone)

"""The one place where the broker and Home Assistant meet."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final, override

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.const import ATTR_DEVICE_ID, CONF_DEVICE_ID, EVENT_CORE_CONFIG_UPDATE
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.helpers.event import async_call_later, async_track_time_interval
from homeassistant.helpers.start import async_at_started
from homeassistant.util import dt as dt_util
from homeassistant.util.signal_type import SignalType

from . import issues
from .broker import (
    Access,
    BadReason,
    Broker,
    Delivery,
    DeviceState,
    Listener,
    Observer,
    Refusal,
    Saver,
    Store,
    Variable,
    __version__,
    names,
    posix_time_zone,
    wire,
)
from .const import (
    ATTR_DEVICE,
    ATTR_TEXT,
    CONF_KEY,
    DOMAIN,
    EVENT_MESSAGE,
    LOGGER,
    REFRESH,
    SUBENTRY_DEVICE,
)
from .devices import Devices, HubDevice
from .discovery import Cards
from .errors import translated
from .memory import Memory, restore
from .platforms import Platforms
from .rules import home_assistant_rules
from .safe import logged, plain
from .settings import Settings
from .sub_devices import SubDevices
from .troubles import Troubles
from .variables import VariableEntities
from .writer import StateWriter

type TextMqConfigEntry = ConfigEntry[Hub]

SIGNAL_STARTED: SignalType[Hub] = SignalType(f"{DOMAIN}_started")

_SECOND: Final = timedelta(seconds=1)
_MINUTE: Final = timedelta(minutes=1)
_MAX_COMPLAINTS: Final = 1000
"""Lines that are logged in all, each once: bounds the log where devices make up ever new causes."""


class Hub(Observer):
    """The broker in Home Assistant."""

    def __init__(self, hass: HomeAssistant, entry: TextMqConfigEntry) -> None:
        """Make the broker of a config entry."""
        self.hass = hass
        self.entry = entry
        self.settings = Settings.read(entry)
        rules = home_assistant_rules()
        self.broker = Broker(
            access=Access(self.settings.access),
            limits=self.settings.limits,
            rules=rules,
            version=__version__,
            call_soon=hass.loop.call_soon,
        )
        self.platforms = Platforms(hass, entry)
        self.troubles = Troubles(self)
        self.devices = Devices(self)
        self.sub_devices = SubDevices(self)
        self.variables = VariableEntities(self)
        self.cards = Cards(hass, self.broker)
        self.writer = StateWriter(hass.loop)
        self.refusals: Counter[BadReason] = Counter()
        """How many times devices were refused, by reason."""
        self.permit_until: datetime | None = None
        """End of the window in which new devices are let in; None where it is closed."""
        folder = Path(hass.config.path(DOMAIN))
        self._store = Store(folder, rules, self.settings.limits.max_line)
        self.saver = Saver(
            self.broker, self._store, self.settings.save_interval, self._saving_failed
        )
        self._listener = Listener(self.broker, self.settings.host, self.settings.port)
        self._memory = Memory(hass)
        self._complaints: set[tuple[str, str]] = set()
        self._on_stop: list[CALLBACK_TYPE] = []
        self._stopped = False
        self._close_window: CALLBACK_TYPE | None = None

    # Life

    async def async_start(self) -> None:
        """Load what is stored, and listen. Raises OSError where the folder or the port can't be had."""
        # The devices first: a start that fails ends with writing them.
        restore(self.broker, await self._memory.async_load())
        stored = await self.hass.async_add_executor_job(self._store.load)
        self.broker.restore(*stored)
        self.devices.admit_approved()
        self._on_stop.append(self.cards.refuse_ignored())
        await self._follow_time_zone()
        await self._listener.start()
        self._saving_failed(())
        self.saver.start()

    async def async_run(self) -> None:
        """Show what there is, now that the platforms are set up, and follow what happens."""
        issues.async_check(self.hass, self.settings)
        self.devices.start()
        broker = self.broker
        self._on_stop += [
            *map(
                broker.observe,
                (self, self.troubles, self.devices, self.variables, self.cards),
            ),
            broker.watch("#", self.variables.published),
            async_track_time_interval(self.hass, self._every_second, _SECOND),
            async_track_time_interval(self.hass, self._every_minute, _MINUTE),
            async_track_time_interval(self.hass, self._refresh, REFRESH),
            self.hass.bus.async_listen(
                EVENT_CORE_CONFIG_UPDATE, self._follow_time_zone
            ),
        ]
        await self.variables.async_start()
        if self._stopped:
            return
        self._on_stop.append(async_at_started(self.hass, self._take_messages))
        # In the next turn the entry is loaded, which is where the flows find the broker.
        self.hass.loop.call_soon(self.cards.offer_all)
        async_dispatcher_send(self.hass, SIGNAL_STARTED, self)

    async def _take_messages(self, _hass: HomeAssistant) -> None:
        """Take messages from now on, those that waited first: automations listen, entities show them."""
        await self.platforms.async_added()
        if not self._stopped:
            self.broker.home_assistant = self._message

    async def async_stop(self) -> None:
        """Close the port and every connection, and save; the port is free when this returns."""
        if self._stopped:
            return
        self._stopped = True
        while self._on_stop:
            self._on_stop.pop()()
        self.broker.home_assistant = None
        self.cards.withdraw_all()
        self.troubles.stop()
        self._end_window()
        self.devices.stop()
        self.platforms.stop()
        self.writer.stop()
        try:
            await self._listener.stop()
        finally:
            await self.saver.stop()
            await self._memory.async_save(self.broker)

    async def async_update(self) -> None:
        """Follow a change of the config entry; a reload only where the port or the access has changed."""
        if self._stopped:
            return
        old, new = self.settings, Settings.read(self.entry)
        self.settings = new
        if (old.host, old.port, old.access) != (new.host, new.port, new.access):
            self.hass.config_entries.async_schedule_reload(self.entry.entry_id)
            return
        self.devices.follow_subentries()
        self.broker.set_limits(new.limits)
        if (old.include, old.exclude) != (new.include, new.exclude):
            self.variables.filter()
        self.saver.interval = new.save_interval

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._listener.port

    @callback
    def remember(self) -> None:
        """Keep what has changed of the devices over a restart."""
        self._memory.save_later(self.broker)

    async def async_save_all(self) -> str | None:
        """Save variables and devices now; returns the reason where not everything could be."""
        failed = await self.saver.save()
        if failed:
            return next(iter(failed.values()))
        if not await self._memory.async_save(self.broker):
            return "the file of the devices can't be written"
        return None

    async def _follow_time_zone(self, _event: Event | None = None) -> None:
        self.broker.greeting.time_zone = await self.hass.async_add_executor_job(
            posix_time_zone, self.hass.config.time_zone
        )

    @callback
    def _saving_failed(self, reasons: Collection[str]) -> None:
        issues.async_saving(self.hass, self._store.folder, reasons)

    @callback
    def complain(self, device_id: str, cause: str, name: str = "") -> None:
        """Log what is wrong with a device, or a variable of it, once for each device and cause."""
        complaint = (device_id, cause)
        if (
            complaint not in self._complaints
            and len(self._complaints) < _MAX_COMPLAINTS
        ):
            self._complaints.add(complaint)
            LOGGER.warning(
                "Device %s: %s %s",
                logged(device_id),
                logged(name) if name else "it",
                cause,
            )

    @callback
    def _every_second(self, _now: datetime) -> None:
        self.variables.expire()

    @callback
    def _every_minute(self, _now: datetime) -> None:
        self.cards.refill()
        issues.async_clock(self.hass, self.broker.archive.clock_behind)

    @callback
    def _refresh(self, _now: datetime) -> None:
        self.devices.refresh()
        self.troubles.refresh()

    @override
    def device_refused(self, device_id: str, address: str, reason: BadReason) -> None:
        self.refusals[reason] += 1

    # Who may come in

    @callback
    def approve(
        self,
        device_id: str,
        name: str,
        area_id: str | None = None,
        key: str | None = None,
    ) -> None:
        """Let a device in from now on, under a person's name for it, at once if it waits; with a key only by that."""
        self.cards.forget(device_id)
        data = {CONF_DEVICE_ID: device_id}
        if key is not None:
            data[CONF_KEY] = key
        self.hass.config_entries.async_add_subentry(
            self.entry,
            ConfigSubentry(
                data=MappingProxyType(data),
                subentry_type=SUBENTRY_DEVICE,
                title=plain(name) or device_id,
                unique_id=device_id,
            ),
        )
        self.devices.follow_subentries()
        device = self.devices.get(device_id)
        if device is not None and area_id is not None:
            dr.async_get(self.hass).async_update_device(
                device.registry_id, area_id=area_id
            )

    @callback
    def permit(self, duration: timedelta) -> None:
        """Let new devices in for a time."""
        self._end_window()
        self.permit_until = dt_util.utcnow() + duration
        self._close_window = async_call_later(self.hass, duration, self._window_over)
        self.broker.permit(duration.total_seconds())
        self.devices.own.notify()

    @callback
    def _window_over(self, _now: datetime) -> None:
        self._close_window = None
        self._end_window()
        self.devices.own.notify()

    @override
    def window_closed(self) -> None:
        LOGGER.warning(
            "As many new devices as may be were allowed at once; more are asked for one by one"
        )
        self._end_window()
        self.devices.own.notify()

    def _end_window(self) -> None:
        self.permit_until = None
        self.broker.permit(0)
        if self._close_window is not None:
            self._close_window()
            self._close_window = None

    # To and from devices

    @callback
    def publish(self, name: str, text: str, *, retain: bool = True) -> None:
        """Publish text to a variable. Raises HomeAssistantError where the broker refuses it."""
        value = wire.encode(text)
        try:
            self.broker.check_length("PUB", name, value)
            self.broker.publish(name, value, device=names.HOME_ASSISTANT, retain=retain)
        except Refusal as refusal:
            raise translated(refusal, name) from refusal
        self.broker.flush()

    @callback
    def delete(self, name: str) -> None:
        """Delete a variable. Raises HomeAssistantError where the broker refuses it."""
        try:
            self.broker.delete(name)
        except Refusal as refusal:
            raise translated(refusal, name) from refusal
        self.broker.flush()

    @callback
    def get(self, name: str) -> Variable:
        """Return a variable that has a value. Raises HomeAssistantError."""
        try:
            names.check_variable_name(name)
            found = [one for one in self.broker.read(name) if one.value is not None]
            if not found:
                raise names.no_such_variable(name)
        except Refusal as refusal:
            raise translated(refusal, name) from refusal
        return found[0]

    @callback
    def read(self, text: str) -> list[Variable]:
        """Return the variables that a name or filter matches. Raises HomeAssistantError."""
        try:
            return self.broker.read(text)
        except Refusal as refusal:
            raise translated(refusal, text) from refusal

    @callback
    def send(self, device_id: str, text: str, ttl: timedelta | None = None) -> Delivery:
        """Send text to a device. Raises HomeAssistantError where it is not there or too busy."""
        seconds = None if ttl is None else ttl.total_seconds()
        value = wire.encode(text)
        try:
            self.broker.check_length("MSG", device_id, value)
            delivery = self.broker.send(
                names.HOME_ASSISTANT, device_id, value, ttl=seconds
            )
        except Refusal as refusal:
            raise translated(refusal, device_id) from refusal
        self.broker.flush()
        return delivery

    @callback
    def state(self, device_id: str) -> DeviceState:
        """Return where a device is."""
        known = self.broker.devices.get(device_id)
        return known.state if known else DeviceState.DISCONNECTED

    @callback
    def disconnect(self, device_id: str) -> None:
        """Close the connection of a device, which may come back. Raises HomeAssistantError."""
        if not self.broker.disconnect(device_id):
            raise _not_connected(device_id, asleep=False)

    @callback
    def command(self, device: HubDevice, variable: Variable, text: str) -> None:
        """Publish a command to where the device of a variable takes it (protocol B6).

        Raises HomeAssistantError where the device is not connected.
        """
        if device.id and (state := self.state(device.id)) is not DeviceState.CONNECTED:
            raise _not_connected(device.id, asleep=state is DeviceState.ASLEEP)
        definition = variable.definition
        target = (definition and definition.set) or f"{variable.name}/set"
        self.publish(target, text, retain=False)

    @callback
    def _message(self, sender: str, value: str) -> None:
        text = wire.decode(value)
        device = self.devices.get(sender)
        if device is not None and device.receive is not None:
            device.receive(text)
        self.hass.bus.async_fire(
            EVENT_MESSAGE,
            {
                ATTR_DEVICE_ID: device.registry_id if device else None,
                ATTR_DEVICE: sender,
                ATTR_TEXT: text,
            },
        )


@callback
def async_get_hub(hass: HomeAssistant) -> Hub | None:
    """Return the hub of the broker, None where it does not run."""
    entries: list[TextMqConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    return entries[0].runtime_data if entries else None


def _not_connected(device_id: str, *, asleep: bool) -> HomeAssistantError:
    return HomeAssistantError(
        translation_domain=DOMAIN,
        translation_key="device_asleep" if asleep else "device_not_connected",
        translation_placeholders={"device": plain(device_id)},
    )

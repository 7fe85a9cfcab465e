"""What all entities have in common: of the broker, of a device, of a variable."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, override

from homeassistant.const import Platform
from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import Entity

from .broker import Definition, Publication, Variable, wire
from .const import ATTR_PUBLISHED, ATTR_TEXT, ATTR_VARIABLE, BROKER, DOMAIN, LOGGER
from .hub.runtime_data import RuntimeData
from .hub.sanitize import for_log, label
from .hub.shown_device import DEVICE_PREFIX, ShownDevice
from .hub.variable_entities import PREFIX
from .kinds import description_of, kind_of
from .values import InvalidValue

_REFUSED: Final = (ArithmeticError, TypeError, ValueError)
"""What Home Assistant raises for a state that it does not take."""
_REFUSED_CAUSE: Final = "is refused by Home Assistant"
_NUL: Final = "\0"
_SEPARATORS: Final = " -_:,/"
"""Between a device's name and what follows on it."""
_APOSTROPHES: Final = "'\u2019"
"""What follows on a name that is inflected: it is one word."""
_REPLACEMENT: Final = "\ufffd"


class TextMqEntity(Entity):
    """An entity of a device, or of the broker itself."""

    _attr_has_entity_name = True
    _attr_should_poll = False

    def __init__(self, data: RuntimeData, device: ShownDevice, key: str) -> None:
        """Make the entity; key is unique for the device."""
        self.data = data
        self.device = device
        self.key = key
        self.added = False
        """Home Assistant has it, so its state can be written."""
        self.removed = False
        """Home Assistant had it, and has it no more."""
        self._attr_device_info = device.device_info
        self._attr_translation_key = key

    @property
    @override
    def unique_id(self) -> str:
        """Return the ID by which the registry knows the entity."""
        if self.device.id:
            return f"{DEVICE_PREFIX}{self.device.id}/{self.key}"
        return f"{BROKER}/{self.key}"

    @property
    @override
    def available(self) -> bool:
        """Return whether the broker can be reached."""
        return self.data.broker.available

    @override
    async def async_added_to_hass(self) -> None:
        self.added, self.removed = True, False
        await self.async_begin()

    @override
    async def async_will_remove_from_hass(self) -> None:
        self.added, self.removed = False, True
        self.end()

    @callback
    def async_entity_id_changed(self, old_entity_id: str) -> None:
        """Nothing depends on the entity ID: Home Assistant 2026.11 need not add the entity again."""

    async def async_begin(self) -> None:
        """Prepare to be shown; the state is written next."""

    @callback
    def end(self) -> None:
        """End what was begun."""

    @callback
    def write_state(self) -> None:
        """Write the state; an error ends here, so that the caller and the other entities go on."""
        if not self.added:
            return
        try:
            self.async_write_ha_state()
        except Exception as err:  # noqa: BLE001
            self.data.warn_once.of_error(self.device.id, self.entity_id, err)


class DeviceEntity(TextMqEntity):
    """An entity that changes when its device comes, goes or changes."""

    _unlisten: CALLBACK_TYPE | None = None

    @override
    async def async_begin(self) -> None:
        self._unlisten = self.device.listen(self.write_state)

    @callback
    @override
    def end(self) -> None:
        if self._unlisten is not None:
            self._unlisten()
            self._unlisten = None


class VariableEntity[Value](TextMqEntity):
    """An entity that shows a variable.

    Platforms say how: `describe` takes the description, `show_value` a value as the kind of the
    entity reads it (kinds.py); an empty text is no value.
    """

    PLATFORM: ClassVar[Platform]
    read: Callable[[str], Value | None]
    """Reads a text that is not empty. Raises InvalidValue."""
    urgent: ClassVar[bool] = False
    """Every change is written at once, however many there are."""

    _unrecorded_attributes = frozenset({ATTR_PUBLISHED, ATTR_TEXT, ATTR_VARIABLE})

    def __init__(
        self, data: RuntimeData, device: ShownDevice, variable: Variable
    ) -> None:
        """Make the entity of a variable."""
        super().__init__(data, device, variable.name)
        self._attr_translation_key = None
        self.variable = variable
        self.resting = False
        self.pending = False
        self._latest: Publication | None = None
        self._publisher = variable.device, variable.will
        self._value = variable.value
        self._time = variable.time
        self._written: tuple[str | None, bool] | None = None
        """Value and availability, as last written."""
        self._unlisten: list[CALLBACK_TYPE] = []
        self._apply()
        self._expired = self._is_expired(self.data.broker.now())
        self._refresh()

    @property
    @override
    def unique_id(self) -> str:
        """Return the ID by which the registry knows the entity."""
        return f"{PREFIX}{self.variable.name}"

    # From the broker

    @callback
    def handle_publication(self, publication: Publication) -> None:
        """Take a publish. An unchanged value is not written again, but where that is wanted (FORCE)."""
        if publication is self._latest:
            return
        self._latest = publication
        self._time = publication.time
        publisher = publication.device, publication.will
        if publisher != self._publisher:
            self._publisher = publisher
            self._listen()
        elif (
            publication.value == self._value
            and not self._expired
            and not self._attr_force_update
        ):
            return
        if self._attr_force_update:
            self._written = None
        self._value = publication.value
        self._expired = False
        if self.urgent:
            self.write()
        elif self.added:
            self.data.writer.request(self)

    @callback
    def show_at_once(self, publication: Publication) -> None:
        """Take a publish, and write the state without a rest."""
        self.handle_publication(publication)
        self.write()

    @callback
    def apply_description(self) -> None:
        """Take the changed description, and the value that is left under it."""
        self._apply()
        self._value, self._time = self.variable.value, self.variable.time
        self._expired = self._is_expired(self.data.broker.now())
        self._update_registry()
        self._written = None
        self.write()

    @callback
    def expire(self, now: float) -> None:
        """Be unavailable while the value is older than described, or of a time later than now (protocol B3)."""
        expired = self._is_expired(now)
        if expired is not self._expired:
            self._expired = expired
            self.write()

    @callback
    def follow_value(self) -> None:
        """Show the value that the variable has now, without a publish."""
        self._value, self._time = self.variable.value, self.variable.time
        self.write()

    @callback
    def follow_devices(self) -> None:
        """Follow the devices that answer for the value, after one of them came to be shown, or went."""
        self._listen()
        self.write()

    @callback
    def move(self, device: ShownDevice) -> None:
        """Belong to another device, or to another part of it."""
        self.device = device
        self._apply()
        self._update_registry()
        self.follow_devices()

    @callback
    def rebind(self, variable: Variable) -> None:
        """Show another variable: the same one under another name."""
        self.variable = variable
        self._publisher = variable.device, variable.will
        self.apply_description()
        self.follow_devices()

    # To Home Assistant

    @override
    async def async_begin(self) -> None:
        self._listen()
        self._refresh()
        self._refuse_state()

    @callback
    @override
    def end(self) -> None:
        while self._unlisten:
            self._unlisten.pop()()

    @property
    @override
    def available(self) -> bool:
        """Return whether the value is worth anything."""
        return (
            not self._expired
            and super().available
            and self.data.devices.vouch_for(self.variable)
        )

    @callback
    @override
    def async_registry_entry_updated(self) -> None:
        super().async_registry_entry_updated()
        # The unit that a person has chosen may make a state of it that Home Assistant refuses.
        self._refuse_state()

    @callback
    def write(self) -> None:
        """Write the state as it is now, if it has changed."""
        if self.added and self._written != (self._value, self.available):
            try:
                self._refresh()
                self._refuse_state()
            except Exception as err:  # noqa: BLE001
                self.data.warn_once.of_error(self.device.id, self.variable.name, err)
            self.write_state()

    async def async_command(self, value: Any) -> None:
        """Send a command to the device; the state follows what the device publishes."""
        text = kind_of(description_of(self.variable)).spell(value)
        await self.data.actions.command(self.variable, text)

    def describe(self, definition: Definition) -> None:
        """Take the description."""

    def show_value(self, value: Value | None) -> None:
        """Take a value as the state, None for unknown."""

    def _listen(self) -> None:
        """Hear of the devices that answer for the value (protocol B6)."""
        self.end()
        if not self.added:
            return
        publisher, _ = self._publisher
        for device in {self.device, self.data.devices.showing(publisher)}:
            self._unlisten.append(device.listen(self.write))

    def _is_expired(self, now: float) -> bool:
        seconds = description_of(self.variable).expire
        if self._value is None or seconds is None:
            return False
        return not 0 <= now - self._time <= seconds

    def _apply(self) -> None:
        """Take the description of the variable, and the device that it is shown on."""
        definition = description_of(self.variable)
        self._attr_name = self._name(definition)
        self._attr_icon = definition.icon
        self._attr_force_update = definition.force
        if entry := self._registry_device():
            self._attr_device_info = DeviceInfo(identifiers=entry.identifiers)
        self._attr_entity_registry_enabled_default = not definition.hidden
        kind = kind_of(definition)
        self._attr_entity_category = kind.category(definition)
        self._attr_device_class = kind.device_class(definition)
        self.read = kind.reader(definition)
        self.describe(definition)

    def _update_registry(self) -> None:
        registry = er.async_get(self.data.hass)
        entity_id = registry.async_get_entity_id(self.PLATFORM, DOMAIN, self.unique_id)
        if entity_id is not None:
            registry.async_update_entity(
                entity_id,
                device_id=self._registry_id,
                config_subentry_id=self.device.subentry_id,
                entity_category=self.entity_category,
                original_icon=self.icon,
                original_name=self._attr_name,
                unit_of_measurement=self.unit_of_measurement,
            )

    @property
    def _registry_id(self) -> str:
        """The registry's entry of the device, or of its part, that the variable belongs to."""
        return self.data.parts.entry_of(self.device, self.variable.name)

    def _registry_device(self) -> dr.AnyDeviceEntry | None:
        return dr.async_get(self.data.hass).async_get(self._registry_id)

    def _name(self, definition: Definition) -> str | None:
        """Return the name, None where it is the device's."""
        if definition.name is not None:
            told = label(definition.name)
            if told or not definition.name:
                return self._without_device_name(told) or None
        name = self.variable.name.removeprefix(f"{self.device.id}/")
        words = " ".join(name.replace("/", " ").replace("_", " ").split()) or name
        return words[:1].upper() + words[1:]

    def _without_device_name(self, name: str) -> str:
        """Return a name without the device's at its beginning, which Home Assistant shows before it."""
        entry = self._registry_device()
        for device_name in (entry.name_by_user, entry.name) if entry else ():
            if device_name and name.casefold().startswith(device_name.casefold()):
                rest = name[len(device_name) :]
                if not rest or not (rest[0].isalnum() or rest[0] in _APOSTROPHES):
                    rest = rest.lstrip(_SEPARATORS)
                    return rest[:1].upper() + rest[1:]
        return name

    def _refresh(self) -> None:
        """Make the state of the value."""
        self._written = (self._value, self.available)
        attributes: dict[str, Any] = {ATTR_VARIABLE: self.variable.name}
        text = wire.decode(self._value or "").replace(_NUL, _REPLACEMENT)
        if self._value is not None:
            attributes[ATTR_PUBLISHED] = datetime.fromtimestamp(self._time, UTC)
        self._attr_extra_state_attributes = attributes
        try:
            self.show_value(self.read(text) if text else None)
        except InvalidValue as invalid:
            self._refuse(str(invalid))

    def _refuse_state(self) -> None:
        """Make unknown of a state that Home Assistant would refuse when it is written."""
        try:
            _ = self.state
        except _REFUSED as err:
            LOGGER.debug("A state is refused: %s", for_log(str(err)))
            self._refuse(_REFUSED_CAUSE)

    def _refuse(self, cause: str) -> None:
        """Show the value as unknown, with its text as an attribute."""
        self.show_value(None)
        text = wire.decode(self._value or "")
        self._attr_extra_state_attributes = {
            **self._attr_extra_state_attributes,
            ATTR_TEXT: text,
        }
        self.data.warn_once(self.device.id, cause, self.variable.name)

"""What all entities have in common: of the broker, of a device, of a variable."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, override

from homeassistant.const import EntityCategory, Platform
from homeassistant.core import callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import Entity

from .broker import Definition, Publication, Variable, wire
from .const import ATTR_PUBLISHED, ATTR_TEXT, ATTR_VARIABLE, BROKER, LOGGER
from .devices import HubDevice
from .hub import Hub
from .safe import label, logged
from .values import Unfit
from .variables import tell_error, unique_id

_REFUSED: Final = (ArithmeticError, TypeError, ValueError)
"""What Home Assistant raises for a state that it does not take."""
_REFUSED_CAUSE: Final = "is refused by Home Assistant"
_NUL: Final = "\0"
_SEPARATORS: Final = " -_:,/"
"""Between a device's name and what follows on it."""
_REPLACEMENT: Final = "\ufffd"


class TextMqEntity(Entity):
    """An entity of a device, or of the broker itself."""

    _attr_has_entity_name = True
    _attr_should_poll = False

    def __init__(self, hub: Hub, device: HubDevice, key: str) -> None:
        """Make the entity; key is unique for the device."""
        self.hub = hub
        self.device = device
        self._attr_device_info = device.device_info
        self._attr_translation_key = key
        self._attr_unique_id = (
            f"device/{device.id}/{key}" if device.id else f"{BROKER}/{key}"
        )

    @callback
    def show(self) -> None:
        """Write the state; an error ends here, so that whoever called and the other entities go on."""
        try:
            self.async_write_ha_state()
        except Exception as err:  # noqa: BLE001
            tell_error(self.hub, self.device.id, self.entity_id, err)


class FollowingEntity(TextMqEntity):
    """An entity that changes when its device comes, goes or changes."""

    @override
    async def async_added_to_hass(self) -> None:
        self.async_on_remove(self.device.listen(self.async_device_changed))

    @callback
    def async_device_changed(self) -> None:
        """Follow the device."""
        self.show()


class VariableEntity(FollowingEntity):
    """An entity that shows a variable.

    Platforms say how: `async_describe` takes the description, `async_take` a text, which is
    never empty; an empty one is no value.
    """

    PLATFORM: ClassVar[Platform]
    urgent: ClassVar[bool] = False
    """Every change is written at once, however many there are."""

    _unrecorded_attributes = frozenset({ATTR_PUBLISHED, ATTR_TEXT, ATTR_VARIABLE})

    def __init__(self, hub: Hub, device: HubDevice, variable: Variable) -> None:
        """Make the entity of a variable."""
        super().__init__(hub, device, variable.name)
        self._attr_translation_key = None
        self._attr_unique_id = unique_id(variable.name)
        self.variable = variable
        self.resting = False
        self.pending = False
        self.live = False
        self._expired = False
        self._value: str | None = None
        self._time = 0.0
        self._written: tuple[str | None, bool] | None = None
        """Value and availability, as last written."""
        self._describe()
        if variable.value is not None:
            self._follow()
            self._read()

    # From the broker

    @callback
    def published(self, publication: Publication) -> None:
        """Take a publish. An unchanged value is not written again, but where that is wanted (FORCE)."""
        self._time = publication.time
        if self._attr_force_update:
            self._written = None
        elif publication.value == self._value and not self._expired:
            return
        self._value = publication.value
        self._expired = False
        if self.urgent:
            self.write()
        elif self.live:
            self.hub.writer.request(self)

    @callback
    def describe(self) -> None:
        """Take the changed description, and the value that is left under it."""
        self._describe()
        self._follow()
        definition = self.variable.definition
        if self._value is None or definition is None or definition.expire is None:
            self._expired = False
        self._read()
        entry = self.registry_entry
        if not self.live or entry is None:
            return
        er.async_get(self.hass).async_update_entity(
            entry.entity_id,
            device_id=self._registry_id,
            entity_category=self.entity_category,
            original_icon=self.icon,
            unit_of_measurement=self.unit_of_measurement,
        )
        self.show()

    @callback
    def expire(self, now: float, seconds: float) -> None:
        """Be unavailable while the value is older than seconds, or of a time later than now (protocol B3)."""
        age = now - self._time
        expired = self._value is not None and not 0 <= age <= seconds
        if expired is not self._expired:
            self._expired = expired
            self.write()

    @callback
    def follow(self) -> None:
        """Show the value that the variable has now, without a publish."""
        self._follow()
        self.write()

    # To Home Assistant

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        self.live = True
        self._read()

    @override
    async def async_will_remove_from_hass(self) -> None:
        self.live = False

    @callback
    @override
    def async_device_changed(self) -> None:
        self.write()

    @property
    @override
    def available(self) -> bool:
        """Return whether the value is worth anything."""
        return self.device.available and not self._expired

    @callback
    def write(self) -> None:
        """Write the state as it is now; what can't be shown never goes further than here."""
        if self.live and self._written != (self._value, self.available):
            try:
                self._read()
            except Exception as err:  # noqa: BLE001
                tell_error(self.hub, self.device.id, self.variable.name, err)
            self.show()

    @callback
    @override
    def _async_write_ha_state(self) -> None:
        """Write the state: what Home Assistant refuses is unknown."""
        try:
            super()._async_write_ha_state()
        except _REFUSED as err:
            LOGGER.debug("A state is refused: %s", logged(str(err)))
            self._refuse(_REFUSED_CAUSE)
            with suppress(*_REFUSED):
                super()._async_write_ha_state()

    @callback
    def command(self, text: str) -> None:
        """Send a command to the device; the state follows what the device publishes."""
        self.hub.command(self.device, self.variable, text)

    def async_describe(self, definition: Definition | None) -> None:
        """Take the description, None where there is none."""

    def async_take(self, text: str | None) -> None:
        """Take a text as the state, None for unknown. Raises Unfit."""
        raise NotImplementedError

    def _follow(self) -> None:
        self._value, self._time = self.variable.value, self.variable.time

    def _describe(self) -> None:
        definition = self.variable.definition
        self._attr_name = self._name(definition)
        self._attr_icon = definition.icon if definition else None
        self._attr_force_update = definition is not None and definition.force
        if entry := self._registry_device():
            self._attr_device_info = DeviceInfo(identifiers=entry.identifiers)
        self._attr_entity_category = (
            EntityCategory(definition.category)
            if definition is not None and definition.category
            else None
        )
        self._attr_entity_registry_enabled_default = (
            definition is None or not definition.hidden
        )
        self.async_describe(definition)

    @property
    def _registry_id(self) -> str:
        """The registry's entry of the device, or of its part, that the variable belongs to."""
        return self.hub.sub_devices.entry_of(self.device, self.variable.name)

    def _registry_device(self) -> dr.AnyDeviceEntry | None:
        return dr.async_get(self.hub.hass).async_get(self._registry_id)

    def _name(self, definition: Definition | None) -> str | None:
        """Return the name, None where it is the device's."""
        if definition is not None and definition.name is not None:
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
                if not rest[:1].isalnum():
                    rest = rest.lstrip(_SEPARATORS)
                    return rest[:1].upper() + rest[1:]
        return name

    def _read(self) -> None:
        """Make the state of the value."""
        self._written = (self._value, self.available)
        attributes: dict[str, Any] = {ATTR_VARIABLE: self.variable.name}
        text = wire.decode(self._value or "")
        if self._value is not None:
            attributes[ATTR_PUBLISHED] = datetime.fromtimestamp(self._time, UTC)
        self._attr_extra_state_attributes = attributes
        try:
            self.async_take(text.replace(_NUL, _REPLACEMENT) or None)
        except Unfit as unfit:
            self._refuse(str(unfit))

    def _refuse(self, cause: str) -> None:
        """Show the value as unknown, with its text as an attribute."""
        self.async_take(None)
        text = wire.decode(self._value or "")
        self._attr_extra_state_attributes = {
            **self._attr_extra_state_attributes,
            ATTR_TEXT: text,
        }
        self.hub.complain(self.device.id, cause, self.variable.name)

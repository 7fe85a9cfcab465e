"""Parts of devices as devices of their own, each by the device that it is a part of (protocol B6)."""

from collections import Counter
from functools import partial
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import area_registry as ar, device_registry as dr

from ..broker import Definition, names
from ..const import BROKER, DOMAIN
from .sanitize import label
from .shown_device import ShownDevice

_SEPARATOR: Final = "/"
"""Between the IDs of a device and its part; it can't stand in either."""


def owning_device_id(identifier: str) -> str:
    """Return the ID of the device that an identifier of the registry is of, or of a part of."""
    return identifier.partition(_SEPARATOR)[0]


def is_part_id(identifier: str) -> bool:
    """Tell whether an identifier of the registry is of a part of a device."""
    return _SEPARATOR in identifier and identifier != BROKER


class SubDevices:
    """The parts that variables belong to; one without variables goes."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry) -> None:
        """Show parts of devices in a config entry."""
        self._hass = hass
        self._entry_id = entry.entry_id
        self._registry = dr.async_get(hass)
        self._part_of: dict[str, str] = {}
        """Identifiers of parts, by the names of their variables."""
        self._sizes: Counter[str] = Counter()
        """How many variables belong to parts, by identifier."""
        self._emptied: set[str] = set()
        self._entries: dict[str, str] = {}
        """Entries of the registry, by identifier."""
        self._told_areas: dict[str, str] = {}

    @callback
    def entry_of(self, device: ShownDevice, name: str) -> str:
        """Return the registry's entry that a variable of a device belongs to: of its part, or of the device."""
        return self._entries.get(self._part_of.get(name, ""), device.registry_id)

    @callback
    def assign(
        self, device: ShownDevice, name: str, definition: Definition | None
    ) -> None:
        """Note what part a variable belongs to, and what is told of that. Call `tidy` when it is shown there."""
        if definition is None or definition.part is None or not device.id:
            self.release(name)
            return
        identifier = f"{device.id}{_SEPARATOR}{definition.part}"
        if self._part_of.get(name) != identifier:
            self.release(name)
            self._part_of[name] = identifier
            self._sizes[identifier] += 1
        entry = self._get_or_create(device, identifier, definition.part)
        if definition.part_name:
            self._registry.async_update_device(entry, name=label(definition.part_name))
        if definition.part_area:
            self._suggest_area(identifier, entry, definition.part_area)

    @callback
    def rename_device(self, old: str, new: str) -> None:
        """Follow a device that is replaced by another: its variables and its parts have new names."""
        renamed = partial(names.renamed, old=old, new=new)
        self._part_of = {
            renamed(name): renamed(part) for name, part in self._part_of.items()
        }
        self._sizes = Counter(self._part_of.values())
        self._emptied = {renamed(part) for part in self._emptied}
        self._entries = {renamed(part): one for part, one in self._entries.items()}
        self._told_areas = {
            renamed(part): area for part, area in self._told_areas.items()
        }

    @callback
    def release(self, name: str) -> None:
        """Forget a variable. Call `tidy` when it is shown no more."""
        part = self._part_of.pop(name, None)
        if part is not None:
            self._sizes[part] -= 1
            if not self._sizes[part]:
                del self._sizes[part]
                self._emptied.add(part)

    @callback
    def tidy(self) -> None:
        """Remove the parts that no variable belongs to."""
        while self._emptied:
            identifier = self._emptied.pop()
            if identifier not in self._sizes and identifier in self._entries:
                self._told_areas.pop(identifier, None)
                self._remove(self._entries.pop(identifier))

    @callback
    def remove_past(self) -> None:
        """Remove the parts of an earlier run that no variable belongs to any more."""
        for entry in dr.async_entries_for_config_entry(self._registry, self._entry_id):
            identifiers = {one for domain, one in entry.identifiers if domain == DOMAIN}
            if (
                any(map(is_part_id, identifiers))
                and not identifiers & self._entries.keys()
            ):
                self._remove(entry.id)

    def _get_or_create(self, device: ShownDevice, identifier: str, part: str) -> str:
        key = (DOMAIN, identifier)
        old = self._registry.async_get_device_by_identifier(key, self._entry_id)
        if old is not None and old.config_subentry_id == device.subentry_id:
            self._entries[identifier] = old.id
            return old.id
        if old is not None:
            # A device can't change its subentry.
            self._registry.async_remove_device(old.id)
        entry = self._registry.async_get_or_create(
            config_entry_id=self._entry_id,
            config_subentry_id=device.subentry_id,
            identifiers={key},
            name=label(part),
            via_device_id=device.registry_id,
        )
        self._told_areas[identifier] = ""
        self._entries[identifier] = entry.id
        return entry.id

    def _suggest_area(self, identifier: str, entry_id: str, area_name: str) -> None:
        """Put a part into an area that there is, if it is told for the first time and nobody has chosen one.

        For a part of an earlier run the first time is over: a person may have taken it out.
        """
        told = self._told_areas.get(identifier)
        self._told_areas[identifier] = area_name
        entry = self._registry.async_get(entry_id)
        if told in (None, area_name) or entry is None or entry.area_id is not None:
            return
        if area := ar.async_get(self._hass).async_get_area_by_name(area_name):
            self._registry.async_update_device(entry_id, area_id=area.id)

    def _remove(self, entry_id: str) -> None:
        if self._registry.async_get(entry_id) is not None:
            self._registry.async_remove_device(entry_id)

"""A new board, or the same one under a new ID, takes over the pages and entities of a device."""

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er

from ..broker import names
from .device_registry import ShownDevices, device_id_of
from .shown_device import DEVICE_PREFIX
from .variable_entities import PREFIX as VARIABLE_PREFIX, VariableEntities


class Replacement:
    """Renames in the registries what belonged to the device before: IDs, history, settings stay.

    The broker follows (`BrokerApi.replace_device`); what is done here can be done again after a
    restart in the middle.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        devices: ShownDevices,
        variables: VariableEntities,
    ) -> None:
        """Rename within a config entry."""
        self._entry_id = entry.entry_id
        self._devices = devices
        self._variables = variables
        self._device_registry = dr.async_get(hass)
        self._entity_registry = er.async_get(hass)
        self._under_way: dict[str, str] = {}
        """IDs of replaced devices, by those that take over."""

    @callback
    def is_replaced(self, device_id: str) -> bool:
        """Tell whether a device is being replaced."""
        return device_id in self._under_way.values()

    @callback
    def begin(self, old: str, new: str) -> None:
        """Show the old device's page and entities as those of the new one."""
        self._under_way[new] = old
        self._devices.replacement_begins(old)
        self._devices.remove_page(new)
        self._variables.rename_device(old, new)
        self._rename(old, new)
        self._devices.change_id(old, new)

    @callback
    def end(self, new: str) -> None:
        """Note that the broker has followed, or need not: the new device is removed."""
        if (old := self._under_way.pop(new, None)) is not None:
            self._devices.replacement_ends(old)

    @callback
    def make_up(self, new: str, subentry_id: str) -> None:
        """Rename again what the registries have lost: they are on file seconds after the subentries.

        The page of a subentry has the ID of its device, or that of the one before.
        """
        for entry in dr.async_entries_for_config_entry(
            self._device_registry, self._entry_id
        ):
            old = device_id_of(entry)
            if (
                entry.config_subentry_id == subentry_id
                and old is not None
                and old != new
            ):
                self._rename(old, new)

    def _rename(self, old: str, new: str) -> None:
        self._rename_entities(f"{DEVICE_PREFIX}{old}", f"{DEVICE_PREFIX}{new}")
        self._rename_entities(f"{VARIABLE_PREFIX}{old}", f"{VARIABLE_PREFIX}{new}")
        self._rename_devices(old, new)

    def _rename_entities(self, old: str, new: str) -> None:
        entries = er.async_entries_for_config_entry(
            self._entity_registry, self._entry_id
        )
        entity_ids = {entry.unique_id: entry.entity_id for entry in entries}
        for entry in entries:
            unique_id = names.renamed(entry.unique_id, old, new)
            if unique_id == entry.unique_id:
                continue
            if (other := entity_ids.get(unique_id)) is not None:
                self._entity_registry.async_remove(other)
            self._entity_registry.async_update_entity(
                entry.entity_id, new_unique_id=unique_id
            )

    def _rename_devices(self, old: str, new: str) -> None:
        for entry in dr.async_entries_for_config_entry(
            self._device_registry, self._entry_id
        ):
            identifiers = {
                (domain, names.renamed(one, old, new))
                for domain, one in entry.identifiers
            }
            if identifiers == entry.identifiers:
                continue
            for identifier in identifiers:
                # A part of a former run, of a device that was there already.
                if other := self._device_registry.async_get_device_by_identifier(
                    identifier, self._entry_id
                ):
                    self._device_registry.async_remove_device(other.id)
            self._device_registry.async_update_device(
                entry.id, new_identifiers=identifiers
            )

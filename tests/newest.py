"""Lets the released test plugin run with a Home Assistant that is newer than it; without use once there is a plugin for that.

A plugin of pytest (-p tests.newest), to be imported before any other.
"""

# It puts another package in the place of one that other plugins import, and must come first.
from homeassistant.core import Event, callback  # isort: skip
from homeassistant.components import logger
from homeassistant.components.logger import helpers
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.restore_state import RestoreStateData

# A name that the plugin knows from the release before.
vars(logger)["_clear_logger_overwrites"] = vars(helpers)["_clear_logger_overwrites"]


def _get(data: RestoreStateData) -> dict[str, object]:
    states: dict[str, object] = vars(data)["last_states_by_entity_id"]
    return states


def _set(data: RestoreStateData, states: dict[str, object]) -> None:
    """Take the states that a test wants to be there; each is the entity's when that comes into the registry."""
    vars(data)["last_states_by_entity_id"] = states
    take = vars(RestoreStateData)["_async_entity_registry_entry_created"]

    @callback
    def created(event: Event[er.EventEntityRegistryUpdatedData]) -> None:
        if event.data["action"] == "create":
            take(data, event)

    data.hass.bus.async_listen(er.EVENT_ENTITY_REGISTRY_UPDATED, created)


# What the plugin fills has moved, from entity IDs to entries of the registry.
setattr(RestoreStateData, "last_states", property(_get, _set))  # noqa: B010

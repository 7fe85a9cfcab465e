"""A house with a broker, as anybody can see and use it: by sockets, actions, states, registries and events."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.textmq.const import DOMAIN
from homeassistant.const import EVENT_STATE_CHANGED, Platform
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.util import dt as dt_util

from .client import TIMEOUT, Client

HOME_ASSISTANT: Final = "homeassistant"
GUEST: Final = "guest"
"""A client without an ID."""
NO_STATE: Final = "no state"
NO_ENTITY: Final = "nothing"
UNAVAILABLE: Final = "unavailable"
RIGHT: Final = "ok"
WRONG: Final = "WRONG"
"""Marks of rows in the tables that tests write."""

type Connect = Callable[..., Awaitable[Client]]


class House:
    """A house whose devices come, publish, describe, sleep and go."""

    def __init__(
        self, hass: HomeAssistant, entry: MockConfigEntry, connect: Connect
    ) -> None:
        """Use a broker's config entry, and what opens connections to it."""
        self.hass = hass
        self.entry = entry
        self.clients: dict[str, Client] = {}
        """The clients that are connected, by ID."""
        self._connect = connect

    # The broker

    async def start(self) -> None:
        """Start the broker, and wait until its entities are there."""
        assert await self.hass.config_entries.async_setup(self.entry.entry_id)
        await self.hass.async_block_till_done()

    async def stop(self) -> None:
        """Stop the broker; every client loses its connection."""
        assert await self.hass.config_entries.async_unload(self.entry.entry_id)
        await self.hass.async_block_till_done()
        self.clients.clear()

    async def pass_time(self, seconds: float) -> None:
        """Let Home Assistant's timers of the next seconds run."""
        later = dt_util.utcnow() + timedelta(seconds=seconds)
        async_fire_time_changed(self.hass, later)
        await self.hass.async_block_till_done()

    async def act(self, action: str, **data: Any) -> Any:
        """Perform an action of TextMQ; returns its response, None where it has none."""
        await self.hass.async_block_till_done()
        return await self.hass.services.async_call(
            DOMAIN,
            action,
            data,
            blocking=True,
            return_response=action.startswith("list"),
        )

    # Devices

    async def come(self, device_id: str, **params: object) -> Client:
        """Connect a device, or a guest."""
        given = None if device_id == GUEST else device_id
        client = self.clients[device_id] = await self._connect(given, **params)
        await self.hass.async_block_till_done()
        return client

    async def lose(self, device_id: str) -> None:
        """Cut the connection of a device."""
        await self.clients.pop(device_id).close()
        await self.until_state(device_id, "disconnected")

    async def leave(self, device_id: str) -> None:
        """Close the connection of a device, as it wants it."""
        client = self.clients.pop(device_id)
        client.send("CLOSE")
        await client.ended()
        await self.until_state(device_id, "disconnected")

    async def sleep(self, device_id: str, seconds: float) -> None:
        """Let a device sleep."""
        client = self.clients.pop(device_id)
        client.send("CLOSE", SLEEP=seconds)
        await client.ended()
        await self.until_state(device_id, "asleep", "disconnected")

    async def oversleep(self, device_id: str) -> None:
        """Let a device sleep, and not come back in time."""
        await self.sleep(device_id, 1)
        await self.until_state(device_id, "disconnected")

    async def remove(self, device_id: str) -> None:
        """Remove a device, as a person does."""
        (subentry_id,) = [
            one.subentry_id
            for one in self.entry.subentries.values()
            if one.unique_id == device_id
        ]
        self.hass.config_entries.async_remove_subentry(self.entry, subentry_id)
        self.clients.pop(device_id, None)
        await self.hass.async_block_till_done()

    async def publish(self, who: str, variable: str, value: str) -> None:
        """Publish as a device, as a guest, or as Home Assistant."""
        if who == HOME_ASSISTANT:
            await self.act("publish", variable=variable, value=value)
        else:
            await self.clients[who].ok("PUB", VARIABLE=variable, VALUE=value)
        await self.hass.async_block_till_done()

    async def describe(self, who: str, variable: str, definition: str) -> None:
        """Describe a variable by `TYPE KEY=value …`; an empty definition takes the description away."""
        kind, *more = definition.split() or [""]
        params = dict(one.split("=", 1) for one in more)
        if kind:
            params["TYPE"] = kind
        await self.clients[who].ok("DEF", VARIABLE=variable, **params)
        await self.hass.async_block_till_done()

    async def state_of(self, device_id: str) -> str:
        """Return where a device is: connected, asleep or disconnected."""
        listed = await self.act("list_devices")
        return next(
            (
                str(one["state"])
                for one in listed["devices"]
                if one["device"] == device_id
            ),
            "not listed",
        )

    async def until_state(self, device_id: str, *states: str) -> None:
        """Wait until a device is what it is to be: connected, asleep or disconnected."""
        async with asyncio.timeout(TIMEOUT):
            while await self.state_of(device_id) not in states:
                await asyncio.sleep(0.01)
        await self.hass.async_block_till_done()

    # Entities

    def entry_of(self, variable: str) -> er.RegistryEntry | None:
        """Return the registry's entry of the one entity that shows a variable."""
        registry = er.async_get(self.hass)
        ids = [
            registry.async_get_entity_id(platform, DOMAIN, f"variable/{variable}")
            for platform in Platform
        ]
        found = [entry for one in ids if one and (entry := registry.async_get(one))]
        assert len(found) <= 1, f"{variable} is shown by {found}"
        return found[0] if found else None

    def page_of(self, variable: str) -> str:
        """Return the device whose page has the entity of a variable: its ID, `ID/part`, or `textmq` for the broker."""
        entry = self.entry_of(variable)
        assert entry is not None
        device = dr.async_get(self.hass).async_get(entry.device_id or "")
        assert device is not None, f"{entry.entity_id} is on no page"
        assert device.config_subentry_id == entry.config_subentry_id
        ((_, identifier),) = device.identifiers
        return identifier.removesuffix("/broker")

    def shown(self, variable: str) -> str:
        """Return `state on page` of a variable, `nothing` where no entity shows it."""
        entry = self.entry_of(variable)
        if entry is None:
            return NO_ENTITY
        state = self.hass.states.get(entry.entity_id)
        return f"{state.state if state else NO_STATE} on {self.page_of(variable)}"


class StateHistory:
    """Every state that entities had from a moment on."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Begin with what the states are now."""
        self._states = {one.entity_id: [one.state] for one in hass.states.async_all()}
        hass.bus.async_listen(EVENT_STATE_CHANGED, self._changed)

    @callback
    def _changed(self, event: Event[EventStateChangedData]) -> None:
        new = event.data["new_state"]
        states = self._states.setdefault(event.data["entity_id"], [])
        states.append(new.state if new else NO_STATE)

    def of(self, entity_id: str) -> list[str]:
        """Return the states of an entity, equal ones in a row once."""
        return distinct(self._states.get(entity_id, []))


def distinct(states: list[str]) -> list[str]:
    """Return states, equal ones in a row once."""
    return [
        state
        for before, state in zip([None, *states], states, strict=False)
        if state != before
    ]


def table(*rows: tuple[str, ...]) -> str:
    """Write rows as a table; the first one has the names of the columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    lines.insert(1, "-|-".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)

"""What happens in other orders, second part: work that waits, a broker that goes at the wrong moment, a stop in the middle."""

import asyncio
import threading
import time
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.textmq.broker import Publication, Store
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, HomeAssistant, callback

from .client import until
from .conftest import Connect, broker_of
from .house import House
from .test_unusual_orders import device_ids, replace


async def test_trigger_that_publishes_something_new(
    hass: HomeAssistant, house: House
) -> None:
    """What is first published by an automation has its entity when the next one is triggered."""
    broker = broker_of(house.entry)
    seen = []

    @callback
    def watcher(publication: Publication) -> None:
        if publication.name == "a":
            broker.publish("b", "1", device="homeassistant")
        seen.append((publication.name, house.shown(publication.name)))

    house.entry.runtime_data.variables.watch("+", watcher)
    for name in ("a", "c"):
        broker.publish(name, "1", device="homeassistant")
    await hass.async_block_till_done()
    assert seen == [(name, "1 on textmq") for name in ("a", "c", "b")]


async def test_triggers_that_wait_do_not_block(
    hass: HomeAssistant, house: House
) -> None:
    """What had to wait for entities is done a little at a time."""
    broker = broker_of(house.entry)
    seen: list[int] = []
    turns: set[int] = set()
    turn = 0

    async def count() -> None:
        nonlocal turn
        while len(seen) < 2000:
            turn += 1
            await asyncio.sleep(0)

    @callback
    def watcher(publication: Publication) -> None:
        seen.append(int(publication.value))
        turns.add(turn)
        time.sleep(0.0001)

    house.entry.runtime_data.variables.watch("#", watcher)
    counting = asyncio.create_task(count())
    for number in range(2000):
        broker.publish("new", str(number), device="homeassistant")
    await counting
    await hass.async_block_till_done()
    assert seen == list(range(2000))
    assert len(turns) > 10


async def test_events_of_a_disabled_entity(hass: HomeAssistant, house: House) -> None:
    """An entity that is not shown keeps nothing."""
    await house.come("garden")
    option = "x" * 200
    await house.describe("garden", "garden/ring", f"event OPTIONS={option} HIDDEN=YES")
    for _ in range(200):
        await house.clients["garden"].ok(
            "PUB", VARIABLE="garden/ring", VALUE=option, RETAIN="NO"
        )
    await hass.async_block_till_done()
    entity = house.entry.runtime_data.variables._by_name["garden/ring"]  # noqa: SLF001
    assert len("".join(entity._early)) < 1000  # noqa: SLF001


async def test_burst_of_first_events(hass: HomeAssistant, house: House) -> None:
    """No event is lost that came in the moment in which its entity was made."""
    told: list[Any] = []

    @callback
    def changed(event: Event[Any]) -> None:
        if event.data["entity_id"].startswith("event."):
            told.append(event.data["new_state"].attributes.get("event_type"))

    hass.bus.async_listen("state_changed", changed)
    await house.come("garden")
    garden = house.clients["garden"]
    garden.send("DEF", VARIABLE="garden/ring", TYPE="event", OPTIONS="short")
    for _ in range(300):
        garden.send("PUB", VARIABLE="garden/ring", VALUE="short", RETAIN="NO")
    for _ in range(301):
        assert (await garden.answer()).command == "OK"
    await hass.async_block_till_done()
    assert told.count("short") == 300


async def test_stop_while_it_starts(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is begun after Home Assistant has begun to stop."""
    house = House(hass, entry, connect)
    await house.start()
    await house.come("garden")
    for number in range(200):
        await house.clients["garden"].ok("PUB", VARIABLE=f"garden/{number}", VALUE=1)
    await house.stop()
    (subentry,) = entry.subentries.values()
    data = {**subentry.data, "device_id": "shed", "replaces": "garden"}
    hass.config_entries.async_update_subentry(entry, subentry, data=data)
    before = hass.bus.async_listeners()
    starting = asyncio.create_task(hass.config_entries.async_setup(entry.entry_id))
    await until(lambda: getattr(entry, "runtime_data", None) is not None)
    access = broker_of(entry).access
    await until(lambda: access.knows("shed"))
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await starting
    await hass.async_block_till_done()
    after = hass.bus.async_listeners()
    assert after.get("core_config_updated", 0) == before.get("core_config_updated", 0)


async def test_stop_while_it_loads(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    port: int,
) -> None:
    """A stop that comes while the variables are read leaves nobody served, and no port taken."""
    loading, go_on = threading.Event(), threading.Event()
    load = Store.load

    def slow(self: Store) -> Any:
        loading.set()
        go_on.wait(5)
        return load(self)

    monkeypatch.setattr(Store, "load", slow)
    starting = asyncio.create_task(hass.config_entries.async_setup(entry.entry_id))
    await until(loading.is_set)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await asyncio.sleep(0.05)
    go_on.set()
    await starting
    await hass.async_block_till_done()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


class TestSlow:
    """Over a broker that answers late, and goes away."""

    @pytest.fixture
    def broker_kind(self) -> str:
        """Reach the broker by a wire that is slow, and fails."""
        return "slow"

    @pytest.mark.parametrize("delete", [True, False])
    @pytest.mark.parametrize("when", ["before", "asked", "answered", "back"])
    async def test_replaced_and_removed(
        self, hass: HomeAssistant, house: House, when: str, delete: bool
    ) -> None:
        """A device that took over while the broker was away, and was removed, is out, and so is the one before."""
        hass.config_entries.async_update_entry(
            house.entry, options={"delete_variables": delete}
        )
        await hass.async_block_till_done()
        wire: Any = house.entry.runtime_data.broker
        await house.come("garden")
        await house.publish("garden", "garden/soil", "41")
        await house.lose("garden")
        if when == "before":
            wire.go()
        replace(house, "garden", "shed")
        if when in ("asked", "answered"):
            await asyncio.sleep({"asked": 0.1, "answered": 0.3}[when])
            wire.go()
        if when == "back":
            await asyncio.sleep(0.3)
        await house.remove("shed")
        wire.come_back()
        await hass.async_block_till_done()
        access = broker_of(house.entry).access
        await until(lambda: not access.knows("garden") and not access.knows("shed"))
        await hass.async_block_till_done()
        await asyncio.sleep(0.1)
        names = [
            one.name
            for one in broker_of(house.entry).variables
            if not one.name.startswith("$")
        ]
        assert len(names) == (not delete)
        assert all(house.shown(one).endswith(" on textmq") for one in names)
        assert device_ids(hass) == set()

    async def test_approved_and_removed_unanswered(
        self, hass: HomeAssistant, house: House
    ) -> None:
        """A device whose approval was not answered is not known when it has been removed."""
        wire: Any = house.entry.runtime_data.broker
        behind = wire.behind
        answer = type(behind).approve

        async def approve(self: Any, devices: Any) -> None:
            await answer(self, devices)
            wire.go()
            raise_gone()

        def raise_gone() -> None:
            from custom_components.textmq.hub.broker_api import BrokerGone  # noqa: PLC0415

            raise BrokerGone

        behind.approve = approve.__get__(behind)
        await house.entry.runtime_data.approved.approve("kitchen", "Kitchen")
        del behind.approve
        assert broker_of(house.entry).access.knows("kitchen")
        await house.remove("kitchen")
        wire.come_back()
        await until(lambda: not broker_of(house.entry).access.knows("kitchen"))

    async def test_replaced_while_it_is_approved(
        self, hass: HomeAssistant, house: House
    ) -> None:
        """A device that is replaced while the broker is told of its approval is replaced."""
        rooms = house.entry.runtime_data
        approving = asyncio.create_task(rooms.approved.approve("kitchen", "Kitchen"))
        await asyncio.sleep(0.05)
        replace(house, "kitchen", "bath")
        await approving
        await hass.async_block_till_done()
        access = broker_of(house.entry).access
        await until(lambda: access.knows("bath") and not access.knows("kitchen"))
        assert device_ids(hass) == {"garden", "bath"}

"""What a stop, a person or a clock does in the middle of a move."""

import asyncio
import dataclasses

import pytest

from custom_components.textmq.hub import local
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er

from .client import until
from .conftest import broker_of
from .house import House, StateHistory
from .test_unusual_orders import device_ids, replace


@pytest.fixture
def known() -> list[str]:
    """Return the IDs of the devices that are approved."""
    return ["garden", "kitchen"]


async def test_stop_while_a_device_is_replaced(
    hass: HomeAssistant, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a stop interrupts is done at the next start."""

    async def rest(_seconds: float) -> None:
        await asyncio.sleep(0.02)

    monkeypatch.setattr(local, "sleep", rest)
    await house.come("garden")
    garden = house.clients["garden"]
    for number in range(1000):
        garden.send("PUB", VARIABLE=f"garden/{number}", VALUE=number)
    for _ in range(1000):
        assert (await garden.answer()).command == "OK"
    await hass.async_block_till_done()
    replace(house, "garden", "shed")
    await house.stop()
    (subentry,) = [
        one for one in house.entry.subentries.values() if one.unique_id == "shed"
    ]
    assert subentry.data["replaces"] == "garden"
    await house.start()
    assert "replaces" not in subentry.data
    found = {one.name: one.value for one in broker_of(house.entry).variables}
    wanted = {f"shed/{number}": str(number) for number in range(1000)}
    assert {
        name: value for name, value in found.items() if not name.startswith("$")
    } == wanted
    assert house.shown("shed/999") == "unavailable on shed"
    assert not broker_of(house.entry).access.knows("garden")


async def test_expired_value_of_a_replaced_device(
    hass: HomeAssistant, house: House
) -> None:
    """A value that has expired stays so where another device takes over."""
    await house.come("garden")
    await house.describe("garden", "garden/soil", "sensor EXPIRE=1")
    await house.publish("garden", "garden/soil", "41")
    entity = house.entry_of("garden/soil")
    assert entity is not None

    def is_gone() -> bool:
        house.entry.runtime_data.variables.expire()
        return house.shown("garden/soil").startswith("unavailable")

    await until(is_gone)
    history = StateHistory(hass)
    replace(house, "garden", "shed")
    await hass.async_block_till_done()
    await house.come("shed")
    await hass.async_block_till_done()
    assert history.of(entity.entity_id) == ["unavailable"]


@pytest.mark.announced_warnings("is described by device")
async def test_person_in_the_middle_of_a_move(
    hass: HomeAssistant, house: House
) -> None:
    """What a person does with an entity while it moves stays, and so does the entity."""
    registry = er.async_get(hass)
    await house.come("garden")
    await house.come("kitchen")
    for name in ("renamed", "disabled", "hidden"):
        await house.describe("garden", name, "sensor")
        await house.publish("garden", name, "41")
    ids = {}
    for name in ("renamed", "disabled", "hidden"):
        entry = house.entry_of(name)
        assert entry is not None
        ids[name] = entry.id
    await house.lose("garden")
    broker = broker_of(house.entry)
    registry.async_update_entity(
        registry.async_get_entity_id("sensor", "textmq", "variable/renamed") or "",
        new_entity_id="sensor.mine",
    )
    registry.async_update_entity(
        registry.async_get_entity_id("sensor", "textmq", "variable/disabled") or "",
        disabled_by=er.RegistryEntryDisabler.USER,
    )
    registry.async_update_entity(
        registry.async_get_entity_id("sensor", "textmq", "variable/hidden") or "",
        hidden_by=er.RegistryEntryHider.USER,
        name="Mine",
    )
    kitchen = house.clients["kitchen"]
    for name in ("renamed", "disabled", "hidden"):
        kitchen.send("DEF", VARIABLE=name, TYPE="sensor", UNIT="%")
        kitchen.send("PUB", VARIABLE=name, VALUE="42")
    for _ in range(6):
        assert (await kitchen.answer()).command == "OK"
    await hass.async_block_till_done()
    assert broker.variables.get("renamed") is not None
    await until(lambda: house.shown("renamed") == "42 on kitchen")
    await until(lambda: house.shown("hidden") == "42 on kitchen")
    assert house.shown("disabled") == "no state on kitchen"
    for name, entry_id in ids.items():
        entry = house.entry_of(name)
        assert entry is not None
        assert entry.id == entry_id
    entry = house.entry_of("disabled")
    assert entry is not None
    registry.async_update_entity(entry.entity_id, disabled_by=None)
    await house.stop()
    await house.start()
    await house.come("kitchen")
    assert house.shown("disabled") == "42 on kitchen"


async def test_filter_in_the_middle(hass: HomeAssistant, house: House) -> None:
    """What is excluded and included again while it moves is where it belongs."""
    await house.come("garden")
    await house.publish("garden", "soil", "41")
    entry = house.entry_of("soil")
    assert entry is not None
    update = hass.config_entries.async_update_entry
    update(house.entry, options={"exclude": ["soil"]})
    await house.come("kitchen")
    await house.publish("kitchen", "soil", "42")
    assert house.entry_of("soil") is None
    update(house.entry, options={})
    broker_of(house.entry).publish("soil", "43", device="garden")
    await hass.async_block_till_done()
    assert house.shown("soil") == "43 on garden"
    update(house.entry, options={"exclude": ["soil"]})
    update(house.entry, options={})
    update(house.entry, options={"exclude": ["soil"]})
    update(house.entry, options={})
    await hass.async_block_till_done()
    assert house.shown("soil") == "43 on garden"


async def test_reload_storm(hass: HomeAssistant, house: House) -> None:
    """Reloads in a row, with devices that come again at once, leave one of everything."""
    for _ in range(3):
        await house.come("garden")
        garden = house.clients["garden"]
        for number in range(30):
            garden.send("PUB", VARIABLE=f"garden/{number}", VALUE=number)
        garden.send("MSG", DEVICE="homeassistant", VALUE="hello")
        await asyncio.sleep(0)
        await asyncio.gather(
            *(hass.config_entries.async_reload(house.entry.entry_id) for _ in range(2))
        )
    await hass.async_block_till_done()
    await house.come("garden")
    await house.publish("garden", "garden/1", "7")
    assert house.shown("garden/1") == "7 on garden"


@pytest.mark.announced_warnings(sometimes=["is text where a number", "is neither"])
async def test_type_changes_in_a_burst(hass: HomeAssistant, house: House) -> None:
    """Of a variable that changes its TYPE over and over the last one is shown, and no other."""
    await house.come("garden")
    garden = house.clients["garden"]
    types = ["sensor", "switch", "text", "number", "binary_sensor", "event", "button"]
    for _ in range(5):
        for kind in types:
            more = {"OPTIONS": "a"} if kind == "event" else {}
            garden.send("DEF", VARIABLE="garden/x", TYPE=kind, **more)
            garden.send("PUB", VARIABLE="garden/x", VALUE="a", RETAIN="NO")
            garden.send("DEL", VARIABLE="garden/x")
        await asyncio.sleep(0)
    garden.send("DEF", VARIABLE="garden/x", TYPE="switch")
    garden.send("PUB", VARIABLE="garden/x", VALUE="ON")
    for _ in range(5 * 7 * 3 + 2):
        assert (await garden.answer()).command == "OK"
    await hass.async_block_till_done()
    assert house.shown("garden/x") == "on on garden"
    assert [one.entity_id for one in hass.states.async_all() if "_x" in one.entity_id]


@pytest.mark.parametrize(("access", "known"), [("open", [])])
@pytest.mark.announced_warnings("'third': it is not shown: there are too many devices")
async def test_device_beyond_the_limit(hass: HomeAssistant, house: House) -> None:
    """What a device publishes that has no page is unavailable when it is gone, and back with it."""
    broker_of(house.entry).set_limits(
        dataclasses.replace(broker_of(house.entry).limits, devices=2)
    )
    for device_id in ("first", "second"):
        await house.come(device_id)
        await house.lose(device_id)
    await house.come("third")
    await house.publish("third", "third/soil", "41")
    assert house.shown("third/soil") == "41 on textmq"
    await house.clients["third"].close()
    await until(lambda: house.entry.runtime_data.broker.state("third") != "connected")
    await house.pass_time(11)
    assert house.shown("third/soil") == "unavailable on textmq"
    await house.come("third")
    assert house.shown("third/soil") == "41 on textmq"


class TestSlow:
    """Over a broker that answers late."""

    @pytest.fixture
    def broker_kind(self) -> str:
        """Reach the broker by a wire that is slow."""
        return "slow"

    @pytest.mark.parametrize("known", [["garden"]])
    async def test_old_board_comes_once_more(
        self, hass: HomeAssistant, house: House
    ) -> None:
        """The old board that comes while the broker is told of the new one leaves no page."""
        await house.come("garden")
        await house.lose("garden")
        replace(house, "garden", "shed")
        client = await house._connect("garden")  # noqa: SLF001
        await client.ok("PUB", VARIABLE="garden/new", VALUE="1")
        assert await client.ended() == "revoked"
        await hass.async_block_till_done()
        assert device_ids(hass) == {"shed"}
        assert house.shown("shed/new") == "unavailable on shed"

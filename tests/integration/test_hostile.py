"""What devices say is not to be trusted: names, values, IDs."""

import asyncio
from collections.abc import Callable
from pathlib import Path
import socket
from typing import Any, Final
from unittest.mock import patch

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.textmq.broker import Broker, DeviceState, Variable
from custom_components.textmq.const import DOMAIN
from custom_components.textmq.hub.runtime_data import RuntimeData
from custom_components.textmq.hub.sanitize import escape_markdown, for_log, single_line
from custom_components.textmq.hub.shown_device import ShownDevice
from custom_components.textmq.hub.variable_entities import VariableEntities
from custom_components.textmq.sensor import VariableSensor
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.util import dt as dt_util

from .announced import Announced
from .client import Client, line, until
from .conftest import Connect, device_of, entity_id, shown, state_of

STORED_AT: Final = "2026-11-22T19:50:00.123Z"

NASTY = r"x\n\u202eevil\u0000\u2028{name} [a](http://b) <b>**c**</b>"
SAFE = "x evil {name} [a](http://b) <b>**c**</b>"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("Kitchen", "Kitchen"),
        ("a\r\nb\t c", "a b c"),
        ("\u202eabc\u2066\u200b", "abc"),
        ("\ud800", ""),
        ("x" * 101, "x" * 99 + "…"),
        ("\u200b" * 500 + "a", ""),
        ("👩‍👩‍👧", "👩‍👩‍👧"),
        ("Küche °C 温度", "Küche °C 温度"),
    ],
)
def test_plain(text: str, safe: str) -> None:
    """Text is one line of what can be seen."""
    assert single_line(text) == safe


def test_markdown() -> None:
    """Markdown is shown as it is written."""
    assert escape_markdown("[a](http://b) <i>*c*</i>") == (
        r"\[a\]\(http\:\/\/b\) \<i\>\*c\*\<\/i\>"
    )


def test_logged() -> None:
    """A line of the log is one line of ASCII."""
    assert for_log("a\nb'°\x1b[31m") == '"a b\'\\xb0 [31m"'


@pytest.mark.announced_warnings("'garden/x' is neither ON nor OFF")
async def test_names(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing that a device says of itself or its variables gets through as it is."""
    client = await connect("garden", MODEL=NASTY, MANUFACTURER=NASTY, SW=NASTY)
    await client.ok("DEF", VARIABLE="garden/x", TYPE="switch", NAME=NASTY)
    await client.ok("PUB", VARIABLE="garden/x", VALUE=NASTY)
    await client.ok("PUB", VARIABLE="garden/{{ states() }}", VALUE=NASTY)
    await hass.async_block_till_done()
    device = device_of(hass, "garden")
    assert {device.model, device.manufacturer, device.sw_version} == {SAFE}
    state = shown(hass, "switch", "garden/x")
    assert state.state == "unknown"
    assert state.attributes["friendly_name"] == f"Garden {SAFE}"
    assert "\0" not in shown(hass, "sensor", "garden/{{ states() }}").state
    for record in caplog.records:
        if record.name.startswith("custom_components.textmq"):
            assert record.getMessage().isascii()
            assert "\n" not in record.getMessage()


async def test_name_of_permitted_device(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """A device that comes in through the window has a name that can be shown."""
    await hass.services.async_call(DOMAIN, "allow_new_devices", blocking=True)
    await connect("kitchen", NAME=NASTY)
    assert {one.title for one in entry.subentries.values()} == {"Garden", SAFE}


@pytest.mark.parametrize("access", ["open"])
@pytest.mark.parametrize("known", [[]])
async def test_a_name_that_nobody_can_see(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A device without a name that shows has that of its ID, and not the broker's."""
    await connect("kitchen", NAME=r"\u200b\u2060")
    await hass.async_block_till_done()
    assert device_of(hass, "kitchen").name == "kitchen"


@pytest.mark.parametrize("option", ["b" * 256, r"two\nlines"])
async def test_an_option_that_is_no_state(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    announced_warnings: Announced,
    option: str,
) -> None:
    """It is refused at the description: Home Assistant would complain at every value."""
    announced_warnings.append("is described wrongly")
    client = await connect("garden")
    for kind in ("select", "event", "sensor"):
        answer = await client.do(
            "DEF",
            VARIABLE="garden/x",
            TYPE=kind,
            CLASS="enum" * (kind == "sensor"),
            OPTIONS=f"a,{option}",
        )
        assert answer["REASON"] == "bad-definition"
    assert not entity_id(hass, "select", "garden/x")


async def test_units_and_icons_are_short_and_visible(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """What is not is left out."""
    client = await connect("garden")
    for unit, icon in (("m" * 1503, "mdi:" + "x" * 1503), (r"a\u202eb", r"mdi:\n")):
        await client.ok("DEF", VARIABLE="garden/x", TYPE="sensor", UNIT=unit, ICON=icon)
        await client.ok("PUB", VARIABLE="garden/x", VALUE="1")
        await hass.async_block_till_done()
        attributes = shown(hass, "sensor", "garden/x").attributes
        assert "unit_of_measurement" not in attributes
        assert "icon" not in attributes


async def test_card(hass: HomeAssistant, rooms: RuntimeData, connect: Connect) -> None:
    """A card shows no more than text."""
    client = await connect()
    client.send("ID", ID="a[b](c)", NAME=NASTY, MODEL=NASTY)
    await until(lambda: rooms.broker.waiting)
    await hass.async_block_till_done(wait_background_tasks=True)
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert flow["context"]["title_placeholders"] == {"name": SAFE}
    form = await hass.config_entries.flow.async_configure(flow["flow_id"])
    assert form["description_placeholders"] == {
        "device": r"a\[b\]\(c\)",
        "address": escape_markdown("127.0.0.1"),
        "model": escape_markdown(SAFE),
        "similar": "",
    }


@pytest.mark.parametrize(
    "variable",
    [
        "a" * 255,
        "/".join("ab" * 8),
        "garden/'; DROP TABLE states; --",
        'garden/"quoted"',
        "garden/%2F..%2F",
        "garden/..",
        "CON",
        "!@%^&*()=~`<>,.?;:",
    ],
)
async def test_odd_variables(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    variable: str,
) -> None:
    """Every name that the protocol allows becomes an entity, and is there after a restart."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE=variable, VALUE="1")
    await hass.async_block_till_done()
    assert shown(hass, "sensor", variable).state == "1"
    assert len(shown(hass, "sensor", variable).entity_id) <= 255
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert shown(hass, "sensor", variable).state == "1"


async def test_flood_of_variables(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    entity_registry: er.EntityRegistry,
) -> None:
    """Many new variables at once are added together, and deleted ones never come back."""
    client = await connect("garden")
    for number in range(200):
        client.send("PUB", VARIABLE=f"garden/v{number}", VALUE=number, ACK="NO")
        if number % 2:
            client.send("DEL", VARIABLE=f"garden/v{number}", ACK="NO")
    await client.do("HELLO?")
    await hass.async_block_till_done()
    found = {
        one.unique_id
        for one in er.async_entries_for_config_entry(entity_registry, entry.entry_id)
        if one.unique_id.startswith("variable/")
    }
    assert found == {f"variable/garden/v{number}" for number in range(0, 200, 2)}


def _store(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        name = f"garden/v{number}"
        (folder / f"{name.replace('/', '%2F')}.txt").write_text(
            f"START | COMMAND=PUB | VARIABLE={name} | VALUE={number} | "
            f"TIME={STORED_AT} | DEVICE={'homeassistant' if number % 5 else 'garden'} | END\n"
        )


@pytest.mark.announced_warnings("'garden/v0' is text where a number is expected")
async def test_five_thousand_stored_variables(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    connect: Connect,
    entity_registry: er.EntityRegistry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All are entities when Home Assistant has started; what clients do meanwhile is neither lost nor overtaken."""
    await hass.async_add_executor_job(_store, Path(hass.config.path(DOMAIN)), 5000)
    gone = entity_registry.async_get_or_create(
        "sensor", DOMAIN, "variable/garden/gone", config_entry=entry
    )
    setup = hass.async_create_task(hass.config_entries.async_setup(entry.entry_id))
    await until(lambda: hass.states.get("sensor.garden_v0") is not None or setup.done())
    client = await connect()
    client.send("ID", ID="garden")
    for number in range(0, 5000, 100):
        client.send("PUB", VARIABLE=f"garden/v{number}", VALUE="first", ACK="NO")
        client.send("PUB", VARIABLE=f"garden/v{number}", VALUE=-1, ACK="NO")
        client.send("DEL", VARIABLE=f"garden/v{number + 1}", ACK="NO")
    client.send("PUB", VARIABLE="garden/new", VALUE="1", ACK="NO")
    assert not setup.done()
    assert await setup
    assert (await client.answer()).command == "OK"
    await client.do("HELLO?")
    await hass.async_block_till_done()
    expected = {f"variable/garden/v{n}": float(n) for n in range(5000) if n % 100 != 1}
    expected |= {f"variable/garden/v{n}": -1.0 for n in range(0, 5000, 100)}
    expected |= {"variable/garden/new": 1.0}

    def values() -> dict[str, float | str]:
        return {
            one.unique_id: as_number(state_of(hass, one.entity_id).state)
            for one in er.async_entries_for_config_entry(
                entity_registry, entry.entry_id
            )
            if one.unique_id.startswith("variable/")
        }

    await until(lambda: values() == expected)
    assert entity_registry.async_get(gone.entity_id) is None
    restored = shown(hass, "sensor", "garden/v2").attributes["published"]
    assert restored == dt_util.parse_datetime(STORED_AT)


async def test_unload_in_the_middle_of_the_start(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """A stop while stored variables are still becoming entities ends it, without an error."""
    await hass.async_add_executor_job(_store, Path(hass.config.path(DOMAIN)), 1000)
    start = VariableEntities.async_start

    async def started(self: VariableEntities) -> None:
        starting = hass.async_create_task(start(self))
        await asyncio.sleep(0)
        await entry.runtime_data.stop()
        await starting

    with patch.object(VariableEntities, "async_start", started):
        await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert not entry.runtime_data.queue.running
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert shown(hass, "sensor", "garden/v999").state == "999"


@pytest.mark.announced_warnings("'v' is longer than 255")
async def test_stop_with_a_client_that_does_not_read(
    hass: HomeAssistant,
    rooms: RuntimeData,
    broker: Broker,
    entry: MockConfigEntry,
    connect: Connect,
    port: int,
) -> None:
    """A stuck client holds up neither the end of Home Assistant nor the saving."""
    stuck = socket.create_connection(("127.0.0.1", port))
    with stuck:
        stuck.sendall(line("ID", ID="garden") + line("SUB", VARIABLE="v"))
        await until(lambda: rooms.broker.state("garden") is DeviceState.CONNECTED)
        session = rooms.broker.devices.get("garden").session
        number = 0
        while not session.outbox.paused:
            broker.publish("v", f"{number} " + "v" * 3000, device="homeassistant")
            broker.flush()
            number += 1
            await asyncio.sleep(0)
        await rooms.actions.publish("v", "the last")
        await hass.async_block_till_done()
        hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
        await hass.async_block_till_done()
        stored = Path(hass.config.path(DOMAIN), "v.txt").read_text()
        assert "| VALUE=the last |" in stored
        assert not broker.sessions
        with pytest.raises(ConnectionRefusedError):
            await Client.connect(port)


@pytest.mark.parametrize("failing", ["show_value", "_async_write_ha_state"])
@pytest.mark.announced_warnings(
    "garden[/_]bad' can't be shown, for an error: RuntimeError"
)
async def test_error_in_an_entity(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    failing: str,
) -> None:
    """An entity that fails at every turn stops no other, and is told of once."""
    client = await connect("garden")
    for name in ("bad", "good"):
        await client.ok("PUB", VARIABLE=f"garden/{name}", VALUE="0")
    await hass.async_block_till_done()
    bad = entity_id(hass, "sensor", "garden/bad")
    real: Callable[..., None] = getattr(VariableSensor, failing)

    def fail(self: VariableSensor, *args: Any) -> None:
        if self.entity_id == bad:
            raise RuntimeError("a bug")
        real(self, *args)

    caplog.clear()
    with patch.object(VariableSensor, failing, fail):
        for number in range(1, 300):
            client.send("PUB", VARIABLE="garden/bad", VALUE=number, ACK="NO")
            client.send("PUB", VARIABLE="garden/good", VALUE=number, ACK="NO")
        await client.do("HELLO?")
        await until(lambda: shown(hass, "sensor", "garden/good").state == "299")
        await client.ok("PUB", VARIABLE="garden/good", VALUE="300")
        await until(lambda: shown(hass, "sensor", "garden/good").state == "300")
        await until(lambda: not rooms.writer.busy)
        await client.close()
        await until(
            lambda: state_of(hass, "binary_sensor.garden_connection").state == "off"
        )
    told = [one.getMessage() for one in caplog.records if one.levelname != "DEBUG"]
    told = [text for text in told if "error" in text.lower()]
    assert len(told) == 1
    assert told[0].endswith("can't be shown, for an error: RuntimeError")
    again = await connect("garden")
    await again.ok("PUB", VARIABLE="garden/bad", VALUE="301")
    await until(lambda: shown(hass, "sensor", "garden/bad").state == "301")


@pytest.mark.announced_warnings(
    "'garden/v5' can't be shown, for an error: RuntimeError"
)
async def test_error_in_making_an_entity(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A stored variable that can't be made an entity, for an error of ours, keeps no other from it."""
    await hass.async_add_executor_job(_store, Path(hass.config.path(DOMAIN)), 11)
    make = VariableSensor.__init__

    def fail(
        self: VariableSensor,
        rooms: RuntimeData,
        device: ShownDevice,
        variable: Variable,
    ) -> None:
        if variable.name == "garden/v5":
            raise RuntimeError("a bug")
        make(self, rooms, device, variable)

    with patch.object(VariableSensor, "__init__", fail):
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
    await connect("garden")
    await until(lambda: shown(hass, "sensor", "garden/v0").state == "0")
    assert shown(hass, "sensor", "garden/v10").state == "10"
    assert not entity_id(hass, "sensor", "garden/v5")
    assert caplog.text.count("can't be shown, for an error: RuntimeError") == 1


def as_number(text: str) -> float | str:
    """Return a state as a number, where it is one."""
    try:
        return float(text)
    except ValueError:
        return text


async def test_device_called_like_the_broker(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """A device whose ID is the domain's name is a device like any other."""
    client = await connect()
    client.send("ID", ID="textmq")
    await until(lambda: "textmq" in rooms.broker.waiting)
    await hass.async_block_till_done(wait_background_tasks=True)
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    result: Any = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"name": "TextMQ"}
    )
    assert result["reason"] == "device_approved"
    assert (await client.answer()).command == "OK"
    await hass.async_block_till_done()
    names = [
        one.identifiers
        for one in dr.async_get(hass).devices
        if one.config_entry_id == entry.entry_id
    ]
    assert len(names) == 3

"""The first of everything arrives, and entities show it before automations run."""

from collections.abc import Mapping
from typing import Any, Final

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import Event, HomeAssistant
from homeassistant.setup import async_setup_component

from .client import Client, line, until
from .conftest import Connect, shown, state_of
from .house import House, table

QUICK: Final = 10
"""Publishes in a row, in one segment."""


async def automate(
    hass: HomeAssistant, automations: Mapping[str, dict[str, Any]]
) -> dict[str, list[Event]]:
    """Set up automations by what they are; returns the events that each fires, with the given data."""
    config = [
        {
            "alias": name,
            "mode": "parallel",
            "max": 100,
            "triggers": [automation["trigger"]],
            "conditions": automation.get("conditions", []),
            "actions": [{"event": name, "event_data": automation["data"]}],
        }
        for name, automation in automations.items()
    ]
    events = {name: async_capture_events(hass, name) for name in automations}
    assert await async_setup_component(hass, "automation", {"automation": config})
    await hass.async_block_till_done()
    return events


def on_publish(variable: str, **options: str) -> dict[str, Any]:
    """Return the trigger of a publish."""
    return {
        "trigger": "textmq.variable_published",
        "options": {"variable": variable, **options},
    }


def told(events: list[Event], key: str = "told") -> list[str]:
    """Return what automations have told."""
    return [str(one.data[key]) for one in events]


async def take(client: Client, count: int) -> None:
    """Take as many answers, all of which have to be OK."""
    answers = [await client.answer() for _ in range(count)]
    assert [one.command for one in answers] == ["OK"] * count, answers


def burst(*commands: tuple[str, dict[str, str]]) -> bytes:
    """Write commands as one segment."""
    return b"".join(line(command, **params) for command, params in commands)


# One burst


@pytest.fixture(
    params=[
        pytest.param(("approve", ["garden"]), id="approved, never seen"),
        pytest.param(("open", []), id="unknown, in open mode"),
        pytest.param(("approve", []), id="unknown, while new devices are allowed"),
    ]
)
def newcomer(request: pytest.FixtureRequest) -> tuple[str, list[str]]:
    """Return how the device of a burst gets in: the access mode, and who is approved."""
    given: tuple[str, list[str]] = request.param
    return given


class TestBurst:
    """A new device says all in one segment, as a button does that wakes, presses and sleeps."""

    @pytest.fixture
    def access(self, newcomer: tuple[str, list[str]]) -> str:
        """Return the access mode."""
        return newcomer[0]

    @pytest.fixture
    def known(self, newcomer: tuple[str, list[str]]) -> list[str]:
        """Return the IDs of the devices that are approved."""
        return newcomer[1]

    @pytest.fixture
    async def house(
        self,
        hass: HomeAssistant,
        entry: MockConfigEntry,
        connect: Connect,
        newcomer: tuple[str, list[str]],
    ) -> House:
        """Return a house that the device may enter."""
        house = House(hass, entry, connect)
        await house.start()
        if newcomer == ("approve", []):
            await house.act("allow_new_devices")
        return house

    async def test_everything_arrives(
        self, hass: HomeAssistant, house: House, connect: Connect
    ) -> None:
        """The event, the message, the value; each trigger runs once."""
        events = await automate(
            hass,
            {
                "event": {
                    "trigger": on_publish("garden/bell"),
                    "data": {"told": "{{ trigger.value }}"},
                },
                "value": {
                    "trigger": on_publish("garden/soil"),
                    "data": {"told": "{{ trigger.value }}"},
                },
                "all": {
                    "trigger": on_publish("#"),
                    "data": {"told": "{{ trigger.variable }}"},
                },
                "message": {
                    "trigger": {"trigger": "textmq.message_received"},
                    "data": {"told": "{{ trigger.text }}"},
                },
                "connected": {
                    "trigger": {"trigger": "textmq.device_connected"},
                    "data": {"told": "{{ trigger.device }}"},
                },
            },
        )
        client = await connect()
        client.send_bytes(
            burst(
                ("ID", {"ID": "garden"}),
                (
                    "DEF",
                    {
                        "VARIABLE": "garden/bell",
                        "TYPE": "event",
                        "OPTIONS": "ring,hold",
                    },
                ),
                ("PUB", {"VARIABLE": "garden/bell", "VALUE": "ring", "RETAIN": "NO"}),
                ("MSG", {"DEVICE": "homeassistant", "VALUE": "It rang"}),
                ("PUB", {"VARIABLE": "garden/soil", "VALUE": "42"}),
            )
        )
        await take(client, 5)
        await hass.async_block_till_done()
        await until(lambda: shown(hass, "sensor", "garden/soil").state == "42")
        rang = shown(hass, "event", "garden/bell")
        assert rang.attributes["event_type"] == "ring"
        assert rang.state != "unknown"
        assert state_of(hass, "event.garden_message").attributes["text"] == "It rang"
        assert {name: told(one) for name, one in events.items()} == {
            "event": ["ring"],
            "value": ["42"],
            "all": ["garden/bell", "garden/soil"],
            "message": ["It rang"],
            "connected": ["garden"],
        }

    async def test_the_device_has_gone_again(
        self, hass: HomeAssistant, house: House, connect: Connect
    ) -> None:
        """It falls asleep within the same segment."""
        client = await connect()
        client.send_bytes(
            burst(
                ("ID", {"ID": "garden"}),
                (
                    "DEF",
                    {"VARIABLE": "garden/bell", "TYPE": "event", "OPTIONS": "ring"},
                ),
                ("PUB", {"VARIABLE": "garden/bell", "VALUE": "ring", "RETAIN": "NO"}),
                ("MSG", {"DEVICE": "homeassistant", "VALUE": "It rang"}),
                ("PUB", {"VARIABLE": "garden/soil", "VALUE": "42"}),
                ("CLOSE", {"SLEEP": "3600"}),
            )
        )
        await client.ended()
        await house.until_state("garden", "asleep")
        assert shown(hass, "sensor", "garden/soil").state == "42"
        assert shown(hass, "event", "garden/bell").attributes["event_type"] == "ring"
        assert state_of(hass, "event.garden_message").attributes["text"] == "It rang"

    async def test_several_in_their_order(
        self, hass: HomeAssistant, house: House, connect: Connect
    ) -> None:
        """Events and messages that come before their entities are there: each, in order."""
        states = async_capture_events(hass, EVENT_STATE_CHANGED)
        kinds = ["ring", "hold", "ring", "release", "hold"]
        texts = ["one", "two", "three"]
        client = await connect()
        client.send_bytes(
            burst(
                ("ID", {"ID": "garden"}),
                (
                    "DEF",
                    {
                        "VARIABLE": "garden/bell",
                        "TYPE": "event",
                        "OPTIONS": "ring,hold,release",
                    },
                ),
                *(
                    ("PUB", {"VARIABLE": "garden/bell", "VALUE": one, "RETAIN": "NO"})
                    for one in kinds
                ),
                *(("MSG", {"DEVICE": "homeassistant", "VALUE": one}) for one in texts),
            )
        )
        await take(client, 2 + len(kinds) + len(texts))
        await hass.async_block_till_done()
        bell = shown(hass, "event", "garden/bell").entity_id

        def seen(entity_id: str, attribute: str) -> list[str]:
            return [
                one.data["new_state"].attributes[attribute]
                for one in states
                if one.data["entity_id"] == entity_id
                and one.data["new_state"].attributes.get(attribute) is not None
            ]

        assert seen(bell, "event_type") == kinds
        assert seen("event.garden_message", "text") == texts

    async def test_what_is_published_before_its_description(
        self, hass: HomeAssistant, house: House, connect: Connect
    ) -> None:
        """The last value of several is shown, under the description that follows."""
        client = await connect()
        client.send_bytes(
            burst(
                ("ID", {"ID": "garden"}),
                *(
                    ("PUB", {"VARIABLE": "garden/lamp", "VALUE": value})
                    for value in ("OFF", "ON", "OFF", "ON")
                ),
                ("DEF", {"VARIABLE": "garden/lamp", "TYPE": "switch"}),
            )
        )
        await take(client, 6)
        await hass.async_block_till_done()
        assert shown(hass, "switch", "garden/lamp").state == "on"


# Entities before triggers

VALUES: Final = [str(number) for number in range(1, QUICK + 1)]
KINDS: Final[dict[str, tuple[str, list[str], dict[str, str]]]] = {
    "undescribed number": ("", VALUES, {}),
    "undescribed text": ("", [f"text {one}" for one in VALUES], {}),
    "sensor": ("sensor UNIT=%", VALUES, {}),
    "number": ("number", VALUES, {}),
    "text": ("text", VALUES, {}),
    "select": (f"select OPTIONS=0,{','.join(VALUES)}", VALUES, {}),
    "switch": ("switch", ["ON", "OFF"] * (QUICK // 2), {"ON": "on", "OFF": "off"}),
    "binary_sensor": (
        "binary_sensor",
        ["ON", "OFF"] * (QUICK // 2),
        {"ON": "on", "OFF": "off"},
    ),
}
FILTERS: Final = ("garden/x", "garden/+", "garden/#", "#")


def is_true(values: list[str], seen: list[str]) -> bool:
    """Tell whether each run has seen its own value or a newer one, where values may come twice."""
    return len(values) == len(seen) and all(
        one in values[index:] for index, one in enumerate(seen)
    )


@pytest.mark.parametrize("pattern", FILTERS)
@pytest.mark.parametrize("kind", KINDS)
async def test_state_in_action(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    connect: Connect,
    kind: str,
    pattern: str,
) -> None:
    """An automation that a publish runs sees its own value or a newer one, never an older one."""
    definition, published, states = KINDS[kind]
    house = House(hass, entry, connect)
    await house.start()
    client = await house.come("garden")
    if definition:
        await house.describe("garden", "garden/x", definition)
    first = "OFF" if states else "text 0" if "text" in kind else "0"
    await house.publish("garden", "garden/x", first)
    found = house.entry_of("garden/x")
    assert found is not None
    now = f"{{{{ states('{found.entity_id}') }}}}"
    events = await automate(
        hass,
        {
            "own": {
                "trigger": on_publish(pattern),
                "data": {"value": "{{ trigger.value }}", "told": now},
            }
        },
    )
    for value in published:
        client.send("PUB", VARIABLE="garden/x", VALUE=value, ACK="NO")
    await client.do("HELLO?")
    await hass.async_block_till_done()
    runs = events["own"]
    assert told(runs, "value") == published
    shown_values = [states.get(one, one) for one in published]
    seen = told(runs)
    print(f"\n{table(('published', 'seen'), *zip(shown_values, seen, strict=True))}")  # noqa: T201
    assert is_true(shown_values, seen)
    # One after the other each sees just its own.
    for value in (published[0], published[1]):
        runs.clear()
        await client.ok("PUB", VARIABLE="garden/x", VALUE=value)
        await hass.async_block_till_done()
        assert told(runs) == [states.get(value, value)]


@pytest.mark.parametrize("pattern", FILTERS)
async def test_state_in_condition(
    hass: HomeAssistant, entry: MockConfigEntry, connect: Connect, pattern: str
) -> None:
    """Conditions on the entity of the variable that has just been published pass."""
    house = House(hass, entry, connect)
    await house.start()
    client = await house.come("garden")
    await house.publish("garden", "garden/x", "0")
    found = house.entry_of("garden/x")
    assert found is not None
    now = f"states('{found.entity_id}') | int"
    events = await automate(
        hass,
        {
            "state": {
                "trigger": on_publish(pattern, value="5"),
                "conditions": [
                    {
                        "condition": "state",
                        "entity_id": found.entity_id,
                        "state": "5",
                    }
                ],
                "data": {},
            },
            "template": {
                "trigger": on_publish(pattern),
                "conditions": [
                    {
                        "condition": "template",
                        "value_template": f"{{{{ {now} >= trigger.value | int }}}}",
                    }
                ],
                "data": {"told": "{{ trigger.value }}"},
            },
        },
    )
    await client.ok("PUB", VARIABLE="garden/x", VALUE="5")
    await hass.async_block_till_done()
    assert len(events["state"]) == 1
    for value in range(6, 6 + QUICK):
        client.send("PUB", VARIABLE="garden/x", VALUE=value, ACK="NO")
    await client.do("HELLO?")
    await hass.async_block_till_done()
    assert told(events["template"]) == [str(one) for one in range(5, 6 + QUICK)]


@pytest.mark.parametrize("pattern", FILTERS)
@pytest.mark.parametrize(
    "kind",
    ["", "sensor UNIT=%", "switch", "number"],
    ids=["undescribed", "sensor", "switch", "number"],
)
async def test_first_value_in_action(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    connect: Connect,
    kind: str,
    pattern: str,
) -> None:
    """Where the first publish makes the entity, an automation that it runs sees the state as well."""
    house = House(hass, entry, connect)
    await house.start()
    client = await house.come("garden")
    if kind:
        await house.describe("garden", "garden/x", kind)
    platform = kind.partition(" ")[0] or "sensor"
    events = await automate(
        hass,
        {
            "first": {
                "trigger": on_publish(pattern),
                "data": {"told": f"{{{{ states('{platform}.garden_x') }}}}"},
            }
        },
    )
    await client.ok("PUB", VARIABLE="garden/x", VALUE="1")
    await hass.async_block_till_done()
    assert told(events["first"]) == ["on" if platform == "switch" else "1"]


async def test_changed_is_told_after_the_state(
    hass: HomeAssistant, entry: MockConfigEntry, connect: Connect
) -> None:
    """So it is with the trigger of changes."""
    house = House(hass, entry, connect)
    await house.start()
    client = await house.come("garden")
    await house.publish("garden", "garden/x", "0")
    events = await automate(
        hass,
        {
            "changed": {
                "trigger": {
                    "trigger": "textmq.variable_changed",
                    "options": {"variable": "garden/x"},
                },
                "data": {"told": "{{ states('sensor.garden_x') }}"},
            }
        },
    )
    for value in VALUES:
        client.send("PUB", VARIABLE="garden/x", VALUE=value, ACK="NO")
    await client.do("HELLO?")
    await hass.async_block_till_done()
    assert is_true(VALUES, told(events["changed"]))


@pytest.mark.parametrize("pattern", FILTERS)
async def test_event_before_trigger(
    hass: HomeAssistant, entry: MockConfigEntry, connect: Connect, pattern: str
) -> None:
    """An event's entity has it when automations run."""
    house = House(hass, entry, connect)
    await house.start()
    client = await house.come("garden")
    kinds = [f"kind{one}" for one in VALUES]
    await house.describe("garden", "garden/x", f"event OPTIONS={','.join(kinds)}")
    events = await automate(
        hass,
        {
            "rang": {
                "trigger": on_publish(pattern),
                "data": {"told": "{{ state_attr('event.garden_x', 'event_type') }}"},
            }
        },
    )
    for kind in kinds:
        client.send("PUB", VARIABLE="garden/x", VALUE=kind, RETAIN="NO", ACK="NO")
    await client.do("HELLO?")
    await hass.async_block_till_done()
    assert is_true(kinds, told(events["rang"]))


@pytest.mark.parametrize(
    "trigger",
    [
        {"trigger": "textmq.message_received"},
        {"trigger": "event", "event_type": "textmq_message_received"},
    ],
    ids=["trigger", "event"],
)
async def test_message_before_trigger(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    connect: Connect,
    trigger: dict[str, Any],
) -> None:
    """A message's entity has it when automations run, the very first one's too."""
    house = House(hass, entry, connect)
    await house.start()
    events = await automate(
        hass,
        {
            "message": {
                "trigger": trigger,
                "data": {"told": "{{ state_attr('event.garden_message', 'text') }}"},
            }
        },
    )
    client = await connect("garden")
    texts = [f"text {one}" for one in VALUES]
    for text in texts:
        client.send("MSG", DEVICE="homeassistant", VALUE=text, ACK="NO")
    await client.do("HELLO?")
    await hass.async_block_till_done()
    assert is_true(texts, told(events["message"]))


@pytest.mark.parametrize("is_event", [False, True], ids=["trigger", "event"])
async def test_connection_before_trigger(
    hass: HomeAssistant, entry: MockConfigEntry, connect: Connect, is_event: bool
) -> None:
    """The connection's entity is right when automations run by a device that comes, sleeps, comes, and is lost."""
    house = House(hass, entry, connect)
    await house.start()
    found = {}
    for what in ("connected", "disconnected"):
        trigger = {"trigger": f"textmq.device_{what}"}
        if is_event:
            trigger = {"trigger": "event", "event_type": f"textmq_device_{what}"}
        found[what] = {
            "trigger": trigger,
            "data": {"told": "{{ states('binary_sensor.garden_connection') }}"},
        }
    events = await automate(hass, found)
    await house.come("garden")
    await house.sleep("garden", 3600)
    await house.come("garden")
    await house.lose("garden")
    assert told(events["connected"]) == ["on", "on"]
    assert told(events["disconnected"]) == ["off", "off"]


async def test_values_are_back_before_the_trigger(
    hass: HomeAssistant, entry: MockConfigEntry, connect: Connect
) -> None:
    """Entities that were unavailable show their values when automations run by the device that is back."""
    house = House(hass, entry, connect)
    await house.start()
    await house.come("garden")
    await house.publish("garden", "garden/x", "1")
    await house.lose("garden")
    await house.pass_time(11)
    assert house.shown("garden/x") == "unavailable on garden"
    events = await automate(
        hass,
        {
            "back": {
                "trigger": {"trigger": "textmq.device_connected"},
                "data": {"told": "{{ states('sensor.garden_x') }}"},
            }
        },
    )
    await house.come("garden")
    assert told(events["back"]) == ["1"]

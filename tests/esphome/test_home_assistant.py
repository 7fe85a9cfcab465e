"""A real node and a real Home Assistant: what a person sees and does there, and what the node makes of it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
import sys
from typing import Any

import pytest

from tests.broker.process import wait_for

from .conftest import MANY, StartNode
from .house import House, running_house
from .node import Node


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house of this module."""
    with running_house(tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.fixture
def node(house: House, start_node: StartNode, name: str) -> Node:
    """A node that was let in by a press on its card."""
    node = start_node(house.address, name)
    house.approve(name)
    node.wait_connected()
    node.wait_flushed()
    return node


@dataclass(frozen=True)
class Way:
    """One kind of entity: set on the node, shown by Home Assistant, set there, and back."""

    kind: str
    object_id: str
    domain: str
    set_on_node: str
    shown: str
    action: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    state_on_node: str = ""
    shown_after: str = ""


WAYS = [
    Way("sensor", "temperature", "sensor", "21.54", "21.5"),
    Way("binary_sensor", "motion", "binary_sensor", "ON", "on"),
    Way("text_sensor", "note", "sensor", "a|b ° 😀", "a|b ° 😀"),
    Way("switch", "pump", "switch", "ON", "on", "switch.turn_off", {}, "OFF", "off"),
    Way(
        "number",
        "target",
        "number",
        "25",
        "25.0",
        "number.set_value",
        {"value": -3.5},
        "-3.5",
        "-3.5",
    ),
    Way(
        "select",
        "mode",
        "select",
        "fast, loud",
        "fast, loud",
        "select.select_option",
        {"option": "a|b °"},
        "a|b °",
        "a|b °",
    ),
    Way(
        "text",
        "message",
        "text",
        "höher",
        "höher",
        "text.set_value",
        {"value": "a | b\n😀"},
        "a | b\n😀",
        "a | b\n😀",
    ),
]


def test_every_kind_both_ways(
    house: House, node: Node, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """State on the node, state in Home Assistant, command there, state on the node, state in Home Assistant."""
    rows = [
        (
            "entity",
            "set on the node",
            "Home Assistant",
            "action there",
            "node",
            "Home Assistant",
        )
    ]
    for way in WAYS:
        entity_id = house.entity_of(f"{name}/{way.object_id}", way.domain)
        node.do(way.kind, way.object_id, way.set_on_node)
        house.wait_state(entity_id, way.shown)
        if way.action:
            house.do(way.action, entity_id=entity_id, **way.data)
            node.wait_state(f"{way.kind}.{way.object_id}", way.state_on_node)
            house.wait_state(entity_id, way.shown_after)
        rows.append(
            (
                entity_id,
                way.set_on_node,
                way.shown,
                " ".join([way.action, *map(str, way.data.values())])
                if way.action
                else "-",
                way.state_on_node or "-",
                way.shown_after or "-",
            )
        )

    button = house.entity_of(f"{name}/restart", "button")
    house.do("button.press", entity_id=button)
    node.wait_for_log("PRESSED")
    rows.append((button, "-", "-", "button.press", "pressed", "-"))

    event = house.entity_of(f"{name}/bell", "event")
    node.do("event", "bell", "hold, long")
    wait_for(
        lambda: house.state(event)["attributes"].get("event_type") == "hold, long",
        "the event",
    )
    rows.append((event, "hold, long", "hold, long", "-", "-", "-"))

    with capsys.disabled():
        sys.stdout.write("\n")
        for row in rows:
            cells = (cell.encode("unicode_escape").decode() for cell in row)
            sys.stdout.write("  {:34} {:16} {:16} {:36} {:14} {}\n".format(*cells))


def test_entities_are_as_the_yaml_says(house: House, node: Node, name: str) -> None:
    """Unit, class, range, options, category: nothing has to be said twice."""
    temperature = house.state(house.entity_of(f"{name}/temperature", "sensor"))
    assert temperature["state"] == "unknown"
    assert temperature["attributes"]["unit_of_measurement"] == "°C"
    assert temperature["attributes"]["device_class"] == "temperature"
    assert temperature["attributes"]["state_class"] == "measurement"
    assert temperature["attributes"]["icon"] == "mdi:thermometer"
    assert temperature["attributes"]["friendly_name"].endswith(" Temperature")
    target = house.state(house.entity_of(f"{name}/target", "number"))
    assert [target["attributes"][key] for key in ("min", "max", "step", "mode")] == [
        -10,
        40,
        0.5,
        "slider",
    ]
    mode = house.state(house.entity_of(f"{name}/mode", "select"))
    assert mode["attributes"]["options"] == ["eco", "fast, loud", "a|b °"]
    registry = {
        entry["entity_id"]: entry
        for entry in house.home_assistant.command("config/entity_registry/list")
    }
    assert (
        registry[house.entity_of(f"{name}/mode", "select")]["entity_category"]
        == "config"
    )
    raw = registry[house.entities()[f"{name}/raw"]]
    assert raw["entity_category"] == "diagnostic"
    assert raw["disabled_by"] or raw["hidden_by"]
    devices = [
        device
        for device in house.home_assistant.command("config/device_registry/list")
        if device["name"] == "Küche | Test"
    ]
    assert devices
    assert devices[-1]["manufacturer"] == "acme"
    assert devices[-1]["model"] == "tester"
    assert devices[-1]["sw_version"].startswith("1.2 (ESPHome ")
    assert len([v for v in house.entities() if v.startswith(f"{name}/many_")]) == MANY


def test_home_assistant_restart(house: House, node: Node, name: str) -> None:
    """After a restart the entities are the same, with the states that the node has by then."""
    temperature = house.entity_of(f"{name}/temperature", "sensor")
    pump = house.entity_of(f"{name}/pump", "switch")
    node.do("sensor", "temperature", "20")
    house.wait_state(temperature, "20.0")
    before = house.entities()
    house.stop()
    node.wait_for_log("ON_DISCONNECT")
    node.do("sensor", "temperature", "22.5")
    node.do("switch", "pump", "ON")
    house.start()
    node.wait_connected(count=2)
    node.wait_flushed()
    house.wait_state(temperature, "22.5")
    house.wait_state(pump, "on")
    assert house.entities() == before


def test_messages(house: House, node: Node, name: str) -> None:
    """Home Assistant and the node send each other messages, with every character."""
    house.do("textmq.send_message", device=name, message="hello | °C 😀\n2")
    node.wait_for_log(
        r"ON_MESSAGE homeassistant hello%20\|%20%C2%B0C%20%F0%9F%98%80%0A2"
    )
    assert node.done("send", "homeassistant", "back | °")
    event = wait_for(
        lambda: next(
            (
                state
                for state in house.home_assistant.get("/api/states")
                if state["entity_id"].startswith("event.")
                and state["attributes"].get("text") == "back | °"
            ),
            None,
        ),
        "the message in Home Assistant",
    )
    assert event is not None
    assert event["attributes"]["event_type"] == "received"


def test_variables_of_home_assistant(house: House, node: Node, name: str) -> None:
    """What an automation publishes is what nodes follow."""
    house.do("textmq.publish", variable="follow/sensor", value="12.25")
    node.wait_state("sensor.followed_sensor", "12.25")
    house.do("textmq.publish", variable=f"watched/{name}", value="line 1\nline | 2 °")
    node.wait_for_log(f"ON_VARIABLE watched/{name} line%201%0Aline%20.%202%20%C2%B0")
    house.do("textmq.delete", variable="follow/sensor")
    node.wait_state("sensor.followed_sensor", "nan")


def test_sleeper_keeps_its_values(
    house: House, start_node: StartNode, name: str
) -> None:
    """A node that sleeps is not unavailable; one that is lost is."""
    node = start_node(house.address, name, sleep_s=3600)
    house.approve(name)
    node.wait_connected()
    node.do("sensor", "temperature", "4.5")
    node.wait_flushed()
    temperature = house.entity_of(f"{name}/temperature", "sensor")
    house.wait_state(temperature, "4.5")
    node.do("reboot")
    assert node.wait() == 0
    # Longer than a lost device would keep them: it is lost beside it.
    other = start_node(house.address, f"{name}-lost")
    house.approve(f"{name}-lost")
    other.wait_connected()
    other.do("sensor", "temperature", "9")
    other.wait_flushed()
    lost = house.entity_of(f"{name}-lost/temperature", "sensor")
    house.wait_state(lost, "9.0")
    other.kill()
    house.wait_state(lost, "unavailable")
    assert house.state(temperature)["state"] == "4.5"
    awake = start_node(house.address, name, sleep_s=3600)
    awake.wait_connected()
    awake.do("sensor", "temperature", "5")
    house.wait_state(temperature, "5.0")


def test_node_without_a_place(house: House, node: Node, name: str) -> None:
    """A device that a person removes is out at once, and has to ask again."""
    house.home_assistant.command(
        "config_entries/subentries/delete",
        entry_id=house.entry_id,
        subentry_id=house.subentry_id(name),
    )
    node.wait_for_log("ON_DISCONNECT revoked")
    node.wait_for_log("Waiting to be let in")
    house.approve(name)
    node.wait_connected(count=2)
    node.wait_flushed()
    house.entity_of(f"{name}/pump", "switch")

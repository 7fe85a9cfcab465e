"""The owner of a variable, its page, and the receiver of its commands: two writers, every order, either away.

Each line of the tables is a step, and after the bar what is seen after it (protocol B6).
With `-rA --show-capture=stdout` the output shows each table as it went.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
import re
from typing import Any, Final

import pytest
from pytest_homeassistant_custom_component.common import async_capture_events

from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import (
    area_registry as ar,
    entity_registry as er,
    label_registry as lr,
)

from .client import TIMEOUT
from .conftest import device_of
from .house import (
    GUEST,
    HOME_ASSISTANT,
    NO_ENTITY,
    RIGHT,
    UNAVAILABLE,
    WRONG,
    House,
    table,
)

NAME: Final = "house/thing"
COMMANDS: Final = f"{NAME}/set"

ORDERS: Final = {
    "Home Assistant publishes first, then a device describes": """
        homeassistant publishes 20   | 20 on textmq
        garden comes                 | 20 on textmq
        garden describes sensor      | 20 on garden
        garden publishes 21          | 21 on garden
        garden is lost               | 21 on garden
        11 s pass                    | unavailable on garden
        homeassistant publishes 22   | unavailable on garden
        garden comes                 | 22 on garden
    """,
    "Home Assistant publishes first, then a device publishes": """
        homeassistant publishes 20   | 20 on textmq
        garden comes                 | 20 on textmq
        garden publishes 21          | 21 on garden
        garden is lost               | 21 on garden
        11 s pass                    | unavailable on garden
        homeassistant publishes 22   | 22 on garden
        garden comes                 | 22 on garden
    """,
    "Home Assistant publishes first, then a device describes a number": """
        homeassistant publishes 20   | 20 on textmq
        garden comes                 |
        garden describes number      | 20 on garden
        garden publishes 21          | 21 on garden
        garden is lost               |
        11 s pass                    | unavailable on garden
    """,
    "a device describes first, then Home Assistant publishes": """
        garden comes                 | nothing
        garden describes sensor      | unknown on garden
        garden publishes 20          | 20 on garden
        homeassistant publishes 21   | 21 on garden
        garden is lost               | 21 on garden
        11 s pass                    | unavailable on garden
    """,
    "a device publishes first, then Home Assistant does": """
        garden comes                 |
        garden publishes 20          | 20 on garden
        homeassistant publishes 21   | 21 on garden
        garden is lost               | 21 on garden
        11 s pass                    | 21 on garden
        garden comes                 | 21 on garden
        garden publishes 22          | 22 on garden
        garden is lost               | 22 on garden
        11 s pass                    | unavailable on garden
    """,
    "a device describes, Home Assistant alone publishes": """
        garden comes                 |
        garden describes sensor      | unknown on garden
        homeassistant publishes 20   | 20 on garden
        garden is lost               | 20 on garden
        11 s pass                    | unavailable on garden
        homeassistant publishes 21   | unavailable on garden
    """,
    "a short loss is no news": """
        garden comes                 |
        garden describes sensor      | unknown on garden
        garden publishes 20          | 20 on garden
        garden is lost               | 20 on garden
        garden comes                 | 20 on garden
        11 s pass                    | 20 on garden
    """,
    "a description is taken away, Home Assistant has published": """
        garden comes                 |
        garden describes sensor      | unknown on garden
        homeassistant publishes 20   | 20 on garden
        garden is lost               |
        11 s pass                    | unavailable on garden
        kitchen comes                | unavailable on garden
        kitchen describes            | 20 on garden
    """,
    "deleted by one, published by the other": """
        garden comes                 |
        garden publishes 20          | 20 on garden
        kitchen comes                | 20 on garden
        kitchen deletes              | nothing
        kitchen publishes 21         | 21 on kitchen
    """,
}

BOARDS: Final = {
    "replaced board, the old one is away, described": """
        garden comes                 |
        garden describes sensor      | unknown on garden
        garden publishes 20          | 20 on garden
        garden is lost               |
        11 s pass                    | unavailable on garden
        kitchen comes                | unavailable on garden
        kitchen publishes 21         | 21 on garden
        kitchen describes sensor     | 21 on kitchen
        kitchen publishes 22         | 22 on kitchen
        kitchen is lost              | 22 on kitchen
        11 s pass                    | unavailable on kitchen
        garden comes                 | unavailable on kitchen
    """,
    "replaced board, the old one is away, undescribed": """
        garden comes                 |
        garden publishes 20          | 20 on garden
        garden is lost               |
        11 s pass                    | unavailable on garden
        kitchen comes                | unavailable on garden
        kitchen publishes 21         | 21 on kitchen
        kitchen is lost              | 21 on kitchen
        11 s pass                    | unavailable on kitchen
        garden comes                 | unavailable on kitchen
        garden publishes 22          | 22 on garden
    """,
    "replaced board, undescribed before, described now": """
        garden comes                 |
        garden publishes 20          | 20 on garden
        garden is lost               |
        11 s pass                    | unavailable on garden
        kitchen comes                |
        kitchen describes sensor     | 20 on kitchen
        kitchen publishes 21         | 21 on kitchen
    """,
    "replaced board, the old one is still there, described": """
        garden comes                 |
        garden describes sensor      | unknown on garden
        garden publishes 20          | 20 on garden
        kitchen comes                |
        kitchen describes sensor     | 20 on garden
        kitchen publishes 21         | 21 on garden
        garden is lost               | 21 on garden
        11 s pass                    | 21 on garden
        kitchen describes sensor     | 21 on kitchen
        kitchen is lost              | 21 on kitchen
        11 s pass                    | unavailable on kitchen
    """,
    "replaced board, the old one is still there, undescribed": """
        garden comes                 |
        garden publishes 20          | 20 on garden
        kitchen comes                |
        kitchen publishes 21         | 21 on kitchen
        garden publishes 22          | 22 on garden
        kitchen publishes 23         | 23 on kitchen
        garden is lost               |
        11 s pass                    | 23 on kitchen
    """,
    "replaced board, the old one sleeps": """
        garden comes                 |
        garden describes sensor      | unknown on garden
        garden publishes 20          | 20 on garden
        garden sleeps                | 20 on garden
        kitchen comes                |
        kitchen describes sensor     | 20 on garden
        11 s pass                    | 20 on garden
        kitchen publishes 21         | 21 on garden
    """,
    "replaced board, the old one has overslept": """
        garden comes                 |
        garden describes sensor      | unknown on garden
        garden publishes 20          | 20 on garden
        garden oversleeps            |
        11 s pass                    | unavailable on garden
        kitchen comes                | unavailable on garden
        kitchen describes sensor     | 20 on kitchen
        kitchen publishes 21         | 21 on kitchen
    """,
    "replaced board with parts": """
        garden comes                         |
        garden describes sensor PART=shelf   | unknown on garden/shelf
        garden publishes 20                  | 20 on garden/shelf
        garden is lost                       |
        11 s pass                            | unavailable on garden/shelf
        kitchen comes                        |
        kitchen describes sensor PART=shelf  | 20 on kitchen/shelf
        kitchen publishes 21                 | 21 on kitchen/shelf
        kitchen describes sensor             | 21 on kitchen
    """,
    "fallback node": """
        garden comes                 |
        garden describes sensor      | unknown on garden
        garden publishes 20          | 20 on garden
        garden is lost               | 20 on garden
        kitchen comes                |
        kitchen describes sensor     | 20 on kitchen
        kitchen publishes 21         | 21 on kitchen
        11 s pass                    | 21 on kitchen
        garden comes                 | 21 on kitchen
        garden describes sensor      | 21 on kitchen
        garden publishes 22          | 22 on kitchen
        kitchen is lost              | 22 on kitchen
        11 s pass                    | 22 on kitchen
        garden describes sensor      | 22 on garden
        garden is lost               | 22 on garden
        11 s pass                    | unavailable on garden
    """,
    "fallback node that describes other words": """
        garden comes                         |
        garden describes sensor UNIT=%       | unknown on garden
        garden publishes 20                  | 20 on garden
        kitchen comes                        |
        kitchen describes sensor UNIT=V      | 20 on garden
        garden is lost                       | 20 on garden
        kitchen describes sensor UNIT=A      | 20 on kitchen
    """,
}

SHARED: Final = {
    "shared, undescribed: garden, kitchen, Home Assistant": """
        garden comes                 |
        kitchen comes                |
        garden publishes 20          | 20 on garden
        kitchen publishes 21         | 21 on kitchen
        garden is lost               |
        11 s pass                    | 21 on kitchen
        homeassistant publishes 22   | 22 on kitchen
        kitchen is lost              |
        11 s pass                    | 22 on kitchen
    """,
    "shared, undescribed: the last publisher is away": """
        garden comes                 |
        kitchen comes                |
        garden publishes 20          | 20 on garden
        kitchen publishes 21         | 21 on kitchen
        kitchen is lost              | 21 on kitchen
        11 s pass                    | unavailable on kitchen
        garden publishes 22          | 22 on garden
    """,
    "shared, described by garden: the owner is away": """
        garden comes                 |
        kitchen comes                |
        garden describes sensor      | unknown on garden
        garden publishes 20          | 20 on garden
        kitchen publishes 21         | 21 on garden
        garden is lost               |
        11 s pass                    | 21 on garden
        homeassistant publishes 22   | unavailable on garden
        kitchen publishes 23         | 23 on garden
        kitchen is lost              | 23 on garden
        11 s pass                    | unavailable on garden
    """,
    "shared, described by garden: the publisher is away": """
        garden comes                 |
        kitchen comes                |
        garden describes sensor      | unknown on garden
        kitchen publishes 20         | 20 on garden
        kitchen is lost              |
        11 s pass                    | 20 on garden
        garden is lost               | 20 on garden
        11 s pass                    | unavailable on garden
        kitchen comes                | 20 on garden
        garden comes                 | 20 on garden
    """,
    "shared, the owner sleeps": """
        garden comes                 |
        garden describes sensor      | unknown on garden
        garden publishes 20          | 20 on garden
        garden sleeps                | 20 on garden
        11 s pass                    | 20 on garden
        kitchen comes                |
        kitchen publishes 21         | 21 on garden
        kitchen is lost              |
        11 s pass                    | 21 on garden
        homeassistant publishes 22   | 22 on garden
    """,
    "shared, the publisher sleeps": """
        garden comes                 |
        garden describes sensor      | unknown on garden
        garden is lost               |
        11 s pass                    | unavailable on garden
        kitchen comes                |
        kitchen publishes 20         | 20 on garden
        kitchen sleeps               | 20 on garden
        11 s pass                    | 20 on garden
    """,
    "shared, the publisher has overslept": """
        garden comes                 |
        garden describes sensor      | unknown on garden
        garden is lost               |
        kitchen comes                |
        kitchen publishes 20         | 20 on garden
        kitchen oversleeps           |
        11 s pass                    | unavailable on garden
    """,
    "shared, undescribed, the owner sleeps": """
        garden comes                 |
        garden publishes 20          | 20 on garden
        garden sleeps                | 20 on garden
        11 s pass                    | 20 on garden
        homeassistant publishes 21   | 21 on garden
    """,
}

WILLS: Final = {
    "a will, undescribed": """
        garden comes                 |
        garden wills offline         | nothing
        garden publishes online      | online on garden
        garden is lost               | offline on garden
        11 s pass                    | offline on garden
        garden comes                 | offline on garden
        garden publishes online      | online on garden
        garden leaves                | online on garden
        11 s pass                    | unavailable on garden
    """,
    "a will, described": """
        garden comes                    |
        garden describes binary_sensor  | unknown on garden
        garden wills OFF                | unknown on garden
        garden publishes ON             | on on garden
        garden is lost                  | off on garden
        11 s pass                       | off on garden
    """,
    "a will, then Home Assistant publishes, undescribed": """
        garden comes                 |
        garden wills offline         |
        garden publishes online      | online on garden
        garden is lost               | offline on garden
        homeassistant publishes idle | idle on garden
        11 s pass                    | idle on garden
    """,
    "a will, then Home Assistant publishes, described": """
        garden comes                 |
        garden describes sensor      | unknown on garden
        garden wills offline         |
        garden publishes online      | online on garden
        garden is lost               | offline on garden
        11 s pass                    | offline on garden
        homeassistant publishes idle | unavailable on garden
    """,
    "a will of a device that has overslept": """
        garden comes                 |
        garden wills offline         |
        garden publishes online      | online on garden
        garden oversleeps            | offline on garden
        11 s pass                    | offline on garden
    """,
    "a will of the second writer": """
        garden comes                 |
        garden describes sensor      | unknown on garden
        garden is lost               |
        11 s pass                    | unavailable on garden
        kitchen comes                |
        kitchen wills offline        |
        kitchen is lost              | offline on garden
        11 s pass                    | offline on garden
    """,
    "a will over a restart": """
        garden comes                 |
        garden wills offline         |
        garden publishes online      | online on garden
        garden is lost               | offline on garden
        restart                      | offline on garden
        91 s pass                    | offline on garden
    """,
}

REMOVED: Final = {
    "removed, its variables are kept": """
        variables are kept           |
        garden comes                 |
        garden publishes 20          | 20 on garden
        garden is removed            | 20 on textmq
        11 s pass                    | 20 on textmq
        kitchen comes                |
        kitchen publishes 21         | 21 on kitchen
    """,
    "removed, its variables are kept, the other published last": """
        variables are kept           |
        garden comes                 |
        kitchen comes                |
        garden describes sensor      | unknown on garden
        kitchen publishes 20         | 20 on garden
        garden is removed            | 20 on kitchen
        kitchen is lost              | 20 on kitchen
        11 s pass                    | unavailable on kitchen
    """,
    "removed with its variables, the other writes on": """
        garden comes                 |
        kitchen comes                |
        garden describes sensor      | unknown on garden
        kitchen publishes 20         | 20 on garden
        garden is removed            | nothing
        kitchen publishes 21         | 21 on kitchen
    """,
    "removed with its variables, this one is the other's by publish": """
        garden comes                 |
        kitchen comes                |
        garden publishes 20          | 20 on garden
        kitchen publishes 21         | 21 on kitchen
        garden is removed            | 21 on kitchen
        kitchen publishes 22         | 22 on kitchen
    """,
    "removed with its variables, this one is the other's by description": """
        garden comes                 |
        garden describes sensor      | unknown on garden
        garden publishes 20          | 20 on garden
        garden is lost               |
        kitchen comes                |
        kitchen describes sensor     | 20 on kitchen
        garden is removed            | 20 on kitchen
        11 s pass                    | 20 on kitchen
    """,
    "the other is removed with its variables": """
        garden comes                 |
        kitchen comes                |
        garden describes sensor      | unknown on garden
        kitchen publishes 20         | 20 on garden
        kitchen is removed           | 20 on garden
        11 s pass                    | 20 on garden
    """,
}

RESTARTS: Final = {
    "moved, then a restart": """
        homeassistant publishes 20   | 20 on textmq
        garden comes                 |
        garden describes sensor      | 20 on garden
        restart                      | 20 on garden
        91 s pass                    | unavailable on garden
        garden comes                 | 20 on garden
    """,
    "the owner was away, the publisher there, then a restart": """
        garden comes                 |
        garden describes sensor      | unknown on garden
        garden is lost               |
        11 s pass                    | unavailable on garden
        kitchen comes                |
        kitchen publishes 20         | 20 on garden
        restart                      | 20 on garden
        91 s pass                    | unavailable on garden
        kitchen comes                | 20 on garden
    """,
    "both were away, then a restart": """
        garden comes                 |
        kitchen comes                |
        garden describes sensor      | unknown on garden
        kitchen publishes 20         | 20 on garden
        garden is lost               |
        kitchen is lost              |
        11 s pass                    | unavailable on garden
        restart                      | unavailable on garden
        91 s pass                    | unavailable on garden
        garden comes                 | 20 on garden
    """,
    "Home Assistant published last, then a restart": """
        garden comes                 |
        garden publishes 20          | 20 on garden
        homeassistant publishes 21   | 21 on garden
        restart                      | 21 on garden
        91 s pass                    | 21 on garden
    """,
    "a fallback node had it, then a restart": """
        garden comes                 |
        garden describes sensor      | unknown on garden
        garden publishes 20          | 20 on garden
        garden is lost               |
        kitchen comes                |
        kitchen describes sensor     | 20 on kitchen
        restart                      | 20 on kitchen
        garden comes                 | 20 on kitchen
    """,
}

GUESTS: Final = {
    "a guest publishes first, then a device does": """
        guest comes                  |
        guest publishes 20           | 20 on textmq
        garden comes                 |
        garden publishes 21          | 21 on garden
        garden is lost               | 21 on garden
        11 s pass                    | unavailable on garden
        guest publishes 22           | 22 on garden
        11 s pass                    | 22 on garden
    """,
    "a guest publishes what a device describes": """
        guest comes                  |
        garden comes                 |
        garden describes sensor      | unknown on garden
        guest publishes 20           | 20 on garden
        garden is lost               | 20 on garden
        11 s pass                    | unavailable on garden
        guest publishes 21           | unavailable on garden
    """,
    "a guest describes, then a device does": """
        guest comes                  |
        guest describes sensor       | unknown on textmq
        guest publishes 20           | 20 on textmq
        garden comes                 |
        garden describes sensor      | 20 on garden
        garden is lost               | 20 on garden
        11 s pass                    | unavailable on garden
    """,
    "Home Assistant publishes, then a device that is new does": """
        homeassistant publishes 20   | 20 on textmq
        shed comes                   |
        shed describes sensor        | 20 on shed
        shed publishes 21            | 21 on shed
        shed is lost                 |
        11 s pass                    | unavailable on shed
    """,
}

ACTIONS: Final[dict[str, tuple[str, dict[str, Any], str]]] = {
    "number": ("set_value", {"value": 21}, "21"),
    "switch": ("turn_on", {}, "ON"),
    "button": ("press", {}, "PRESS"),
}
"""The action of a kind of entity, its data, and what is published."""

# Home Assistant itself passes over entities that are unavailable: then a command reaches nobody, without an error.
ORDERED: Final = {
    "the owner is there": """
        garden comes                 |
        garden describes KIND        |
        command                      | it reaches garden
    """,
    "the owner is lost": """
        garden comes                 |
        garden describes KIND        |
        garden is lost               |
        command                      | garden is not connected
        11 s pass                    | unavailable on garden
        command                      | it reaches nobody
        garden comes                 |
        command                      | it reaches garden
    """,
    "the owner sleeps": """
        garden comes                 |
        garden describes KIND        |
        garden sleeps                |
        command                      | garden is asleep
    """,
    "the owner has overslept": """
        garden comes                 |
        garden describes KIND        |
        garden oversleeps            |
        11 s pass                    | unavailable on garden
        command                      | it reaches nobody
    """,
    "moved to the other": """
        garden comes                 |
        garden describes KIND        |
        garden is lost               |
        kitchen comes                |
        kitchen describes KIND       |
        command                      | it reaches kitchen
        kitchen is lost              |
        command                      | kitchen is not connected
    """,
    "the owner keeps it": """
        garden comes                 |
        garden describes KIND        |
        kitchen comes                |
        kitchen describes KIND       |
        kitchen is lost              |
        command                      | it reaches garden
    """,
    "Home Assistant first": """
        homeassistant publishes OFF  |
        garden comes                 |
        garden describes KIND        |
        command                      | it reaches garden
        garden is lost               |
        command                      | garden is not connected
        homeassistant publishes 1    |
        command                      | garden is not connected
    """,
    "the owner is lost, the publisher is there": """
        garden comes                 |
        garden describes KIND        |
        garden is lost               |
        kitchen comes                |
        kitchen publishes 0          |
        command                      | it reaches kitchen
        11 s pass                    |
        command                      | it reaches kitchen
        kitchen is lost              |
        command                      | garden is not connected
    """,
    "the owner sleeps, the publisher is there": """
        garden comes                 |
        garden describes KIND        |
        kitchen comes                |
        kitchen publishes 0          |
        garden sleeps                |
        command                      | it reaches kitchen
        kitchen is lost              |
        command                      | garden is asleep
    """,
    "the publisher is lost, the owner is there": """
        garden comes                 |
        garden describes KIND        |
        kitchen comes                |
        kitchen publishes 0          |
        kitchen is lost              |
        command                      | it reaches garden
    """,
    "after a restart": """
        garden comes                 |
        garden describes KIND        |
        restart                      |
        command                      | garden is not connected
        garden comes                 |
        command                      | it reaches garden
    """,
}

ORDERED_BY_GUESTS: Final = {
    "described by a guest": """
        guest comes                  |
        guest describes KIND         |
        command                      | it reaches guest
    """,
}


@pytest.fixture
def known() -> list[str]:
    """Return the IDs of the devices that are approved."""
    return ["garden", "kitchen"]


def cases(*tables: dict[str, str]) -> Iterator[Any]:
    """Give each row of tables to a test, under its name."""
    for rows in tables:
        for name, steps in rows.items():
            yield pytest.param(steps, id=name)


class Walk:
    """Carries out the steps of a table, and writes down what is seen."""

    def __init__(self, house: House, kind: str = "") -> None:
        """Walk through a house; kind is that of the entity that takes commands."""
        self._house = house
        self._kind = kind
        self._identities: dict[str, tuple[str, str]] = {}
        """ID and entity ID that the entity of a platform had first."""

    async def go(self, steps: str) -> None:
        """Carry out all steps; fails at the end where something else was seen than should be."""
        seen = [("", "step", "expected", "seen")]
        for line in steps.strip().splitlines():
            step, _, expected = (part.strip() for part in line.partition("|"))
            step = step.replace("KIND", self._kind)
            actual = await self._step(step, expected)
            mark = RIGHT if expected in ("", actual) else WRONG
            seen.append((mark, step, expected, actual))
        print(f"\n{table(*seen)}")  # noqa: T201
        assert [one[1:] for one in seen if one[0] == WRONG] == []

    async def _step(self, step: str, expected: str) -> str:
        if step == "command":
            return await self._command(expected)
        await self._do(step)
        try:
            async with asyncio.timeout(TIMEOUT if expected else 0):
                while (actual := self._look()) != expected:
                    await asyncio.sleep(0.01)
        except TimeoutError:
            actual = self._look()
        return actual

    async def _do(self, step: str) -> None:
        house = self._house
        match step.split(maxsplit=2):
            case [who, "comes"]:
                client = await house.come(who)
                await client.ok("SUB", VARIABLE=COMMANDS)
            case [who, "is", "lost"]:
                await house.lose(who)
            case [who, "leaves"]:
                await house.leave(who)
            case [who, "sleeps"]:
                await house.sleep(who, 3600)
            case [who, "oversleeps"]:
                await house.oversleep(who)
            case [who, "is", "removed"]:
                await house.remove(who)
            case [who, "publishes", value]:
                await house.publish(who, NAME, value)
            case [who, "wills", value]:
                await house.clients[who].ok("WILL", VARIABLE=NAME, VALUE=value)
            case [who, "deletes"]:
                await house.clients[who].ok("DEL", VARIABLE=NAME)
                await house.hass.async_block_till_done()
            case [who, "describes", *definition]:
                await house.describe(who, NAME, " ".join(definition))
            case ["variables", "are", "kept"]:
                house.hass.config_entries.async_update_entry(
                    house.entry, options={"delete_variables": False}
                )
                await house.hass.async_block_till_done()
            case ["restart"]:
                await house.stop()
                await house.start()
            case [seconds, "s", "pass"]:
                await house.pass_time(float(seconds))
            case _:
                pytest.fail(f"There is no step {step!r}")

    def _look(self) -> str:
        """Return what is shown, with a remark where the entity is not the one that it was."""
        actual = self._house.shown(NAME)
        if actual == NO_ENTITY:
            return actual
        entry = self._house.entry_of(NAME)
        assert entry is not None
        identity = (entry.id, entry.entity_id)
        first = self._identities.setdefault(entry.domain, identity)
        return actual if identity == first else f"{actual}, but another entity"

    async def _command(self, expected: str) -> str:
        """Give a command; return whom it reaches, or why it fails."""
        action, data, text = ACTIONS[self._kind]
        entry = self._house.entry_of(NAME)
        assert entry is not None
        clients = self._house.clients
        for client in clients.values():
            client.deliveries.clear()
        try:
            await self._house.hass.services.async_call(
                self._kind,
                action,
                {"entity_id": entry.entity_id, **data},
                blocking=True,
            )
        except HomeAssistantError as error:
            found = re.match(r"The device (\w+ is [\w ]+)\.", str(error))
            return found[1] if found and error.translation_key else repr(error)
        reached = []
        for who, client in clients.items():
            await client.do("HELLO?")
            if any(
                (one.command, one.params.get("VALUE")) == ("SUB", text)
                for one in client.deliveries
            ):
                reached.append(who)
        # Every subscriber has it: the one that is meant has to be among them.
        meant = expected.removeprefix("it reaches ")
        return f"it reaches {meant if meant in reached else ', '.join(reached) or 'nobody'}"


@pytest.mark.parametrize(
    "steps",
    cases(ORDERS, BOARDS, SHARED, WILLS, REMOVED, RESTARTS),
)
@pytest.mark.announced_warnings(sometimes=("is described by device '.*' as well",))
async def test_owner(house: House, steps: str) -> None:
    """A value is on its owner's page, by one entity for good, and available while one of those that count is there."""
    await Walk(house).go(steps)


@pytest.mark.parametrize("access", ["open"])
@pytest.mark.parametrize("steps", cases(GUESTS))
async def test_owner_among_guests(house: House, steps: str) -> None:
    """Clients without an ID own nothing, and count only for what no device describes."""
    await Walk(house).go(steps)


@pytest.mark.parametrize(
    ("kind", "steps"),
    [
        pytest.param(kind, steps, id=f"{kind}: {name}")
        for kind in ACTIONS
        for name, steps in ORDERED.items()
        # Nothing is published to a button.
        if kind != "button" or "publishes" not in steps
    ],
)
@pytest.mark.announced_warnings(
    sometimes=(
        "is described by device '.*' as well",
        "are missing or not currently available",
        "is text where a number is expected",
    )
)
async def test_command(house: House, steps: str, kind: str) -> None:
    """A command goes to the owner, or else the publisher, that is there; where none is, the reason is told."""
    await Walk(house, kind).go(steps)


@pytest.mark.parametrize("access", ["open"])
@pytest.mark.parametrize("kind", ACTIONS)
@pytest.mark.parametrize("steps", cases(ORDERED_BY_GUESTS))
async def test_command_to_guest(house: House, steps: str, kind: str) -> None:
    """A variable that belongs to no device takes commands for any subscriber."""
    await Walk(house, kind).go(steps)


@dataclass(slots=True)
class Expected:
    """One variable as the rule itself has it."""

    owner: str = ""
    publisher: str = ""
    is_described: bool = False
    value: str = "unknown"

    def step(self, who: str, does: str, value: str, there: set[str]) -> None:
        """Follow one step; there are the devices that are connected."""
        if does == "publishes":
            self.publisher, self.value = who, value
            if who != HOME_ASSISTANT and not self.is_described:
                self.owner = who
            return
        if not self.is_described or self.owner not in there:
            self.owner = who
        self.is_described = True

    def shown(self, there: set[str]) -> str:
        """Return `state on page` while some devices are there."""
        is_available = bool({self.owner, self.publisher} & there) or (
            self.publisher == HOME_ASSISTANT and not self.is_described
        )
        page = self.owner or "textmq"
        return f"{self.value if is_available else UNAVAILABLE} on {page}"


STEPS: Final = (
    ("garden", "describes"),
    ("garden", "publishes"),
    ("kitchen", "describes"),
    ("kitchen", "publishes"),
    (HOME_ASSISTANT, "publishes"),
)
"""Steps while both are there; while the garden is away, all but its own, or none."""


@pytest.mark.announced_warnings("is described by device '.*' as well")
async def test_every_order(house: House) -> None:
    """All orders of three steps, and one more while the garden is away, by the rule: each variable is one of them."""
    orders = {
        f"order/{number}": order
        for number, order in enumerate(
            (*before, later)
            for before in product(STEPS, repeat=3)
            for later in (None, *STEPS[2:])
        )
    }
    expected = {name: Expected() for name in orders}
    identities: dict[str, tuple[str, str]] = {}
    columns: dict[str, list[str]] = {name: [] for name in orders}
    wrong: set[str] = set()

    async def carry_out(index: int, there: set[str]) -> None:
        for name, order in orders.items():
            if (step := order[index]) is None:
                continue
            who, does = step
            value = str(20 + index)
            expected[name].step(who, does, value, there)
            if who == HOME_ASSISTANT:
                await house.hass.services.async_call(
                    "textmq",
                    "publish",
                    {"variable": name, "value": value},
                    blocking=True,
                )
            elif does == "publishes":
                await house.clients[who].ok("PUB", VARIABLE=name, VALUE=value)
            else:
                await house.clients[who].ok(
                    "DEF", VARIABLE=name, TYPE="sensor", NAME=f"{name} {index}"
                )
        await house.hass.async_block_till_done()

    def is_shown(there: set[str]) -> bool:
        return all(
            house.shown(name) == one.shown(there) for name, one in expected.items()
        )

    async def look(there: set[str]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(TIMEOUT):
                while not is_shown(there):
                    await asyncio.sleep(0.1)
        for name, one in expected.items():
            seen = house.shown(name)
            if (entry := house.entry_of(name)) is not None:
                identity = (entry.id, entry.entity_id)
                if identities.setdefault(name, identity) != identity:
                    seen += ", but another entity"
            if seen != one.shown(there):
                seen += f" ({one.shown(there)})"
                wrong.add(name)
            columns[name].append(seen)

    both = {"garden", "kitchen"}
    for who in sorted(both):
        await house.come(who)
    for index in range(3):
        await carry_out(index, both)
    await look(both)
    await house.lose("garden")
    await house.pass_time(11)
    await look({"kitchen"})
    await carry_out(3, {"kitchen"})
    await look({"kitchen"})
    await house.lose("kitchen")
    await house.pass_time(11)
    await look(set())
    await house.come("garden")
    await look({"garden"})
    rows: list[tuple[str, ...]] = [
        (
            "",
            "steps",
            "both there",
            "garden away",
            "one more step",
            "none",
            "garden back",
        )
    ]
    for name, order in orders.items():
        steps = [" ".join(one) if one else "nothing" for one in order]
        told = f"{', '.join(steps[:3])}; {steps[3]}"
        mark = WRONG if name in wrong else RIGHT
        rows.append((mark, told, *columns[name]))
    print(f"\n{table(*rows)}")  # noqa: T201
    assert not wrong


MOVES: Final = {
    "Home Assistant first": """
        homeassistant publishes 20   | 20 on textmq
        garden comes                 |
        FIRST                        |
        garden describes sensor      | 20 on garden
    """,
    "another publisher": """
        garden comes                 |
        kitchen comes                |
        garden publishes 20          | 20 on garden
        FIRST                        |
        kitchen publishes 20         | 20 on kitchen
    """,
    "another describer": """
        garden comes                 |
        garden describes sensor      |
        garden publishes 20          | 20 on garden
        garden is lost               |
        kitchen comes                |
        FIRST                        |
        kitchen describes sensor     | 20 on kitchen
    """,
    "into a part": """
        garden comes                          |
        garden publishes 20                   | 20 on garden
        FIRST                                 |
        garden describes sensor PART=shelf    | 20 on garden/shelf
    """,
    "there and back": """
        garden comes                 |
        kitchen comes                |
        garden publishes 20          | 20 on garden
        FIRST                        |
        kitchen publishes 20         | 20 on kitchen
        garden publishes 20          | 20 on garden
    """,
}


@pytest.mark.parametrize("steps", cases(MOVES))
@pytest.mark.announced_warnings(sometimes=("is described by device '.*' as well",))
async def test_what_a_person_has_set_stays(
    hass: HomeAssistant, house: House, steps: str
) -> None:
    """Name, icon, area, labels, entity ID and options survive a move, and the state has no gap."""
    before, after = steps.split("FIRST                ", 1)
    walk = Walk(house)
    await walk.go(before)
    entry = house.entry_of(NAME)
    assert entry is not None
    area = ar.async_get(hass).async_create("Terrace")
    label = lr.async_get(hass).async_create("Mine")
    registry = er.async_get(hass)
    mine: dict[str, Any] = {
        "name": "My thing",
        "icon": "mdi:flower",
        "area_id": area.id,
        "labels": {label.label_id},
        "hidden_by": er.RegistryEntryHider.USER,
    }
    registry.async_update_entity(
        entry.entity_id, new_entity_id="sensor.my_thing", **mine
    )
    registry.async_update_entity_options(
        "sensor.my_thing", "sensor", {"display_precision": 2}
    )
    await hass.async_block_till_done()
    states = async_capture_events(hass, EVENT_STATE_CHANGED)
    await Walk(house).go(after.partition("\n")[2])
    moved = registry.async_get("sensor.my_thing")
    assert moved is not None
    assert moved.id == entry.id
    assert {key: getattr(moved, key) for key in mine} == mine
    assert moved.options["sensor"]["display_precision"] == 2
    seen = [
        one.data["new_state"] and one.data["new_state"].state
        for one in states
        if one.data["entity_id"] == "sensor.my_thing"
    ]
    assert set(seen) <= {"20"}
    found = hass.states.get("sensor.my_thing")
    assert found is not None
    # From 2026.11 on the device's name stands before it.
    assert found.name.endswith("My thing")


@pytest.mark.announced_warnings("is described by device '.*' as well")
async def test_moved_entities_outlive_the_former_owner(
    hass: HomeAssistant, house: House
) -> None:
    """Removing the old board removes nothing that the new one has taken over."""
    for who in ("garden", "kitchen"):
        await house.come(who)
        await house.describe(who, NAME, "sensor")
        await house.publish(who, NAME, "20")
        if who == "garden":
            await house.lose("garden")
    before = house.entry_of(NAME)
    await house.remove("garden")
    assert house.entry_of(NAME) == before
    assert house.shown(NAME) == "20 on kitchen"
    await house.stop()
    await house.start()
    assert house.shown(NAME) == "20 on kitchen"
    after = house.entry_of(NAME)
    assert before is not None
    assert after is not None
    assert after.id == before.id
    assert after.device_id == device_of(hass, "kitchen").id


def warnings_of(caplog: pytest.LogCaptureFixture, *words: str) -> list[str]:
    """Return the lines at warning, or above, that have all these words."""
    return [
        one.getMessage()
        for one in caplog.records
        if one.levelname in ("WARNING", "ERROR")
        and all(word in one.getMessage() for word in words)
    ]


@pytest.mark.announced_warnings("is described by device '.*' as well")
async def test_two_that_describe(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a second device describes what belongs to one that is there, one line names both."""
    await house.come("garden")
    await house.describe("garden", NAME, "sensor UNIT=%")
    await house.come("kitchen")
    assert not warnings_of(caplog, "garden", "kitchen")
    for _ in range(3):
        await house.describe("kitchen", NAME, "sensor UNIT=V")
        await house.describe("garden", NAME, "sensor UNIT=%")
    assert len(warnings_of(caplog, "garden", "kitchen", NAME)) == 1
    await house.describe("kitchen", "house/other", "sensor")
    await house.describe("garden", "house/other", "sensor")
    assert len(warnings_of(caplog, "garden", "kitchen")) <= 2


async def test_two_that_publish(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """Writing what another device writes is no fault."""
    for who in ("garden", "kitchen"):
        await house.come(who)
    for _ in range(3):
        for who in ("garden", "kitchen", "homeassistant"):
            await house.publish(who, NAME, "20")
    assert not warnings_of(caplog)


@pytest.mark.announced_warnings("is described by device '.*' as well")
async def test_the_text_of_the_second_description(
    hass: HomeAssistant, house: House
) -> None:
    """The owner keeps the variable, but the description is the last one."""
    await house.come("garden")
    await house.describe("garden", NAME, "sensor UNIT=% NAME=First")
    await house.publish("garden", NAME, "20")
    await house.come("kitchen")
    await house.describe("kitchen", NAME, "sensor UNIT=V NAME=Second")
    entry = house.entry_of(NAME)
    assert entry is not None
    state = hass.states.get(entry.entity_id)
    assert state is not None
    assert state.attributes["unit_of_measurement"] == "V"
    assert state.attributes["friendly_name"] == "Garden Second"
    assert house.shown(NAME) == "20 on garden"


@pytest.mark.parametrize("access", ["open"])
async def test_guests_are_no_second_writers(house: House) -> None:
    """The description of a client without an ID takes nothing from the owner."""
    await house.come("garden")
    await house.describe("garden", NAME, "sensor")
    await house.publish("garden", NAME, "20")
    await house.come(GUEST)
    await house.describe(GUEST, NAME, "sensor UNIT=V")
    assert house.shown(NAME) == "20 on garden"
    await house.lose("garden")
    await house.describe(GUEST, NAME, "sensor UNIT=A")
    assert house.page_of(NAME) == "garden"

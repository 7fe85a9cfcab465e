"""Every state from the first moment of a start on: a house with every case in it, stopped in every way.

The table says what each entity shows at the start, when those that did not come are given up, and when all
are back. Every state is recorded: none may come between. With `-rA --show-capture=stdout` the output
shows the table as it went.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
import shutil
from typing import Any, Final, Self
from unittest.mock import patch

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from custom_components.textmq.const import DOMAIN
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import (
    EVENT_HOMEASSISTANT_FINAL_WRITE,
    EVENT_HOMEASSISTANT_STOP,
)
from homeassistant.core import Event, HomeAssistant
from homeassistant.setup import async_setup_component

from .client import TIMEOUT, Client, until
from .conftest import Connect
from .house import (
    GUEST,
    NO_STATE,
    RIGHT,
    UNAVAILABLE,
    WRONG,
    House,
    StateHistory,
    distinct,
    table,
)

AS_BEFORE: Final = "as before"
"""The state of an event: the time of the last one. Home Assistant restores none of what was unavailable."""
WILL: Final = "will"

# The variable, which begins with its device; its description; who published what, the device where nobody is named;
# what is shown at the start; 91 s later, when nobody has come; and when everybody is back.
CASES: Final = """
living/moisture     | sensor UNIT=%               | 31                | 31          | unavailable | 31
living/plain        |                             | 32                | 32          | unavailable | 32
living/contact      | binary_sensor               | ON                | on          | unavailable | on
living/lamp         | switch                      | ON                | on          | unavailable | on
living/target       | number                      | 33                | 33          | unavailable | 33
living/mode         | select OPTIONS=a,b          | b                 | b           | unavailable | b
living/greeting     | text                        | hello             | hello       | unavailable | hello
living/bell         | event OPTIONS=ring          | ring              | as before   | unavailable | as before
living/reset        | button                      |                   | unknown     | unavailable | unknown
living/shelf        | sensor PART=shelf           | 34                | 34          | unavailable | 34
living/forced       | sensor UNIT=% FORCE=YES     | 35                | 35          | unavailable | 35
living/hidden       | sensor HIDDEN=YES           | 36                | no state    | no state    | no state
living/excluded     | sensor                      | 37                | no state    | no state    | no state
living/fresh        | sensor UNIT=% EXPIRE=3600   | 38                | 38          | unavailable | 38
living/expired      | binary_sensor EXPIRE=1      | ON                | unavailable | unavailable | unavailable
living/code         |                             | A1B2 1234         | 1234        | unavailable | 1234
living/tag          | sensor NAME=Tag             | A1B2 1234         | 1234        | unavailable | 1234
living/version      | sensor MODE=text            | 1.10              | 1.10        | unavailable | 1.10
living/level        |                             | 3 dry             | unknown     | unavailable | unknown
living/amount       | sensor NAME=Amount          | 3 dry             | unknown     | unavailable | unknown
living/ordered      | sensor UNIT=%               | homeassistant:39  | 39          | unavailable | 39
living/noted        |                             | 1 homeassistant:2 | 2           | 2           | 2
dead/moisture       | sensor UNIT=%               | 31                | unavailable | unavailable | 31
dead/plain          |                             | 32                | unavailable | unavailable | 32
dead/contact        | binary_sensor               | ON                | unavailable | unavailable | on
dead/lamp           | switch                      | ON                | unavailable | unavailable | on
dead/target         | number                      | 33                | unavailable | unavailable | 33
dead/mode           | select OPTIONS=a,b          | b                 | unavailable | unavailable | b
dead/greeting       | text                        | hello             | unavailable | unavailable | hello
dead/bell           | event OPTIONS=ring          | ring              | unavailable | unavailable | unknown
dead/reset          | button                      |                   | unavailable | unavailable | unknown
dead/shelf          | sensor PART=shelf           | 34                | unavailable | unavailable | 34
dead/forced         | sensor UNIT=% FORCE=YES     | 35                | unavailable | unavailable | 35
dead/fresh          | sensor UNIT=% EXPIRE=3600   | 38                | unavailable | unavailable | 38
dead/expired        | binary_sensor EXPIRE=1      | ON                | unavailable | unavailable | unavailable
dead/code           |                             | A1B2 1234         | unavailable | unavailable | 1234
dead/ordered        | sensor UNIT=%               | homeassistant:39  | unavailable | unavailable | 39
dead/noted          |                             | 1 homeassistant:2 | 2           | 2           | 2
dead/shared         | sensor UNIT=%               | 1 living:40       | 40          | unavailable | 40
lost/status         |                             | on will:off       | off         | off         | off
ghost/status        | binary_sensor               | ON will:OFF       | off         | off         | off
sleeper/moisture    | sensor UNIT=%               | 31                | 31          | 31          | 31
sleeper/contact     | binary_sensor               | ON                | on          | on          | on
sleeper/reset       | button                      |                   | unknown     | unknown     | unknown
sleeper/fresh       | sensor UNIT=% EXPIRE=3600   | 38                | 38          | 38          | 38
sleeper/expired     | binary_sensor EXPIRE=1      | ON                | unavailable | unavailable | unavailable
sleeper/shared      | sensor UNIT=%               | 1 dead:41         | 41          | 41          | 41
oversleeper/moisture| sensor UNIT=%               | 31                | unavailable | unavailable | 31
oversleeper/plain   |                             | 32                | unavailable | unavailable | 32
oversleeper/contact | binary_sensor               | ON                | unavailable | unavailable | on
oversleeper/reset   | button                      |                   | unavailable | unavailable | unknown
latecomer/moisture  | sensor UNIT=%               | 31                | unavailable | unavailable | 31
latecomer/plain     |                             | 32                | unavailable | unavailable | 32
latecomer/contact   | binary_sensor               | ON                | unavailable | unavailable | on
latecomer/reset     | button                      |                   | unavailable | unavailable | unknown
house/note          |                             | homeassistant:42  | 42          | 42          | 42
house/text          |                             | homeassistant:ON  | ON          | ON          | ON
"""

APPROVED_CASES: Final = """
former/plain        |                             | 43                | 43          | 43          | 43
"""
OPEN_CASES: Final = """
house/guest         |                             | guest:44          | 44          | 44          | 44
"""

ABSENT: Final = ("dead", "ghost", "lost")
"""Devices that are lost long before the stop."""
LATE: Final = 3
"""Seconds that the latecomer sleeps: it is in time when all stops, and over its time when all starts."""


@dataclass(frozen=True, slots=True)
class Case:
    """One variable, how it came about, and what its entity is to show."""

    variable: str
    definition: str
    published: str
    shown: tuple[str, str, str]
    """At the start; when those that did not come are given up; when everybody is back."""

    @classmethod
    def read(cls, text: str) -> list[Self]:
        """Read the cases of a table."""
        rows = [
            [cell.strip() for cell in line.split("|")]
            for line in text.strip().splitlines()
        ]
        return [
            cls(variable, definition, published, (start, later, back))
            for variable, definition, published, start, later, back in rows
        ]

    @property
    def owner(self) -> str:
        """The device of the variable."""
        return self.variable.partition("/")[0]

    @property
    def publishes(self) -> list[tuple[str, str]]:
        """Publishers and values, in order."""
        pairs = [one.rpartition(":") for one in self.published.split()]
        return [(who or self.owner, value) for who, _, value in pairs]


class Past(House):
    """The house of the table, up to its stop."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: MockConfigEntry,
        connect: Connect,
        cases: list[Case],
    ) -> None:
        """Use a broker's config entry, and what opens connections to it."""
        super().__init__(hass, entry, connect)
        self.cases = cases
        self.devices = sorted({case.owner for case in cases} - {"house"})

    async def build(self) -> None:
        """Let everything happen that is in the table."""
        await self.start()
        for who in self.devices:
            await self.come(who)
        if any(GUEST in case.published for case in self.cases):
            await self.come(GUEST)
        for case in self.cases:
            if case.definition:
                await self.describe(case.owner, case.variable, case.definition)
            for who, value in case.publishes:
                if who == WILL:
                    client = self.clients[case.owner]
                    await client.ok("WILL", VARIABLE=case.variable, VALUE=value)
                else:
                    await self.publish(who, case.variable, value)
        for who in ABSENT:
            await self.lose(who)
        await self.oversleep("oversleeper")
        await self.pass_time(11)
        if "former" in self.clients:
            await self.remove("former")

    async def fall_asleep(self) -> None:
        """Let those sleep that do when all stops."""
        await self.sleep("sleeper", 3600)
        await self.sleep("latecomer", LATE)

    def entity_of(self, case: Case) -> str:
        """Return the entity ID of a case, empty where it has none."""
        entry = self.entry_of(case.variable)
        return entry.entity_id if entry else ""

    async def trap(self) -> list[Event]:
        """Set up an automation that must not run: by what is not on, and not above 30, after the start."""
        absent = [
            self.entity_of(case) for case in self.cases if case.shown[0] == UNAVAILABLE
        ]
        automation = {
            "alias": "trap",
            "mode": "parallel",
            "triggers": [
                {"trigger": "state", "entity_id": absent, "to": "on"},
                {"trigger": "numeric_state", "entity_id": absent, "above": 30},
            ],
            "actions": [
                {
                    "event": "trapped",
                    "event_data": {"entity_id": "{{ trigger.entity_id }}"},
                }
            ],
        }
        assert await async_setup_component(
            self.hass, "automation", {"automation": automation}
        )
        await self.hass.async_block_till_done()
        trapped: list[Event] = async_capture_events(self.hass, "trapped")
        return trapped

    # How it stops

    async def unload(self) -> None:
        """Unload the entry, and set it up again."""
        await self.stop()
        await self.be_late()

    async def stop_home_assistant(self) -> None:
        """Let Home Assistant stop."""
        for event in (EVENT_HOMEASSISTANT_STOP, EVENT_HOMEASSISTANT_FINAL_WRITE):
            self.hass.bus.async_fire(event)
            await self.hass.async_block_till_done()
        await self.unload()

    async def crash(self) -> None:
        """Start again with the files as they were while all ran, a minute after the last event."""
        await self._until_saved()
        await self.pass_time(61)
        names = (DOMAIN, f".storage/{DOMAIN}.devices")
        config = Path(self.hass.config.config_dir)
        copy = config / "copy"
        for name in names:
            _copy(config / name, copy / name)
        await self.unload()
        for name in names:
            _remove(config / name)
            _copy(copy / name, config / name)

    async def fail_without_port(self) -> None:
        """Fail to start, for the port is another program's."""
        server = await asyncio.start_server(
            lambda reader, writer: None, "127.0.0.1", self.entry.data["port"]
        )
        await self._fail_to_start()
        server.close()
        await server.wait_closed()

    async def fail_without_folder(self) -> None:
        """Fail to start, for the folder can't be read."""
        folder = Path(self.hass.config.path(DOMAIN))
        aside = folder.rename(folder.with_name("aside"))
        folder.write_text("in the way")
        await self._fail_to_start()
        folder.unlink()
        aside.rename(folder)

    async def unload_and_fail_without_port(self) -> None:
        """Unload the entry; the first start after it fails."""
        await self.unload()
        await self.fail_without_port()

    async def unload_and_fail_without_folder(self) -> None:
        """Unload the entry; the first start after it fails."""
        await self.unload()
        await self.fail_without_folder()

    async def _fail_to_start(self) -> None:
        assert not await self.hass.config_entries.async_setup(self.entry.entry_id)
        await self.hass.async_block_till_done()
        assert self.entry.state is ConfigEntryState.SETUP_RETRY
        assert await self.hass.config_entries.async_unload(self.entry.entry_id)

    async def be_late(self) -> None:
        """Let the time of the latecomer, and of values that expire, pass while nothing runs."""
        await asyncio.sleep(LATE + 0.2)

    async def _until_saved(self) -> None:
        folder = Path(self.hass.config.path(DOMAIN))
        approved = self.entry.subentries

        def is_saved() -> bool:
            files = {one.name: one.read_text() for one in folder.rglob("*.txt")}
            values = "".join(files.values())
            return (
                all(
                    f"| VARIABLE={case.variable} | VALUE={case.publishes[-1][1]} |"
                    in values
                    for case in self.cases
                    if case.published
                )
                and all(
                    f"| COMMAND=DEF | VARIABLE={case.variable} |" in values
                    for case in self.cases
                    if case.definition
                )
                and (not approved or "=ASLEEP " in files.get("sleeper.txt", ""))
                and (not approved or "| DEVICE=former |" not in values)
            )

        await until(is_saved)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    elif source.exists():
        shutil.copy(source, target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


WAYS: Final[dict[str, Callable[[Past], Awaitable[None]]]] = {
    "unloaded": Past.unload,
    "Home Assistant stopped": Past.stop_home_assistant,
    "crashed": Past.crash,
    "failed to start without its port": Past.unload_and_fail_without_port,
    "failed to start without its folder": Past.unload_and_fail_without_folder,
}


async def check(past: Past, way: Callable[[Past], Awaitable[None]]) -> None:
    """Build the house, stop it, start it, let time pass, let all come back; compare every state with the table."""
    hass, cases = past.hass, past.cases
    await past.build()
    ids = {case: past.entity_of(case) for case in cases}
    before = {
        case: state.state if (state := hass.states.get(ids[case])) else NO_STATE
        for case in cases
    }
    trapped = await past.trap()
    await past.fall_asleep()
    history = StateHistory(hass)
    trapped.clear()
    await way(past)
    await past.start()
    # Expiry is looked for once a second.
    await asyncio.sleep(1.2)
    await hass.async_block_till_done()
    seen = {case: [history.of(ids[case])] for case in cases}
    await past.pass_time(91)
    for case in cases:
        seen[case].append(history.of(ids[case]))
    caught = [one.data["entity_id"] for one in trapped]
    for who in past.devices:
        if who != "former":
            await past.come(who)
    await asyncio.sleep(1.2)
    await hass.async_block_till_done()
    for case in cases:
        seen[case].append(history.of(ids[case]))
    rows: list[tuple[str, ...]] = [
        ("", "variable", "description", "published", "expected", "seen")
    ]
    wrong = []
    for case in cases:
        expected = [
            _expected(case.shown[: count + 1], before[case]) for count in range(3)
        ]
        found = [_since_the_stop(states) for states in seen[case]]
        is_right = found == expected
        if not is_right:
            wrong.append(case.variable)
        told = (", ".join(states) or NO_STATE for states in (expected[-1], found[-1]))
        mark = RIGHT if is_right else WRONG
        rows.append((mark, case.variable, case.definition, case.published, *told))
    print(f"\n{table(*rows)}")  # noqa: T201
    assert (wrong, caught) == ([], [])


def _expected(shown: tuple[str, ...], before: str) -> list[str]:
    """Return the states from the stop on, where every entity becomes unavailable."""
    if NO_STATE in shown:
        return []
    states = [before if one == AS_BEFORE else one for one in shown]
    return distinct([UNAVAILABLE, *states])


def _since_the_stop(states: list[str]) -> list[str]:
    return states[states.index(UNAVAILABLE) :] if UNAVAILABLE in states else states


@pytest.fixture
def options() -> dict[str, Any]:
    """Return the options: variables outlive their device, one is excluded, all is saved soon."""
    return {
        "delete_variables": False,
        "exclude": ["living/excluded"],
        "save_interval": 1,
    }


@pytest.fixture
def known() -> list[str]:
    """Return the IDs of the devices that are approved."""
    return [
        "dead",
        "former",
        "ghost",
        "living",
        "lost",
        "latecomer",
        "oversleeper",
        "sleeper",
    ]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.announced_warnings(
    "'trap' trigger: In 'numeric_state' condition",
    "is text where a number is expected",
)
async def test_every_case(
    hass: HomeAssistant, entry: MockConfigEntry, connect: Connect, way: str
) -> None:
    """Devices that a person has approved."""
    cases = Case.read(CASES) + Case.read(APPROVED_CASES)
    await check(Past(hass, entry, connect, cases), WAYS[way])


@pytest.mark.parametrize("known", [[]])
@pytest.mark.parametrize("access", ["open"])
@pytest.mark.parametrize("way", ["unloaded", "Home Assistant stopped", "crashed"])
@pytest.mark.announced_warnings(
    "'trap' trigger: In 'numeric_state' condition",
    "is text where a number is expected",
)
async def test_every_case_where_anybody_may_come(
    hass: HomeAssistant, entry: MockConfigEntry, connect: Connect, way: str
) -> None:
    """Devices that nobody has approved, and guests."""
    cases = Case.read(CASES) + Case.read(OPEN_CASES)
    await check(Past(hass, entry, connect, cases), WAYS[way])


KINDS: Final = {
    "text, then digits": ("", "A1B2 1234", "1234 A1B2", False),
    "digits, then text": ("", "1234 A1B2", "unknown 1234", True),
    "empty, text, then digits": ("", "- A1B2 1234", "1234 A1B2", False),
    "described, text, then digits": (
        "sensor NAME=Tag",
        "A1B2 1234",
        "1234 A1B2",
        False,
    ),
    "described, digits, then text": ("sensor NAME=Tag", "12 A1B2", "unknown 12", True),
    "told to be text": ("sensor MODE=text", "1234", "1234 A1B2", False),
    "told to be a number": ("sensor UNIT=%", "A1B2", "unknown 12", True),
}


@pytest.mark.parametrize(
    ("definition", "published", "shown", "is_number"), KINDS.values(), ids=KINDS
)
@pytest.mark.announced_warnings(
    sometimes=("'living/code' is text where a number is expected",)
)
async def test_number_or_text(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    connect: Connect,
    definition: str,
    published: str,
    shown: str,
    is_number: bool,
) -> None:
    """The decision of the first value holds after every restart, whatever the value is then."""
    house = House(hass, entry, connect)
    await house.start()
    await house.come("living")
    if definition:
        await house.describe("living", "living/code", definition)
    for value in published.split():
        await house.publish("living", "living/code", "" if value == "-" else value)
    stored, later = shown.split()
    for _ in range(2):
        await house.stop()
        await house.start()
        assert house.shown("living/code") == f"{stored} on living"
        await house.come("living")
        assert house.shown("living/code") == f"{stored} on living"
    await house.publish("living", "living/code", later)
    await until(lambda: house.shown("living/code") == f"{later} on living")
    found = house.entry_of("living/code")
    assert found is not None
    state = hass.states.get(found.entity_id)
    assert state is not None
    assert ("state_class" in state.attributes) is is_number


async def test_sensor_that_is_described_later(
    hass: HomeAssistant, entry: MockConfigEntry, connect: Connect
) -> None:
    """A description goes before the decision of a value, after a restart too."""
    house = House(hass, entry, connect)
    await house.start()
    await house.come("living")
    await house.publish("living", "living/code", "A1B2")
    await house.publish("living", "living/code", "1234")
    await house.describe("living", "living/code", "sensor UNIT=%")
    await house.stop()
    await house.start()
    found = house.entry_of("living/code")
    assert found is not None
    state = hass.states.get(found.entity_id)
    assert state is not None
    assert (state.state, state.attributes["state_class"]) == ("1234", "measurement")


async def test_grace(
    hass: HomeAssistant, entry: MockConfigEntry, connect: Connect
) -> None:
    """Those that were connected have 90 seconds to come back, those that came keep their values."""
    house = House(hass, entry, connect)
    await house.start()
    for who in ("living", "sleeper"):
        await house.come(who)
        await house.publish(who, f"{who}/soil", "5")
    await house.stop()
    await house.start()
    for seconds in (11, 60, 85):
        await house.pass_time(seconds)
        assert house.shown("living/soil") == "5 on living"
    await house.come("sleeper")
    await house.pass_time(91)
    assert house.shown("living/soil") == "unavailable on living"
    assert house.shown("sleeper/soil") == "5 on sleeper"


# The file of devices


class Time:
    """The event loop's time, which can be put forward: what is due by then runs."""

    def __init__(self, hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch) -> None:
        """Begin with the time that it is."""
        self._hass = hass
        self._ahead = 0.0
        time = hass.loop.time
        monkeypatch.setattr(hass.loop, "time", lambda: time() + self._ahead)

    async def pass_by(self, seconds: float) -> None:
        """Put the time forward."""
        self._ahead += seconds
        await asyncio.sleep(0)
        await self._hass.async_block_till_done()


async def test_a_busy_house(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    connect: Connect,
    hass_storage: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where a device comes or goes every 30 seconds, what is remembered is written all the same."""
    house = House(hass, entry, connect)
    await house.start()
    time = Time(hass, monkeypatch)
    for _ in range(10):
        await house.come("living")
        await time.pass_by(30)
        await house.sleep("living", 3600)
        await time.pass_by(30)
    remembered = hass_storage[f"{DOMAIN}.devices"]["data"]
    assert "living" in str(remembered)
    assert "127.0.0.1" in str(remembered)


@pytest.mark.parametrize(
    "fail",
    [Past.fail_without_port, Past.fail_without_folder],
    ids=["without its port", "without its folder"],
)
async def test_a_failed_start_forgets_nothing(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    connect: Connect,
    hass_storage: dict[str, Any],
    fail: Callable[[Past], Awaitable[None]],
) -> None:
    """When and where devices were last seen is there after it."""
    past = Past(hass, entry, connect, [])
    await past.start()
    await past.come("living")
    await past.stop()
    before = hass_storage[f"{DOMAIN}.devices"]["data"]
    assert before
    for _ in range(2):
        await fail(past)
        after = hass_storage[f"{DOMAIN}.devices"]["data"]
        assert before == {key: after[key] for key in before}
    await past.start()
    listed = (await past.act("list_devices"))["devices"]
    (living,) = [one for one in listed if one["device"] == "living"]
    assert living["address"] == "127.0.0.1"
    assert living["last_seen"]


# Clients that come while it starts

ROUNDS: Final = 3
MANY: Final = 320


async def come_early(connect: Connect, device_id: str) -> Client:
    """Connect as soon as anybody listens, and send an ID; the answer is not awaited."""
    async with asyncio.timeout(4 * TIMEOUT):
        while True:
            try:
                client = await connect()
            except ConnectionRefusedError:
                await asyncio.sleep(0.001)
                continue
            client.send("ID", ID=device_id)
            return client


@pytest.mark.parametrize("is_slow", [False, True], ids=["at once", "slow platforms"])
async def test_what_comes_during_a_reload(
    hass: HomeAssistant, entry: MockConfigEntry, connect: Connect, is_slow: bool
) -> None:
    """A publish, an event, a message and a new device that come while much is set up: nothing is lost, each time."""
    house = House(hass, entry, connect)
    await house.start()
    client = await house.come("living")
    await house.describe("living", "living/bell", "event OPTIONS=a,b")
    for number in range(MANY):
        client.send("PUB", VARIABLE=f"living/{number}", VALUE=number, ACK="NO")
    await client.ok("PUB", VARIABLE="living/early", VALUE="first")
    await hass.async_block_till_done()
    found: dict[str, list[Event]] = {}
    automations = []
    for trigger, variables in (
        ("variable_published", "living/early"),
        ("variable_published", "living/bell"),
        ("message_received", ""),
    ):
        event = f"found_{variables.rpartition('/')[2] or trigger}"
        automations.append(
            {
                "alias": event,
                "triggers": [
                    {
                        "trigger": f"{DOMAIN}.{trigger}",
                        "options": {"variable": variables} if variables else {},
                    }
                ],
                "actions": [
                    {
                        "event": event,
                        "event_data": {
                            "told": "{{ trigger.value | default(trigger.text) }}"
                        },
                    }
                ],
            }
        )
        found[event] = async_capture_events(hass, event)
    assert await async_setup_component(hass, "automation", {"automation": automations})
    await hass.async_block_till_done()
    forward = hass.config_entries.async_forward_entry_setups

    async def forward_slowly(*args: Any) -> None:
        await asyncio.sleep(0.3)
        await forward(*args)

    with patch.object(
        hass.config_entries,
        "async_forward_entry_setups",
        forward_slowly if is_slow else forward,
    ):
        for number in range(ROUNDS):
            reload = hass.async_create_task(
                hass.config_entries.async_reload(entry.entry_id)
            )
            assert await client.ended() == "shutdown"
            stranger = await come_early(connect, f"stranger{number}")
            client = await come_early(connect, "living")
            assert (await client.answer()).command == "OK"
            bell = "ab"[number % 2]
            await client.ok("PUB", VARIABLE="living/early", VALUE=f"early{number}")
            await client.ok("PUB", VARIABLE="living/bell", VALUE=bell, RETAIN="NO")
            await client.ok("MSG", DEVICE="homeassistant", VALUE=f"early{number}")
            assert await reload
            await hass.async_block_till_done(wait_background_tasks=True)
            cards = [
                flow["context"]["unique_id"]
                for flow in hass.config_entries.flow.async_progress_by_handler(DOMAIN)
            ]
            assert cards == [f"stranger{number}"]
            told = {
                event: [str(one.data["told"]) for one in events]
                for event, events in found.items()
            }
            early = [f"early{one}" for one in range(number + 1)]
            assert told == {
                "found_early": early,
                "found_bell": ["ab"[one % 2] for one in range(number + 1)],
                "found_message_received": early,
            }
            assert house.shown("living/early") == f"early{number} on living"
            ring, message = (
                hass.states.get(one)
                for one in ("event.living_bell", "event.living_message")
            )
            assert ring is not None
            assert ring.attributes["event_type"] == bell
            assert message is not None
            assert message.attributes["text"] == f"early{number}"
            await stranger.close()

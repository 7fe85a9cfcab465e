"""What a device describes or sends wrongly shows in the repairs, once, until it is put right."""

import logging
import time
from typing import Final

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.textmq.const import DOMAIN, REFRESH
from custom_components.textmq.hub.device_issues import PROTOCOL_URL, Trouble
from custom_components.textmq.hub.mistake_list import MAX_KEPT, MAX_SHOWN
from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir

from .announced import Announced
from .client import Client, until
from .conftest import Connect, entity_id, shown

NAME: Final = "garden/level"
REFUSED: Final = "is described wrongly"
MALFORMED: Final = "was refused"
WRONG: Final = {"VARIABLE": NAME, "TYPE": "number", "MIN": "5", "MAX": "1"}
ADJUSTED: Final = {"VARIABLE": NAME, "TYPE": "sensor", "CATEGORY": "config"}
RIGHT: Final = {"VARIABLE": NAME, "TYPE": "sensor"}
IN_MARKDOWN: Final = r"garden\/level"


def told(hass: HomeAssistant) -> set[str]:
    """Return the IDs of our issues."""
    return {
        issue_id
        for (domain, issue_id), issue in ir.async_get(hass).issues.items()
        if domain == DOMAIN and issue.active
    }


def mistakes(hass: HomeAssistant, trouble: Trouble, device_id: str = "garden") -> str:
    """Return what an issue lists; nothing where there is none."""
    issue = ir.async_get(hass).async_get_issue(DOMAIN, f"{trouble}_{device_id}")
    if issue is None or issue.translation_placeholders is None:
        return ""
    return issue.translation_placeholders["mistakes"]


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return our lines at warning or above."""
    return [
        one.getMessage()
        for one in caplog.records
        if one.name == "custom_components.textmq" and one.levelno >= logging.WARNING
    ]


def pass_quietly(rooms: RuntimeData, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the time pass in which nothing happens, up to the next refresh."""
    later = rooms.broker.clock() + REFRESH.total_seconds() + 1
    monkeypatch.setattr(rooms.broker, "clock", lambda: later)
    rooms.issues.refresh()


async def wrong(client: Client, command: str, **params: object) -> None:
    """Send what is refused."""
    assert (await client.do(command, **params)).command == "BAD"


# Descriptions


async def test_what_is_left_out_shows_in_a_repair(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It names the device, the variable and what was left out; the entity is there without it."""
    client = await connect("garden")
    await client.ok(
        "DEF", VARIABLE=NAME, TYPE="sensor", CLASS="power", UNIT="VAr", PRECISION="1"
    )
    await client.ok("PUB", VARIABLE=NAME, VALUE="5")
    await hass.async_block_till_done()
    assert shown(hass, "sensor", NAME).state == "5"
    issue = ir.async_get(hass).async_get_issue(
        DOMAIN, "device_description_adjusted_garden"
    )
    assert issue is not None
    assert not issue.is_fixable
    assert issue.learn_more_url == PROTOCOL_URL
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["name"] == "Garden"
    listed = issue.translation_placeholders["mistakes"]
    assert listed.startswith(
        f"- **{IN_MARKDOWN}**: UNIT\\=VAr does not fit CLASS\\=power"
    )
    assert logged(caplog) == []


async def test_a_refused_description_shows_in_a_repair(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    announced_warnings: Announced,
) -> None:
    """It names the device, the variable and the reason; a right description ends it, and brings the entity."""
    announced_warnings.append(REFUSED)
    client = await connect("garden")
    for _ in range(3):
        await wrong(client, "DEF", **WRONG)
    await hass.async_block_till_done()
    assert not entity_id(hass, "number", NAME)
    assert told(hass) == {"device_description_refused_garden"}
    assert mistakes(hass, Trouble.DESCRIPTION_REFUSED) == (
        f"- **{IN_MARKDOWN}**: bad\\-definition\\: MIN\\=5 is above MAX\\=1"
    )
    assert logged(caplog) == [
        "Device 'garden': 'garden/level' is described wrongly:"
        " 'bad-definition: MIN=5 is above MAX=1'"
    ]
    await client.ok("DEF", **{**WRONG, "MAX": "9"})
    await client.ok("PUB", VARIABLE=NAME, VALUE="7")
    await hass.async_block_till_done()
    assert told(hass) == set()
    state = shown(hass, "number", NAME)
    assert (state.state, state.attributes["max"]) == ("7", 9)


@pytest.mark.parametrize("before", [WRONG, ADJUSTED], ids=["refused", "adjusted"])
@pytest.mark.parametrize("first", [True, False], ids=["new", "described before"])
async def test_a_right_description_ends_the_repair(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    announced_warnings: Announced,
    before: dict[str, str],
    first: bool,
) -> None:
    """Also where it is the one that was in force all the time."""
    client = await connect("garden")
    if not first:
        await client.ok("DEF", **RIGHT)
    answer = await client.do("DEF", **before)
    if answer.command == "BAD":
        announced_warnings.append(REFUSED)
    assert len(told(hass)) == 1
    await client.ok("DEF", **RIGHT)
    assert told(hass) == set()


async def test_what_is_adjusted_now_is_not_refused_any_more(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    announced_warnings: Announced,
) -> None:
    """One repair goes, the other comes."""
    announced_warnings.append(REFUSED)
    client = await connect("garden")
    await wrong(client, "DEF", **WRONG)
    await client.ok("DEF", **ADJUSTED)
    assert told(hass) == {"device_description_adjusted_garden"}
    assert "CATEGORY" in mistakes(hass, Trouble.DESCRIPTION_ADJUSTED)


@pytest.mark.parametrize("command", ["DEL", "DEF"])
async def test_without_the_description_there_is_nothing_to_put_right(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect, command: str
) -> None:
    """The repair goes with the variable, or with its description."""
    client = await connect("garden")
    await client.ok("DEF", **ADJUSTED)
    await client.ok("DEF", **{**ADJUSTED, "VARIABLE": "garden/other"})
    await client.ok(command, VARIABLE=NAME)
    assert mistakes(hass, Trouble.DESCRIPTION_ADJUSTED).startswith(r"- **garden\/other")
    await client.ok(command, VARIABLE="garden/other")
    assert told(hass) == set()


@pytest.mark.parametrize("known", [["garden", "kitchen"]])
async def test_the_description_of_another_device(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    announced_warnings: Announced,
) -> None:
    """Who describes the variable now is who has to put it right."""
    announced_warnings.append("is described by device 'kitchen' as well")
    garden, kitchen = await connect("garden"), await connect("kitchen")
    await garden.ok("DEF", **ADJUSTED)
    await kitchen.ok("DEF", **{**ADJUSTED, "NAME": "Level"})
    assert told(hass) == {"device_description_adjusted_kitchen"}
    # In the same words nothing changes but who says them.
    await garden.ok("DEF", **{**ADJUSTED, "NAME": "Level"})
    pass_quietly(rooms, monkeypatch)
    assert told(hass) == {"device_description_adjusted_garden"}


async def test_a_description_stays_wrong_however_quiet_its_device_is(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    announced_warnings: Announced,
) -> None:
    """A device describes once, when it connects."""
    announced_warnings.append(REFUSED)
    client = await connect("garden")
    await client.ok("DEF", **ADJUSTED)
    await wrong(client, "DEF", **{**WRONG, "VARIABLE": "garden/other"})
    expected = {
        "device_description_adjusted_garden",
        "device_description_refused_garden",
    }
    assert told(hass) == expected
    pass_quietly(rooms, monkeypatch)
    assert told(hass) == expected


async def test_connecting_without_the_mistake_ends_it(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    announced_warnings: Announced,
) -> None:
    """While a device connects over and over with the same mistake, the repair and a person's choice stay."""
    announced_warnings.append(REFUSED)
    client = await connect("garden")
    await wrong(client, "DEF", **WRONG)
    await wrong(client, "DEF", **{**WRONG, "VARIABLE": "garden/other"})
    issue_id = "device_description_refused_garden"
    ir.async_ignore_issue(hass, DOMAIN, issue_id, True)
    client = await connect("garden")
    await wrong(client, "DEF", **WRONG)
    issue = ir.async_get(hass).async_get_issue(DOMAIN, issue_id)
    assert issue is not None
    assert issue.dismissed_version is not None
    pass_quietly(rooms, monkeypatch)
    assert "level" in mistakes(hass, Trouble.DESCRIPTION_REFUSED)
    assert "other" not in mistakes(hass, Trouble.DESCRIPTION_REFUSED)
    # It tells more of itself, and does not connect again.
    await client.ok("ID", ID="garden", NAME="Garden")
    pass_quietly(rooms, monkeypatch)
    assert told(hass) == {issue_id}
    await connect("garden")
    pass_quietly(rooms, monkeypatch)
    assert told(hass) == set()


async def test_a_set_of_descriptions_with_a_refused_one(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    announced_warnings: Announced,
) -> None:
    """That the set is refused is no second repair; without one it is a mistake of its own."""
    announced_warnings.extend((REFUSED, MALFORMED))
    client = await connect("garden")
    await wrong(client, "DEF", **WRONG)
    await wrong(client, "DEFS", TOKEN="t", COUNT=1)
    assert told(hass) == {"device_description_refused_garden"}
    await client.ok("DEF", **RIGHT)
    await wrong(client, "DEFS", TOKEN="t", COUNT=5)
    assert told(hass) == {"device_command_refused_garden"}
    assert mistakes(hass, Trouble.COMMAND_REFUSED).startswith(
        r"- **DEFS**: bad\-definition"
    )


# Commands


async def test_what_is_malformed_shows_in_a_repair(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    announced_warnings: Announced,
) -> None:
    """Simple clients don't read the answers: a person sees what did not arrive."""
    announced_warnings.append(MALFORMED)
    client = await connect("garden")
    for _ in range(5):
        client.send_bytes(
            "START | COMMAND=PUB | VARIABLE=garden/t | VALUE=21 °C | END\n".encode()
        )
        assert (await client.answer()).command == "BAD"
    await wrong(client, "PUB", VARIABLE="garden//t", VALUE=1)
    await wrong(client, "PUB", VARIABLE="garden/t")
    await wrong(client, "PUBB", VARIABLE="garden/t", VALUE=1)
    listed = mistakes(hass, Trouble.COMMAND_REFUSED).splitlines()
    assert [one.partition("**: ")[0] for one in listed] == [
        "- **malformed",
        "- **PUB",
        r"- **PUB garden\/t",
        r"- **PUBB garden\/t",
    ]
    assert "missing" in listed[2]
    assert len(logged(caplog)) == 1
    assert logged(caplog)[0].startswith("Device 'garden': 'malformed' was refused: ")


@pytest.mark.parametrize(
    ("command", "params"),
    [
        ("GET", {"VARIABLE": "garden/none"}),
        ("MSG", {"DEVICE": "nobody", "VALUE": "hello"}),
        ("MSG", {"DEVICE": "nobody", "VALUE": "hello", "TTL": "60"}),
    ],
)
async def test_a_question_is_no_mistake(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    command: str,
    params: dict[str, str],
) -> None:
    """A device may ask for what is not there."""
    await wrong(await connect("garden"), command, **params)
    assert told(hass) == set()


async def test_a_device_that_sends_nothing_wrong_any_more(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    announced_warnings: Announced,
) -> None:
    """After ten minutes without a mistake the repair goes."""
    announced_warnings.append(MALFORMED)
    client = await connect("garden")
    await wrong(client, "PUB", VARIABLE="garden/t")
    rooms.issues.refresh()
    assert told(hass) == {"device_command_refused_garden"}
    later = time.monotonic() + REFRESH.total_seconds() + 1
    monkeypatch.setattr(rooms.broker, "clock", lambda: later)
    await wrong(client, "PUB", VARIABLE="garden/t")
    rooms.issues.refresh()
    assert told(hass) == {"device_command_refused_garden"}
    pass_quietly(rooms, monkeypatch)
    assert told(hass) == set()


# Who and how many


async def test_a_removed_device_has_no_repairs(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    announced_warnings: Announced,
) -> None:
    """None of any kind is left, and it begins anew when it comes back."""
    announced_warnings.extend((REFUSED, MALFORMED))
    client = await connect("garden")
    await client.ok("DEF", **ADJUSTED)
    await wrong(client, "DEF", **{**WRONG, "VARIABLE": "garden/other"})
    await wrong(client, "PUB", VARIABLE="garden/t")
    assert len(told(hass)) == 3
    hass.config_entries.async_remove_subentry(entry, next(iter(entry.subentries)))
    await hass.async_block_till_done()
    assert told(hass) == set()


async def test_a_replaced_device_has_no_repairs(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """What the new board describes is its own matter."""
    client = await connect("garden")
    await client.ok("DEF", **ADJUSTED)
    subentry = next(iter(entry.subentries.values()))
    data = {**subentry.data, "device_id": "shed", "replaces": "garden"}
    hass.config_entries.async_update_subentry(
        entry, subentry, data=data, unique_id="shed"
    )
    await hass.async_block_till_done()
    assert told(hass) == set()
    client = await connect("shed")
    await client.ok("DEF", **{**ADJUSTED, "VARIABLE": "shed/level"})
    assert told(hass) == {"device_description_adjusted_shed"}


async def test_other_settings_do_not_settle_a_description(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """Other rights change nothing of what is wrong with it."""
    client = await connect("garden")
    await client.ok("DEF", **ADJUSTED)
    rights = {"write": ["garden/#"], "read": ["#"], "message": True}
    subentry = next(iter(entry.subentries.values()))
    hass.config_entries.async_update_subentry(
        entry, subentry, data={**subentry.data, "rights": rights}
    )
    await hass.async_block_till_done()
    assert told(hass) == {"device_description_adjusted_garden"}


async def test_a_restart_begins_anew(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """What a device says after it is what counts."""
    client = await connect("garden")
    await client.ok("DEF", **ADJUSTED)
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert told(hass) == set()
    client = await connect("garden")
    await client.ok("DEF", **ADJUSTED)
    assert told(hass) == {"device_description_adjusted_garden"}


async def test_a_flood_of_mistakes(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    announced_warnings: Announced,
) -> None:
    """One repair with ten lines, one line of the log; what is put right leaves room."""
    announced_warnings.append(REFUSED)
    client = await connect("garden")
    names = [f"garden/v{number}" for number in range(MAX_KEPT + 50)]
    for name in names:
        await wrong(client, "DEF", **{**WRONG, "VARIABLE": name})
        await client.ok("PUB", VARIABLE=name, VALUE=1)
    listed = mistakes(hass, Trouble.DESCRIPTION_REFUSED).splitlines()
    assert len(listed) == MAX_SHOWN + 1
    assert listed[-1] == "- …"
    assert len(logged(caplog)) == 1
    for name in names[: MAX_KEPT - 1]:
        await client.ok("DEF", **{**RIGHT, "VARIABLE": name})
    listed = mistakes(hass, Trouble.DESCRIPTION_REFUSED).splitlines()
    assert [one.partition("**: ")[0] for one in listed] == [
        rf"- **garden\/v{MAX_KEPT - 1}"
    ]


async def test_a_repair_that_comes_and_goes(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A device that describes rightly and wrongly in turn gets ten repairs, and then none for ten minutes."""
    client = await connect("garden")
    created: list[str] = []
    hass.bus.async_listen(
        ir.EVENT_REPAIRS_ISSUE_REGISTRY_UPDATED,
        lambda event: created.append(event.data["action"]),
    )
    for _ in range(30):
        await client.ok("DEF", **ADJUSTED)
        await client.ok("DEF", **RIGHT)
    await hass.async_block_till_done()
    assert created.count("create") == 10
    rooms.issues.refresh()
    await client.ok("DEF", **ADJUSTED)
    assert told(hass) == {"device_description_adjusted_garden"}


@pytest.mark.parametrize("known", [[f"node{number}" for number in range(12)]])
async def test_many_devices_with_mistakes(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """Eight are shown; when one is put right there is room for the next."""
    clients = [await connect(f"node{number}") for number in range(12)]
    for client in clients:
        await client.ok("DEF", **{**ADJUSTED, "VARIABLE": f"x/{id(client)}"})
    assert len(told(hass)) == 8
    await clients[0].ok("DEF", VARIABLE=f"x/{id(clients[0])}", TYPE="sensor")
    await clients[11].ok("DEF", **{**ADJUSTED, "VARIABLE": f"x/{id(clients[11])}"})
    assert len(told(hass)) == 8
    assert "device_description_adjusted_node11" in told(hass)


async def test_nothing_of_a_mistake_is_taken_for_markdown(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    announced_warnings: Announced,
) -> None:
    """What a device sends may be anything; it is shown as text, and not without end."""
    announced_warnings.append(REFUSED)
    client = await connect("garden")
    evil = r"[a](http://b)\n# <b>" + "x" * 2000
    await wrong(client, "DEF", VARIABLE="garden/[a](b)", TYPE="sensor", CLASS=evil)
    listed = mistakes(hass, Trouble.DESCRIPTION_REFUSED)
    assert r"\[a\]\(b\)" in listed
    assert "](" not in listed
    assert "\n" not in listed
    assert len(listed) < 1000


async def test_violations_of_a_device_that_tells_more_of_itself(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """They count since it connected, however often it sends ID."""
    rights = {"write": ["garden/#"], "read": ["#"], "message": True}
    subentry = next(iter(entry.subentries.values()))
    hass.config_entries.async_update_subentry(
        entry, subentry, data={**subentry.data, "rights": rights}
    )
    await hass.async_block_till_done()
    client = await connect("garden")
    for _ in range(2):
        for _ in range(9):
            await wrong(client, "PUB", VARIABLE="lock", VALUE=1)
        await client.ok("ID", ID="garden", NAME="Garden")
    await until(lambda: told(hass) == {"device_forbidden_garden"})

"""What people see is bounded, whatever devices send."""

from typing import Any

import pytest

from custom_components.textmq.hub.device_issues import Trouble
from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .announced import Announced
from .conftest import Connect
from .test_device_mistakes import MALFORMED, REFUSED, mistakes, told


async def test_a_flood_of_ever_new_details(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    announced_warnings: Announced,
) -> None:
    """One variable that is described wrongly in ever new ways changes its repair 200 times, then at the next refresh."""
    announced_warnings.append(REFUSED)
    changes = 0

    @callback
    def changed(_event: Event[Any]) -> None:
        nonlocal changes
        changes += 1

    hass.bus.async_listen(ir.EVENT_REPAIRS_ISSUE_REGISTRY_UPDATED, changed)
    client = await connect("garden")
    for number in range(1000):
        client.send("DEF", VARIABLE="garden/x", TYPE="sensor", MIN=f"a{number}")
        assert (await client.answer()).command == "BAD"
    await hass.async_block_till_done()
    assert changes == 201
    rooms.issues.refresh()
    assert "a999" in mistakes(hass, Trouble.DESCRIPTION_REFUSED)
    await client.ok("DEF", VARIABLE="garden/x", TYPE="sensor")
    assert mistakes(hass, Trouble.DESCRIPTION_REFUSED) == ""


@pytest.mark.parametrize("options", [{"limits": {"variables_per_client": 1}}])
async def test_a_limit_is_no_wrong_description(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    announced_warnings: Announced,
) -> None:
    """Of a description for which there is no room, nothing says that it is wrong."""
    announced_warnings.append(MALFORMED)
    client = await connect("garden")
    await client.ok("DEF", VARIABLE="garden/x", TYPE="sensor")
    assert (await client.do("DEF", VARIABLE="garden/y", TYPE="sensor"))[
        "REASON"
    ] == "limit"
    assert told(hass) == {"device_command_refused_garden"}
    assert r"**DEF garden\/y**: limit" in mistakes(hass, Trouble.COMMAND_REFUSED)

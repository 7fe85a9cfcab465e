"""A condition that can never be met is refused; a name that is inflected stays whole."""

import probatio
import pytest

from custom_components.textmq.condition import VariableIsCondition
from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant.core import HomeAssistant

from .conftest import Connect, shown


@pytest.mark.parametrize("name", ["garden/#", "+/soil", "", "a//b", "$SYS/version"])
async def test_a_filter_is_no_variable(hass: HomeAssistant, name: str) -> None:
    """A condition is of one variable."""
    options = {"variable": name, "value": "1"}
    with pytest.raises(probatio.Invalid, match="the name of one variable"):
        await VariableIsCondition.async_validate_config(hass, {"options": options})
    options["variable"] = "garden/soil"
    await VariableIsCondition.async_validate_config(hass, {"options": options})


@pytest.mark.parametrize("apostrophe", ["'", r"\u2019"])
async def test_an_inflected_name_is_one_word(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect, apostrophe: str
) -> None:
    """The device's name is not cut out of its genitive."""
    client = await connect("garden")
    await client.ok(
        "DEF", VARIABLE="garden/x", TYPE="sensor", NAME=f"Garden{apostrophe}s pump"
    )
    await hass.async_block_till_done()
    name = shown(hass, "sensor", "garden/x").attributes["friendly_name"]
    assert name in ("Garden Garden's pump", "Garden Garden\u2019s pump")

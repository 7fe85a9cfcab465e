"""What Home Assistant makes of sensors over time: long-term statistics, the energy dashboard, helpers."""

from datetime import timedelta
from typing import Any, Final

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
    do_adhoc_statistics,
    statistics_during_period,
)

from custom_components.textmq.broker import wire
from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant.components.energy.data import async_get_manager
from homeassistant.components.energy.validate import async_validate
from homeassistant.components.recorder.models import StatisticMeanType
from homeassistant.components.recorder.statistics import list_statistic_ids
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.recorder import get_instance
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util

from .client import Client, until
from .conftest import Connect, entity_id, shown, state_of

NAME: Final = "garden/meter"

MEAN: Final = StatisticMeanType.ARITHMETIC
ANGLE: Final = StatisticMeanType.CIRCULAR
NONE: Final = StatisticMeanType.NONE


async def publish(hass: HomeAssistant, client: Client, value: object) -> None:
    """Publish a value, and wait until it shows."""
    await client.ok("PUB", VARIABLE=NAME, VALUE=value)
    await hass.async_block_till_done()


async def compile_statistics(hass: HomeAssistant) -> None:
    """Compile the statistics of the five minutes that it is now."""
    await async_wait_recording_done(hass)
    now = dt_util.utcnow()
    start = now.replace(minute=now.minute - now.minute % 5, second=0, microsecond=0)
    do_adhoc_statistics(hass, start=start)
    await async_wait_recording_done(hass)


@pytest.mark.parametrize(
    ("definition", "state_class", "mean", "has_sum"),
    [
        ("CLASS=temperature UNIT=°C", "measurement", MEAN, False),
        ("UNIT=%", "measurement", MEAN, False),
        ("", "measurement", MEAN, False),
        ("CLASS=wind_direction UNIT=°", "measurement_angle", ANGLE, False),
        ("UNIT=° STATE=measurement_angle", "measurement_angle", ANGLE, False),
        ("UNIT=° STATE=measurement", "measurement", MEAN, False),
        ("CLASS=energy UNIT=kWh", "total_increasing", NONE, True),
        ("CLASS=energy UNIT=kWh STATE=measurement", "total_increasing", NONE, True),
        ("CLASS=energy UNIT=kWh STATE=total", "total", NONE, True),
        ("CLASS=gas UNIT=m³", "total_increasing", NONE, True),
        ("CLASS=water UNIT=L", "total_increasing", NONE, True),
        ("CLASS=volume UNIT=L", "total_increasing", NONE, True),
        ("CLASS=monetary UNIT=EUR", "total", NONE, True),
        ("CLASS=power UNIT=W STATE=total_increasing", "measurement", MEAN, False),
        ("CLASS=energy_storage UNIT=kWh", "measurement", MEAN, False),
        ("MODE=text", None, None, False),
        ("CLASS=timestamp", None, None, False),
    ],
)
async def test_statistics(
    recorder_mock: Any,
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    definition: str,
    state_class: str | None,
    mean: StatisticMeanType | None,
    has_sum: bool,
) -> None:
    """A number has the statistics that its class is made for, also where STATE is not told or can't be."""
    assert await async_setup_component(hass, "sensor", {})
    client = await connect("garden")
    params = dict(one.split("=") for one in wire.encode(definition).split())
    await client.ok("DEF", VARIABLE=NAME, TYPE="sensor", **params)
    await publish(hass, client, 359)
    await publish(hass, client, 360)
    await until(lambda: not rooms.writer.busy)
    assert shown(hass, "sensor", NAME).attributes.get("state_class") == state_class
    await compile_statistics(hass)
    statistic_id = entity_id(hass, "sensor", NAME)
    listed = await get_instance(hass).async_add_executor_job(
        list_statistic_ids, hass, {statistic_id}
    )
    assert [(one["mean_type"], one["has_sum"]) for one in listed] == (
        [] if mean is None else [(mean, has_sum)]
    )
    found = statistics_during_period(
        hass, dt_util.utcnow() - timedelta(minutes=10), period="5minute"
    )
    rows = found.get(statistic_id, [])
    assert len(rows) == len(listed)
    if has_sum:
        assert rows[0]["sum"] is not None
    elif listed:
        assert 359 <= (rows[0]["mean"] % 360 or 360) <= 360


async def test_the_energy_dashboard_takes_them(
    recorder_mock: Any, hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A meter of which no more is told than what it measures can be chosen there, without a complaint."""
    assert await async_setup_component(hass, "energy", {})
    client = await connect("garden")
    meters = {
        "solar": ("energy", "kWh"),
        "gas": ("gas", r"m\u00b3"),
        "water": ("water", "L"),
    }
    for name, (device_class, unit) in meters.items():
        await client.ok(
            "DEF",
            VARIABLE=f"garden/{name}",
            TYPE="sensor",
            CLASS=device_class,
            UNIT=unit,
        )
        await client.ok("PUB", VARIABLE=f"garden/{name}", VALUE=5)
    await hass.async_block_till_done()
    await compile_statistics(hass)
    manager = await async_get_manager(hass)
    sources: Any = [
        {
            "type": name,
            "stat_energy_from": entity_id(hass, "sensor", f"garden/{name}"),
        }
        for name in meters
    ]
    await manager.async_update({"energy_sources": sources, "device_consumption": []})
    result = (await async_validate(hass)).as_dict()
    assert len(result["energy_sources"]) == 3
    assert not any(result["energy_sources"])


async def test_what_is_described_before_its_first_value_needs_no_repair(
    recorder_mock: Any, hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """Home Assistant has nothing to ask about its statistics."""
    client = await connect("garden")
    await client.ok("DEF", VARIABLE=NAME, TYPE="sensor", CLASS="energy", UNIT="kWh")
    await publish(hass, client, 5)
    await compile_statistics(hass)
    await client.ok(
        "DEF", VARIABLE=NAME, TYPE="sensor", CLASS="energy", UNIT="kWh", NAME="Meter"
    )
    await publish(hass, client, 6)
    await compile_statistics(hass)
    assert not [key for key in ir.async_get(hass).issues if key[0] == "sensor"]


@pytest.mark.parametrize("force", ["YES", "NO"])
async def test_helpers_hear_of_equal_values_where_it_is_wanted(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect, force: str
) -> None:
    """With FORCE an integral grows while the power stays the same, and the sensor is reported again."""
    client = await connect("garden")
    await client.ok(
        "DEF", VARIABLE=NAME, TYPE="sensor", CLASS="power", UNIT="kW", FORCE=force
    )
    await publish(hass, client, 100)
    source = entity_id(hass, "sensor", NAME)
    options = {
        "source": source,
        "name": "Energy",
        "method": "left",
        "unit_time": "s",
        "round": 9.0,
    }
    helper = MockConfigEntry(domain="integration", title="Energy", options=options)
    helper.add_to_hass(hass)
    assert await hass.config_entries.async_setup(helper.entry_id)
    await hass.async_block_till_done()
    await until(lambda: not rooms.writer.busy)
    before = state_of(hass, source)
    reported, changed = before.last_reported, before.last_changed
    for _ in range(3):
        await publish(hass, client, 100)
        await until(lambda: not rooms.writer.busy)
        await hass.async_block_till_done()
    after = state_of(hass, source)
    wanted = force == "YES"
    assert (after.last_reported > reported) is wanted
    assert (after.last_changed > changed) is wanted
    energy = state_of(hass, "sensor.garden_energy").state
    assert (energy not in ("unknown", "unavailable") and float(energy) > 0) is wanted

"""Backups and saving: what is in memory goes into them, and what can't be written is told."""

import asyncio
import json
from pathlib import Path
import shutil
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_test_home_assistant,
)

from custom_components.textmq import backup as textmq_backup
from custom_components.textmq.const import DOMAIN
from custom_components.textmq.hub import issues
from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant import loader
from homeassistant.backup_restore import RESTORE_BACKUP_FILE, restore_backup
from homeassistant.const import EVENT_HOMEASSISTANT_FINAL_WRITE
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component

from .client import until
from .conftest import Connect


@pytest.fixture
def hass_storage() -> dict[str, Any]:
    """Let Home Assistant's storage write real files, which the tests of others do without."""
    return {}


def issue(hass: HomeAssistant, issue_id: str) -> ir.IssueEntry | None:
    """Return a repair issue, None where there is none."""
    return ir.async_get(hass).async_get_issue(DOMAIN, issue_id)


def folder(hass: HomeAssistant) -> Path:
    """Return the folder of the variables."""
    return Path(hass.config.path(DOMAIN))


async def create_backup(hass: HomeAssistant) -> Path:
    """Let Home Assistant make a backup; returns its file."""
    assert await async_setup_component(hass, "backup", {})
    await hass.async_block_till_done()
    await hass.services.async_call("backup", "create", blocking=True)
    await hass.async_block_till_done()
    (path,) = await hass.async_add_executor_job(
        lambda: list(Path(hass.config.path("backups")).glob("*.tar"))
    )
    return path


def restore(config: Path, backup: Path) -> None:
    """Let Home Assistant restore a backup into a configuration folder, as it does at its start."""
    instruction = {
        "path": str(backup),
        "password": None,
        "remove_after_restore": False,
        "restore_database": False,
        "restore_homeassistant": True,
    }
    (config / RESTORE_BACKUP_FILE).write_text(json.dumps(instruction))
    assert restore_backup(str(config))


async def test_backup_and_restore_on_another_machine(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    tmp_path: Path,
) -> None:
    """Home Assistant's own backup has the values of now, and another machine starts with them."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE="garden/soil", VALUE="42")
    await client.ok("PUB", VARIABLE="garden/" + "x" * 200, VALUE="long")
    await client.ok("DEF", VARIABLE="garden/soil", TYPE="sensor", NAME="Soil")
    await hass.async_block_till_done()
    assert not list(folder(hass).glob("*.txt"))
    time = (await rooms.actions.get("garden/soil")).time
    path = await create_backup(hass)
    assert issue(hass, issues.BACKUP_INCOMPLETE) is None
    fresh = tmp_path / "other machine"
    fresh.mkdir()
    await hass.async_add_executor_job(restore, fresh, path)
    assert await hass.config_entries.async_unload(entry.entry_id)
    async with async_test_home_assistant(config_dir=str(fresh)) as other:
        other.data.pop(loader.DATA_CUSTOM_COMPONENTS)
        again = MockConfigEntry(
            domain=DOMAIN, unique_id=entry.unique_id, data=dict(entry.data)
        )
        again.add_to_hass(other)
        assert await other.config_entries.async_setup(again.entry_id)
        await other.async_block_till_done()
        restored: RuntimeData = again.runtime_data
        soil = await restored.actions.get("garden/soil")
        assert (soil.value, soil.device) == ("42", "garden")
        assert abs(soil.time - time) < 0.002
        assert soil.definition is not None
        assert soil.definition.name == "Soil"
        assert (await restored.actions.get("garden/" + "x" * 200)).value == "long"
        garden = restored.broker.devices.get("garden")
        assert garden is not None
        assert garden.last_seen is not None
        assert await other.config_entries.async_unload(again.entry_id)
        await other.async_stop(force=True)


async def test_files_stay_as_they_are_during_a_backup(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A file that vanished while they are packed would end the backup: none does."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE="a", VALUE="1")
    await textmq_backup.async_pre_backup(hass)
    assert (folder(hass) / "a.txt").exists()
    await client.ok("DEL", VARIABLE="a")
    await asyncio.sleep(0.8)
    assert (folder(hass) / "a.txt").exists()
    await textmq_backup.async_post_backup(hass)
    await until(lambda: not (folder(hass) / "a.txt").exists())


@pytest.mark.parametrize("what", ["variables", "devices"])
@pytest.mark.announced_warnings(
    "can't be saved|Saving file failed|Error writing config"
)
async def test_what_can_not_be_saved_does_not_end_the_backup(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect, what: str
) -> None:
    """It is told by a repair issue, which goes with the next backup that is complete."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE="a", VALUE="1")
    if what == "variables":
        in_the_way = folder(hass) / "a.txt"
    else:
        in_the_way = Path(hass.config.path(".storage", "textmq.devices"))
    in_the_way.mkdir(parents=True)
    path = await create_backup(hass)
    found = issue(hass, issues.BACKUP_INCOMPLETE)
    assert found is not None
    assert found.translation_placeholders is not None
    assert found.translation_placeholders["reason"]
    assert (issue(hass, issues.NOT_SAVED) is not None) == (what == "variables")
    in_the_way.rmdir()
    path.unlink()
    await create_backup(hass)
    assert issue(hass, issues.BACKUP_INCOMPLETE) is None
    assert issue(hass, issues.NOT_SAVED) is None


@pytest.mark.announced_warnings("Saving before a backup failed")
async def test_a_backup_does_not_wait_for_ever(
    hass: HomeAssistant,
    rooms: RuntimeData,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither a disk that hangs nor an error of ours keeps a backup from being made."""
    monkeypatch.setattr(textmq_backup, "_TIMEOUT", 0.05)

    async def hang() -> None:
        await asyncio.sleep(3600)

    async def fail() -> None:
        raise HomeAssistantError("out of order")

    for save in (hang, fail):
        monkeypatch.setattr(rooms.broker, "save", save)
        (await create_backup(hass)).unlink()
        assert issue(hass, issues.BACKUP_INCOMPLETE) is not None
        ir.async_delete_issue(hass, DOMAIN, issues.BACKUP_INCOMPLETE)


async def test_a_backup_without_a_broker(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry
) -> None:
    """Where TextMQ is not loaded there is nothing to do."""
    assert await hass.config_entries.async_unload(entry.entry_id)
    await create_backup(hass)
    assert issue(hass, issues.BACKUP_INCOMPLETE) is None


@pytest.mark.parametrize("options", [{"save_interval": 1}])
@pytest.mark.announced_warnings("files can't be saved")
async def test_a_repair_tells_that_values_are_not_saved(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """It comes with the first failure, and goes by itself when all is saved."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE="first", VALUE="1")
    await until(lambda: (folder(hass) / "first.txt").exists())
    away = folder(hass).with_name("away")
    folder(hass).rename(away)
    folder(hass).write_text("in the way")
    await client.ok("PUB", VARIABLE="a", VALUE="1")
    await until(lambda: issue(hass, issues.NOT_SAVED) is not None)
    found = issue(hass, issues.NOT_SAVED)
    assert found is not None
    assert found.translation_placeholders is not None
    assert found.translation_placeholders["folder"] == str(folder(hass))
    assert found.translation_placeholders["reason"] == "File exists"
    folder(hass).unlink()
    away.rename(folder(hass))
    await until(lambda: issue(hass, issues.NOT_SAVED) is None)
    assert (folder(hass) / "a.txt").exists()


async def test_another_save_interval(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """A new interval counts for the saver that runs; connections stay."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE="a", VALUE="1")
    hass.config_entries.async_update_entry(entry, options={"save_interval": 1})
    await until(lambda: (folder(hass) / "a.txt").exists())
    await client.ok("PUB", VARIABLE="a", VALUE="2")


async def test_a_start_that_fails_keeps_the_devices(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """Where the variables can't be loaded, the file of the devices stays as it was."""
    path = Path(hass.config.path(".storage", "textmq.devices"))
    path.parent.mkdir(parents=True, exist_ok=True)
    device = {"address": "192.0.2.1", "last_seen": 1.5e9, "asleep_until": None}
    content = {
        "version": 1,
        "minor_version": 1,
        "key": "textmq.devices",
        "data": {"garden": device},
    }
    path.write_text(json.dumps(content))
    folder(hass).write_text("in the way")
    assert not await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    hass.bus.async_fire(EVENT_HOMEASSISTANT_FINAL_WRITE)
    await hass.async_block_till_done()
    assert json.loads(path.read_text())["data"] == {"garden": device}
    folder(hass).unlink()
    shutil.rmtree(folder(hass), ignore_errors=True)

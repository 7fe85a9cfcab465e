"""Backups: what is in memory goes into the files first, and they stay as they are meanwhile."""

import asyncio
from datetime import timedelta
from typing import Final

from homeassistant.core import HomeAssistant

from .const import LOGGER
from .hub import issues
from .hub.runtime_data import async_get_entry

_TIMEOUT: Final = 60
"""Seconds that a backup waits for values to be saved."""
_LONGEST: Final = timedelta(hours=1)
"""Time after which files are written again, should the end of the backup never be told."""


async def async_pre_backup(hass: HomeAssistant) -> None:
    """Save everything, and write nothing until the backup is done.

    A file that goes while Home Assistant packs its folder would end the whole backup, and so
    would an error here: what can't be saved becomes a repair issue.
    """
    if (entry := async_get_entry(hass)) is None:
        return
    broker = entry.runtime_data.broker
    broker.pause_saving(_LONGEST.total_seconds())
    try:
        async with asyncio.timeout(_TIMEOUT):
            reason = await entry.runtime_data.save()
    except TimeoutError:
        reason = f"saving takes more than {_TIMEOUT} seconds"
    except Exception as err:  # noqa: BLE001
        LOGGER.exception("Saving before a backup failed")
        reason = str(err)
    issues.async_backup(hass, entry.entry_id, reason)


async def async_post_backup(hass: HomeAssistant) -> None:
    """Write files again."""
    if (entry := async_get_entry(hass)) is not None:
        entry.runtime_data.broker.resume_saving()

"""Backups: what is in memory goes into the files first, and they stay as they are meanwhile."""

import asyncio
from datetime import timedelta
from typing import Final

from homeassistant.core import HomeAssistant

from . import issues
from .const import LOGGER
from .hub import async_get_hub

_TIMEOUT: Final = 60
"""Seconds that a backup waits for values to be saved."""
_LONGEST: Final = timedelta(hours=1)
"""Time after which files are written again, should the end of the backup never be told."""


async def async_pre_backup(hass: HomeAssistant) -> None:
    """Save everything, and write nothing until the backup is done.

    A file that goes while Home Assistant packs its folder would end the whole backup, and so
    would an error here: what can't be saved becomes a repair issue.
    """
    if (hub := async_get_hub(hass)) is None:
        return
    hub.saver.pause(_LONGEST.total_seconds())
    try:
        async with asyncio.timeout(_TIMEOUT):
            reason = await hub.async_save_all()
    except TimeoutError:
        reason = f"saving takes more than {_TIMEOUT} seconds"
    except Exception as err:  # noqa: BLE001
        LOGGER.exception("Saving before a backup failed")
        reason = str(err)
    issues.async_backup(hass, reason)


async def async_post_backup(hass: HomeAssistant) -> None:
    """Write files again."""
    if (hub := async_get_hub(hass)) is not None:
        hub.saver.resume()

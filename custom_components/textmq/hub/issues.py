"""Repair issues: what only a person can put right."""

from collections.abc import Collection
from datetime import timedelta
from inspect import signature
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util

from ..broker import AccessMode
from ..const import DOMAIN
from .settings import Settings

PORT_IN_USE: Final = "port_in_use"
OPEN_ACCESS: Final = "open_access"
NOT_SAVED: Final = "not_saved"
BACKUP_INCOMPLETE: Final = "backup_incomplete"
CLOCK_BEHIND: Final = "clock_behind"

_MOST_BEHIND: Final = 60
"""Seconds that the clock may be behind: a small machine has no better one until the network tells."""


_CAN_LINK: Final = "config_entry_id" in signature(ir.async_create_issue).parameters
"""Home Assistant 2026.11 shows and deletes an issue with the config entry that it is of."""


@callback
def create_issue(
    hass: HomeAssistant, entry_id: str, issue_id: str, **details: Any
) -> None:
    """Create an issue of a config entry."""
    if _CAN_LINK:
        details["config_entry_id"] = entry_id
    ir.async_create_issue(hass, DOMAIN, issue_id, **details)


@callback
def async_port_in_use(hass: HomeAssistant, entry_id: str, port: int) -> None:
    """Tell that another program has the port."""
    create_issue(
        hass,
        entry_id,
        PORT_IN_USE,
        is_fixable=False,
        severity=ir.IssueSeverity.ERROR,
        translation_key=PORT_IN_USE,
        translation_placeholders={"port": str(port)},
    )


@callback
def async_saving(
    hass: HomeAssistant, entry_id: str, folder: Path, reasons: Collection[str]
) -> None:
    """Tell why variables can't be saved, nothing where all can."""
    if not reasons:
        ir.async_delete_issue(hass, DOMAIN, NOT_SAVED)
        return
    create_issue(
        hass,
        entry_id,
        NOT_SAVED,
        is_fixable=False,
        severity=ir.IssueSeverity.ERROR,
        translation_key=NOT_SAVED,
        translation_placeholders={
            "folder": str(folder),
            "reason": "; ".join(reasons),
        },
    )


@callback
def async_backup(hass: HomeAssistant, entry_id: str, reason: str | None) -> None:
    """Tell why a backup lacks the newest values, or nothing where it has them all."""
    if reason is None:
        ir.async_delete_issue(hass, DOMAIN, BACKUP_INCOMPLETE)
        return
    create_issue(
        hass,
        entry_id,
        BACKUP_INCOMPLETE,
        is_fixable=False,
        severity=ir.IssueSeverity.WARNING,
        translation_key=BACKUP_INCOMPLETE,
        translation_placeholders={
            "reason": reason,
            "time": dt_util.now().strftime("%Y-%m-%d %H:%M"),
        },
    )


@callback
def async_clock(hass: HomeAssistant, entry_id: str, behind: float) -> None:
    """Tell that the clock is behind the last save, in seconds, or nothing where it is not."""
    if behind <= _MOST_BEHIND:
        ir.async_delete_issue(hass, DOMAIN, CLOCK_BEHIND)
        return
    create_issue(
        hass,
        entry_id,
        CLOCK_BEHIND,
        is_fixable=False,
        severity=ir.IssueSeverity.WARNING,
        translation_key=CLOCK_BEHIND,
        translation_placeholders={
            "now": dt_util.now().strftime("%Y-%m-%d %H:%M"),
            "saved": dt_util.as_local(
                dt_util.utcnow() + timedelta(seconds=behind)
            ).strftime("%Y-%m-%d %H:%M"),
        },
    )


@callback
def async_delete_port_in_use(hass: HomeAssistant) -> None:
    """Tell no more that another program has the port: nothing wants it, or the broker has it."""
    ir.async_delete_issue(hass, DOMAIN, PORT_IN_USE)


@callback
def async_access(hass: HomeAssistant, entry_id: str, settings: Settings) -> None:
    """Tell that everybody is let in from everywhere, or nothing where that is not so."""
    if settings.access is not AccessMode.OPEN or is_local(settings.host):
        ir.async_delete_issue(hass, DOMAIN, OPEN_ACCESS)
        return
    create_issue(
        hass,
        entry_id,
        OPEN_ACCESS,
        is_fixable=True,
        severity=ir.IssueSeverity.WARNING,
        translation_key=OPEN_ACCESS,
        translation_placeholders={"port": str(settings.port)},
    )


@callback
def async_delete_all(hass: HomeAssistant) -> None:
    """Tell nothing any more: the broker is removed."""
    for domain, issue_id in tuple(ir.async_get(hass).issues):
        if domain == DOMAIN:
            ir.async_delete_issue(hass, DOMAIN, issue_id)


def is_local(host: str | None) -> bool:
    """Tell whether an address can be reached from this machine alone."""
    return host is not None and ip_address(host).is_loopback

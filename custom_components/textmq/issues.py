"""Repair issues: what only a person can put right."""

from collections.abc import Collection
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util

from .broker import AccessMode
from .const import DOMAIN
from .settings import Settings

PORT_IN_USE: Final = "port_in_use"
OPEN_ACCESS: Final = "open_access"
NOT_SAVED: Final = "not_saved"
BACKUP_INCOMPLETE: Final = "backup_incomplete"
CLOCK_BEHIND: Final = "clock_behind"

_MOST_BEHIND: Final = 60
"""Seconds that the clock may be behind: a small machine has no better one until the network tells."""


@callback
def async_port_in_use(hass: HomeAssistant, port: int) -> None:
    """Tell that another program has the port."""
    ir.async_create_issue(
        hass,
        DOMAIN,
        PORT_IN_USE,
        is_fixable=False,
        severity=ir.IssueSeverity.ERROR,
        translation_key=PORT_IN_USE,
        translation_placeholders={"port": str(port)},
    )


@callback
def async_saving(hass: HomeAssistant, folder: Path, reasons: Collection[str]) -> None:
    """Tell why variables can't be saved, nothing where all can."""
    if not reasons:
        ir.async_delete_issue(hass, DOMAIN, NOT_SAVED)
        return
    ir.async_create_issue(
        hass,
        DOMAIN,
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
def async_backup(hass: HomeAssistant, reason: str | None) -> None:
    """Tell why a backup lacks the newest values, or nothing where it has them all."""
    if reason is None:
        ir.async_delete_issue(hass, DOMAIN, BACKUP_INCOMPLETE)
        return
    ir.async_create_issue(
        hass,
        DOMAIN,
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
def async_clock(hass: HomeAssistant, behind: float) -> None:
    """Tell that the clock is behind the last save, in seconds, or nothing where it is not."""
    if behind <= _MOST_BEHIND:
        ir.async_delete_issue(hass, DOMAIN, CLOCK_BEHIND)
        return
    ir.async_create_issue(
        hass,
        DOMAIN,
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
def async_check(hass: HomeAssistant, settings: Settings) -> None:
    """Tell what is wrong with the settings of a broker that runs, and nothing that is right again."""
    ir.async_delete_issue(hass, DOMAIN, PORT_IN_USE)
    if settings.access is not AccessMode.OPEN or is_local(settings.host):
        ir.async_delete_issue(hass, DOMAIN, OPEN_ACCESS)
        return
    ir.async_create_issue(
        hass,
        DOMAIN,
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

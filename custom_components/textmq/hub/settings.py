"""What a person has set, read from the config entry."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import probatio

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_HOST, CONF_PORT

from ..broker import ALL_RIGHTS, AccessMode, Limits, Rights, names
from ..const import (
    ALL_INTERFACES,
    CONF_ACCESS,
    CONF_DELETE_VARIABLES,
    CONF_EXCLUDE,
    CONF_INCLUDE,
    CONF_KEEPALIVE,
    CONF_KEEPALIVE_TIMEOUT,
    CONF_KEY,
    CONF_LIMITS,
    CONF_MESSAGE,
    CONF_READ,
    CONF_RIGHTS,
    CONF_SAVE_INTERVAL,
    CONF_WRITE,
    DEFAULT_SAVE_INTERVAL,
    EVERYTHING,
    PRESENCE,
)
from .keys import read_key

DEFAULT_LIMITS: Final = Limits()

ADJUSTABLE_LIMITS: Final[Mapping[str, tuple[int, int]]] = {
    "line": (256, 65536),
    "clients": (1, 10000),
    "variables": (1, 50000),
    "variables_per_client": (1, 50000),
    "subscriptions": (1, 10000),
    "messages": (1, 1000),
    "rate": (1, 100000),
    "burst": (1, 100000),
}
"""The limits that a person may change, each with its least and its greatest value."""
_FIELDS: Final = {"line": "max_line", "messages": "max_queued_messages"}
"""Names of limits in the broker that differ from those under which they are stored."""


def default_limit(name: str) -> int:
    """Return the default of a limit that a person may change, by the name under which it is stored."""
    return int(getattr(DEFAULT_LIMITS, _FIELDS.get(name, name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of the broker; times in seconds."""

    host: str | None
    port: int
    access: AccessMode
    limits: Limits
    save_interval: float
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    delete_variables: bool

    @classmethod
    def read(cls, entry: ConfigEntry[Any]) -> Self:
        """Read the settings of an entry."""
        options = entry.options
        limits = replace(
            DEFAULT_LIMITS,
            keepalive=options.get(CONF_KEEPALIVE, DEFAULT_LIMITS.keepalive),
            keepalive_timeout=options.get(
                CONF_KEEPALIVE_TIMEOUT, DEFAULT_LIMITS.keepalive_timeout
            ),
            **{
                _FIELDS.get(name, name): value
                for name, value in options.get(CONF_LIMITS, {}).items()
            },
        )
        return cls(
            host=address(entry.data[CONF_HOST]),
            port=entry.data[CONF_PORT],
            access=AccessMode(entry.data[CONF_ACCESS]),
            limits=limits,
            save_interval=options.get(CONF_SAVE_INTERVAL, DEFAULT_SAVE_INTERVAL),
            include=tuple(options.get(CONF_INCLUDE, (EVERYTHING,))),
            exclude=tuple(options.get(CONF_EXCLUDE, ())),
            delete_variables=options.get(CONF_DELETE_VARIABLES, True),
        )

    def shows(self, variable: str) -> bool:
        """Tell whether a variable becomes an entity."""
        return any(
            names.filter_matches(text, variable) for text in self.include
        ) and not any(names.filter_matches(text, variable) for text in self.exclude)


EVERY_RIGHT: Final[Mapping[str, Any]] = {
    CONF_WRITE: [EVERYTHING],
    CONF_READ: [EVERYTHING],
    CONF_MESSAGE: True,
}
"""What a device may do, in the form in which it is stored, where nothing else is."""
NO_RIGHT: Final[Mapping[str, Any]] = {
    CONF_WRITE: [],
    CONF_READ: [],
    CONF_MESSAGE: False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSettings:
    """What a person has set for a device. What can't be read allows nothing."""

    key: bytes | None
    """None where the device has none; empty, which fits nothing, where it can't be read."""
    rights: Rights
    faults: tuple[str, ...]
    """Names of what can't be read."""

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """Read the data of a device's subentry."""
        faults = []
        key = None
        if CONF_KEY in data:
            try:
                key = read_key(str(data[CONF_KEY]))
            except ValueError:
                key = b""
                faults.append(CONF_KEY)
        rights = stored_rights(data)
        if rights is NO_RIGHT:
            faults.append(CONF_RIGHTS)
        return cls(key=key, rights=_rights(rights), faults=tuple(faults))


def _filter(text: object) -> str:
    if not isinstance(text, str) or not names.is_filter(text, names.MAX_STORED_LEVELS):
        raise probatio.Invalid("not a filter")
    return text


_RIGHTS: Final = probatio.Schema(
    {
        probatio.Required(CONF_WRITE): [_filter],
        probatio.Required(CONF_READ): [_filter],
        probatio.Required(CONF_MESSAGE): bool,
    }
)


def stored_rights(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the rights in the data of a device's subentry; NO_RIGHT where they can't be read."""
    try:
        rights: Mapping[str, Any] = _RIGHTS(data.get(CONF_RIGHTS, EVERY_RIGHT))
    except probatio.Invalid:
        return NO_RIGHT
    return rights


def migrated_rights(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the rights of a device's subentry as they are to be stored now, None where nothing changes.

    The presence of devices is new: a device that may read something may read that by default.
    """
    rights = stored_rights(data)
    read = rights[CONF_READ]
    if not read or EVERYTHING in read or PRESENCE in read:
        return None
    return {**rights, CONF_READ: [*read, PRESENCE]}


def _rights(rights: Mapping[str, Any]) -> Rights:
    """Return stored rights as the broker takes them."""
    read = rights[CONF_READ]
    if EVERYTHING in read:
        # To a person everything is that as well which the broker tells of itself.
        read = [*ALL_RIGHTS.read, *(one for one in read if one not in ALL_RIGHTS.read)]
    found = Rights(tuple(rights[CONF_WRITE]), tuple(read), rights[CONF_MESSAGE])
    # The broker knows by identity whom it need not check.
    return ALL_RIGHTS if found == ALL_RIGHTS else found


def address(host: str) -> str | None:
    """Return the address to bind, None for all, of what was chosen in the form."""
    return None if host == ALL_INTERFACES else host

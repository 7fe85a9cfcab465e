"""What a person has set, read from the config entry."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_HOST, CONF_PORT

from .broker import AccessMode, Limits, wire
from .const import (
    ALL_INTERFACES,
    CONF_ACCESS,
    CONF_DELETE_VARIABLES,
    CONF_EXCLUDE,
    CONF_INCLUDE,
    CONF_KEEPALIVE,
    CONF_KEEPALIVE_TIMEOUT,
    CONF_LIMITS,
    CONF_SAVE_INTERVAL,
    DEFAULT_SAVE_INTERVAL,
    EVERYTHING,
)

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
            **options.get(CONF_LIMITS, {}),
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
            wire.filter_matches(text, variable) for text in self.include
        ) and not any(wire.filter_matches(text, variable) for text in self.exclude)


def address(host: str) -> str | None:
    """Return the address to bind, None for all, of what was chosen in the form."""
    return None if host == ALL_INTERFACES else host

"""What devices do wrong, as those inside this process are told (protocol B1, B6).

A detail may repeat what a device has sent: where that may hold a secret, it is blanked.
"""

from collections.abc import Collection
import re
from typing import Final

from ..protocol import names, wire
from ..protocol.blanking import BLANK, may_hold_secret
from ..protocol.reasons import BadReason, Refusal, Violation
from .devices import Device
from .observers import Observer, Observers
from .secrets import Secrets

_WORD: Final = re.compile(r"[A-Z?!_-]{1,16}", re.ASCII)
"""What a command looks like that is told though there is none of its name."""
_MISSPELT: Final = frozenset({BadReason.UNKNOWN_COMMAND, BadReason.MALFORMED})
"""Reasons of commands that may be anything."""


class Mistakes:
    """Tells observers, once for each time: it is theirs to tell a person once."""

    def __init__(self, observers: Observers, secrets: Secrets) -> None:
        """Blank what could tell one of the secrets."""
        self._observers = observers
        self._secrets = secrets

    def refused(self, device: Device, message: wire.Message, refusal: Refusal) -> None:
        """A command of a device that is in was answered BAD."""
        hides = self._hides(message)
        command, detail = message.command, refusal.detail
        if hides and refusal.reason is not BadReason.MISSING_PARAMETER:
            detail = BLANK
        if isinstance(refusal, Violation):
            device.violations += 1
            if message.params.get("VARIABLE") in self._secrets.names:
                # It names what is secret, and no value.
                detail = refusal.detail
            self._observers.notify(Observer.device_violated, device, detail)
            return
        if not _WORD.fullmatch(command) or (hides and refusal.reason in _MISSPELT):
            command = ""
        self._observers.notify(
            Observer.command_refused,
            device,
            command,
            self._variable(message, hides=hides),
            refusal.reason,
            detail,
        )

    def unreadable(self, device: Device, refusal: Refusal) -> None:
        """A line of a device that is in could not be read."""
        detail = refusal.detail
        if detail.endswith(wire.GIVEN_TWICE):
            detail = f"a key {wire.GIVEN_TWICE}"
        self._observers.notify(
            Observer.command_refused, device, "", "", refusal.reason, detail
        )

    def described(
        self, device: Device, message: wire.Message, notes: Collection[str]
    ) -> None:
        """A description was accepted, as it is or but for what these sentences say."""
        variable = message.params["VARIABLE"]
        if not notes:
            self._observers.notify(Observer.description_accepted, device, variable)
            return
        detail = BLANK if self._hides(message) else "; ".join(notes)
        self._observers.notify(Observer.description_adjusted, device, variable, detail)

    def _variable(self, message: wire.Message, *, hides: bool) -> str:
        name = message.params.get("VARIABLE", "")
        if hides and name not in self._secrets.names:
            return ""
        return name if names.is_variable_name(name) else ""

    def _hides(self, message: wire.Message) -> bool:
        return may_hold_secret(message, self._secrets.names)

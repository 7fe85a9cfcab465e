"""What Home Assistant does with variables and devices, with a person's words for what is refused."""

from collections.abc import Awaitable, Mapping
from datetime import timedelta
from typing import Final

from homeassistant.exceptions import HomeAssistantError, ServiceValidationError

from ..broker import BadReason, Delivery, DeviceState, Refusal, Variable, names, wire
from ..broker.core.variables import may_own
from ..const import DOMAIN
from .broker_api import BrokerApi, BrokerGone
from .sanitize import single_line

# What the person can put right in what was asked for; the others are failures of the moment.
_MISTAKES: Final[Mapping[BadReason, str]] = {
    BadReason.BAD_NAME: "bad_name",
    BadReason.READ_ONLY: "read_only",
    BadReason.TOO_LONG: "too_long",
    BadReason.NO_SUCH_VARIABLE: "no_such_variable",
    BadReason.NO_SUCH_DEVICE: "no_such_device",
}
_FAILURES: Final[Mapping[BadReason, str]] = {
    BadReason.DEVICE_BUSY: "device_busy",
    BadReason.LIMIT: "limit",
}
_WAKING: Final = 120.0
"""Seconds that a message waits beyond the announced sleep of its device: it may wake late."""


def translated(refusal: Refusal, name: str) -> HomeAssistantError:
    """Return the exception for a refusal that concerns a variable or device by name."""
    key = _MISTAKES.get(refusal.reason)
    kind = ServiceValidationError if key else HomeAssistantError
    return kind(
        translation_domain=DOMAIN,
        translation_key=key or _FAILURES.get(refusal.reason, "refused"),
        translation_placeholders={
            "name": single_line(name),
            "detail": single_line(refusal.detail or refusal.reason),
        },
    )


async def asked[Result](request: Awaitable[Result], name: str = "") -> Result:
    """Wait for what the broker is asked, which concerns a variable or device by name.

    Raises HomeAssistantError where the broker refuses it, or can't be reached.
    """
    try:
        return await request
    except Refusal as refusal:
        raise translated(refusal, name) from refusal
    except BrokerGone as gone:
        raise HomeAssistantError(
            translation_domain=DOMAIN, translation_key="broker_gone"
        ) from gone


class Actions:
    """Publishes, reads and sends for people and automations; every method raises HomeAssistantError."""

    def __init__(self, broker: BrokerApi) -> None:
        """Act on a broker."""
        self._broker = broker

    async def publish(self, name: str, text: str, *, retain: bool = True) -> None:
        """Publish text to a variable."""
        value = wire.encode(text)
        await asked(self._broker.publish(name, value, retain=retain), name)

    async def delete(self, name: str) -> None:
        """Delete a variable."""
        await asked(self._broker.delete(name), name)

    async def get(self, name: str) -> Variable:
        """Return a variable that has a value."""
        try:
            names.check_variable_name(name)
        except Refusal as refusal:
            raise translated(refusal, name) from refusal
        for variable in await self.read(name):
            if variable.value is not None:
                return variable
        raise translated(names.no_such_variable(name), name)

    async def read(self, pattern: str) -> list[Variable]:
        """Return the variables that a name or filter matches."""
        if not names.is_filter(pattern):
            raise ServiceValidationError(
                translation_domain=DOMAIN,
                translation_key="bad_filter",
                translation_placeholders={"name": single_line(pattern)},
            )
        return await asked(self._broker.read(pattern), pattern)

    async def send(
        self, device_id: str, text: str, ttl: timedelta | None = None
    ) -> Delivery:
        """Send text to a device. Without a ttl it waits for one that is asleep, until it wakes."""
        seconds = self._sleep(device_id) if ttl is None else ttl.total_seconds()
        value = wire.encode(text)
        return await asked(self._broker.send(device_id, value, ttl=seconds), device_id)

    def _sleep(self, device_id: str) -> float | None:
        """Return for how long a message to a device that is asleep may wait, None for one that is not."""
        device = self._broker.devices.get(device_id)
        if device is None or device.asleep_until is None:
            return None
        left = device.asleep_until - self._broker.clock() + _WAKING
        return min(left, self._broker.limits.message_ttl)

    async def disconnect(self, device_id: str) -> None:
        """Close the connection of a device, which may come back."""
        if not await asked(self._broker.disconnect(device_id), device_id):
            raise _not_there(device_id, DeviceState.DISCONNECTED)

    async def command(self, variable: Variable, text: str) -> None:
        """Publish a command to where the device of a variable takes it (protocol B6).

        That is the owner of the variable, or the device that published it last. A variable of no
        device is commanded by whoever listens.
        """
        states = {
            device_id: self._broker.state(device_id)
            for device_id in (variable.owner, variable.device)
            if may_own(device_id)
        }
        if states and DeviceState.CONNECTED not in states.values():
            raise _not_there(*next(iter(states.items())))
        await self.publish(command_target(variable), text, retain=False)


def command_target(variable: Variable) -> str:
    """Return the variable to which commands are published (protocol B6)."""
    definition = variable.definition
    return (definition and definition.set) or f"{variable.name}/set"


def _not_there(device_id: str, state: DeviceState) -> HomeAssistantError:
    asleep = state is DeviceState.ASLEEP
    return HomeAssistantError(
        translation_domain=DOMAIN,
        translation_key="device_asleep" if asleep else "device_not_connected",
        translation_placeholders={"device": single_line(device_id)},
    )

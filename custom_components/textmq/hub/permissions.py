"""The rule of what people may do: the same by an action as by the entities that do it.

Administrators may do everything, and so may automations, which nobody stands behind. Everybody
else may do what they may do by an entity: who may control the switch may publish its command,
who may see the sensor may get its variable. What no entity stands for needs the right to all
entities. What changes which devices are approved, or deletes, is for administrators alone.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Self

from homeassistant.auth.models import User
from homeassistant.auth.permissions.const import POLICY_CONTROL, POLICY_READ
from homeassistant.const import Platform
from homeassistant.core import Context, HomeAssistant, callback
from homeassistant.exceptions import Unauthorized, UnknownUser
from homeassistant.helpers import entity_registry as er

from ..broker import Variable
from ..const import DOMAIN, PLATFORMS
from ..kinds import platform_of
from .actions import command_target
from .broker_api import VariableTable
from .shown_device import DEVICE_PREFIX
from .variable_entities import PREFIX

_COMMANDING: Final = {
    Platform.BUTTON,
    Platform.NUMBER,
    Platform.SELECT,
    Platform.SWITCH,
    Platform.TEXT,
}
"""The platforms whose entities publish commands."""
_DOORS: Final = {
    "connection": Platform.BINARY_SENSOR,
    "disconnect": Platform.BUTTON,
    "message": Platform.NOTIFY,
}
"""The entities of a device that actions are judged by, with their platforms."""


class NotPermitted(Unauthorized):
    """A person may not do this; the text says what it takes."""

    generate_message = True

    def __init__(
        self, context: Context, translation_key: str, permission: str | None = None
    ) -> None:
        """Refuse what is done in a context."""
        super().__init__(context=context, permission=permission)
        self.translation_domain = DOMAIN
        self.translation_key = translation_key


class Permissions:
    """What the person behind a context may do."""

    def __init__(
        self, hass: HomeAssistant, context: Context, user: User | None
    ) -> None:
        """Judge a user, None where everything is permitted."""
        self._context = context
        self._user = user
        self._registry = er.async_get(hass)

    @classmethod
    async def async_of(cls, hass: HomeAssistant, context: Context) -> Self:
        """Return what the person behind a context may do. Raises Unauthorized where there is no such person."""
        user = None
        if context.user_id:
            user = await hass.auth.async_get_user(context.user_id)
            if user is None:
                raise UnknownUser(context=context)
        return cls(hass, context, None if user is None or user.is_admin else user)

    @callback
    def check_administrator(self) -> None:
        """Raise Unauthorized unless everything is permitted."""
        if self._user is not None:
            raise NotPermitted(self._context, translation_key="only_administrators")

    @callback
    def check_publish(self, variables: VariableTable, name: str) -> None:
        """Raise Unauthorized where a person may not publish to a variable."""
        if not self._may(POLICY_CONTROL, self._publishing(variables, name)):
            raise NotPermitted(
                self._context,
                translation_key="may_not_control",
                permission=POLICY_CONTROL,
            )

    @callback
    def check_device(self, device_id: str, key: str) -> None:
        """Raise Unauthorized where a person may not use the entity of a device that has this key."""
        if not self._may(POLICY_CONTROL, self._of_device(device_id, key)):
            raise NotPermitted(
                self._context,
                translation_key="may_not_control",
                permission=POLICY_CONTROL,
            )

    @callback
    def check_get(self, name: str) -> None:
        """Raise Unauthorized where a person may not see a variable."""
        if not self.may_get(name):
            raise NotPermitted(
                self._context, translation_key="may_not_read", permission=POLICY_READ
            )

    @callback
    def may_get(self, name: str) -> bool:
        """Tell whether a person may see a variable."""
        return self._may(POLICY_READ, self._of_variable(name))

    @callback
    def may_see(self, device_id: str) -> bool:
        """Tell whether a person may see where a device is."""
        return self._may(POLICY_READ, self._of_device(device_id, "connection"))

    @callback
    def may_see_all(self) -> bool:
        """Tell whether a person may see what no entity shows."""
        return self._may(POLICY_READ, ())

    def _may(self, policy: str, entity_ids: Iterable[str]) -> bool:
        if self._user is None:
            return True
        permissions = self._user.permissions
        return permissions.access_all_entities(policy) or any(
            permissions.check_entity(entity_id, policy) for entity_id in entity_ids
        )

    def _publishing(self, variables: VariableTable, name: str) -> Iterator[str]:
        """Return the entities that publish, or show, a variable."""
        yield from self._of_variable(name)
        for variable in variables:
            if _commands(variable, name):
                yield from self._of_variable(variable.name)

    def _of_variable(self, name: str) -> Iterator[str]:
        for platform in PLATFORMS:
            yield from self._entity(platform, f"{PREFIX}{name}")

    def _of_device(self, device_id: str, key: str) -> Iterator[str]:
        return self._entity(_DOORS[key], f"{DEVICE_PREFIX}{device_id}/{key}")

    def _entity(self, platform: Platform, unique_id: str) -> Iterator[str]:
        entity_id = self._registry.async_get_entity_id(platform, DOMAIN, unique_id)
        if entity_id is not None:
            yield entity_id


def _commands(variable: Variable, name: str) -> bool:
    """Tell whether what is published to a name is a command to the device of a variable."""
    return platform_of(variable) in _COMMANDING and command_target(variable) == name

"""The rule of what people may do, over every way: by action, entity, script and dashboard, for everybody."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import pytest
from pytest_homeassistant_custom_component.common import (
    CLIENT_ID,
    MockConfigEntry,
    MockUser,
)

from custom_components.textmq.const import DOMAIN
from custom_components.textmq.hub.permissions import NotPermitted
from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant.auth.const import GROUP_ID_ADMIN, GROUP_ID_READ_ONLY, GROUP_ID_USER
from homeassistant.auth.models import Credentials
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import ServiceValidationError, Unauthorized, UnknownUser
from homeassistant.setup import async_setup_component

from .client import until
from .conftest import Connect, device_of, entity_id

pytestmark = pytest.mark.usefixtures("entity_registry_enabled_by_default")

GROUPS: Final = {
    "administrator": GROUP_ID_ADMIN,
    "user": GROUP_ID_USER,
    "read-only user": GROUP_ID_READ_ONLY,
    "automation": None,
}


class Deed(NamedTuple):
    """Something that a person does, and how it shows that it was done."""

    action: str
    data: dict[str, Any]
    permitted: tuple[str, ...]
    done: Callable[[RuntimeData], object]


def has_value(name: str) -> Callable[[RuntimeData], object]:
    """Return what shows that a variable was published."""
    return lambda rooms: rooms.broker.variables.get(name)


def is_open(rooms: RuntimeData) -> object:
    """Tell whether new devices are approved."""
    return rooms.approved.window_end


def is_away(rooms: RuntimeData) -> object:
    """Tell whether the device was disconnected."""
    return rooms.broker.state("garden") == "disconnected"


def is_told(rooms: RuntimeData) -> object:
    """Tell whether a message waits for a device that is away."""
    return rooms.broker.messages_waiting("cellar")


def is_notified(rooms: RuntimeData) -> object:
    """Tell whether the entity has sent something."""
    state = rooms.hass.states.get("notify.garden_message")
    return state is not None and state.state != "unknown"


EVERYBODY: Final = ("administrator", "automation", "user", "read-only user")
NOBODY_BELOW_USER: Final = ("administrator", "automation", "user")
ADMINISTRATORS: Final = ("administrator", "automation")

MATRIX: Final = {
    "publish": Deed(
        "textmq.publish",
        {"variable": "hall/x", "value": "1"},
        NOBODY_BELOW_USER,
        has_value("hall/x"),
    ),
    "publish to an entity's": Deed(
        "textmq.publish",
        {"variable": "garden/new", "value": "1"},
        NOBODY_BELOW_USER,
        has_value("garden/new"),
    ),
    "send_message": Deed(
        "textmq.send_message",
        {"device": "cellar", "message": "hi", "ttl": 60},
        NOBODY_BELOW_USER,
        is_told,
    ),
    "disconnect": Deed(
        "textmq.disconnect", {"device": "garden"}, NOBODY_BELOW_USER, is_away
    ),
    "delete": Deed(
        "textmq.delete",
        {"variable": "garden/soil"},
        ADMINISTRATORS,
        lambda rooms: rooms.broker.variables.get("garden/soil") is None,
    ),
    "allow_new_devices": Deed("textmq.allow_new_devices", {}, ADMINISTRATORS, is_open),
    "button Allow new devices": Deed(
        "button.press",
        {"entity_id": "button.textmq_allow_new_devices"},
        ADMINISTRATORS,
        is_open,
    ),
    "button Disconnect": Deed(
        "button.press",
        {"entity_id": "button.garden_disconnect"},
        NOBODY_BELOW_USER,
        is_away,
    ),
    "notify": Deed(
        "notify.send_message",
        {"entity_id": "notify.garden_message", "message": "hi"},
        NOBODY_BELOW_USER,
        is_notified,
    ),
}


@pytest.fixture
def known() -> list[str]:
    """Return the IDs of the devices that are approved."""
    return ["garden", "cellar"]


async def person(hass: HomeAssistant, group_id: str | None) -> MockUser | None:
    """Return a user of a group, None for nobody."""
    if group_id is None:
        return None
    group = await hass.auth.async_get_group(group_id)
    assert group is not None
    return MockUser(groups=[group]).add_to_hass(hass)


async def act(hass: HomeAssistant, user: MockUser | None, deed: Deed) -> None:
    """Do it as a person, by the action itself."""
    domain, action = deed.action.split(".")
    await hass.services.async_call(
        domain,
        action,
        dict(deed.data),
        blocking=True,
        context=Context(user_id=user.id if user else None),
    )


async def run_script(hass: HomeAssistant, user: MockUser | None, deed: Deed) -> None:
    """Do it by a script that a person starts."""
    sequence = [{"action": deed.action, "data": deed.data}]
    assert await async_setup_component(
        hass, "script", {"script": {"deed": {"sequence": sequence}}}
    )
    await act(hass, user, Deed("script.deed", {}, (), is_open))


@pytest.mark.parametrize("way", [act, run_script])
@pytest.mark.parametrize("who", EVERYBODY)
@pytest.mark.parametrize("what", MATRIX)
@pytest.mark.announced_warnings(
    sometimes=("deed: Error executing script. Unauthorized",)
)
async def test_matrix(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    way: Callable[..., Any],
    who: str,
    what: str,
) -> None:
    """Each may do by one way what they may do by any other, and what is refused is not done."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE="garden/soil", VALUE="1")
    await hass.async_block_till_done()
    deed, user = MATRIX[what], await person(hass, GROUPS[who])
    assert not deed.done(rooms)
    if who in deed.permitted:
        await way(hass, user, deed)
        await until(lambda: deed.done(rooms))
        return
    with pytest.raises(Unauthorized):
        await way(hass, user, deed)
    await hass.async_block_till_done()
    assert not deed.done(rooms)


async def token_of(hass: HomeAssistant, user: MockUser) -> str:
    """Return a token with which a person's dashboard connects."""
    credential = Credentials(
        id=user.id,
        auth_provider_type="homeassistant",
        auth_provider_id=None,
        data={"username": user.id},
        is_new=False,
    )
    user.credentials.append(credential)
    refresh = await hass.auth.async_create_refresh_token(
        user, CLIENT_ID, credential=credential
    )
    return hass.auth.async_create_access_token(refresh)


REFUSED_WITH: Final = {
    "delete": "only_administrators",
    "allow_new_devices": "only_administrators",
    "button Allow new devices": "only_administrators",
    "publish": "may_not_control",
    "publish to an entity's": "may_not_control",
    "send_message": "may_not_control",
    "disconnect": "may_not_control",
}


@pytest.mark.parametrize("who", [one for one in EVERYBODY if GROUPS[one]])
@pytest.mark.announced_warnings(
    sometimes=(
        "Error during service call to .* administrators",
        "Error during service call to .* (permitted|Unauthorized)",
    )
)
async def test_dashboard(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    local_auth: object,
    hass_ws_client: Any,
    who: str,
) -> None:
    """So it is on a dashboard; what is refused is said there in the person's language."""
    user = await person(hass, GROUPS[who])
    assert user is not None
    dashboard = await hass_ws_client(hass, await token_of(hass, user))
    client = await connect("garden")
    await client.ok("PUB", VARIABLE="garden/soil", VALUE="1")
    for what, deed in MATRIX.items():
        await connect("garden")
        await hass.async_block_till_done()
        domain, action = deed.action.split(".")
        await dashboard.send_json_auto_id(
            {
                "type": "call_service",
                "domain": domain,
                "service": action,
                "service_data": deed.data,
            }
        )
        answer = await dashboard.receive_json()
        assert answer["success"] is (who in deed.permitted), (what, answer)
        # Home Assistant itself refuses entities that a person may not control.
        by_core = who == "read-only user" and domain != DOMAIN
        if who not in deed.permitted and not by_core:
            assert answer["error"]["translation_domain"] == DOMAIN
            assert answer["error"]["translation_key"] == REFUSED_WITH[what]


# People who may use some entities only


def limited(hass: HomeAssistant, permission: str, *entity_ids: str) -> MockUser:
    """Return a person who has a permission for these entities, and none else."""
    user = MockUser().add_to_hass(hass)
    allowed = {one: {permission: True} for one in entity_ids}
    user.mock_policy({"entities": {"entity_ids": allowed}})
    return user


async def is_permitted(
    hass: HomeAssistant,
    user: MockUser,
    action: str,
    *,
    response: bool = False,
    **data: Any,
) -> bool:
    """Tell whether a person may do something; what fails for another reason was permitted."""
    try:
        await hass.services.async_call(
            DOMAIN,
            action,
            data,
            blocking=True,
            context=Context(user_id=user.id),
            return_response=response,
        )
    except NotPermitted:
        return False
    except ServiceValidationError:
        # It was permitted, and wrong.
        pass
    return True


DESCRIPTIONS: Final = {
    "garden/soil": {"TYPE": "sensor"},
    "garden/pump": {"TYPE": "switch"},
    "garden/valve": {"TYPE": "switch", "SET": "garden/valves"},
}


@pytest.mark.parametrize(
    ("platform", "variable", "publishes"),
    [
        ("sensor", "garden/soil", {"garden/soil"}),
        ("switch", "garden/pump", {"garden/pump", "garden/pump/set"}),
        ("switch", "garden/valve", {"garden/valve", "garden/valves"}),
    ],
)
async def test_publish_by_entity(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    platform: str,
    variable: str,
    publishes: set[str],
) -> None:
    """Who may control an entity may publish its variable, and what it publishes; nothing else."""
    client = await connect("garden")
    for name, description in DESCRIPTIONS.items():
        await client.ok("DEF", VARIABLE=name, **description)
        await client.ok("PUB", VARIABLE=name, VALUE="0")
    await hass.async_block_till_done()
    user = limited(hass, "control", entity_id(hass, platform, variable))
    names = (
        *DESCRIPTIONS,
        *(f"{name}/set" for name in DESCRIPTIONS),
        "garden/valves",
        "hall/x",
        "a|b",
    )
    found = {
        name
        for name in names
        if await is_permitted(
            hass, user, "publish", variable=name, value="1", retain=False
        )
    }
    assert found == publishes
    reader = limited(hass, "read", entity_id(hass, platform, variable))
    assert not await is_permitted(hass, reader, "publish", variable=variable, value="1")


@pytest.mark.parametrize(
    ("door", "permitted"),
    [
        ("notify.garden_message", {"send_message"}),
        ("button.garden_disconnect", {"disconnect"}),
        ("binary_sensor.garden_connection", set()),
    ],
)
async def test_device_by_entity(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    door: str,
    permitted: set[str],
) -> None:
    """Who may use an entity of a device may do the same by the action, with that device alone."""
    user = limited(hass, "control", door)
    messages: dict[str, dict[str, Any]] = {
        "send_message": {"message": "hi"},
        "disconnect": {},
    }
    for action, data in messages.items():
        targets: tuple[dict[str, Any], ...] = (
            {"device": "garden"},
            {"device_id": device_of(hass, "garden").id},
        )
        for target in targets:
            await connect("garden")
            found = await is_permitted(hass, user, action, **data, **target)
            assert found is (action in permitted)
        assert not await is_permitted(hass, user, action, **data, device="cellar")
        assert not await is_permitted(
            hass, user, action, **data, device="homeassistant"
        )
    assert not await is_permitted(
        hass, user, "send_message", broadcast=True, message="hi"
    )


async def test_reading_by_entity(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """People read what they see by entities; a list has no more than that."""
    client = await connect("garden")
    for name in ("garden/soil", "garden/secret"):
        await client.ok("PUB", VARIABLE=name, VALUE="1")
    waiting = await connect()
    waiting.send("ID", ID="kitchen")
    await until(lambda: rooms.broker.waiting)
    await hass.async_block_till_done()
    user = limited(
        hass,
        "read",
        entity_id(hass, "sensor", "garden/soil"),
        "binary_sensor.garden_connection",
    )
    names = ("garden/soil", "garden/secret", "garden/none", "$SYS/version", "|")
    found = [
        name
        for name in names
        if await is_permitted(hass, user, "get", response=True, variable=name)
    ]
    assert found == ["garden/soil"]

    async def listed(action: str, user: MockUser) -> Any:
        return await hass.services.async_call(
            DOMAIN,
            action,
            {},
            blocking=True,
            context=Context(user_id=user.id),
            return_response=True,
        )

    variables = (await listed("list_variables", user))["variables"]
    assert [one["variable"] for one in variables] == ["garden/soil"]
    devices = await listed("list_devices", user)
    assert [one["device"] for one in devices["devices"]] == ["garden"]
    assert devices["waiting"] == []
    reader = await person(hass, GROUP_ID_READ_ONLY)
    assert reader is not None
    assert len((await listed("list_variables", reader))["variables"]) == 2
    devices = await listed("list_devices", reader)
    assert len(devices["devices"]) == 2
    assert [one["device"] for one in devices["waiting"]] == ["kitchen"]


async def test_unknown_person(hass: HomeAssistant, rooms: RuntimeData) -> None:
    """A person who has been deleted may do nothing."""
    with pytest.raises(UnknownUser):
        await hass.services.async_call(
            DOMAIN,
            "publish",
            {"variable": "x", "value": "1"},
            blocking=True,
            context=Context(user_id="gone"),
        )
    assert rooms.broker.variables.get("x") is None


async def test_words(hass: HomeAssistant, rooms: RuntimeData) -> None:
    """A refusal says what it takes."""
    user = limited(hass, "read", "sensor.none")
    for action, words in (
        ("publish", "permission to control the entity"),
        ("delete", "Only administrators"),
    ):
        with pytest.raises(NotPermitted, match=words) as error:
            await hass.services.async_call(
                DOMAIN,
                action,
                {"variable": "x"} | ({"value": "1"} if action == "publish" else {}),
                blocking=True,
                context=Context(user_id=user.id),
            )
        assert error.value.user_id == user.id

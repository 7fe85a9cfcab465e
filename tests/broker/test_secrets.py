"""What is never stored or told to everyone (protocol B6): codes and passwords, in every order and by every door."""

import pytest

from custom_components.textmq.broker.core.access import Rights
from custom_components.textmq.broker.core.observers import Publication

from .inprocess import House, Peer

LOCK = "COMMAND=DEF | VARIABLE=door | TYPE=lock | CODE=NUMBER"
PASSWORD = "COMMAND=DEF | VARIABLE=wifi | TYPE=text | MODE=password"
OPEN = "COMMAND=PUB | VARIABLE=door/set | VALUE=UNLOCK CODE=1234"


@pytest.fixture
def house() -> House:
    """Return a house with an owner of secrets, and others."""
    return House(("owner", "b", "spy"))


def _spy(house: House) -> Peer:
    spy = house.peer("spy")
    spy.send(
        "COMMAND=SUB | VARIABLE=#",
        "COMMAND=SUB | VARIABLE=door/set | FULL=YES",
        "COMMAND=SUB | VARIABLE=wifi",
    )
    spy.take()
    return spy


def _values(house: House) -> dict[str, str | None]:
    return {one.name: one.value for one in house.broker.variables}


@pytest.mark.parametrize("more", ["", " | RETAIN=NO", " | RETAIN=YES"])
@pytest.mark.parametrize("form", ["START | {} | END\n", "start|{}|end\n"])
def test_a_command_goes_to_the_owner_alone(house: House, form: str, more: str) -> None:
    """Whoever else subscribes, watches or asks; and nothing of it is kept."""
    owner, spy = house.peer("owner"), _spy(house)
    seen: list[Publication] = []
    house.broker.watch("#", seen.append)
    owner.send(LOCK, "COMMAND=SUB | VARIABLE=door/set")
    owner.take()
    house.peer("b").send_bytes(form.format(OPEN + more).encode())
    assert owner.take() == ["COMMAND=SUB | VARIABLE=door/set | VALUE=UNLOCK CODE=1234"]
    assert spy.take() == []
    assert seen == []
    assert "door/set" not in _values(house)
    (answer,) = spy.ask("COMMAND=GET | VARIABLE=door/set")
    assert answer.startswith("COMMAND=BAD | REASON=no-such-variable")


def test_the_owner_reads_it_whatever_it_subscribed_to(house: House) -> None:
    """In the full form too, over a filter too; once."""
    owner = house.peer("owner")
    owner.send(
        LOCK, "COMMAND=SUB | VARIABLE=door/+ | FULL=YES", "COMMAND=SUB | VARIABLE=#"
    )
    owner.take()
    house.peer("b").send(OPEN)
    (told,) = owner.take()
    assert told.startswith(
        "COMMAND=SUB | VARIABLE=door/set | VALUE=UNLOCK CODE=1234 | TIME="
    )
    owner.session.lost()
    assert house.peer("b").ask(OPEN)[-1] == "COMMAND=OK"
    assert owner.take()[1:] == []


def test_home_assistant_s_command(house: House) -> None:
    """It is published from inside, and goes the same way."""
    owner, spy = house.peer("owner"), _spy(house)
    owner.send(LOCK, "COMMAND=SUB | VARIABLE=door/set")
    owner.take()
    house.broker.publish(
        "door/set", "LOCK CODE=1", device="homeassistant", retain=False
    )
    house.broker.flush()
    assert owner.take() == ["COMMAND=SUB | VARIABLE=door/set | VALUE=LOCK CODE=1"]
    assert spy.take() == []


def test_what_was_stored_before_goes(house: House) -> None:
    """A command that somebody retained, and the password itself."""
    owner, b, spy = house.peer("owner"), house.peer("b"), _spy(house)
    b.send(OPEN, "COMMAND=PUB | VARIABLE=wifi | VALUE=hunter2")
    b.send("COMMAND=PUB | VARIABLE=wifi/set | VALUE=hunter3")
    spy.take()
    owner.send(LOCK, PASSWORD)
    assert _values(house) == {"door": None, "wifi": None}
    assert spy.take() == [
        "COMMAND=DEL | VARIABLE=door/set",
        "COMMAND=DEL | VARIABLE=wifi/set",
    ]
    house.restart()
    assert _values(house) == {"door": None, "wifi": None}


@pytest.mark.parametrize("form", ["START | {} | END\n", "start|{}|end\n"])
def test_a_password_is_neither_stored_nor_shown(house: House, form: str) -> None:
    """What its own device publishes of it is accepted, and forgotten: wills and events too."""
    owner, spy = house.peer("owner"), _spy(house)
    seen: list[Publication] = []
    house.broker.watch("#", seen.append)
    owner.send(PASSWORD)
    for more in ("", " | RETAIN=NO"):
        line = f"COMMAND=PUB | VARIABLE=wifi | VALUE=hunter2{more}"
        owner.send_bytes(form.format(line).encode() * 3)
    assert set(owner.take()[1:]) == {"COMMAND=OK"}
    owner.send("COMMAND=WILL | VARIABLE=wifi | VALUE=hunter2")
    owner.session.lost()
    assert spy.take() == []
    assert seen == []
    assert _values(house)["wifi"] is None
    (answer,) = spy.ask("COMMAND=GET | VARIABLE=wifi")
    assert answer.startswith("COMMAND=BAD | REASON=no-such-variable")


@pytest.mark.parametrize("definition", [LOCK, PASSWORD])
def test_another_device_can_not_describe_it(house: House, definition: str) -> None:
    """Nor take the description away, while the owner is there; so it can't make itself the owner."""
    owner, b = house.peer("owner"), house.peer("b")
    owner.send(definition)
    name = definition.split("=")[2].split(maxsplit=1)[0]
    tries = [
        f"COMMAND=DEF | VARIABLE={name} | TYPE=sensor",
        f"COMMAND=DEF | VARIABLE={name}",
        definition,
    ]
    b.take()
    for one in tries:
        (answer,) = b.ask(one)
        assert answer.startswith("COMMAND=BAD | REASON=forbidden")
    owner.send("COMMAND=CLOSE | SLEEP=60")
    assert b.ask(tries[0])[0].startswith("COMMAND=BAD | REASON=forbidden")
    house.restart()
    b = house.peer("b")
    b.take()
    assert b.ask(tries[0])[0].startswith("COMMAND=BAD | REASON=forbidden")
    house.wait(121)
    assert b.ask(tries[0]) == ["COMMAND=OK"]


@pytest.mark.parametrize("definition", [LOCK, PASSWORD])
def test_its_commands_go_where_they_are_secret(house: House, definition: str) -> None:
    """No other SET is taken."""
    owner = house.peer("owner")
    owner.take()
    name = definition.split("=")[2].split(maxsplit=1)[0]
    (answer,) = owner.ask(f"{definition} | SET=elsewhere")
    assert answer.startswith("COMMAND=BAD | REASON=bad-definition")
    assert owner.ask(f"{definition} | SET={name}/set") == ["COMMAND=OK"]


def test_a_secret_that_ends(house: House) -> None:
    """With another description of its owner the variable is one like any other, in the fast form too."""
    owner, spy = house.peer("owner"), _spy(house)
    owner.send(PASSWORD, "COMMAND=DEF | VARIABLE=wifi | TYPE=text")
    owner.send("COMMAND=PUB | VARIABLE=wifi | VALUE=1")
    owner.send("COMMAND=PUB | VARIABLE=wifi | VALUE=2")
    assert spy.take() == [
        "COMMAND=SUB | VARIABLE=wifi | VALUE=1",
        "COMMAND=SUB | VARIABLE=wifi | VALUE=2",
    ]
    assert list(house.broker.secrets) == []
    owner.send(PASSWORD, "COMMAND=DEL | VARIABLE=wifi")
    assert list(house.broker.secrets) == []


@pytest.mark.parametrize("pause", [False, True])
def test_a_slow_spy(house: House, pause: bool) -> None:
    """What waits for it is no secret either."""
    owner, spy = house.peer("owner"), _spy(house)
    owner.send("COMMAND=PUB | VARIABLE=wifi | VALUE=public", PASSWORD)
    spy.take()
    if pause:
        spy.session.pause()
    owner.send("COMMAND=PUB | VARIABLE=wifi | VALUE=hunter2", OPEN, LOCK, OPEN)
    if pause:
        spy.session.resume()
    assert "hunter2" not in str(spy.take())


def test_a_value_that_waits_when_it_becomes_secret(house: House) -> None:
    """A slow reader does not get it any more."""
    owner, spy = house.peer("owner"), _spy(house)
    spy.session.pause()
    owner.send("COMMAND=PUB | VARIABLE=wifi | VALUE=hunter2", PASSWORD)
    spy.session.resume()
    assert spy.take() == []


def test_restarts_keep_secrets(house: House) -> None:
    """From the first line on after a start."""
    house.peer("owner").send(LOCK, PASSWORD)
    house.restart()
    assert set(house.broker.secrets) == {"door/set", "wifi", "wifi/set"}
    spy = _spy(house)
    house.peer("b").send(OPEN, "COMMAND=PUB | VARIABLE=wifi | VALUE=x")
    assert spy.take() == []
    assert _values(house) == {"door": None, "wifi": None}


def test_a_description_of_the_name_of_its_commands(house: House) -> None:
    """Nobody can while the owner is there; who has done so before gets nothing by it."""
    owner, b, spy = house.peer("owner"), house.peer("b"), _spy(house)
    owner.send("COMMAND=SUB | VARIABLE=door/set")
    b.send("COMMAND=DEF | VARIABLE=door/set | TYPE=text | MODE=password")
    owner.send(LOCK)
    owner.take()
    spy.send(OPEN)
    assert owner.take() == ["COMMAND=SUB | VARIABLE=door/set | VALUE=UNLOCK CODE=1234"]
    b.send("COMMAND=DEL | VARIABLE=door/set")
    b.take()
    for command in (
        "DEF | VARIABLE=door/set | TYPE=text",
        "DEL | VARIABLE=door",
        "DEL | VARIABLE=door/set",
    ):
        (answer,) = b.ask(f"COMMAND={command}")
        assert answer.startswith("COMMAND=BAD | REASON=forbidden")


def test_what_another_device_has_described_can_not_be_made_secret(house: House) -> None:
    """That would take it out of everybody's sight; what is only published, or whose owner is away, can."""
    owner, b = house.peer("owner"), house.peer("b")
    b.send("COMMAND=DEF | VARIABLE=wifi | TYPE=text")
    owner.take()
    (answer,) = owner.ask(PASSWORD)
    assert answer.startswith("COMMAND=BAD | REASON=forbidden")
    b.session.lost()
    assert owner.ask(PASSWORD) == ["COMMAND=OK"]


def test_rights_to_make_something_secret(house: House) -> None:
    """A device needs that to write the name of its commands."""
    owner = house.peer("owner")
    house.broker.set_rights("owner", Rights(write=("door",)))
    owner.take()
    (answer,) = owner.ask(LOCK)
    assert answer.startswith("COMMAND=BAD | REASON=forbidden")


def test_a_name_that_leaves_no_room_for_commands(house: House) -> None:
    """It has as many levels as there may be."""
    owner = house.peer("owner")
    owner.take()
    name = "/".join("v" * 16)
    (answer,) = owner.ask(f"COMMAND=DEF | VARIABLE={name} | TYPE=lock | CODE=TEXT")
    assert answer.startswith("COMMAND=BAD | REASON=bad-name")

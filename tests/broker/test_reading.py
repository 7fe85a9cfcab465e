"""Section B3: GET, filters, replay, notices of deletion."""

from collections.abc import Iterator
from typing import Any

import pytest

from .client import Client, is_timestamp, message
from .conftest import Connect
from .process import BrokerProcess
from .reference import VECTORS


def test_get(client: Client, name: str) -> None:
    """GET brings the value as a SUB message with its time, then OK."""
    client.ok("PUB", VARIABLE=name, VALUE="21.5")
    client.send("GET", VARIABLE=name)
    received = client.expect("SUB", VARIABLE=name, VALUE="21.5", TIME=...)
    assert is_timestamp(received["TIME"])
    client.expect("OK")


def test_get_what_is_not_there(client: Client, name: str) -> None:
    """GET of a variable without value is BAD."""
    client.bad("no-such-variable", "GET", VARIABLE=name)
    client.ok("SUB", VARIABLE=name)
    client.bad("no-such-variable", "GET", VARIABLE=name)


def test_get_does_not_subscribe(client: Client, name: str) -> None:
    """After GET nothing more comes."""
    client.ok("PUB", VARIABLE=name, VALUE="1")
    client.get(name)
    client.ok("PUB", VARIABLE=name, VALUE="2")
    assert client.fence() == []


def test_get_with_a_filter(client: Client, name: str) -> None:
    """GET with a filter brings all that match, then one OK."""
    for variable, value in {"a": 1, "b/c": 2, "b/d": 3}.items():
        client.ok("PUB", VARIABLE=f"{name}/{variable}", VALUE=value)
    client.ok("GET", VARIABLE=f"{name}/#", SEQ="1")
    assert {
        received["VARIABLE"]: received["VALUE"] for received in client.deliveries
    } == {
        f"{name}/a": "1",
        f"{name}/b/c": "2",
        f"{name}/b/d": "3",
    }
    assert all(is_timestamp(received["TIME"]) for received in client.deliveries)
    client.deliveries.clear()
    client.ok("GET", VARIABLE=f"{name}/b/+")
    assert len(client.deliveries) == 2


def test_get_with_a_filter_that_matches_nothing(client: Client, name: str) -> None:
    """All of none is OK too."""
    client.ok("GET", VARIABLE=f"{name}/#")
    assert client.fence() == []


def test_get_with_ack_no(client: Client, name: str) -> None:
    """ACK=NO leaves the OK of GET out, not the value."""
    client.ok("PUB", VARIABLE=name, VALUE="1")
    client.send("GET", VARIABLE=name, ACK="NO")
    assert [received["VALUE"] for received in client.fence()] == ["1"]


def test_get_many(client: Client, name: str) -> None:
    """A GET that matches a thousand variables brings them all."""
    for i in range(1000):
        client.send("PUB", VARIABLE=f"{name}/{i}", VALUE="v" * 200, ACK="NO")
    client.ok("GET", VARIABLE=f"{name}/+")
    assert len({received["VARIABLE"] for received in client.deliveries}) == 1000
    client.deliveries.clear()
    for i in range(1000):
        client.send("DEL", VARIABLE=f"{name}/{i}", ACK="NO")
    assert client.fence() == []


# Filters


@pytest.fixture(scope="module")
def filter_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """A broker whose variables no other test touches, for filters that match everything."""
    broker = BrokerProcess(
        tmp_path_factory.mktemp("filter") / "data", "--access", "open"
    )
    yield broker
    broker.check()
    assert broker.stop() == 0


@pytest.mark.parametrize(
    "case", VECTORS["filter_matches"], ids=lambda c: f"{c['filter']} {c['variable']}"
)
def test_filters(
    filter_broker: BrokerProcess, connect: Connect, case: dict[str, Any]
) -> None:
    """Filters match as the vectors say: on publishes, on GET and on replay alike."""
    variable, wanted = case["variable"], case["filter"]
    subscriber, publisher = connect(filter_broker), connect(filter_broker)
    subscriber.ok("SUB", VARIABLE=wanted, REPLAY="NO")
    if not variable.startswith("$"):
        publisher.ok("PUB", VARIABLE=variable, VALUE="1")
        delivered = message("SUB", VARIABLE=variable, VALUE="1")
        assert subscriber.fence() == ([delivered] if case["matches"] else [])
    publisher.do("GET", VARIABLE=wanted)
    found = {received["VARIABLE"] for received in publisher.fence()}
    assert (variable in found) is case["matches"]
    publisher.ok("SUB", VARIABLE=wanted)
    replayed = {received["VARIABLE"] for received in publisher.fence()}
    assert (variable in replayed) is case["matches"]
    subscriber.ok("UNSUB", VARIABLE=wanted)
    subscriber.deliveries.clear()
    if not variable.startswith("$"):
        publisher.ok("DEL", VARIABLE=variable)
        assert subscriber.fence() == []


@pytest.mark.parametrize("wanted", VECTORS["filter_invalid"])
def test_invalid_filters(client: Client, wanted: str) -> None:
    """What is no filter is refused by every command that takes one."""
    for command in ("SUB", "UNSUB", "GET"):
        client.bad("bad-name", command, VARIABLE=wanted)


@pytest.mark.parametrize("command", ["PUB", "DEL", "WILL", "DEF"])
@pytest.mark.parametrize("wanted", ["#", "+", "a/+", "a/#"])
def test_filters_can_only_be_read(client: Client, command: str, wanted: str) -> None:
    """Writing needs the name of one variable."""
    client.bad("bad-name", command, VARIABLE=wanted, VALUE="1", TYPE="sensor")


def test_each_publish_once(client: Client, other: Client, name: str) -> None:
    """However many subscriptions of a client match, it gets a publish once."""
    variable = f"{name}/a/b"
    for wanted in (
        variable,
        variable,
        f"{name}/#",
        f"{name}/+/b",
        f"{name}/a/+",
        f"{name}/a/#",
    ):
        client.ok("SUB", VARIABLE=wanted)
    other.ok("PUB", VARIABLE=variable, VALUE="1")
    assert client.fence() == [message("SUB", VARIABLE=variable, VALUE="1")]
    client.ok("UNSUB", VARIABLE=variable)
    client.ok("UNSUB", VARIABLE=f"{name}/#")
    other.ok("PUB", VARIABLE=variable, VALUE="2")
    assert client.fence() == [message("SUB", VARIABLE=variable, VALUE="2")]


def test_a_filter_takes_variables_that_come_later(
    client: Client, other: Client, name: str
) -> None:
    """A filter holds for variables that did not exist when it was set."""
    client.ok("SUB", VARIABLE=f"{name}/+")
    other.ok("PUB", VARIABLE=f"{name}/new", VALUE="1")
    assert client.fence() == [message("SUB", VARIABLE=f"{name}/new", VALUE="1")]


def test_unsubscribing_a_name_leaves_the_filter(
    client: Client, other: Client, name: str
) -> None:
    """UNSUB ends the subscription of exactly that text, not of what it matches."""
    client.ok("SUB", VARIABLE=f"{name}/+")
    client.ok("UNSUB", VARIABLE=f"{name}/a")
    other.ok("PUB", VARIABLE=f"{name}/a", VALUE="1")
    assert len(client.fence()) == 1


def test_deep_names_and_filters(client: Client, other: Client) -> None:
    """Names of 16 levels and filters as deep are matched at once; there are no deeper ones."""
    deep = "/".join("a" * 16)
    for wanted in ("/".join("+" * 16), "/".join(["a/+"] * 7) + "/#", "a/#"):
        client.ok("SUB", VARIABLE=wanted, REPLAY="NO")
    for deeper in (f"{deep}/a", f"{deep}/#", "/".join("+" * 17)):
        client.bad("bad-name", "SUB", VARIABLE=deeper)
    other.bad("bad-name", "PUB", VARIABLE=f"{deep}/a", VALUE="1")
    other.ok("PUB", VARIABLE=deep, VALUE="1")
    assert client.fence() == [message("SUB", VARIABLE=deep, VALUE="1")]
    other.ok("PUB", VARIABLE=deep[:-2], VALUE="2", RETAIN="NO")
    assert client.fence() == [message("SUB", VARIABLE=deep[:-2], VALUE="2")]
    other.ok("DEL", VARIABLE=deep)


# Replay


def test_replay_carries_the_time_of_the_publish(
    client: Client, other: Client, name: str
) -> None:
    """A replayed value has TIME, the same for everyone; a live one has none."""
    client.ok("SUB", VARIABLE=name)
    client.ok("PUB", VARIABLE=name, VALUE="1")
    (live,) = client.fence()
    assert "TIME" not in live.params
    stored = client.get(name)
    other.ok("SUB", VARIABLE=name)
    assert other.fence() == [stored]


def test_subscribing_again_replays_again(client: Client, name: str) -> None:
    """Each SUB brings the current value, a repeated one too."""
    client.ok("PUB", VARIABLE=name, VALUE="1")
    for _ in range(2):
        client.ok("SUB", VARIABLE=name)
        assert [received["VALUE"] for received in client.fence()] == ["1"]


def test_a_filter_replays_all_that_match(
    client: Client, other: Client, name: str
) -> None:
    """SUB with a filter brings every current value that it matches, after OK."""
    for i in range(3):
        other.ok("PUB", VARIABLE=f"{name}/{i}", VALUE=i)
    client.send("SUB", VARIABLE=f"{name}/+")
    client.expect("OK")
    assert {received["VALUE"] for received in client.fence()} == {"0", "1", "2"}


def test_replay_no(client: Client, other: Client, name: str) -> None:
    """SUB with REPLAY=NO brings only what is published from now on."""
    other.ok("PUB", VARIABLE=name, VALUE="1")
    client.ok("SUB", VARIABLE=name, REPLAY="NO")
    other.ok("PUB", VARIABLE=name, VALUE="2")
    assert client.fence() == [message("SUB", VARIABLE=name, VALUE="2")]


# Notices of deletion


def test_subscribers_are_told_of_a_deletion(
    client: Client, other: Client, name: str
) -> None:
    """Subscribers by name and by filter get DEL once, the one who deleted too."""
    client.ok("SUB", VARIABLE=name)
    client.ok("PUB", VARIABLE=name, VALUE="1")
    other.ok("SUB", VARIABLE=name, REPLAY="NO")
    other.ok("SUB", VARIABLE=f"{name}/#", REPLAY="NO")
    client.fence()
    client.ok("DEL", VARIABLE=name)
    assert client.fence() == [message("DEL", VARIABLE=name)]
    assert other.fence() == [message("DEL", VARIABLE=name)]


def test_a_deleted_variable_comes_back_clean(
    client: Client, other: Client, name: str
) -> None:
    """Publishing after DEL makes the variable anew; subscriptions hold on."""
    client.ok("SUB", VARIABLE=name)
    other.ok("PUB", VARIABLE=name, VALUE="1")
    other.ok("DEL", VARIABLE=name)
    other.ok("PUB", VARIABLE=name, VALUE="2")
    assert client.fence() == [
        message("SUB", VARIABLE=name, VALUE="1"),
        message("DEL", VARIABLE=name),
        message("SUB", VARIABLE=name, VALUE="2"),
    ]
    other.ok("DEL", VARIABLE=name)


def test_a_deletion_that_fails_is_not_told(
    client: Client, other: Client, name: str
) -> None:
    """DEL of what is not there reaches no subscriber."""
    client.ok("SUB", VARIABLE=name)
    other.bad("no-such-variable", "DEL", VARIABLE=name)
    assert client.fence() == []


# Section B9

SYS = [
    "$SYS/version",
    "$SYS/uptime",
    "$SYS/clients",
    "$SYS/variables",
    "$SYS/messages/received",
    "$SYS/messages/sent",
]


@pytest.mark.parametrize("variable", SYS)
def test_broker_variables_can_be_read(client: Client, variable: str) -> None:
    """Each of the broker's own variables answers GET and SUB."""
    stored = client.get(variable)
    assert stored is not None
    assert stored["VALUE"]
    client.send("SUB", VARIABLE=variable)
    client.expect("OK")
    client.expect("SUB", VARIABLE=variable, VALUE=..., TIME=...)
    client.ok("UNSUB", VARIABLE=variable)


def test_broker_variables_by_filter(client: Client) -> None:
    """`$SYS/#` has them all."""
    client.ok("GET", VARIABLE="$SYS/#")
    assert set(SYS) <= {received["VARIABLE"] for received in client.fence()}


@pytest.mark.parametrize("wanted", ["#", "+/clients", "+/#", "+/+/sent"])
def test_broker_variables_are_not_in_general_filters(
    client: Client, wanted: str
) -> None:
    """A filter that begins with `#` or `+` passes over names that begin with `$`."""
    client.ok("SUB", VARIABLE=wanted)
    client.ok("GET", VARIABLE=wanted)
    assert not any(received["VARIABLE"].startswith("$") for received in client.fence())


def test_unknown_broker_variables(client: Client) -> None:
    """A name under `$SYS` that the broker does not have is no variable."""
    client.bad("no-such-variable", "GET", VARIABLE="$SYS/nothing")


def _number(client: Client, variable: str) -> float:
    stored = client.get(variable)
    assert stored is not None
    return float(stored["VALUE"])


def test_broker_variables_tell_the_truth(
    filter_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """The numbers are those of now, not of some time ago."""
    client = connect(filter_broker, name)
    clients = _number(client, "$SYS/clients")
    variables = _number(client, "$SYS/variables")
    received = _number(client, "$SYS/messages/received")
    sent = _number(client, "$SYS/messages/sent")
    uptime = _number(client, "$SYS/uptime")
    second = connect(filter_broker, f"{name}b")
    assert _number(client, "$SYS/clients") == clients + 1
    client.ok("PUB", VARIABLE=name, VALUE="1")
    assert _number(client, "$SYS/variables") == variables + 1
    client.ok("DEL", VARIABLE=name)
    assert _number(client, "$SYS/variables") == variables
    assert _number(client, "$SYS/messages/received") >= received + 9
    assert _number(client, "$SYS/messages/sent") >= sent + 9
    assert _number(client, "$SYS/uptime") >= uptime
    second.send("CLOSE")
    second.closed()
    assert _number(client, "$SYS/clients") == clients

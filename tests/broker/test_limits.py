"""The bounds of the broker: each is enforced with an answer, and gives room again."""

from collections.abc import Iterator
import resource

import pytest

from .client import Client, line, message
from .conftest import Connect, StartBroker
from .process import BrokerProcess, wait_for

VARIABLES = 5000
VARIABLES_OF_A_CLIENT = 2000
SUBSCRIPTIONS = 1000
FILTER_LEVELS = 500
LEVELS = 16
QUEUED = 4 << 20
QUEUED_OF_A_SENDER = 256 << 10
MESSAGES = 32
CLIENTS = 1000
STRANGERS = 32
MALFORMED = 16


def _fill(client: Client, prefix: str, count: int) -> None:
    for i in range(count):
        client.send("PUB", VARIABLE=f"{prefix}/{i}", VALUE=i, ACK="NO")
    assert client.fence() == []


def test_variables(start_broker: StartBroker, connect: Connect) -> None:
    """2,000 variables of one client, 5,000 in all; old ones can still be written, DEL makes room."""
    broker = start_broker("--access", "open")
    first, second, third = (connect(broker, device) for device in "abc")
    for client, prefix in ((first, "a"), (second, "b")):
        _fill(client, prefix, VARIABLES_OF_A_CLIENT)
        client.bad("limit", "PUB", VARIABLE=f"{prefix}/new", VALUE="1")
        client.ok("PUB", VARIABLE=f"{prefix}/0", VALUE="again")
        client.ok("PUB", VARIABLE=f"{prefix}/new", VALUE="1", RETAIN="NO")
    _fill(third, "c", VARIABLES - 2 * VARIABLES_OF_A_CLIENT)
    third.bad("limit", "PUB", VARIABLE="c/new", VALUE="1")
    third.ok("PUB", VARIABLE="a/0", VALUE="from another")
    assert third.get("c/new") is None
    third.ok("DEL", VARIABLE="c/0")
    third.ok("PUB", VARIABLE="c/new", VALUE="1")
    third.bad("limit", "PUB", VARIABLE="c/newer", VALUE="1")
    first.ok("DEL", VARIABLE="a/1")
    first.ok("PUB", VARIABLE="a/new", VALUE="1")


def test_definitions_count_as_variables(
    start_broker: StartBroker, connect: Connect
) -> None:
    """Describing variables that have no value is no way around the bound."""
    broker = start_broker("--access", "open")
    client = connect(broker, "a")
    for i in range(VARIABLES_OF_A_CLIENT):
        client.send("DEF", VARIABLE=f"a/{i}", TYPE="sensor", ACK="NO")
    assert client.fence() == []
    client.bad("limit", "DEF", VARIABLE="a/new", TYPE="sensor")


def test_subscriptions(start_broker: StartBroker, connect: Connect) -> None:
    """1,000 subscriptions of a client, filters among them; a repeated one is no new one."""
    broker = start_broker("--access", "open")
    client = connect(broker)
    for i in range(SUBSCRIPTIONS - 1):
        client.send("SUB", VARIABLE=f"v/{i}", ACK="NO")
    client.ok("SUB", VARIABLE="f/#")
    client.bad("limit", "SUB", VARIABLE="v/new")
    client.bad("limit", "SUB", VARIABLE="g/#")
    client.ok("SUB", VARIABLE="v/0")
    client.ok("SUB", VARIABLE="f/#")
    client.ok("UNSUB", VARIABLE="v/1")
    client.ok("SUB", VARIABLE="v/new")
    client.ok("UNSUBALL")
    client.ok("SUB", VARIABLE="v/newer")
    connect(broker).ok("SUB", VARIABLE="v/0")


def test_levels_of_filters(start_broker: StartBroker, connect: Connect) -> None:
    """500 levels in the filters of a client; plain names are free."""
    broker = start_broker("--access", "open")
    client = connect(broker)
    filters = [
        "/".join([f"{i:03}", *"a" * (LEVELS - 2), "+"])
        for i in range(FILTER_LEVELS // LEVELS)
    ]
    filters.append("/".join(["last", *"a" * (FILTER_LEVELS % LEVELS - 2), "+"]))
    for text in filters:
        client.ok("SUB", VARIABLE=text)
    client.bad("limit", "SUB", VARIABLE="a/+")
    client.ok("SUB", VARIABLE=filters[0])
    client.ok("SUB", VARIABLE="/".join("a" * LEVELS))
    client.ok("UNSUB", VARIABLE=filters[0])
    client.ok("SUB", VARIABLE="a/+")
    client.ok("UNSUBALL")
    for text in filters:
        client.ok("SUB", VARIABLE=text)


def test_messages_for_everyone_together(
    start_broker: StartBroker, connect: Connect
) -> None:
    """256 KiB of one sender wait, 4 MiB of all for all devices; what is taken makes room."""
    devices = [f"device{i}" for i in range(40)]
    senders = [f"sender{i}" for i in range(17)]
    allowed = [word for one in (*devices, *senders) for word in ("--allow", one)]
    broker = start_broker(*allowed)
    value = "v" * 4000
    clients = [connect(broker, name) for name in senders]
    accepted: list[str] = []
    for sender in clients:
        free = (device for device in devices if accepted.count(device) < MESSAGES)
        before, target = len(accepted), next(free)
        while (
            one := sender.do("MSG", DEVICE=target, VALUE=value, TTL=600)
        ).params == {}:
            accepted.append(target)
            if accepted.count(target) == MESSAGES:
                target = next(free)
        assert one["REASON"] == "device-busy"
        if sender is not clients[-1]:
            assert "this sender" in one["DETAIL"]
            size = (len(accepted) - before) * len(value)
            assert 0.95 * QUEUED_OF_A_SENDER < size < QUEUED_OF_A_SENDER
        else:
            assert "this sender" not in one["DETAIL"]
    assert 0.95 * QUEUED < len(accepted) * len(value) < QUEUED
    assert len(connect(broker, devices[0]).fence()) == MESSAGES
    clients[-1].ok("MSG", DEVICE=devices[-1], VALUE=value, TTL="600")


def test_subscribing_and_unsubscribing_in_a_storm(
    open_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """Subscriptions that come and go leave nothing behind."""
    client = connect(open_broker)
    storm = b"".join(
        line("SUB", VARIABLE=f"{name}/{i % 7}/+", ACK="NO")
        + line("UNSUB", VARIABLE=f"{name}/{i % 7}/+", ACK="NO")
        for i in range(2000)
    )
    client.send_bytes(storm)
    client.fence()
    client.ok("PUB", VARIABLE=f"{name}/1/x", VALUE="1", RETAIN="NO")
    assert client.fence() == []


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process, and the brokers that it starts, have enough open sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * CLIENTS + 500
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, max(hard, needed)))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_clients(start_broker: StartBroker, connect: Connect) -> None:
    """1,000 clients; for the next one goes that is silent, or itself, until one has left."""
    broker = start_broker("--access", "open")
    clients = [connect(broker) for _ in range(CLIENTS)]
    for client in clients[1:]:
        assert client.fence() == []
    newcomer = connect(broker)
    clients[0].closed("limit")
    assert newcomer.fence() == []
    clients[0] = newcomer
    connect(broker).closed("limit")
    clients[0].ok("ID", ID="still there")
    clients[1].send("CLOSE")
    clients[1].closed()
    assert connect(broker).fence() == []
    connect(broker).closed("limit")


def test_strangers(start_broker: StartBroker, connect: Connect) -> None:
    """Over 32 connections that are not let in the oldest goes; known devices get in."""
    broker = start_broker("--allow", "alpha")
    strangers = [connect(broker) for _ in range(STRANGERS)]
    for number, stranger in enumerate(strangers):
        assert stranger.fence() == []
        if number % 2:
            stranger.send("ID", ID=f"stranger{number}")
    newest = connect(broker)
    strangers[0].closed("limit")
    known = connect(broker, "alpha")
    assert known.fence() == []
    assert newest.fence() == []
    assert strangers[-1].fence() == []
    for stranger in strangers[1:]:
        stranger.drop()


def test_a_crowd_of_strangers_does_not_lock_out(
    start_broker: StartBroker, connect: Connect
) -> None:
    """However many strangers come, known devices stay and get in."""
    broker = start_broker("--allow", "alpha", "--allow", "beta")
    alpha = connect(broker, "alpha")
    before = broker.descriptors()
    strangers = [connect(broker) for _ in range(300)]
    beta = connect(broker, "beta")
    alpha.ok("MSG", DEVICE="beta", VALUE="hi")
    assert beta.fence() == [message("MSG", DEVICE="alpha", VALUE="hi")]
    wait_for(
        lambda: broker.descriptors() <= before + STRANGERS + 4,
        "the oldest to be closed",
    )
    for stranger in strangers[: 300 - STRANGERS - 1]:
        stranger.closed("limit")
    assert len(broker.log) < 50


@pytest.mark.parametrize("bad", [b"nonsense\n", b"\xff\n", b"START | END\n"])
def test_malformed_lines_in_a_row(client: Client, bad: bytes) -> None:
    """The 16th malformed line in a row is the last: BAD each, then CLOSE."""
    assert client.fence() == []
    client.send_bytes(bad * MALFORMED + line("HELLO?"))
    for _ in range(MALFORMED):
        client.refused("malformed")
    client.closed("malformed")


def test_a_good_line_starts_the_count_anew(client: Client) -> None:
    """Fifteen malformed lines, then a good one, may be repeated."""
    assert client.fence() == []
    for _ in range(3):
        client.send_bytes(b"nonsense\n" * (MALFORMED - 1) + line("HELLO?"))
        for _ in range(MALFORMED - 1):
            client.refused("malformed")
        assert client.answer() == message("HELLO!")


def test_long_lines_count_as_malformed(client: Client) -> None:
    """Sixteen lines that are too long close the connection too."""
    assert client.fence() == []
    client.send_bytes((b"x" * 5000 + b"\n") * MALFORMED)
    for _ in range(MALFORMED):
        client.refused("too-long")
    client.closed("malformed")


def test_malformed_lines_of_strangers(
    approving_broker: BrokerProcess, connect: Connect
) -> None:
    """The same holds for who is not let in."""
    stranger = connect(approving_broker)
    assert stranger.fence() == []
    stranger.send_bytes(b"nonsense\n" * MALFORMED)
    for _ in range(MALFORMED):
        stranger.refused("malformed")
    stranger.closed("malformed")


def test_commands_that_are_refused_do_not_count(client: Client) -> None:
    """Only lines that can't be read count as malformed, not commands that fail."""
    for _ in range(3 * MALFORMED):
        client.bad("unknown-command", "BLINK")
        client.bad("no-such-variable", "GET", VARIABLE="$SYS/nothing")

"""Section B4: publishes that are not stored, and wills."""

import pytest

from .client import Client, line, message
from .conftest import Connect
from .process import BrokerProcess, wait_for


def test_retain_no_is_not_stored(client: Client, other: Client, name: str) -> None:
    """RETAIN=NO reaches the subscribers of now and leaves no value."""
    other.ok("SUB", VARIABLE=name)
    client.ok("PUB", VARIABLE=name, VALUE="pressed", RETAIN="NO")
    assert other.fence() == [message("SUB", VARIABLE=name, VALUE="pressed")]
    assert client.get(name) is None
    client.bad("no-such-variable", "DEL", VARIABLE=name)
    client.ok("SUB", VARIABLE=name)
    assert client.fence() == []


def test_retain_no_leaves_the_stored_value(client: Client, name: str) -> None:
    """RETAIN=NO does not touch a value that is there, nor its time."""
    client.ok("PUB", VARIABLE=name, VALUE="kept")
    before = client.get(name)
    client.ok("PUB", VARIABLE=name, VALUE="passing", RETAIN="NO")
    assert client.get(name) == before


def test_retain_yes_is_the_default(client: Client, name: str) -> None:
    """RETAIN=YES stores."""
    client.ok("PUB", VARIABLE=name, VALUE="1", RETAIN="YES")
    assert client.get(name) is not None


@pytest.mark.parametrize("ending", ["drop", "reset", "half_close"])
def test_will_of_a_lost_client(
    open_broker: BrokerProcess, connect: Connect, client: Client, name: str, ending: str
) -> None:
    """A client that goes without CLOSE leaves its will, published and stored like any value."""
    client.ok("SUB", VARIABLE=name)
    device = connect(open_broker, f"{name}d")
    device.ok("WILL", VARIABLE=name, VALUE="lost")
    getattr(device, ending)()
    client.expect("SUB", VARIABLE=name, VALUE="lost")
    stored = client.get(name)
    assert stored is not None
    assert stored["VALUE"] == "lost"
    assert client.fence() == []


def test_will_with_retain_no(
    open_broker: BrokerProcess, connect: Connect, client: Client, name: str
) -> None:
    """With RETAIN=NO a will passes by: the value that was stored before stays."""
    client.ok("PUB", VARIABLE=name, VALUE="kept")
    client.ok("SUB", VARIABLE=name, REPLAY="NO")
    device = connect(open_broker, f"{name}d")
    device.ok("WILL", VARIABLE=name, VALUE="lost", RETAIN="NO")
    device.reset()
    client.expect("SUB", VARIABLE=name, VALUE="lost")
    stored = client.get(name)
    assert stored is not None
    assert stored["VALUE"] == "kept"


def test_close_leaves_no_will(
    open_broker: BrokerProcess, connect: Connect, client: Client, name: str
) -> None:
    """A client that says CLOSE is not lost."""
    client.ok("SUB", VARIABLE=name)
    device = connect(open_broker, f"{name}d")
    device.ok("WILL", VARIABLE=name, VALUE="lost")
    device.send("CLOSE")
    device.closed()
    assert client.fence() == []


def test_will_without_value_takes_it_back(
    open_broker: BrokerProcess, connect: Connect, client: Client, name: str
) -> None:
    """WILL without VALUE means no will any more; OK also where there was none."""
    client.ok("SUB", VARIABLE=name)
    device = connect(open_broker, f"{name}d")
    device.ok("WILL", VARIABLE=name)
    device.ok("WILL", VARIABLE=name, VALUE="lost")
    device.ok("WILL", VARIABLE=name)
    device.reset()
    wait_for(
        lambda: client.do("MSG", DEVICE=f"{name}d", VALUE="?").command == "BAD",
        "the device to go",
    )
    assert client.fence() == []


def test_will_can_be_changed(
    open_broker: BrokerProcess, connect: Connect, client: Client, name: str
) -> None:
    """A later WILL for the variable replaces the earlier one; an empty value is a value."""
    client.ok("SUB", VARIABLE=name)
    device = connect(open_broker, f"{name}d")
    device.ok("WILL", VARIABLE=name, VALUE="first")
    device.ok("WILL", VARIABLE=name, VALUE="")
    device.reset()
    client.expect("SUB", VARIABLE=name, VALUE="")
    assert client.fence() == []


def test_will_of_a_client_that_the_broker_drops(
    open_broker: BrokerProcess, connect: Connect, client: Client, name: str
) -> None:
    """A client that is closed for what it sends has not said CLOSE: its will is published."""
    client.ok("SUB", VARIABLE=name)
    device = connect(open_broker, f"{name}d")
    device.ok("WILL", VARIABLE=name, VALUE="lost")
    device.send_bytes(b"nonsense\n" * 16)
    client.expect("SUB", VARIABLE=name, VALUE="lost")


def test_will_does_not_come_while_the_client_is_there(
    open_broker: BrokerProcess, connect: Connect, client: Client, name: str
) -> None:
    """WILL alone publishes nothing."""
    client.ok("SUB", VARIABLE=name)
    device = connect(open_broker, f"{name}d")
    device.ok("WILL", VARIABLE=name, VALUE="lost")
    assert client.fence() == []
    device.send("CLOSE")


def test_publishes_before_the_loss_come_before_the_will(
    open_broker: BrokerProcess, connect: Connect, client: Client, name: str
) -> None:
    """What a client sent before it was lost is carried out, then its will."""
    client.ok("SUB", VARIABLE=name)
    device = connect(open_broker, f"{name}d")
    device.ok("WILL", VARIABLE=name, VALUE="lost")
    device.send_bytes(b"".join(line("PUB", VARIABLE=name, VALUE=i) for i in range(20)))
    device.half_close()
    values = [client.receive()["VALUE"] for _ in range(21)]
    assert values == [*map(str, range(20)), "lost"]

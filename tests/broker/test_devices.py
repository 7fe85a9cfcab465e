"""Section B5: what a device says of itself, messages that wait, broadcast, sleep."""

import time

import pytest

from .client import Client, line, message
from .conftest import Connect, NextName, StartBroker
from .process import BrokerProcess

QUEUE = 32


def test_id_with_information(
    open_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """ID takes what the device is, and odd text in it hurts no one."""
    device = connect(open_broker)
    device.ok(
        "ID",
        ID=name,
        NAME="K\\u00fcche \\u007c <b>",
        MODEL="esp32-c3",
        MANUFACTURER="Espressif",
        SW="2026.10.0",
        MAC="A0:B1:C2:D3:E4:F5",
        AREA="Kitchen",
        COLOUR="red",
    )
    device.ok("ID", ID=name, NAME="", MAC="not a mac", SW="x" * 3000)
    assert device.fence() == []


# Messages that wait


def test_message_waits_for_a_known_device(
    approving_broker: BrokerProcess, connect: Connect, known: NextName
) -> None:
    """With TTL a MSG to a known device that is away is OK, and comes after its next ID."""
    a, b = known(), known()
    sender = connect(approving_broker, a)
    for i in range(3):
        sender.ok("MSG", DEVICE=b, VALUE=i, TTL="60")
    sender.bad("no-such-device", "MSG", DEVICE=b, VALUE="now or never")
    sender.bad("limit", "MSG", DEVICE=b, VALUE="next month", TTL="2592000")
    receiver = connect(approving_broker)
    receiver.send("ID", ID=b)
    receiver.expect("OK", KEEPALIVE=..., TIME=...)
    for i in range(3):
        receiver.expect("MSG", DEVICE=a, VALUE=i)
    receiver.send("CLOSE")
    receiver.closed()
    assert connect(approving_broker, b).fence() == []


def test_message_with_ttl_to_a_device_that_is_there(
    approving_broker: BrokerProcess, connect: Connect, known: NextName
) -> None:
    """Where the device is connected TTL changes nothing."""
    a, b = known(), known()
    receiver = connect(approving_broker, b)
    connect(approving_broker, a).ok("MSG", DEVICE=b, VALUE="1", TTL="60")
    assert receiver.fence() == [message("MSG", DEVICE=a, VALUE="1")]


def test_publishes_and_messages_keep_their_order(
    open_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """What one client sends in one write to different places reaches each in the order sent."""
    sender = connect(open_broker, f"{name}s")
    first, second = connect(open_broker, f"{name}1"), connect(open_broker, f"{name}2")
    first.ok("SUB", VARIABLE=name)
    sender.ok("PUB", VARIABLE=name, VALUE="0")
    first.expect("SUB", VARIABLE=name, VALUE="0")
    sent = [
        line("MSG", DEVICE=f"{name}1", VALUE="1"),
        line("MSG", DEVICE=f"{name}1", VALUE="2"),
        line("PUB", VARIABLE=name, VALUE="3"),
        line("MSG", DEVICE=f"{name}2", VALUE="4"),
        line("MSG", DEVICE=f"{name}1", VALUE="5"),
        line("MSG", DEVICE=f"{name}1", VALUE="6", TTL="9"),
        line("PUB", VARIABLE=name, VALUE="7"),
    ]
    sender.send_bytes(b"".join(sent))
    assert sender.answers(7) == [message("OK")] * 7
    assert [received["VALUE"] for received in first.fence()] == list("123567")
    assert [received["VALUE"] for received in second.fence()] == ["4"]


def test_message_with_ttl_to_an_unknown_device(
    approving_broker: BrokerProcess, connect: Connect, known: NextName, name: str
) -> None:
    """Nothing is kept for a device that nobody knows, nor for one that waits to be let in."""
    sender = connect(approving_broker, known())
    sender.bad("no-such-device", "MSG", DEVICE=name, VALUE="1", TTL="60")
    stranger = connect(approving_broker)
    stranger.send("ID", ID=name)
    assert stranger.fence() == []
    sender.bad("no-such-device", "MSG", DEVICE=name, VALUE="1", TTL="60")


def test_message_that_has_waited_too_long(
    approving_broker: BrokerProcess, connect: Connect, known: NextName
) -> None:
    """After its TTL a message is not delivered any more."""
    a, b = known(), known()
    sender = connect(approving_broker, a)
    sender.ok("MSG", DEVICE=b, VALUE="short", TTL="1")
    sender.ok("MSG", DEVICE=b, VALUE="long", TTL="600")
    time.sleep(1.1)
    delivered = connect(approving_broker, b).fence()
    assert delivered == [message("MSG", DEVICE=a, VALUE="long")]


def test_at_most_32_messages_wait(
    approving_broker: BrokerProcess, connect: Connect, known: NextName
) -> None:
    """The 33rd is refused, and the 32 before it are delivered in order."""
    a, b = known(), known()
    sender = connect(approving_broker, a)
    for i in range(QUEUE):
        sender.ok("MSG", DEVICE=b, VALUE=i, TTL="600")
    sender.bad("device-busy", "MSG", DEVICE=b, VALUE="too many", TTL="600")
    receiver = connect(approving_broker, b)
    assert receiver.fence() == [message("MSG", DEVICE=a, VALUE=i) for i in range(QUEUE)]
    sender.ok("MSG", DEVICE=b, VALUE="room again")
    assert receiver.fence() == [message("MSG", DEVICE=a, VALUE="room again")]


def test_messages_past_their_time_make_room(
    approving_broker: BrokerProcess, connect: Connect, known: NextName
) -> None:
    """What has waited too long does not count against the 32."""
    a, b = known(), known()
    sender = connect(approving_broker, a)
    for i in range(QUEUE - 1):
        sender.ok("MSG", DEVICE=b, VALUE=i, TTL="600")
    sender.ok("MSG", DEVICE=b, VALUE="short", TTL="1")
    time.sleep(1.1)
    sender.ok("MSG", DEVICE=b, VALUE="room again", TTL="600")
    values = [delivered["VALUE"] for delivered in connect(approving_broker, b).fence()]
    assert values == [*map(str, range(QUEUE - 1)), "room again"]


@pytest.mark.parametrize("ttl", ["soon", "-1", "nan", "1e999", ""])
def test_ttl_that_is_no_time(
    approving_broker: BrokerProcess, connect: Connect, known: NextName, ttl: str
) -> None:
    """A TTL that is no number of seconds is refused, and no message waits."""
    a, b = known(), known()
    connect(approving_broker, a).bad("malformed", "MSG", DEVICE=b, VALUE="1", TTL=ttl)
    assert connect(approving_broker, b).fence() == []


# Broadcast


def test_broadcast(start_broker: StartBroker, connect: Connect) -> None:
    """`*` is every other connected device, not the sender and no stranger."""
    broker = start_broker("--allow", "alpha", "--allow", "beta", "--allow", "gamma")
    sender = connect(broker, "alpha")
    sender.ok("MSG", DEVICE="*", VALUE="is anyone there?")
    first, second = connect(broker, "beta"), connect(broker, "gamma")
    stranger = connect(broker)
    stranger.send("ID", ID="stranger")
    sender.ok("MSG", DEVICE="*", VALUE="dinner")
    assert first.fence() == [message("MSG", DEVICE="alpha", VALUE="dinner")]
    assert second.fence() == [message("MSG", DEVICE="alpha", VALUE="dinner")]
    assert sender.fence() == []
    assert stranger.fence() == []


@pytest.mark.parametrize("device", ["homeassistant", "HomeAssistant"])
def test_home_assistant_is_not_there(client: Client, device: str) -> None:
    """The broker alone has no Home Assistant to write to."""
    client.bad("no-such-device", "MSG", DEVICE=device, VALUE="hi")


# Sleep


def test_sleep_is_no_loss(
    open_broker: BrokerProcess, connect: Connect, client: Client, name: str
) -> None:
    """CLOSE with SLEEP leaves no will while the time runs, and none if the device comes back."""
    client.ok("SUB", VARIABLE=name)
    device = connect(open_broker, f"{name}d")
    device.ok("WILL", VARIABLE=name, VALUE="lost")
    device.send("CLOSE", SLEEP="3")
    device.closed()
    assert client.fence() == []
    back = connect(open_broker, f"{name}d")
    time.sleep(3.2)
    back.send("CLOSE")
    back.closed()
    assert client.fence() == []


def test_sleeper_that_does_not_come_back(
    open_broker: BrokerProcess, connect: Connect, client: Client, name: str
) -> None:
    """After the announced time the device counts as lost: its will is published."""
    client.ok("SUB", VARIABLE=name)
    device = connect(open_broker, f"{name}d")
    device.ok("WILL", VARIABLE=name, VALUE="lost")
    device.send("CLOSE", SLEEP="2")
    device.closed()
    assert client.fence() == []
    client.expect("SUB", VARIABLE=name, VALUE="lost")


def test_messages_wait_for_a_sleeper(
    approving_broker: BrokerProcess, connect: Connect, known: NextName
) -> None:
    """A sleeping device is not connected, so a MSG needs TTL to reach it."""
    a, b = known(), known()
    sender, device = connect(approving_broker, a), connect(approving_broker, b)
    device.send("CLOSE", SLEEP="60")
    device.closed()
    sender.bad("no-such-device", "MSG", DEVICE=b, VALUE="1")
    sender.ok("MSG", DEVICE=b, VALUE="2", TTL="60")
    delivered = connect(approving_broker, b).fence()
    assert delivered == [message("MSG", DEVICE=a, VALUE="2")]


@pytest.mark.parametrize("sleep", ["long", "-5", "nan", "", "0"])
def test_sleep_that_is_no_time(
    open_broker: BrokerProcess,
    connect: Connect,
    client: Client,
    name: str,
    sleep: str,
) -> None:
    """A SLEEP that is no time to sleep makes a plain CLOSE of it: no answer, no will."""
    client.ok("SUB", VARIABLE=name)
    device = connect(open_broker, f"{name}d")
    device.ok("WILL", VARIABLE=name, VALUE="lost")
    device.send("CLOSE", SLEEP=sleep)
    device.closed()
    client.bad("no-such-device", "MSG", DEVICE=f"{name}d", VALUE="?")
    assert client.fence() == []

"""Section B8 and the rate limit: who reads slowly, or writes fast, costs the others nothing."""

import time

import pytest

from .client import Client, Message, line, message
from .conftest import Connect, StartBroker
from .process import BrokerProcess

LITTLE = 4096
"""Bytes of receive buffer that a slow reader gives the kernel."""
VALUE = "v" * 3500
MEGABYTE = 1_000_000
#: What the broker may grow by while a client does not read, in bytes: far below what is sent to it.
BOUND = 20 * MEGABYTE


def _numbered(number: int) -> str:
    return f"{number:06}{VALUE}"


def _publish(publishers: list[Client], variable: str, first: int, last: int) -> None:
    """Publish numbered values in turn, ten in flight, so that a good reader keeps up."""
    for start in range(first, last, 10):
        publisher = publishers[start // 10 % len(publishers)]
        for number in range(start, start + 10):
            publisher.send("PUB", VARIABLE=variable, VALUE=_numbered(number))
        assert publisher.answers(10) == [message("OK")] * 10


@pytest.fixture
def publishers(open_broker: BrokerProcess, connect: Connect) -> list[Client]:
    """Three clients, so that each stays below the rate limit."""
    return [connect(open_broker) for _ in range(3)]


def test_newest_value_waits_for_a_slow_reader(
    open_broker: BrokerProcess, connect: Connect, publishers: list[Client], name: str
) -> None:
    """Old values of a variable give way to new ones; memory stays, other readers get them all."""
    slow = connect(open_broker, receive_buffer=LITTLE)
    good = connect(open_broker)
    for reader in (slow, good):
        reader.ok("SUB", VARIABLE=f"{name}/#")
    before = open_broker.memory()
    for first in range(0, 9000, 10):
        _publish(publishers, f"{name}/v", first, first + 10)
        for number in range(first, first + 10):
            good.expect("SUB", VARIABLE=f"{name}/v", VALUE=_numbered(number))
    publishers[0].ok("PUB", VARIABLE=f"{name}/other", VALUE="once")
    assert open_broker.memory() - before < BOUND
    received = slow.fence()
    numbers = [int(m["VALUE"][:6]) for m in received if m["VARIABLE"] == f"{name}/v"]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 8999
    assert len(numbers) < 9000
    assert message("SUB", VARIABLE=f"{name}/other", VALUE="once") in received
    assert good.fence() == [message("SUB", VARIABLE=f"{name}/other", VALUE="once")]


def test_a_slow_reader_learns_of_deletions(
    open_broker: BrokerProcess, connect: Connect, publishers: list[Client], name: str
) -> None:
    """The last word on each variable waits, a DEL like a value; what follows DEL comes after it."""
    slow = connect(open_broker, receive_buffer=LITTLE)
    slow.ok("SUB", VARIABLE=f"{name}/#")
    _publish(publishers, f"{name}/flood", 0, 3000)
    client = publishers[0]
    for variable in ("gone", "back"):
        client.ok("PUB", VARIABLE=f"{name}/{variable}", VALUE="1")
        client.ok("DEL", VARIABLE=f"{name}/{variable}")
    client.ok("PUB", VARIABLE=f"{name}/back", VALUE="2")
    last = {received["VARIABLE"]: received for received in slow.fence()}
    assert last[f"{name}/gone"] == message("DEL", VARIABLE=f"{name}/gone")
    assert last[f"{name}/back"] == message("SUB", VARIABLE=f"{name}/back", VALUE="2")
    assert last[f"{name}/flood"]["VALUE"] == _numbered(2999)


def test_answers_and_messages_of_a_slow_reader_are_not_dropped(
    open_broker: BrokerProcess, connect: Connect, publishers: list[Client], name: str
) -> None:
    """Only values of variables give way: every answer and every accepted MSG arrives in order."""
    slow = connect(open_broker, receive_buffer=LITTLE)
    slow.ok("ID", ID=name)
    slow.ok("SUB", VARIABLE=f"{name}/v")
    _publish(publishers, f"{name}/v", 0, 2000)
    for i in range(20):
        slow.send("UNSUB", VARIABLE=f"{name}/none", SEQ=i)
        publishers[0].ok("MSG", DEVICE=name, VALUE=i)
    _publish(publishers, f"{name}/v", 2000, 4000)
    slow.send("HELLO?")
    received = []
    while (one := slow.receive()).command != "HELLO!":
        received.append(one)
    assert [one["SEQ"] for one in received if one.command == "OK"] == [
        str(i) for i in range(20)
    ]
    assert [one["VALUE"] for one in received if one.command == "MSG"] == [
        str(i) for i in range(20)
    ]
    values = [one["VALUE"] for one in received if one.command == "SUB"]
    assert values[-1] == _numbered(3999)


def test_more_than_may_wait(start_broker: StartBroker, connect: Connect) -> None:
    """Where more waits than the newest values, past the bound the reader is let go (1 MiB)."""
    broker = start_broker("--access", "open")
    slow = connect(broker, receive_buffer=LITTLE)
    slow.ok("SUB", VARIABLE="#")
    good = connect(broker)
    good.ok("SUB", VARIABLE="#")
    publisher = connect(broker)
    before = broker.memory()
    for number in range(4000):
        publisher.ok("PUB", VARIABLE=f"v/{number}", VALUE=VALUE, RETAIN="NO")
        good.expect("SUB", VARIABLE=f"v/{number}", VALUE=VALUE)
    assert broker.memory() - before < BOUND
    received = slow.until_closed()
    assert received[-1] == message("CLOSE", REASON="slow-reader")
    names = [one["VARIABLE"] for one in received[:-1]]
    assert names == [f"v/{number}" for number in range(len(names))]


def test_messages_to_a_device_that_does_not_read(
    open_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """Past 32 waiting messages the sender gets BAD; what was OK arrives, in order."""
    victim = connect(open_broker, receive_buffer=LITTLE)
    victim.ok("ID", ID=name)
    sender = connect(open_broker)
    before = open_broker.memory()
    accepted = []
    for number in range(5000):
        answered = sender.do("MSG", DEVICE=name, VALUE=_numbered(number))
        if answered.command == "BAD":
            assert answered == message("BAD", REASON="device-busy", **_detail(answered))
            break
        accepted.append(number)
    else:
        pytest.fail("the broker took 17 MB for a device that does not read")
    sender.bad("device-busy", "MSG", DEVICE=name, VALUE=_numbered(0))
    assert open_broker.memory() - before < BOUND
    assert len(accepted) >= 32
    assert [int(received["VALUE"][:6]) for received in victim.fence()] == accepted
    sender.ok("MSG", DEVICE=name, VALUE="room again")
    assert victim.fence() == [message("MSG", DEVICE="", VALUE="room again")]


def test_many_messages_at_once_to_a_device_that_does_not_read(
    open_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """Each of many MSGs in one write is answered, and what was OK arrives, in order."""
    victim = connect(open_broker, receive_buffer=LITTLE)
    victim.ok("ID", ID=name)
    sender = connect(open_broker)
    accepted: list[int] = []
    for start in range(0, 5000, 16):
        numbers = range(start, start + 16)
        sender.send_bytes(
            b"".join(line("MSG", DEVICE=name, VALUE=_numbered(one)) for one in numbers)
        )
        answers = [answered.command for answered in sender.answers(16)]
        accepted += [
            one for one, ok in zip(numbers, answers, strict=True) if ok == "OK"
        ]
        if "BAD" in answers:
            break
    assert 32 <= len(accepted) < 5000
    assert [int(received["VALUE"][:6]) for received in victim.fence()] == accepted


def _detail(answered: Message) -> dict[str, str]:
    return {key: value for key, value in answered.params.items() if key == "DETAIL"}


def test_a_busy_device_does_not_stop_a_broadcast(
    start_broker: StartBroker, connect: Connect
) -> None:
    """A device that does not read holds up no message to the others."""
    broker = start_broker("--access", "open")
    victim = connect(broker, receive_buffer=LITTLE)
    victim.ok("ID", ID="victim")
    sender = connect(broker, "sender")
    while sender.do("MSG", DEVICE="victim", VALUE=VALUE).command == "OK":
        pass
    good = connect(broker, "good")
    sender.do("MSG", DEVICE="*", VALUE="dinner")
    assert good.fence() == [message("MSG", DEVICE="sender", VALUE="dinner")]


def test_commands_of_a_client_that_takes_no_answers_are_not_read(
    open_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """A client whose answers pile up is not read until it takes them; then all are there."""
    other = connect(open_broker)
    other.ok("PUB", VARIABLE=name, VALUE=VALUE)
    greedy = connect(open_broker, receive_buffer=LITTLE)
    before = open_broker.memory()
    count = 4000
    commands = b"".join(line("GET", VARIABLE=name, SEQ=i) for i in range(count))
    greedy.send_bytes(commands)
    for _ in range(20):
        other.ok("UNSUBALL")
        time.sleep(0.05)
    assert open_broker.memory() - before < BOUND
    answered = greedy.answers(count)
    assert answered == [message("OK", SEQ=i) for i in range(count)]
    assert len(greedy.deliveries) == count
    assert {received["VALUE"] for received in greedy.deliveries} == {VALUE}


def test_a_flood_without_reading_is_stopped_by_the_socket(
    open_broker: BrokerProcess, connect: Connect
) -> None:
    """Who only ever sends is stopped by TCP, not by the broker's memory."""
    other = connect(open_broker)
    greedy = connect(open_broker, receive_buffer=LITTLE)
    before = open_broker.memory()
    greedy.socket.settimeout(3)
    flood = line("HELLO?") * 5_000_000
    with pytest.raises(TimeoutError):
        greedy.send_bytes(flood)
    assert open_broker.memory() - before < BOUND
    other.ok("UNSUBALL")


def test_a_big_get_of_a_slow_reader(
    start_broker: StartBroker, connect: Connect
) -> None:
    """GET of more than may wait for a client comes whole, as fast as it is read."""
    broker = start_broker("--access", "open")
    publisher = connect(broker)
    for i in range(1500):
        publisher.send("PUB", VARIABLE=f"v/{i}", VALUE=_numbered(i), ACK="NO")
    assert publisher.fence() == []
    before = broker.memory()
    slow = connect(broker, receive_buffer=LITTLE)
    for i in range(8):
        slow.send("GET", VARIABLE="#", SEQ=i)
    for _ in range(10):
        publisher.ok("UNSUBALL")
        time.sleep(0.05)
    assert broker.memory() - before < BOUND
    answered = slow.answers(8)
    assert answered == [message("OK", SEQ=i) for i in range(8)]
    assert len(slow.deliveries) == 8 * 1500


def test_a_slow_reader_that_never_reads_is_dropped_by_keep_alive(
    start_broker: StartBroker, connect: Connect
) -> None:
    """Who neither reads nor writes is let go like any silent client, and its memory with it."""
    broker = start_broker(
        "--access", "open", "--keepalive", "1", "--keepalive-timeout", "1"
    )
    slow = connect(broker, "slow", receive_buffer=LITTLE)
    slow.ok("SUB", VARIABLE="v")
    publisher = connect(broker)
    deadline = time.monotonic() + 30
    while publisher.do("MSG", DEVICE="slow", VALUE="?").command == "OK":
        assert time.monotonic() < deadline
        for _ in range(50):
            publisher.send("PUB", VARIABLE="v", VALUE=VALUE)
        publisher.answers(50)
    publisher.ok("UNSUBALL")


# The rate limit


def test_nothing_is_lost_above_the_rate(
    start_broker: StartBroker, connect: Connect
) -> None:
    """Above 1,000 messages a second after a burst of 5,000 the broker reads slower: no BAD."""
    broker = start_broker("--access", "open")
    fast = connect(broker)
    count = 7000
    fast.send_bytes(
        b"".join(line("PUB", VARIABLE="v", VALUE=i, SEQ=i) for i in range(count))
    )
    assert fast.answers(count) == [message("OK", SEQ=i) for i in range(count)]
    stored = fast.get("v")
    assert stored is not None
    assert stored["VALUE"] == str(count - 1)


def test_the_rate_is_one_clients_own(
    start_broker: StartBroker, connect: Connect
) -> None:
    """While one client is slowed down others are answered as ever."""
    broker = start_broker("--access", "open")
    fast, other = connect(broker), connect(broker)
    other.ok("SUB", VARIABLE="done")
    flood = b"".join(line("PUB", VARIABLE="v", VALUE=i, ACK="NO") for i in range(7000))
    fast.send_bytes(flood + line("PUB", VARIABLE="done", VALUE="1"))
    answered = 0
    while not other.deliveries:
        other.ok("UNSUB", VARIABLE="none")
        answered += 1
    assert answered > 10


def test_no_limits_lifts_the_rate(start_broker: StartBroker, connect: Connect) -> None:
    """With `--no-limits` a flood of messages is as complete."""
    broker = start_broker("--access", "open", "--no-limits")
    fast = connect(broker)
    count = 20_000
    fast.send_bytes(
        b"".join(line("PUB", VARIABLE="v", VALUE=i, ACK="NO") for i in range(count))
    )
    assert fast.fence() == []
    stored = fast.get("v")
    assert stored is not None
    assert stored["VALUE"] == str(count - 1)

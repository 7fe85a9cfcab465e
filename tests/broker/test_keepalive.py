"""Section A4: keep-alive, in both directions."""

from collections.abc import Iterator
from pathlib import Path
import time

import pytest

from .client import line, message
from .conftest import Connect
from .inprocess import House
from .process import BrokerProcess


def _keep_alive(folder: Path, seconds: str, timeout: str) -> Iterator[BrokerProcess]:
    options = ("--keepalive", seconds, "--keepalive-timeout", timeout)
    broker = BrokerProcess(folder / "data", "--access", "open", *options)
    yield broker
    broker.check()
    assert broker.stop() == 0


@pytest.fixture(scope="module")
def hasty_broker(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[BrokerProcess]:
    """A broker that asks after one second and waits two more."""
    yield from _keep_alive(tmp_path_factory.mktemp("hasty"), "1", "2")


@pytest.fixture(scope="module")
def patient_broker(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[BrokerProcess]:
    """A broker that asks after one second and waits half a minute."""
    yield from _keep_alive(tmp_path_factory.mktemp("patient"), "1", "30")


def test_ok_of_id_tells_the_configured_time(
    patient_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """KEEPALIVE is what the broker was configured to."""
    assert connect(patient_broker).ok("ID", ID=name)["KEEPALIVE"] == "1"


def test_a_silent_client_is_asked_then_dropped(
    hasty_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """HELLO? after the keep-alive time, CLOSE after the time-out; the will is published."""
    began = time.monotonic()
    silent = connect(hasty_broker, f"{name}d")
    silent.ok("WILL", VARIABLE=name, VALUE="lost")
    silent.expect("HELLO?")
    assert time.monotonic() - began > 0.7
    silent.closed("keep-alive")
    assert time.monotonic() - began > 2.5
    stored = connect(hasty_broker).get(name)
    assert stored is not None
    assert stored["VALUE"] == "lost"


def test_a_client_that_answers_stays(
    patient_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """HELLO! is life."""
    device = connect(patient_broker, name)
    for _ in range(3):
        device.expect("HELLO?")
        device.send("HELLO!")
    device.ok("UNSUBALL")


def test_any_message_is_life(patient_broker: BrokerProcess, connect: Connect) -> None:
    """Who talks is not asked, and any command answers the question as well as HELLO!."""
    talking = connect(patient_broker)
    longest_silence = 0.0
    latest = began = time.monotonic()
    while latest - began < 3:
        time.sleep(0.05)
        talking.ok("UNSUBALL")
        longest_silence = max(longest_silence, time.monotonic() - latest)
        latest = time.monotonic()
    assert not talking.deliveries or longest_silence > 0.9
    talking.deliveries.clear()
    talking.expect("HELLO?")
    talking.ok("UNSUBALL")
    talking.expect("HELLO?")


def test_bytes_without_a_message_are_not_life(
    hasty_broker: BrokerProcess, connect: Connect
) -> None:
    """A peer that sends a byte now and then, and never a message, is dropped."""
    dribbling = connect(hasty_broker)
    sent = line("PUB", VARIABLE="x", VALUE="1" * 200)
    dribbling.socket.setblocking(False)
    received = b""
    for position in range(200):
        try:
            dribbling.send_bytes(sent[position : position + 1])
            received += dribbling.socket.recv(4096)
        except BlockingIOError:
            pass
        except OSError:
            break
        if b"CLOSE" in received:
            break
        time.sleep(0.05)
    assert received == line("HELLO?") + line("CLOSE", REASON="keep-alive")


def test_deliveries_are_not_life(
    hasty_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """A subscriber that gets messages all the time but says nothing is asked too."""
    subscriber = connect(hasty_broker)
    subscriber.ok("SUB", VARIABLE=name)
    publisher = connect(hasty_broker)
    commands: list[str] = []
    deadline = time.monotonic() + 15
    while "CLOSE" not in commands:
        assert time.monotonic() < deadline
        publisher.ok("PUB", VARIABLE=name, VALUE="1")
        commands.append(subscriber.receive().command)
    assert commands.index("HELLO?") < commands.index("CLOSE")


def test_a_client_may_ask_the_broker(
    patient_broker: BrokerProcess, connect: Connect
) -> None:
    """HELLO? from a client is answered with HELLO! (B3), as often as it asks."""
    client = connect(patient_broker)
    for _ in range(50):
        assert client.do("HELLO?") == message("HELLO!")


def test_a_peer_that_vanishes_without_a_word(
    hasty_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """A link that is dead without FIN or RST is found; the device counts as gone."""
    connect(hasty_broker, name)
    other = connect(hasty_broker)
    deadline = time.monotonic() + 15
    while other.do("MSG", DEVICE=name, VALUE="?").command == "OK":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_client_that_a_person_lets_in_has_all_its_time() -> None:
    """What it was asked while it waited counts no more."""
    house = House()
    peer = house.peer("new")
    for _ in range(100):
        house.wait(1)
    house.broker.approve("new")
    for _ in range(29):
        house.wait(1)
    assert not peer.sink.closed

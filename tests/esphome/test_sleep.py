"""A node that goes to sleep: everything is told before, and the broker knows that it will be back."""

import time

from tests.broker.client import Client
from tests.broker.process import BrokerProcess, wait_for

from .conftest import StartNode
from .peer import Peer


def test_all_is_told_before_it_sleeps(peer: Peer, start_node: StartNode) -> None:
    """CLOSE comes after the last answer, with the time of sleep, and the node ends when the broker has closed."""
    node = start_node(peer, "sleeper", sleep_s=3600)
    peer.let_in()
    node.wait_flushed(peer)
    node.do("sensor", "temperature", "4.5")
    node.do("publish", "last/words", "good night")
    node.do("reboot")
    told = [peer.expect("PUB") for _ in range(2)]
    assert {message["VALUE"] for message in told} == {"4.5", "good night"}
    # Nothing else comes while the answers are missing.
    peer.connection.settimeout(0.2)
    try:
        assert peer.receive() is None
        raise AssertionError("the node did not wait for the answers")
    except TimeoutError:
        pass
    peer.connection.settimeout(30)
    peer.send("OK")
    peer.send("OK")
    assert peer.expect("CLOSE").params == {"SLEEP": "3600"}
    peer.cut()
    assert node.wait() == 0


def test_without_sleep(peer: Peer, start_node: StartNode) -> None:
    """A restart is a CLOSE without a time."""
    node = start_node(peer, "restarter")
    peer.let_in()
    node.wait_flushed(peer)
    node.do("reboot")
    assert peer.expect("CLOSE").params == {}
    peer.cut()
    assert node.wait() == 0


def test_broker_that_does_not_answer(peer: Peer, start_node: StartNode) -> None:
    """The node does not wait for ever: here ESPHome's second for a restart."""
    node = start_node(peer, "impatient", sleep_s=60)
    peer.let_in()
    node.wait_flushed(peer)
    node.do("publish", "last/words", "hello?")
    node.do("reboot")
    assert node.wait() == 0


def test_nobody_there(peer: Peer, start_node: StartNode) -> None:
    """Without a connection, and while it waits to be let in, a node sleeps at once."""
    node = start_node(peer, "lonely", sleep_s=60)
    peer.accept()
    node.wait_for_log("Waiting to be let in")
    started = time.monotonic()
    node.do("reboot")
    assert node.wait() == 0
    other = start_node(peer, "lonely too", sleep_s=60, enabled=0)
    other.do("reboot")
    assert other.wait() == 0
    assert time.monotonic() - started < 30


def test_message_for_a_sleeper(
    broker: BrokerProcess, start_node: StartNode, client: Client, name: str
) -> None:
    """A message waits for the node while it sleeps, and comes when it is awake again."""
    node = start_node(broker, name, sleep_s=600)
    node.wait_connected()
    node.wait_flushed()
    node.do("sensor", "temperature", "4.5")
    node.do("reboot")
    assert node.wait() == 0
    got = client.get(f"{name}/temperature")
    assert got is not None
    assert got["VALUE"] == "4.5"

    def waits() -> bool:
        return client.do("MSG", DEVICE=name, VALUE="wake up", TTL=60).command == "OK"

    wait_for(waits, "the broker to take the message")
    awake = start_node(broker, name, sleep_s=600)
    awake.wait_for_log("ON_MESSAGE .* wake%20up")

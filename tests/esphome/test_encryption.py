"""Encryption with a key per device: TLS-PSK, made by mbedTLS on the node and by the broker's own on the other end."""

import base64
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
import secrets

import pytest

from tests.broker.client import Client
from tests.broker.process import BrokerProcess

from .builds import COMPONENT, build_harness, run
from .conftest import Connect, StartBroker, StartNode
from .peer import Peer, Proxy

KEY = secrets.token_bytes(32)
DEVICE = "keyed-node"
# How a TLS connection begins: a handshake record.
HANDSHAKE = b"\x16\x03"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """A broker that lets everyone in, but one device only with its key."""
    broker = BrokerProcess(
        tmp_path_factory.mktemp("keyed") / "data",
        *("--access", "open", "--key", f"{DEVICE}={base64.b64encode(KEY).decode()}"),
    )
    yield broker
    broker.check()
    assert broker.stop() == 0


def test_encrypted_session(proxy: Proxy, start_node: StartNode, client: Client) -> None:
    """All goes both ways, and nothing of it can be read on the network."""
    node = start_node(proxy, DEVICE, key=KEY.hex())
    node.wait_connected()
    node.wait_flushed()
    assert proxy.seen.startswith(HANDSHAKE)
    node.do("sensor", "temperature", "21.5")
    assert node.done("publish", "secret/long", "s3cret " * 150)
    node.wait_flushed()
    temperature = client.get(f"{DEVICE}/temperature")
    long = client.get("secret/long")
    assert temperature is not None
    assert temperature["VALUE"] == "21.5"
    assert long is not None
    assert long["VALUE"] == ("s3cret " * 150).strip() + r"\u0020"
    client.ok("PUB", VARIABLE=f"{DEVICE}/pump/set", RETAIN="NO", VALUE="ON")
    node.wait_state("switch.pump", "ON")
    for number in range(100):
        client.ok("PUB", VARIABLE="watched/x", VALUE=f"{number} {'y' * 500}")
    node.wait_for_log("ON_VARIABLE watched/x 99%20y")
    assert len(node.logged("ON_VARIABLE watched/x")) == 100
    for word in (b"START", b"s3cret", b"temperature", b"yyyy"):
        assert word not in proxy.seen
    assert len(proxy.seen) > 50_000


def test_connection_is_made_again(
    proxy: Proxy, start_node: StartNode, client: Client
) -> None:
    """An encrypted connection that breaks, or that nothing comes through any more, is made again."""
    node = start_node(proxy, DEVICE, key=KEY.hex(), keepalive_ms=300)
    node.wait_connected()
    node.wait_flushed()
    for count in range(2, 12):
        proxy.cut()
        node.wait_connected(count=count)
    node.wait_flushed()
    proxy.freeze()
    for number in range(300):
        assert node.done("publish", "secret/counter", str(number))
    node.wait_connected(count=12)
    node.wait_flushed()
    got = client.get("secret/counter")
    assert got is not None
    assert got["VALUE"] == "299"


def test_slow_encrypted_link(
    proxy: Proxy, start_node: StartNode, client: Client
) -> None:
    """What the network does not take at once is taken later, in the same order."""
    node = start_node(proxy, DEVICE, key=KEY.hex())
    node.wait_connected()
    node.wait_flushed()
    client.ok("SUB", VARIABLE="secret/+", REPLAY="NO")
    for round_ in range(5):
        proxy.freeze()
        for number in range(8):
            node.do("publish", f"secret/slow{number}", f"{round_} {'z' * 40}")
        proxy.thaw()
    node.wait_flushed()
    told = {m["VARIABLE"]: m["VALUE"] for m in client.fence()}
    assert told == {f"secret/slow{number}": f"4 {'z' * 40}" for number in range(8)}


@pytest.mark.parametrize("device", [DEVICE, "unknown-node"])
def test_wrong_key(proxy: Proxy, start_node: StartNode, device: str) -> None:
    """A key that does not fit is said, tried again with longer waits, and never given up for plain text."""
    node = start_node(
        proxy,
        device,
        key=secrets.token_hex(32),
        reconnect_min_ms=20,
        reconnect_max_ms=40,
    )
    node.wait_for_log(
        r"attempt 8\): no encrypted connection: is the key the one that Home Assistant shows\?"
    )
    assert b"START" not in proxy.seen
    assert not node.logged("ON_CONNECT")
    assert len(node.logged("No connection to")) == 4


def test_key_is_needed(broker: BrokerProcess, start_node: StartNode) -> None:
    """A node that has a key at the broker and none in its YAML is told what is missing."""
    node = start_node(broker, DEVICE)
    node.wait_for_log("ON_REFUSED key-required")
    assert "add encryption: key: to textmq:" in node.text


def test_server_that_speaks_plain_text(peer: Peer, start_node: StartNode) -> None:
    """A node with a key tells nothing to a server that does not know the key, whatever that says."""
    node = start_node(peer, DEVICE, key=KEY.hex())
    for _ in range(3):
        peer.accept()
        peer.send_bytes(b"START | COMMAND=OK | END\n" * 3)
        received = bytearray()
        while data := peer.connection.recv(4096):
            received += data
        assert received.startswith(HANDSHAKE)
        assert b"START" not in received
    assert not node.logged("ON_CONNECT")


def test_only_with_keys(
    start_broker: StartBroker, start_node: StartNode, connect: Connect
) -> None:
    """Where only devices with a key are let in, the node is in."""
    broker = start_broker(
        "--access", "key", "--key", f"{DEVICE}={base64.b64encode(KEY).decode()}"
    )
    with closing(Proxy(broker.address)) as proxy:
        node = start_node(proxy, DEVICE, key=KEY.hex())
        node.wait_connected()
        node.wait_flushed()
        plain = start_node(proxy, "without-key")
        plain.wait_for_log("ON_REFUSED")
        assert not plain.logged("ON_CONNECT")
        assert node.done("publish", "secret/stored", "1")
        node.wait_flushed()
    assert broker.stop() == 0
    assert "secret%2Fstored.txt" in _files(broker.data)


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*.txt")}


def test_trickle() -> None:
    """The TLS code alone, over sockets that take three bytes at a time: every record goes out whole and in order."""
    libraries = ("-lmbedtls", "-lmbedx509", "-lmbedcrypto")
    run(build_harness("tls_harness", str(COMPONENT / "tls_psk.cpp"), *libraries))

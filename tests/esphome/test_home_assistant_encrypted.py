"""Real nodes with keys and a real Home Assistant: from the key that a person is shown to packets that nobody can read."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import secrets
import socket
import threading

import pytest
import yaml

from tests.broker.client import Client
from tests.broker.process import wait_for

from .builds import COMPONENTS, HERE, build_node
from .conftest import StartNode
from .house import House, running_house

WORD = "open sesame 4711"
_ALL_PROTOCOLS = 0x0003
_PORTS = slice(34, 38)
"""Of a TCP packet over IPv4 in an Ethernet frame."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house of this module."""
    with running_house(tmp_path_factory.mktemp("house")) as house:
        yield house


@contextmanager
def captured(port: int) -> Iterator[bytearray]:
    """Keep the bytes of all packets on the loopback interface that go to or come from a port."""
    bytes_seen = bytearray()
    number = port.to_bytes(2)
    done = threading.Event()
    with socket.socket(
        socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS)
    ) as sniffer:
        sniffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        sniffer.bind(("lo", 0))
        sniffer.settimeout(0.1)

        def capture() -> None:
            while not done.is_set():
                try:
                    packet = sniffer.recv(1 << 17)
                except TimeoutError:
                    continue
                ports = packet[_PORTS]
                if number in (ports[:2], ports[2:]):
                    bytes_seen.extend(packet)

        thread = threading.Thread(target=capture)
        thread.start()
        try:
            yield bytes_seen
        finally:
            done.set()
            thread.join()


def test_pasted_yaml(house: House, esphome: Path, start_node: StartNode) -> None:
    """A node with exactly the YAML that Home Assistant shows is in; of what it says nothing shows on the network."""
    form = house.next_step(house.device_flow(), device_id="pasted", encrypted=True)
    assert form["step_id"] == "add_key"
    shown = form["description_placeholders"]["yaml"]
    key = form["description_placeholders"]["key"]
    assert yaml.safe_load(shown)["textmq"]["encryption"] == {"key": key}
    assert house.next_step(form)["type"] == "create_entry"
    text = (HERE / "nodes" / "pasted.yaml").read_text()
    text = text.replace("source: path", f"source: {COMPONENTS}")
    program = build_node(esphome, "pasted", f"{text}\n{shown}\n")

    with captured(house.address[1]) as packets:
        node = start_node(house.address, program=program)
        word = house.entity_of("pasted/word", "sensor")
        house.wait_state(word, WORD)
        gate = house.entity_of("pasted/gate", "switch")
        house.do("switch.turn_on", entity_id=gate)
        house.wait_state(gate, "on")
        assert house.issues() == set()
        with Client(house.address) as stranger:
            answer = stranger.do("ID", ID="pasted", NAME="canary in plain text")
            assert answer["REASON"] == "key-required"
        wait_for(lambda: b"canary in plain text" in packets, "the plain packet")
    node.kill()
    assert house.issues() == {"device_plain_text_pasted"}
    assert packets.count(b"pasted") >= 2, "the identity is no secret"
    for secret in (WORD.encode(), b"COMMAND=PUB", b"COMMAND=DEF", b"pasted/gate"):
        assert secret not in packets
    for secret in (key.encode(), base64.b64decode(key)):
        assert secret not in packets
    assert key not in house.home_assistant.log.read_text()


def test_card_and_new_key(house: House, start_node: StartNode, name: str) -> None:
    """A node with a key that Home Assistant does not know has a card; a key that is changed there keeps it out."""
    key = secrets.token_bytes(32)
    node = start_node(
        house.address, name, key=key.hex(), reconnect_min_ms=100, reconnect_max_ms=500
    )
    node.wait_for_log("no encrypted connection: is the key")
    house.approve(name, key=base64.b64encode(key).decode())
    node.wait_connected()
    node.wait_flushed()
    node.do("sensor", "temperature", "21.5")
    house.wait_state(house.entity_of(f"{name}/temperature", "sensor"), "21.5")

    menu = house.device_flow(subentry_id=house.subentry_id(name))
    form = house.next_step(menu, next_step_id="new_key")
    new = form["description_placeholders"]["key"]
    assert not node.logged("ON_DISCONNECT")
    house.next_step(form)
    node.wait_for_log("ON_DISCONNECT")
    issue = f"device_wrong_key_{name}"
    wait_for(lambda: issue in house.issues(), "the repair")
    assert len(node.logged("ON_CONNECT")) == 1
    node.kill()
    again = start_node(house.address, name, key=base64.b64decode(new).hex())
    again.wait_connected()
    wait_for(lambda: issue not in house.issues(), "the repair to be gone")

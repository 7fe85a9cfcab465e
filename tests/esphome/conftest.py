"""Fixtures: the programs, nodes that end with their test, and the brokers that they connect to."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import count
import os
from pathlib import Path
import shutil

import pytest

from tests.broker.client import Address, Client
from tests.broker.process import BrokerProcess

from .builds import HERE, build_node
from .node import Node
from .peer import Peer, Proxy

type StartNode = Callable[..., Node]
type StartBroker = Callable[..., BrokerProcess]
type Connect = Callable[..., Client]

#: How many sensors the node has beside those in its YAML, called Many 0, Many 1 ...
MANY = 40

_numbers = count(1)


@pytest.fixture(scope="session")
def esphome() -> Path:
    """The `esphome` command (TEXTMQ_ESPHOME, else the one on the path)."""
    found = os.environ.get("TEXTMQ_ESPHOME") or shutil.which("esphome")
    assert found, "no esphome here: run scripts/test esphome, or set TEXTMQ_ESPHOME"
    return Path(found)


@pytest.fixture(scope="session")
def program(esphome: Path) -> Path:
    """The node of nodes/node.yaml, built with sanitizers."""
    yaml = (HERE / "nodes" / "node.yaml").read_text(encoding="utf-8")
    many = "".join(
        f"  - {{platform: template, name: Many {number}, accuracy_decimals: 0, update_interval: never}}\n"
        for number in range(MANY)
    )
    yaml = yaml.replace("sensor:\n", f"sensor:\n{many}", 1)
    return build_node(esphome, "test-node", yaml, HERE / "nodes" / "control.h")


@pytest.fixture
def name() -> str:
    """A name that no other test uses, for a device or a variable."""
    return f"n{next(_numbers)}"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """A broker that lets everyone in, one for each module."""
    broker = BrokerProcess(
        tmp_path_factory.mktemp("broker") / "data", "--access", "open"
    )
    yield broker
    broker.check()
    assert broker.stop() == 0


@pytest.fixture
def start_broker(tmp_path: Path) -> Iterator[StartBroker]:
    """Start brokers of the test's own; they share one data folder."""
    brokers: list[BrokerProcess] = []

    def start(*options: str, port: int = 0) -> BrokerProcess:
        brokers.append(BrokerProcess(tmp_path / "data", *options, port=port))
        return brokers[-1]

    yield start
    for broker in brokers:
        if broker.running:
            broker.check()
            assert broker.stop() == 0


@pytest.fixture
def start_node(program: Path, tmp_path: Path) -> Iterator[StartNode]:
    """Start nodes; at the end each stops in good order, and no sanitizer has found anything."""
    nodes: list[Node] = []

    def start(
        address: Address | BrokerProcess | Peer | Proxy,
        device_id: str | None = None,
        *,
        program: Path = program,
        **settings: str | int,
    ) -> Node:
        if not isinstance(address, tuple):
            address = address.address
        preferences = tmp_path / f"preferences{len(nodes)}"
        nodes.append(Node(program, address, device_id, preferences, **settings))
        return nodes[-1]

    yield start
    codes = [node.stop() for node in nodes if node.running]
    for node in nodes:
        node.check()
    assert not any(codes)


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Connect clients, which are closed with the test; with `device`, under this ID."""
    with ExitStack() as stack:

        def connect(broker: BrokerProcess, device: str | None = None) -> Client:
            client = stack.enter_context(Client(broker.address))
            if device is not None:
                client.ok("ID", ID=device)
            return client

        yield connect


@pytest.fixture
def client(broker: BrokerProcess, connect: Connect) -> Client:
    """A client on the broker of the module."""
    return connect(broker)


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A server that plays the broker, line by line, for what the real one never does."""
    with closing(Peer()) as peer:
        yield peer


@pytest.fixture
def proxy(broker: BrokerProcess) -> Iterator[Proxy]:
    """A way to the broker of the module that a test can cut, stop or slow down."""
    with closing(Proxy(broker.address)) as proxy:
        yield proxy

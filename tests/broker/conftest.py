"""Fixtures: brokers in their configurations, clients that are closed with their test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import count, cycle
from pathlib import Path

import pytest

from .client import Client
from .process import BrokerProcess

type Connect = Callable[..., Client]
type StartBroker = Callable[..., BrokerProcess]
type NextName = Callable[[], str]

_numbers = count(1)
_KNOWN = [f"known{number}" for number in range(100)]
_unused = cycle(_KNOWN)


@pytest.fixture(scope="module")
def open_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """A broker that lets everyone in, one for each module."""
    broker = BrokerProcess(tmp_path_factory.mktemp("open") / "data", "--access", "open")
    yield broker
    broker.check()
    assert broker.stop() == 0


@pytest.fixture(scope="module")
def approving_broker(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[BrokerProcess]:
    """A broker in the default access mode that knows a few devices, see `known`."""
    broker = BrokerProcess(
        tmp_path_factory.mktemp("approve") / "data",
        *(word for device in _KNOWN for word in ("--allow", device)),
    )
    yield broker
    broker.check()
    assert broker.stop() == 0


@pytest.fixture
def known() -> NextName:
    """Give IDs that the approving broker knows, each time another one."""
    return partial(next, _unused)


@pytest.fixture
def start_broker(tmp_path: Path) -> Iterator[StartBroker]:
    """Start brokers of the test's own; they share one data folder unless told otherwise."""
    brokers: list[BrokerProcess] = []

    def start(*options: str, data: Path | None = None, port: int = 0) -> BrokerProcess:
        brokers.append(BrokerProcess(data or tmp_path / "data", *options, port=port))
        return brokers[-1]

    yield start
    for broker in brokers:
        if broker.running:
            broker.check()
            assert broker.stop() == 0


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Connect clients; with `device`, under this ID."""
    with ExitStack() as stack:

        def connect(
            broker: BrokerProcess,
            device: str | None = None,
            *,
            receive_buffer: int | None = None,
        ) -> Client:
            client = stack.enter_context(
                Client(broker.address, receive_buffer=receive_buffer)
            )
            if device is not None:
                client.ok("ID", ID=device)
            return client

        yield connect


@pytest.fixture
def name() -> str:
    """A name that no other test uses, for a variable or a device."""
    return f"t{next(_numbers)}"


@pytest.fixture
def client(open_broker: BrokerProcess, connect: Connect) -> Client:
    """A client without an ID on the open broker."""
    return connect(open_broker)


@pytest.fixture
def other(open_broker: BrokerProcess, connect: Connect) -> Client:
    """A second client without an ID on the open broker."""
    return connect(open_broker)

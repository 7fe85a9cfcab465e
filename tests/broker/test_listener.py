"""The port: bound early, served late, stopped after either."""

import asyncio
import socket

import pytest

from custom_components.textmq.broker.core.access import AccessMode
from custom_components.textmq.broker.server.listener import Listener

from .inprocess import House, make_broker

HOST = "127.0.0.1"
HELLO = b"START | COMMAND=HELLO? | END\n"
HELLO_ANSWERED = b"START | COMMAND=HELLO! | END\n"
PATIENCE = 10
QUIET = 0.1


@pytest.fixture
def listener() -> Listener:
    """Return a listener of a broker that lets everyone in."""
    return Listener(make_broker(AccessMode.OPEN), HOST, 0)


async def test_what_comes_before_it_is_served_waits(listener: Listener) -> None:
    """Clients connect and send as soon as the port is bound; all of it is answered when they are served."""
    listener.bind()
    clients = [await asyncio.open_connection(HOST, listener.port) for _ in range(3)]
    for _, writer in clients:
        writer.write(HELLO)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(clients[0][0].readline(), QUIET)
    listener.serve()
    for reader, writer in clients:
        answer = await asyncio.wait_for(reader.readline(), PATIENCE)
        assert answer == HELLO_ANSWERED
        writer.close()
    await listener.stop()


async def test_a_client_that_has_gone_before_it_is_served(listener: Listener) -> None:
    """What it published is carried out all the same: it was sent to a port that was open."""
    listener.bind()
    _, writer = await asyncio.open_connection(HOST, listener.port)
    writer.write(b"START | COMMAND=PUB | VARIABLE=v | VALUE=1 | END\n")
    writer.close()
    await writer.wait_closed()
    listener.serve()
    reader, writer = await asyncio.open_connection(HOST, listener.port)
    writer.write(b"START | COMMAND=GET | VARIABLE=v | END\n")
    answer = await asyncio.wait_for(reader.readline(), PATIENCE)
    assert answer.startswith(b"START | COMMAND=SUB | VARIABLE=v | VALUE=1 | TIME=")
    writer.close()
    await listener.stop()


async def test_binding_proves_the_port(listener: Listener) -> None:
    """A port that another one has can't be had; one that is bound is held, one that is stopped is free."""
    listener.bind()
    other = Listener(make_broker(), HOST, listener.port)
    with pytest.raises(OSError, match="in use"):
        other.bind()
    with pytest.raises(OSError, match="in use"):
        await other.start()
    assert other.port == 0
    await other.stop()
    await listener.stop()
    await other.start()
    await other.stop()


async def test_stopped_before_it_was_served(listener: Listener) -> None:
    """A client that waits is parted with, the port is free, and the broker was never begun nor ended."""
    listener.bind()
    port = listener.port
    reader, writer = await asyncio.open_connection(HOST, port)
    await listener.stop()
    assert listener.port == 0
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(HOST, port)
    await listener.stop()
    socket.create_server((HOST, port)).close()


async def test_serving_needs_a_port(listener: Listener) -> None:
    """It is a mistake of the program."""
    with pytest.raises(RuntimeError, match="bind"):
        listener.serve()


async def test_a_failed_start_forgets_nothing() -> None:
    """Where nobody could come, what was known of devices before stays as it was."""
    house = House(("a",))
    house.peer("a")
    house.restart(killed=True)
    before = house.broker.archive.stored("$DEVICES/a")
    listener = Listener(house.broker, HOST, 0)
    listener.bind()
    await listener.stop()
    assert house.broker.archive.stored("$DEVICES/a") == before


def test_the_time_to_come_back_begins_when_it_is_served() -> None:
    """However long the start takes, nobody is taken for gone before it could come."""
    house = House(("a", "sleeper"))
    house.peer("a")
    house.peer("sleeper").send("COMMAND=CLOSE | SLEEP=100")
    house.restart()
    house.clock.time += 300
    house.wall.time += 300
    house.broker.begin()

    def value(device: str) -> str | None:
        variable = house.broker.variables.get(f"$DEVICES/{device}")
        return variable.value if variable else None

    house.wait(59)
    assert value("a") == value("sleeper") == ""
    house.wait(2)
    assert value("a") == "DISCONNECTED SINCE=2027-01-15T08:00:00Z"
    assert value("sleeper") == "LOST SINCE=2027-01-15T08:01:40Z"

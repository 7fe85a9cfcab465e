"""Hostile or unlucky peers on real sockets, where the broker runs in this process or its system is short of something."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path
import socket
import time

import pytest

from custom_components.textmq.broker.core.access import Access, AccessMode
from custom_components.textmq.broker.core.broker import Broker
from custom_components.textmq.broker.core.limits import Limits
from custom_components.textmq.broker.server import listener as listener_module
from custom_components.textmq.broker.server.listener import Listener

from .client import Client, line
from .conftest import Connect
from .process import SCRIPT, BrokerProcess, wait_for

PATIENCE = 30
HOST = "127.0.0.1"


@pytest.fixture
async def broker() -> Broker:
    """A broker in this process that lets everyone in."""
    return Broker(
        access=Access(AccessMode.OPEN),
        limits=Limits(linger=0.2),
        call_soon=asyncio.get_running_loop().call_soon,
    )


@pytest.fixture
async def listener(broker: Broker) -> AsyncIterator[Listener]:
    """A port for it."""
    listener = Listener(broker, HOST, 0)
    await listener.start()
    yield listener
    await listener.stop()


async def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        await asyncio.sleep(0.01)


async def test_connections_leave_no_tasks_and_no_timers(
    broker: Broker, listener: Listener
) -> None:
    """Hundreds of connections that end in every way leave no task, session or timer (case 17)."""
    loop = asyncio.get_running_loop()

    def storm() -> None:
        for number in range(400):
            with Client((HOST, listener.port)) as client:
                if number % 4:
                    client.ok("ID", ID=f"d{number}")
                if number % 4 == 1:
                    client.send("CLOSE")
                if number % 4 == 2:
                    client.send_bytes(b"START | COMM")
                    client.reset()
                if number % 8 == 3:
                    client.send_bytes(b"GET / HTTP/1.1\r\n\r\n")

    await asyncio.to_thread(storm)
    await _until(lambda: not broker.sessions, "the sessions to end")
    await _until(lambda: len(asyncio.all_tasks()) == 1, "the tasks to end")
    scheduled: list[asyncio.TimerHandle] = loop._scheduled  # type: ignore[attr-defined]  # noqa: SLF001
    await _until(
        lambda: sum(not timer.cancelled() for timer in scheduled) <= 3,
        "the timers to be cancelled",
    )


async def test_a_client_that_never_stops_sending(
    broker: Broker, listener: Listener
) -> None:
    """After CLOSE a peer that goes on sending is cut, and nothing of it is carried out (case 30)."""
    device, _ = await _device(listener, "a")
    broker.disconnect("a")
    flood = line("PUB", VARIABLE="v", VALUE="x" * 1000) * 100

    def send_for_ever() -> None:
        device.send_bytes(flood)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            device.send_bytes(flood)

    with pytest.raises(OSError):
        await asyncio.to_thread(send_for_ever)
    device.drop()
    assert len(broker.variables) == 0


async def _device(listener: Listener, device: str) -> tuple[Client, object]:
    client = await asyncio.to_thread(Client, (HOST, listener.port))
    return client, await asyncio.to_thread(client.ok, "ID", ID=device)


async def test_ten_fast_reloads(broker: Broker) -> None:
    """The port can be closed and opened again at once, with devices connected all the while (case 24)."""
    port = 0
    for _ in range(10):
        listener = Listener(broker, HOST, port)
        await listener.start()
        port = listener.port
        clients = [(await _device(listener, f"d{n}"))[0] for n in range(5)]
        leaving = [asyncio.to_thread(client.closed, "shutdown") for client in clients]
        await asyncio.gather(listener.stop(), *leaving)
        for client in clients:
            client.drop()
        assert not broker.sessions
        assert listener.port == 0
    assert len(asyncio.all_tasks()) == 1


async def test_a_port_of_both_families(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a port for IPv4 and IPv6 an IPv4 address is shown as one (case 25)."""

    def bind(host: str | None, port: int) -> socket.socket:
        server = socket.socket(socket.AF_INET6)
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind((f"::ffff:{HOST}", port))
        server.listen()
        server.setblocking(False)
        return server

    monkeypatch.setattr(listener_module, "bind", bind)
    listener = Listener(broker, None, 0)
    await listener.start()
    client, _ = await _device(listener, "a")
    known = broker.devices.get("a")
    assert known is not None
    assert known.address == HOST
    client.drop()
    await listener.stop()


def test_a_peer_that_has_said_all(
    open_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """Who shuts its sending side gets the answers to what it sent, then the end (case 21)."""
    client = connect(open_broker)
    client.send("PUB", VARIABLE=name, VALUE="1")
    client.send("GET", VARIABLE=name)
    client.half_close()
    assert [one.command for one in client.until_closed()] == ["OK", "SUB", "OK"]


def test_short_of_sockets_again_and_again(tmp_path: Path) -> None:
    """A system that is short of sockets for long is one line in the log, and no loop that runs hot (case 23)."""
    few = ("bash", "-c", 'ulimit -n 40; exec "$@"', "bash", str(SCRIPT))
    broker = BrokerProcess(tmp_path / "data", "--access", "open", command=few)
    with Client(broker.address) as first:
        first.fence()
        for _ in range(3):
            with ExitStack() as stack:
                for _ in range(60):
                    stack.enter_context(Client(broker.address))
                wait_for(
                    lambda: any("No connection" in text for text in broker.log),
                    "the shortage to be noticed",
                )
                first.ok("PUB", VARIABLE="v", VALUE="1")
            with Client(broker.address) as late:
                assert late.fence() == []
        assert broker.stop(first) == 0
    assert sum("No connection can be accepted" in text for text in broker.log) == 1
    assert "Traceback" not in broker.text

"""Sockets: those that close, those that wait to be accepted, the end of all of them, and the trace of the wire."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
import logging
import resource
import select
import socket
import ssl
import threading
import time

import pytest

from custom_components.textmq.broker.core.access import Access, AccessMode
from custom_components.textmq.broker.core.broker import Broker
from custom_components.textmq.broker.core.limits import Limits
from custom_components.textmq.broker.server.connection import Connection
from custom_components.textmq.broker.server.listener import Listener
from custom_components.textmq.broker.server.trace import Trace

from .client import line
from .conftest import Connect, StartBroker
from .encryption import Handshake, client_context, key_of
from .inprocess import Peer, make_broker
from .process import BrokerProcess

PATIENCE = 15
CONNECTS = 3000
FEW = 500
CLOSING = 64
UNAUTHORIZED = 32
SPARE = 8
"""Descriptors that a broker may need besides: a file that is saved, a socket between accept and its end."""


class Served:
    """A broker in this process, with its listener."""

    def __init__(self, mode: AccessMode, limits: Limits | None = None) -> None:
        """Listen on any port as soon as it is started; `a` has a key."""
        self.broker = Broker(
            access=Access(mode, ("known",), {"a": key_of("a")}),
            limits=limits,
            call_soon=asyncio.get_running_loop().call_soon,
        )
        self.listener = Listener(self.broker, "127.0.0.1", 0)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self.listener.port

    @property
    def connections(self) -> set[Connection]:
        """All connections, those that close too."""
        return self.listener._connections  # noqa: SLF001

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect."""
        return await asyncio.open_connection(*self.address)


@asynccontextmanager
async def _served(
    mode: AccessMode = AccessMode.OPEN, limits: Limits | None = None
) -> AsyncIterator[Served]:
    served = Served(mode, limits)
    await served.listener.start()
    yield served
    await asyncio.wait_for(served.listener.stop(), PATIENCE)
    assert not served.connections


async def _until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


# Floods of connections


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process have enough open sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < CONNECTS:
        resource.setrlimit(resource.RLIMIT_NOFILE, (CONNECTS, max(hard, CONNECTS)))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize(
    ("first", "count"),
    [
        pytest.param(b"", FEW, id="silent"),
        pytest.param(b"nonsense\n", CONNECTS, id="text"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", FEW, id="HTTP"),
        pytest.param(b"\x16\x03\x01\x00\x05hello", FEW, id="TLS"),
        pytest.param(line("ID", ID="stranger") + line("CLOSE"), FEW, id="closes"),
        pytest.param(line("ID", ID="waits"), FEW, id="waits"),
    ],
)
def test_three_thousand_connects(
    start_broker: StartBroker, connect: Connect, first: bytes, count: int
) -> None:
    """They never hold more descriptors than strangers and closing ones may, and known devices get in meanwhile."""
    broker = start_broker("--allow", "known", "--allow", "other")
    other = connect(broker, "other")
    base = broker.descriptors()
    held: deque[socket.socket] = deque()
    worst = 0
    for number in range(count):
        flood = socket.socket()
        flood.bind(("127.0.0.2", 0))
        flood.connect(broker.address)
        with suppress(OSError):
            flood.send(first)
        held.append(flood)
        if len(held) > 1000:
            held.popleft().close()
        if number % 100 == 99:
            worst = max(worst, broker.descriptors() - base)
        if number % FEW == FEW - 1:
            known = connect(broker, "known")
            assert known.fence() == []
            known.send("CLOSE")
            assert other.fence() == []
    assert worst <= CLOSING + UNAUTHORIZED + SPARE
    for flood in held:
        flood.close()


async def test_the_oldest_of_the_closing_is_cut() -> None:
    """Past the bound one that closes gets no more time to take what was sent."""
    limits = Limits(closing=2, linger=PATIENCE)
    async with _served(limits=limits) as served:
        ends = []
        for number in range(4):
            reader, writer = await served.open()
            writer.write(b"nonsense\n")
            await reader.readline()
            assert (await reader.readline()).startswith(b"START | COMMAND=CLOSE")
            ends.append(writer)
            await _until(lambda n=number: len(served.connections) == min(n + 1, 2))
        for writer in ends:
            writer.close()
        await _until(lambda: not served.connections)


async def test_bytes_to_a_connection_that_closes_are_bounded() -> None:
    """What still comes in is read a few times and no more, byte by byte too, until its time is over."""
    async with _served(limits=Limits(linger=2)) as served:
        reader, writer = await served.open()
        writer.write(line("CLOSE"))
        assert await reader.read() == b""
        (connection,) = served.connections
        reads = 0
        began = time.monotonic()
        with suppress(ConnectionError):
            while served.connections:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.002)
                reads += 1
                assert time.monotonic() - began < PATIENCE
        assert connection._drained <= (1 << 18) + (1 << 12)  # noqa: SLF001
        assert reads > 100
        writer.close()


# The end


async def test_stop_ends_with_every_kind_of_client() -> None:
    """Within the time that a closing connection has, whatever its client does: nothing at all, mostly."""
    limits = Limits(linger=0.5)
    served = Served(AccessMode.OPEN, limits)
    await served.listener.start()
    clients = []

    async def client(data: bytes = b"", receive_buffer: int = 0) -> socket.socket:
        one = socket.socket()
        if receive_buffer:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        one.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(one, served.address)
        await loop.sock_sendall(one, data)
        clients.append(one)
        return one

    served.broker.publish("big", "v" * 4000, device="x")
    await client()
    await client(b"START | COMM")
    await client(line("GET", VARIABLE="big") * 500, receive_buffer=4096)
    await client(line("SUB", VARIABLE="#") + line("ID", ID="slow"), receive_buffer=4096)
    await client(line("PUB", VARIABLE="v", VALUE="1") * 20_000)
    half = await client(line("PUB", VARIABLE="v", VALUE="1") * 1000)
    half.shutdown(socket.SHUT_WR)
    await client(Handshake(client_context("a")).outgoing.read()[:50])
    await client(b"nonsense\n")
    await asyncio.sleep(0.3)
    for number in range(3000):
        served.broker.publish(f"v/{number % 50}", "v" * 4000, device="x", retain=False)
    served.broker.flush()
    await asyncio.sleep(0.1)
    began = time.monotonic()
    await asyncio.wait_for(served.listener.stop(), PATIENCE)
    assert time.monotonic() - began < limits.linger + 2
    assert not served.connections
    assert not served.broker.sessions
    for one in clients:
        one.close()


async def test_stop_while_others_connect() -> None:
    """Whoever comes in the last moment is closed like everyone else, or finds no port."""
    async with _served() as served:
        address, stopping = served.address, threading.Event()

        def knock() -> None:
            while not stopping.is_set():
                with suppress(OSError), socket.create_connection(address, 1) as one:
                    one.sendall(line("HELLO?"))

        knockers = [threading.Thread(target=knock) for _ in range(4)]
        for knocker in knockers:
            knocker.start()
        await asyncio.sleep(0.3)
        await asyncio.wait_for(served.listener.stop(), PATIENCE)
        assert not served.connections
        stopping.set()
        for knocker in knockers:
            await asyncio.to_thread(knocker.join)


async def test_a_connection_lost_while_another_client_is_served() -> None:
    """A reader that was reset is noticed by whoever writes to it, who is served on; its will comes."""
    async with _served() as served:
        lost, witness = await served.open(), await served.open()
        lost[1].write(
            line("SUB", VARIABLE="v")
            + line("WILL", VARIABLE="lost", VALUE="yes")
            + line("HELLO?")
        )
        witness[1].write(line("SUB", VARIABLE="#") + line("HELLO?"))
        for reader, _ in (lost, witness):
            while await reader.readline() != b"START | COMMAND=HELLO! | END\n":
                pass
        raw = lost[1].get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        lost[1].transport.abort()
        publisher = await served.open()
        count = 500
        publisher[1].write(
            b"".join(line("PUB", VARIABLE="v", VALUE=n) for n in range(count))
        )
        for _ in range(count):
            assert await publisher[0].readline() == b"START | COMMAND=OK | END\n"
        seen = [await witness[0].readline() for _ in range(count + 1)]
        assert any(b"VARIABLE=lost" in one for one in seen)
        for _, writer in (witness, publisher):
            writer.close()


async def test_all_is_answered_after_the_end_of_tls() -> None:
    """A client that says by TLS that nothing follows still gets all its answers, above its rate too."""
    limits = Limits(rate=2000, burst=500)
    count = 1500
    async with _served(limits=limits) as served:

        def talk() -> list[bytes]:
            with socket.create_connection(served.address, PATIENCE) as plain:
                handshake = Handshake(client_context("a"))
                handshake.finish(plain)
                for data in (line("ID", ID="a"), line("UNSUBALL") * count):
                    plain.sendall(handshake.encrypt(data))
                with suppress(OSError):
                    handshake.tls.unwrap()
                plain.sendall(handshake.outgoing.read())
                text = b""
                while data := plain.recv(1 << 16):
                    handshake.incoming.write(data)
                    with suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
                        while piece := handshake.tls.read(1 << 16):
                            text += piece
                return text.splitlines()

        answers = await asyncio.to_thread(talk)
        assert len(answers) == count + 1
        assert set(answers[1:]) == {b"START | COMMAND=OK | END"}


async def test_tcp_asks_too() -> None:
    """The system's own keep-alive is on, so that who waits for a person in vain is noticed."""
    async with _served() as served:
        _, writer = await served.open()
        await _until(lambda: served.connections)
        (connection,) = served.connections
        peer = connection._socket  # noqa: SLF001
        assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
        assert peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 15
        assert peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 4
        writer.close()


# The trace


async def test_the_wire_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is traced, by no object, unless the log shows it; then each line both ways, from the next second on."""
    caplog.set_level(logging.INFO, "textmq.wire")
    async with _served(limits=Limits(keepalive=0.4)) as served:
        reader, writer = await served.open()

        async def ask() -> None:
            writer.write(line("PUB", VARIABLE="v", VALUE="1"))
            while await reader.readline() != b"START | COMMAND=OK | END\n":
                pass

        await ask()
        (connection,) = served.connections
        assert connection.trace is None
        assert not caplog.records
        caplog.set_level(logging.DEBUG, "textmq.wire")
        await _until(lambda: connection.trace is not None)
        await ask()
        shown = [
            one.getMessage() for one in caplog.records if one.name == "textmq.wire"
        ]
        assert "127.0.0.1 < START | COMMAND=PUB | VARIABLE=v | VALUE=1 | END" in shown
        assert "127.0.0.1 > START | COMMAND=OK | END" in shown
        caplog.set_level(logging.INFO, "textmq.wire")
        await _until(lambda: connection.trace is None)
        caplog.clear()
        await ask()
        assert not caplog.records
        writer.close()


async def test_the_trace_is_printable_and_short(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever comes over the wire, a line of the log is one line, without control characters."""
    caplog.set_level(logging.DEBUG, "textmq.wire")
    async with _served() as served:
        await asyncio.sleep(0)
        reader, writer = await served.open()
        writer.write(line("HELLO?"))
        await reader.readline()
        writer.write(b"\x1b[31m \xff\0 \x85 fake\rline" + b"y" * 3000 + b"\n")
        await reader.readline()
        writer.close()
    shown = [one.getMessage() for one in caplog.records if one.name == "textmq.wire"]
    assert any("fake" in one for one in shown)
    assert all(one.isprintable() and len(one) < 1100 for one in shown)


# Bounds of all clients together


def test_subscriptions_of_all_clients_have_a_bound() -> None:
    """Past it a new subscription is refused, one again is not, and what is given back is free."""
    broker = make_broker(AccessMode.OPEN, limits=Limits(subscription_bytes=100_000))
    peers = [Peer(broker) for _ in range(10)]
    taken = [0] * len(peers)
    for number in range(100):
        for index, peer in enumerate(peers):
            (answer,) = peer.ask(f"COMMAND=SUB | VARIABLE=v/{index}/{number}")
            taken[index] += answer == "COMMAND=OK"
            assert answer == "COMMAND=OK" or "REASON=limit" in answer
    assert 200 < sum(taken) < 400
    assert peers[0].ask("COMMAND=SUB | VARIABLE=v/0/0") == ["COMMAND=OK"]
    peers[1].session.lost()
    assert peers[0].ask("COMMAND=SUB | VARIABLE=new") == ["COMMAND=OK"]


def test_filters_of_all_clients_have_a_bound() -> None:
    """Past it a new filter is refused; plain names go on, and so do filters that were there."""
    broker = make_broker(AccessMode.OPEN, limits=Limits(filter_levels_total=100))
    peers = [Peer(broker) for _ in range(10)]
    answers = [
        peer.ask(f"COMMAND=SUB | VARIABLE=a{index}/b/c/+{'/d' * number}")[0]
        for index, peer in enumerate(peers)
        for number in range(10)
    ]
    assert answers[0] == "COMMAND=OK"
    assert "REASON=limit" in answers[-1]
    assert peers[9].ask("COMMAND=SUB | VARIABLE=a/b/c") == ["COMMAND=OK"]
    assert peers[0].ask("COMMAND=SUB | VARIABLE=a0/b/c/+") == ["COMMAND=OK"]
    for peer in peers[:9]:
        peer.session.lost()
    assert peers[9].ask("COMMAND=SUB | VARIABLE=#") == ["COMMAND=OK"]


# The longest line that a client gets


@pytest.mark.parametrize(
    ("command", "rest"),
    [
        ("PUB", ""),
        ("PUB", "|RETAIN=NO"),
        ("MSG", ""),
        ("DEF", ""),
    ],
)
def test_a_delivery_is_little_longer_than_its_line(
    open_broker: BrokerProcess, connect: Connect, name: str, command: str, rest: str
) -> None:
    """At most 256 bytes longer than the longest line, with name, sender, time and blanks as long as they can be."""
    device = (name + "d" * 64)[:64]
    variable = "/".join(
        (f"{name}{'v' * 255}"[:255][i : i + 16]) for i in range(0, 240, 17)
    )
    reader, writer = (
        connect(open_broker, device),
        connect(open_broker, f"w{device}"[:64]),
    )
    reader.ok("SUB", VARIABLE=variable, DEF="YES")
    target = {"PUB": f"VARIABLE={variable}|VALUE=", "MSG": f"DEVICE={device}|VALUE="}
    start = f"START|COMMAND={command}|" + target.get(
        command, f"VARIABLE={variable}|TYPE=select|ICON=mdi:x|CATEGORY=config|OPTIONS="
    )
    end = f"{rest}|END\n"
    room = 4096 - len(start) - len(end) + 1
    value = (
        "x" * room
        if command != "DEF"
        else ",".join(f"{n:09}" for n in range(410))[:room].rstrip(",")
    )
    writer.send_bytes(f"{start}{value}{end}".encode())
    assert writer.answer().command == "OK"
    longest = 0
    reader.send("GET", VARIABLE=variable)
    reader.send("HELLO?")
    while (received := reader.receive_line()) != b"START | COMMAND=HELLO! | END\n":
        assert received is not None
        longest = max(longest, len(received) - 1)
    assert longest <= 4096 + 256
    assert longest > 4050


async def test_a_flood_is_traced_in_part(caplog: pytest.LogCaptureFixture) -> None:
    """Of what comes at once a number of lines is shown, and how much more there was."""
    caplog.set_level(logging.DEBUG, "textmq.wire")
    async with _served() as served:
        await _until(Trace.wanted)
        _, writer = await served.open()
        await _until(lambda: served.connections)
        (connection,) = served.connections
        await _until(lambda: connection.trace is not None)
        writer.write(line("HELLO!") * 1000)
        await writer.drain()
        await _until(lambda: "more bytes)" in caplog.text)
        writer.close()
    assert caplog.text.count("COMMAND=HELLO!") <= 100


# A system without epoll


async def test_without_epoll(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no epoll the event loop watches each socket: the same conversation, slow reader and stop."""
    monkeypatch.delattr(select, "epoll")
    async with _served() as served:
        reader, writer = await served.open()
        writer.write(line("SUB", VARIABLE="#"))
        assert await reader.readline() == line("OK")
        served.broker.publish("v", "x" * 3000, device="")
        for number in range(2000):
            served.broker.publish("v", f"{number} " + "x" * 3000, device="")
            if number % 50 == 0:
                served.broker.flush()
                await asyncio.sleep(0)
        served.broker.publish("v", "last", device="")
        served.broker.flush()
        last = line("SUB", VARIABLE="v", VALUE="last")
        async with asyncio.timeout(PATIENCE):
            while await reader.readline() != last:
                pass
        writer.write(line("CLOSE"))
        assert await reader.read() == b""
        writer.close()
        await _until(lambda: not served.connections)
        reader, writer = await served.open()
        await _until(lambda: served.connections)
        await served.listener.stop()
        assert (await reader.read()).startswith(b"START | COMMAND=CLOSE")
        writer.close()

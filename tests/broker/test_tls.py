"""Section B7: TLS with a pre-shared key, over real sockets."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
import shutil
import socket
import ssl
import subprocess
from typing import Self, override

import pytest

from custom_components.textmq.broker.core.access import Access, AccessMode
from custom_components.textmq.broker.core.broker import Broker
from custom_components.textmq.broker.core.limits import Limits
from custom_components.textmq.broker.core.observers import Observer
from custom_components.textmq.broker.server.listener import Listener

from .client import Address, Client, line, message
from .conftest import Connect, StartBroker
from .encryption import (
    CIPHERS,
    FIRST_CIPHER,
    HANDSHAKE,
    EncryptedClient,
    Handshake,
    client_context,
    key_of,
    key_options,
    relay,
)
from .process import BrokerProcess, wait_for

KEYED = [f"keyed{number}" for number in range(100)]
PATIENCE = 30
ALERT = b"\x15"
_numbers = count()

type Open = Callable[..., EncryptedClient]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """A broker in the default access mode that has keys and knows one device without.

    When all tests are done it has logged nothing: whatever fails costs no line, and no key shows.
    """
    broker = BrokerProcess(
        tmp_path_factory.mktemp("tls") / "data", *key_options(*KEYED), "--allow", "bare"
    )
    yield broker
    broker.check()
    assert broker.stop() == 0
    assert [text for text in broker.log if "listening on" not in text] == []


@pytest.fixture
def device() -> str:
    """The ID of a device that has a key, each time another one."""
    return KEYED[next(_numbers) % len(KEYED)]


@pytest.fixture
def encrypted() -> Iterator[Open]:
    """Open encrypted connections; they are closed with the test."""
    clients: list[EncryptedClient] = []

    def open_(
        broker: BrokerProcess,
        identity: str,
        *,
        let_in: bool = True,
        receive_buffer: int | None = None,
    ) -> EncryptedClient:
        client = EncryptedClient(
            broker.address, client_context(identity), receive_buffer=receive_buffer
        )
        clients.append(client)
        if let_in:
            client.ok("ID", ID=identity)
        return client

    yield open_
    for client in clients:
        client.drop()


def _s_client(
    address: Address, *options: str, sent: bytes
) -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("openssl")
    assert program, "openssl is not installed"
    return subprocess.run(
        [program, "s_client", "-connect", f"{address[0]}:{address[1]}", *options],
        input=sent,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )


def _psk(device: str, key: bytes | None = None) -> list[str]:
    return ["-psk", (key or key_of(device)).hex(), "-psk_identity", device]


# What works


def test_a_session_that_a_person_can_read(broker: BrokerProcess, device: str) -> None:
    """The openssl program is a client: what goes in and comes out are the lines of the protocol."""
    done = _s_client(
        broker.address,
        *("-tls1_2", "-quiet", *_psk(device)),
        sent=line("ID", ID=device)
        + line("PUB", VARIABLE=f"{device}/t", VALUE="21.5")
        + line("GET", VARIABLE=f"{device}/t")
        + line("CLOSE"),
    )
    first, second, value, fourth = done.stdout.decode("ascii").splitlines()
    assert first.startswith("START | COMMAND=OK | KEEPALIVE=30 | TIME=")
    assert second == fourth == "START | COMMAND=OK | END"
    assert value.startswith(
        f"START | COMMAND=SUB | VARIABLE={device}/t | VALUE=21.5 | TIME="
    )


def test_everything_works_as_in_plain_text(
    broker: BrokerProcess, encrypted: Open, connect: Connect, device: str
) -> None:
    """Encrypted and plain devices meet on the one port."""
    hidden = encrypted(broker, device)
    bare = connect(broker, "bare")
    hidden.ok("SUB", VARIABLE=f"{device}/#")
    bare.ok("PUB", VARIABLE=f"{device}/x", VALUE="1")
    bare.ok("MSG", DEVICE=device, VALUE="hello")
    assert hidden.fence() == [
        message("SUB", VARIABLE=f"{device}/x", VALUE="1"),
        message("MSG", DEVICE="bare", VALUE="hello"),
    ]


def test_the_best_cipher_is_the_brokers_choice(
    broker: BrokerProcess, device: str
) -> None:
    """Of what a client offers the broker takes ECDHE-PSK-CHACHA20-POLY1305, whatever the client likes best."""
    offer = ":".join(reversed(CIPHERS))
    with EncryptedClient(
        broker.address, client_context(device, ciphers=offer)
    ) as client:
        assert client.tls.version() == "TLSv1.2"
        chosen = client.tls.cipher()
        assert chosen is not None
        assert chosen[0] == FIRST_CIPHER


@pytest.mark.parametrize("cipher", CIPHERS)
def test_each_cipher(broker: BrokerProcess, device: str, cipher: str) -> None:
    """A client that knows but one of the ciphers gets in."""
    with EncryptedClient(
        broker.address, client_context(device, ciphers=cipher)
    ) as client:
        client.ok("ID", ID=device)


@pytest.mark.parametrize(
    "ciphers",
    [
        "PSK-AES128-CBC-SHA",
        "DHE-PSK-AES256-GCM-SHA384",
        "PSK-NULL-SHA256:@SECLEVEL=0",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "AECDH-AES128-SHA:@SECLEVEL=0",
    ],
)
def test_no_other_cipher(broker: BrokerProcess, device: str, ciphers: str) -> None:
    """Without encryption, without a key, by a certificate, by outdated means: no handshake."""
    with pytest.raises(ssl.SSLError, match=r"(?i)handshake failure"):
        EncryptedClient(broker.address, client_context(device, ciphers=ciphers))


@pytest.mark.parametrize("version", ["-tls1_3", "-tls1_1"])
def test_no_other_version(broker: BrokerProcess, device: str, version: str) -> None:
    """A client that speaks only another version of TLS is refused in the handshake."""
    options = [version, "-cipher", "ALL:@SECLEVEL=0", *_psk(device)]
    done = _s_client(broker.address, *options, sent=line("ID", ID=device))
    assert done.returncode != 0
    assert b"protocol version" in done.stderr
    assert b"COMMAND=" not in done.stdout


def test_byte_by_byte(broker: BrokerProcess, device: str) -> None:
    """Handshake and session in packets of one byte."""
    handshake = Handshake(client_context(device))
    with socket.create_connection(broker.address, timeout=PATIENCE) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def send(data: bytes) -> None:
            for position in range(len(data)):
                connection.sendall(data[position : position + 1])

        handshake.finish(connection, send)
        send(handshake.encrypt(line("ID", ID=device)))
        text = b""
        while not text.endswith(b"\n"):
            received = connection.recv(1)
            assert received
            text += handshake.decrypt(received)
    assert text.startswith(b"START | COMMAND=OK | KEEPALIVE=30 | ")


def test_large_values(broker: BrokerProcess, encrypted: Open, device: str) -> None:
    """A value that fills the line comes back as it went."""
    client = encrypted(broker, device)
    room = 4096 - len(line("PUB", VARIABLE=device, VALUE="")) + 1
    value = "v" * room
    client.ok("PUB", VARIABLE=device, VALUE=value)
    stored = client.get(device)
    assert stored is not None
    assert stored["VALUE"] == value


def test_many_messages(broker: BrokerProcess, encrypted: Open, device: str) -> None:
    """Thousands of messages at once are answered in their order."""
    client = encrypted(broker, device)
    client.ok("SUB", VARIABLE=f"{device}/n")
    total = 4000
    client.send_bytes(
        b"".join(
            line("PUB", VARIABLE=f"{device}/n", VALUE=number, RETAIN="NO", SEQ=number)
            for number in range(total)
        )
    )
    answered = client.answers(total)
    assert answered == [message("OK", SEQ=number) for number in range(total)]
    delivered = [one["VALUE"] for one in client.fence()]
    assert delivered == [str(number) for number in range(total)]


def test_a_slow_reader(
    broker: BrokerProcess, encrypted: Open, connect: Connect, device: str
) -> None:
    """Back-pressure works through TLS: nothing piles up, and the newest value arrives (B8)."""
    slow = encrypted(broker, device, receive_buffer=4096)
    slow.ok("SUB", VARIABLE=f"{device}/v")
    fast = connect(broker, "bare")
    fast.ok("PUB", VARIABLE=f"{device}/v", VALUE="first")
    before = broker.memory()
    rounds, batch = 30, 100
    for number in range(rounds):
        fast.send_bytes(
            line("PUB", VARIABLE=f"{device}/v", VALUE=f"{number}" + "v" * 3000) * batch
        )
        fast.answers(batch)
    fast.ok("PUB", VARIABLE=f"{device}/v", VALUE="last")
    assert broker.memory() - before < rounds * batch * 3000 / 2
    deliveries = slow.fence()
    assert len(deliveries) < rounds * batch
    assert deliveries[-1]["VALUE"] == "last"


def test_keep_alive(start_broker: StartBroker, encrypted: Open) -> None:
    """HELLO? comes encrypted, and so do the answer and the end of who does not answer."""
    broker = start_broker(
        *("--keepalive", "1", "--keepalive-timeout", "1"), *key_options("a")
    )
    client = encrypted(broker, "a")
    client.expect("HELLO?")
    client.send("HELLO!")
    client.expect("HELLO?")
    client.closed("keep-alive")


def test_close_of_the_broker(
    broker: BrokerProcess, encrypted: Open, device: str
) -> None:
    """The connection ends with close_notify, so that no one in between can cut it short unseen."""
    client = encrypted(broker, device)
    client.send("CLOSE")
    assert client.tls.recv(1000) == b""


def test_close_of_the_client(
    broker: BrokerProcess, encrypted: Open, connect: Connect, device: str
) -> None:
    """Who ends TLS without CLOSE is lost: its will is published."""
    bare = connect(broker, "bare")
    bare.ok("SUB", VARIABLE=f"{device}/there")
    client = encrypted(broker, device)
    client.ok("WILL", VARIABLE=f"{device}/there", VALUE="no")
    client.tls.unwrap()
    bare.expect("SUB", VARIABLE=f"{device}/there", VALUE="no")


# Who is who


def test_the_id_is_the_identity(
    broker: BrokerProcess, encrypted: Open, device: str
) -> None:
    """One device's key opens no other device's ID, known or not, and ID is still needed."""
    for other in (KEYED[-1], "bare", "nobody", device.upper()):
        client = encrypted(broker, device, let_in=False)
        client.bad("not-authorized", "PUB", VARIABLE=device, VALUE="evil")
        client.bad("denied", "ID", ID=other)
        client.closed("denied")


def test_the_id_may_not_change_later(
    broker: BrokerProcess, encrypted: Open, device: str
) -> None:
    """Nor does it open another ID once it is let in."""
    client = encrypted(broker, device)
    client.bad("denied", "ID", ID="bare")
    client.closed("denied")


@pytest.mark.parametrize(
    "key", [bytes(32), b"x", b"k" * 33], ids=["other", "short", "long"]
)
def test_a_wrong_key(broker: BrokerProcess, device: str, key: bytes) -> None:
    """The handshake fails; not one command is carried out."""
    with pytest.raises(OSError):
        EncryptedClient(broker.address, client_context(device, key))


@pytest.mark.parametrize("key", [b"\0" * 32, b"\0"], ids=["zeros", "short"])
@pytest.mark.parametrize("mode", ["approve", "open", "key"])
def test_an_unknown_identity(
    start_broker: StartBroker, connect: Connect, mode: str, key: bytes
) -> None:
    """Who has no key here is refused in the handshake, in the open mode too, even with an empty key."""
    broker = start_broker("--access", mode, "--allow", "bare", *key_options("a"))
    for identity in ("nobody", "bare", "A", "a ", "../a", "homeassistant", "x" * 120):
        with pytest.raises(ssl.SSLError):
            EncryptedClient(broker.address, client_context(identity, key))


@pytest.mark.parametrize("identity", [b"", b"\xff\xfe", b"\x1b[31m"])
def test_an_identity_that_is_no_text(broker: BrokerProcess, identity: bytes) -> None:
    """An empty identity, one that is no UTF-8, control characters: refused, nothing is logged."""
    program = shutil.which("openssl")
    assert program
    done = subprocess.run(
        [
            *(program, "s_client", "-tls1_2", "-psk", "00" * 32, "-psk_identity"),
            *(identity, "-connect", f"{broker.address[0]}:{broker.address[1]}"),
        ],
        input=line("HELLO?"),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode != 0
    assert b"COMMAND" not in done.stdout


def test_the_key_mode_lets_who_has_a_key_in(
    start_broker: StartBroker, encrypted: Open, connect: Connect
) -> None:
    """In the mode `key` a device comes in by its key alone; being known helps no one."""
    broker = start_broker("--access", "key", "--allow", "bare", *key_options("a"))
    client = encrypted(broker, "a")
    client.ok("PUB", VARIABLE="v", VALUE="1")
    bare = connect(broker)
    bare.bad("key-required", "ID", ID="bare")
    bare.closed("denied")


def test_a_thief_of_an_id_disturbs_no_one(
    broker: BrokerProcess, encrypted: Open, connect: Connect, device: str
) -> None:
    """Who knows the ID but not the key can't take the connection over, however often it tries."""
    client = encrypted(broker, device)
    for _ in range(25):
        with pytest.raises(OSError):
            EncryptedClient(broker.address, client_context(device, bytes(32)))
        with Client(broker.address) as thief:
            thief.bad("key-required", "ID", ID=device)
            thief.closed("denied")
    assert client.fence() == []
    with EncryptedClient(broker.address, client_context(device)) as again:
        again.ok("ID", ID=device)
    client.closed("taken-over")


def test_resumption_does_not_skip_the_key(broker: BrokerProcess, device: str) -> None:
    """A session of TLS that was kept is refused and forgotten: the next handshake asks for the key."""
    keys = [key_of(device)]
    context = client_context(device)
    context.set_psk_client_callback(lambda _: (device, keys[-1]))
    with EncryptedClient(broker.address, context) as client:
        client.ok("ID", ID=device)
        kept = client.tls.session
    keys.append(bytes(32))
    with EncryptedClient(broker.address, context, session=kept) as thief:
        assert thief.tls.session_reused
        with suppress(OSError):
            thief.send("ID", ID=device)
        assert _drain(thief.tls) == b""
    with pytest.raises(OSError):
        EncryptedClient(broker.address, context, session=kept)
    keys.append(key_of(device))
    with EncryptedClient(broker.address, context, session=kept) as client:
        client.ok("ID", ID=device)


def _drain(connection: socket.socket) -> bytes:
    """Return all that comes until the broker closes the connection, or cuts it."""
    received = bytearray()
    with suppress(ConnectionResetError, ssl.SSLEOFError):
        while data := connection.recv(1 << 16):
            received += data
    return bytes(received)


# Attacks on the connection


def test_the_wire_shows_nothing(broker: BrokerProcess, device: str) -> None:
    """Between client and broker neither names nor values can be read; the device ID can."""
    with relay(broker.address) as wire:
        with EncryptedClient(wire.address, client_context(device)) as client:
            client.ok("ID", ID=device)
            client.ok("SUB", VARIABLE="cellar/door")
            client.ok("PUB", VARIABLE="cellar/door", VALUE="wide open")
            client.expect("SUB", VARIABLE="cellar/door", VALUE="wide open")
        wire.join()
    for captured in (bytes(wire.sent), bytes(wire.received)):
        assert len(captured) > 200
        for secret in (b"START", b"cellar", b"door", b"wide", key_of(device)):
            assert secret not in captured
    assert device.encode() in wire.sent


def test_a_recorded_session_can_not_be_played_again(
    broker: BrokerProcess, connect: Connect, device: str
) -> None:
    """The bytes of a whole session, sent once more, do nothing."""
    with relay(broker.address) as wire:
        with EncryptedClient(wire.address, client_context(device)) as client:
            client.ok("ID", ID=device)
            client.ok("PUB", VARIABLE=f"{device}/door", VALUE="open")
        wire.join()
    bare = connect(broker, "bare")
    bare.ok("DEL", VARIABLE=f"{device}/door")
    for size in (len(wire.sent), len(wire.sent) // 2):
        with socket.create_connection(broker.address, timeout=PATIENCE) as connection:
            connection.sendall(wire.sent[:size])
            connection.shutdown(socket.SHUT_WR)
            answered = _drain(connection)
        assert b"COMMAND" not in answered
    assert bare.get(f"{device}/door") is None


def test_a_changed_record(broker: BrokerProcess, connect: Connect, device: str) -> None:
    """A record that was changed on its way ends the connection; what it carried is not carried out."""
    bare = connect(broker, "bare")
    for position in (5, 20, -1):
        handshake = Handshake(client_context(device))
        with socket.create_connection(broker.address, timeout=PATIENCE) as connection:
            handshake.finish(connection)
            connection.sendall(handshake.encrypt(line("ID", ID=device)))
            assert b"COMMAND=OK" in handshake.decrypt(connection.recv(1 << 16))
            record = bytearray(
                handshake.encrypt(line("PUB", VARIABLE=f"{device}/x", VALUE="1"))
            )
            record[position] ^= 1
            connection.sendall(record)
            _drain(connection)
        bare.bad("no-such-device", "MSG", DEVICE=device, VALUE="?")
    assert bare.get(f"{device}/x") is None


@pytest.mark.parametrize(
    "garbage",
    [
        HANDSHAKE * 5000,
        b"\x16\x03\x01\x00\x05hello",
        b"\x16\x03\x03\xff\xff" + b"x" * 70_000,
        b"\x16\x03\x01\x00\x00" * 200,
        HANDSHAKE + line("PUB", VARIABLE="v", VALUE="evil") * 5,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    ],
    ids=["same byte", "hello", "too long", "empty records", "plain text", "zeros"],
)
def test_garbage_in_the_handshake(
    broker: BrokerProcess, connect: Connect, garbage: bytes
) -> None:
    """What is no handshake ends with an alert of TLS at most, never with an answer in plain text."""
    with socket.create_connection(broker.address, timeout=PATIENCE) as connection:
        connection.sendall(garbage)
        connection.shutdown(socket.SHUT_WR)
        received = _drain(connection)
    assert not received or received.startswith(ALERT)
    assert connect(broker, "bare").get("v") is None


def test_plain_text_after_the_handshake(
    broker: BrokerProcess, connect: Connect, device: str
) -> None:
    """Once a connection is encrypted nothing in plain text gets through, before or after ID."""
    for let_in in (False, True):
        handshake = Handshake(client_context(device))
        with socket.create_connection(broker.address, timeout=PATIENCE) as connection:
            handshake.finish(connection)
            if let_in:
                connection.sendall(handshake.encrypt(line("ID", ID=device)))
                assert b"COMMAND=OK" in handshake.decrypt(connection.recv(1 << 16))
            connection.sendall(line("PUB", VARIABLE=f"{device}/x", VALUE="evil"))
            assert b"COMMAND" not in _drain(connection)
    assert connect(broker, "bare").get(f"{device}/x") is None


def test_no_new_handshake_on_an_old_connection(
    broker: BrokerProcess, connect: Connect, device: str
) -> None:
    """Renegotiation is refused: what was agreed on is for the whole connection."""
    done = _s_client(
        broker.address, *("-tls1_2", *_psk(device)), sent=b"R\n" + line("ID", ID=device)
    )
    assert b"RENEGOTIATING" in done.stdout + done.stderr
    assert b"no renegotiation" in done.stderr
    assert connect(broker, "bare").fence() == []


def test_http_over_tls(broker: BrokerProcess, encrypted: Open, device: str) -> None:
    """An HTTP request is closed inside TLS as well."""
    client = encrypted(broker, device, let_in=False)
    client.send_bytes(b"POST / HTTP/1.1\r\n\r\n" + line("ID", ID=device))
    client.closed()


# What it costs


def test_memory_of_idle_connections(
    start_broker: StartBroker,
    encrypted: Open,
    record_property: Callable[[str, object], None],
) -> None:
    """An idle encrypted connection takes little: hundreds of them fit a small computer."""
    devices = [f"d{number}" for number in range(300)]
    broker = start_broker(*key_options(*devices))
    for device in devices[:20]:
        encrypted(broker, device)
    before = broker.memory()
    for device in devices[20:]:
        encrypted(broker, device)
    each = (broker.memory() - before) // (len(devices) - 20)
    record_property("kibibytes_of_an_idle_encrypted_connection", each // 1024)
    assert each < 200 * 1024


def test_handshakes_of_strangers_leave_nothing(start_broker: StartBroker) -> None:
    """Handshakes that are begun, fail, or are left in the middle leave no memory, socket or line of log."""
    broker = start_broker("--access", "open", *key_options("a"))
    context = client_context("a", bytes(32))
    hello = Handshake(context).outgoing.read()
    descriptors = broker.descriptors()

    def begin(count: int, first: bytes) -> None:
        for _ in range(count):
            with socket.create_connection(broker.address) as stranger:
                stranger.sendall(first)
        with Client(broker.address) as client:
            assert client.fence() == []

    for _ in range(100):
        with pytest.raises(OSError):
            EncryptedClient(broker.address, context)
    begin(400, hello)
    begin(1500, HANDSHAKE)
    memory = broker.memory()
    begin(3000, HANDSHAKE)
    assert broker.memory() - memory < 30_000_000
    wait_for(lambda: broker.descriptors() <= descriptors, "the strangers to be gone")
    assert [text for text in broker.log if "listening on" not in text] == []


# Inside this process: what is told, and what may change while a device is connected


class _Told(Observer):
    """Keeps what it is told of keys."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    @override
    def device_key_failed(self, device_id: str, address: str) -> None:
        assert address == "127.0.0.1"
        self.failed.append(device_id)


class _Served:
    """A broker of this process on a real port, with what it tells."""

    def __init__(self, mode: AccessMode, *keyed: str, limits: Limits | None = None):
        self.access = Access(mode, (), {device: key_of(device) for device in keyed})
        self.limits = limits
        self.told = _Told()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self.broker = Broker(
            access=self.access, limits=self.limits, call_soon=loop.call_soon
        )
        self.broker.observe(self.told)
        self._listener = Listener(self.broker, "127.0.0.1", 0)
        await self._listener.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._listener.stop()
        assert not self.broker.sessions

    async def connect(
        self, device: str, key: bytes | None = None, *, let_in: bool = True
    ) -> EncryptedClient:
        """Connect encrypted, and be let in."""

        def connect() -> EncryptedClient:
            client = EncryptedClient(
                ("127.0.0.1", self._listener.port), client_context(device, key)
            )
            if let_in:
                client.ok("ID", ID=device)
            return client

        return await asyncio.to_thread(connect)

    async def refuses(self, device: str, key: bytes) -> None:
        """Assert that nobody gets in under an ID by a key."""
        with pytest.raises(OSError):
            await self.connect(device, key)

    async def raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect without a word."""
        return await asyncio.open_connection("127.0.0.1", self._listener.port)


async def test_what_is_told_of_keys() -> None:
    """A wrong key and an unknown identity are told, by ID; a handshake that works, fails later or says nothing is not."""
    async with _Served(AccessMode.OPEN, "a") as served:
        client = await served.connect("a")
        client.drop()
        assert served.told.failed == []
        await served.refuses("a", bytes(32))
        await served.refuses("new", bytes(32))
        await served.refuses("../new", bytes(32))
        reader, writer = await served.raw()
        writer.write(HANDSHAKE + b"nonsense")
        await reader.read()
        writer.close()
        assert served.told.failed == ["a", "new"]


async def test_a_changed_key() -> None:
    """Who came by the old key is closed, who is in the middle of coming is refused; the new one is good at once."""
    async with _Served(AccessMode.KEY, "a") as served:
        inside = await served.connect("a")
        between = await served.connect("a", let_in=False)
        new = bytes(range(32))
        served.broker.set_key("a", new)
        await asyncio.to_thread(inside.closed, "disconnected")
        await asyncio.to_thread(between.bad, "denied", "ID", ID="a")
        await served.refuses("a", key_of("a"))
        again = await served.connect("a", new)
        served.broker.set_key("a", None)
        await asyncio.to_thread(again.closed, "disconnected")
        await served.refuses("a", new)
        for client in (inside, between, again):
            client.drop()


async def test_a_revoked_device() -> None:
    """Its connection is closed and its key is gone."""
    async with _Served(AccessMode.KEY, "a", "b") as served:
        first, second = await served.connect("a"), await served.connect("b")
        served.broker.revoke("a")
        await asyncio.to_thread(first.closed, "revoked")
        await served.refuses("a", key_of("a"))
        assert await asyncio.to_thread(second.fence) == []
        first.drop()
        second.drop()


async def test_a_device_that_is_kept_out() -> None:
    """A good key opens nothing to a device that a person keeps out."""
    async with _Served(AccessMode.APPROVE, "a") as served:
        served.broker.refuse("a")
        client = await served.connect("a", let_in=False)
        await asyncio.to_thread(client.bad, "denied", "ID", ID="a")
        client.drop()


@pytest.mark.parametrize("mode", list(AccessMode))
async def test_handshakes_take_no_longer_than_they_may(mode: AccessMode) -> None:
    """Who does not finish the handshake in time is closed, in the open mode too, and so is who has not said ID."""
    async with _Served(mode, "a", limits=Limits(identify_timeout=0.5)) as served:
        hello = Handshake(client_context("a")).outgoing.read()
        for first in (HANDSHAKE, hello[:-1], hello):
            reader, writer = await served.raw()
            writer.write(first)
            received = await asyncio.wait_for(reader.read(), PATIENCE)
            assert b"COMMAND" not in received
            writer.close()
        client = await served.connect("a", let_in=False)
        if mode is AccessMode.OPEN:
            assert await asyncio.to_thread(client.fence) == []
        else:
            await asyncio.to_thread(client.closed, "identify-timeout")
        client.drop()


async def test_a_crowd_in_the_handshake(caplog: pytest.LogCaptureFixture) -> None:
    """The oldest of those that are not let in goes, in the middle of its handshake; nothing is logged."""
    async with _Served(
        AccessMode.APPROVE, "a", limits=Limits(max_unauthorized=4)
    ) as served:
        hello = Handshake(client_context("a")).outgoing.read()
        crowd = []
        for _ in range(8):
            reader, writer = await served.raw()
            crowd.append((reader, writer))
            writer.write(hello)
            assert await reader.readexactly(1) == HANDSHAKE
        for reader, writer in crowd[:4]:
            assert b"COMMAND" not in await asyncio.wait_for(reader.read(), PATIENCE)
            writer.write(hello)
        client = await served.connect("a")
        assert await asyncio.to_thread(client.fence) == []
        client.drop()
        for _, writer in crowd:
            writer.close()
    assert not caplog.records

"""TLS with a pre-shared key, from the client's side (protocol B7)."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
import socket
import ssl
import threading
from typing import Final

from custom_components.textmq.broker.client import client_tls

from .client import Address, Client

FIRST_CIPHER: Final = "ECDHE-PSK-CHACHA20-POLY1305"
CIPHERS: Final = (
    FIRST_CIPHER,
    "ECDHE-PSK-AES256-CBC-SHA384",
    "ECDHE-PSK-AES128-CBC-SHA256",
    "PSK-CHACHA20-POLY1305",
    "PSK-AES256-GCM-SHA384",
    "PSK-AES128-GCM-SHA256",
)
HANDSHAKE: Final = b"\x16"


def key_of(device: str) -> bytes:
    """Return a device's key: any 32 bytes, others for each device."""
    return sha256(device.encode()).digest()


def key_options(*devices: str) -> list[str]:
    """Return the options that tell a broker the keys of devices."""
    return [
        word
        for device in devices
        for word in ("--key", f"{device}={b64encode(key_of(device)).decode()}")
    ]


def client_context(
    device: str, key: bytes | None = None, ciphers: str = "PSK"
) -> ssl.SSLContext:
    """Make the TLS of a client that says it is `device`, with its key or another one."""
    context = client_tls.client_context(device, key_of(device) if key is None else key)
    context.set_ciphers(ciphers)
    return context


class EncryptedClient(Client):
    """One encrypted connection to the broker."""

    def __init__(
        self,
        address: Address,
        context: ssl.SSLContext,
        *,
        receive_buffer: int | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        """Connect. Raises OSError, SSLError among them, where the handshake fails."""
        super().__init__(address, receive_buffer=receive_buffer)
        plain = self.socket
        try:
            self.tls = context.wrap_socket(
                plain, session=session, suppress_ragged_eofs=False
            )
        except OSError:
            plain.close()
            raise
        self.socket = self.tls


class Handshake:
    """A handshake whose bytes the test moves by itself."""

    def __init__(self, context: ssl.SSLContext) -> None:
        """Begin, with the client's first message ready to be sent."""
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing)
        assert not self.step()

    def step(self) -> bool:
        """Go on with what has come; returns whether the handshake is done."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def finish(
        self, connection: socket.socket, send: Callable[[bytes], None] | None = None
    ) -> None:
        """Do the whole handshake over a socket; `send` sends in another way than all at once."""
        send = send or connection.sendall
        send(self.outgoing.read())
        while not self.step():
            send(self.outgoing.read())
            received = connection.recv(1 << 16)
            assert received, "the broker closed the connection"
            self.incoming.write(received)

    def encrypt(self, data: bytes) -> bytes:
        """Return the bytes that carry data."""
        self.tls.write(data)
        return self.outgoing.read()

    def decrypt(self, data: bytes) -> bytes:
        """Return what received bytes carry."""
        self.incoming.write(data)
        pieces = []
        with suppress(ssl.SSLWantReadError):
            while piece := self.tls.read(1 << 16):
                pieces.append(piece)
        return b"".join(pieces)


class Relay:
    """Passes one connection on to the broker and keeps what went over the wire."""

    def __init__(self, listening: socket.socket, target: Address) -> None:
        """Wait for the connection."""
        self.address: Address = listening.getsockname()
        self.sent = bytearray()
        """What the client sent."""
        self.received = bytearray()
        """What the broker sent."""
        self._listening = listening
        self._target = target
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        client, _ = self._listening.accept()
        broker = socket.create_connection(self._target)
        with client, broker:
            back = threading.Thread(
                target=self._copy, args=(broker, client, self.received), daemon=True
            )
            back.start()
            self._copy(client, broker, self.sent)
            back.join()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                kept += data
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def join(self) -> None:
        """Wait until both sides have closed."""
        self._thread.join(15)
        assert not self._thread.is_alive()


@contextmanager
def relay(target: Address) -> Iterator[Relay]:
    """Run a relay for one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield Relay(listening, target)

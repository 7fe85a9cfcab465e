"""Lines of TextMQ, and a connection that a benchmark drives: sends blocks, counts answers."""

from collections.abc import Iterator
from contextlib import suppress
import errno
import socket
import ssl
import time
from typing import Final

from benchmarks.client_side import client_context, line

HELLO: Final = b"START | COMMAND=HELLO! | END\n"
_ASKED: Final = b"COMMAND=HELLO?"
_OK: Final = b"START | COMMAND=OK "
_BAD: Final = b"START | COMMAND=BAD"
_HELLO: Final = b"START | COMMAND=HEL"
"""Each as long as the others, so that none is counted twice where the end of what was received is kept."""
_KEPT: Final = len(_BAD) - 1
"""Bytes of what was received that may be the beginning of an answer."""
_SO_RCVBUFFORCE: Final = 33
"""Of Linux (asm-generic/socket.h); Python has no name for it."""
_RECEIVE: Final = 1 << 18
_PATIENCE: Final = 60
"""Seconds until an answer that is waited for has come."""

type Key = tuple[str, bytes]
"""An identity and its pre-shared key."""


class Failed(Exception):
    """The broker did not do what it has to; the text says what."""


def identify(device_id: str) -> bytes:
    """Return the line that says who a client is."""
    return line("ID", ID=device_id)


class Link:
    """A connection that never waits, and counts the answers that it reads."""

    def __init__(
        self, port: int, *, key: Key | None = None, receive_buffer: int = 0
    ) -> None:
        """Begin to connect; with a key over TLS, whose handshake is waited for."""
        self._port = port
        self._key = key
        self._receive_buffer = receive_buffer
        self.ok = self.bad = self.hello = self.received = self.sent = 0
        self.connects = 0
        self.closed = False
        self.asked = False
        """The broker wants a sign of life."""
        self.chunk = self.last = b""
        """What was received last, and its end."""
        self.connect()

    def connect(self) -> None:
        """Begin a new connection. Raises OSError where there is no port for it, Failed where TLS does not come about."""
        self.connects += 1
        self.closed = self.asked = False
        self._tail = b""
        plain = socket.socket()
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # What lies in the kernel is not attack but delay.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 17)
        if self._receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
            # Above the system's bound, where that may be.
            with suppress(PermissionError):
                plain.setsockopt(
                    socket.SOL_SOCKET, _SO_RCVBUFFORCE, self._receive_buffer
                )
        self.socket = plain
        if self._key is not None:
            self.socket = self._encrypted(plain, self._key)
        plain_error = 0
        self.socket.setblocking(False)
        if self._key is None:
            plain_error = plain.connect_ex(("127.0.0.1", self._port))
        if plain_error not in (0, errno.EINPROGRESS):
            self.closed = True

    def _encrypted(self, plain: socket.socket, key: Key) -> ssl.SSLSocket:
        context = client_context(*key)
        plain.settimeout(_PATIENCE)
        plain.connect(("127.0.0.1", self._port))
        try:
            return context.wrap_socket(plain)
        except OSError as err:
            raise Failed(f"no TLS: {err}") from err

    def send(self, data: memoryview) -> int:
        """Send what goes at once; return how many bytes it was."""
        try:
            count = self.socket.send(data)
        except BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError:
            return 0
        except OSError:
            self.closed = True
            return 0
        self.sent += count
        return count

    def receive(self) -> int:
        """Read what is there, and count the answers; return how many bytes it was."""
        try:
            data = self.socket.recv(_RECEIVE)
        except BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError:
            self.chunk = b""
            return 0
        except OSError:
            data = b""
        self.chunk = data
        if not data:
            self.closed = True
            return 0
        self.received += len(data)
        text = self._tail + data
        self.ok += text.count(_OK)
        self.bad += text.count(_BAD)
        self.hello += text.count(_HELLO)
        if _ASKED in text:
            self.asked = True
        self.last = text[-300:]
        self._tail = b"" if text.endswith(b"\n") else text[-_KEPT:]
        return len(data)

    @property
    def answers(self) -> int:
        """Answers so far."""
        return self.ok + self.bad

    def exchange(self, data: bytes, answers: int) -> tuple[int, int]:
        """Send, and wait for the answers; return how many were OK and BAD.

        Raises Failed where the connection ends before, or answers are missing.
        """
        wanted = self.answers + answers
        ok, bad = self.ok, self.bad
        rest = memoryview(data)
        deadline = time.monotonic() + _PATIENCE
        while rest or self.answers < wanted:
            moved = self.receive()
            if rest:
                count = self.send(rest)
                moved += count
                rest = rest[count:]
            if self.asked and not rest:
                self.asked = False
                rest = memoryview(HELLO)
            if self.closed:
                raise Failed(
                    f"closed with {wanted - self.answers} answers missing: {self.last!r}"
                )
            if not moved:
                if time.monotonic() > deadline:
                    raise Failed(
                        f"{wanted - self.answers} of {answers} answers are missing"
                    )
                time.sleep(0.001)
        return self.ok - ok, self.bad - bad

    def close(self) -> None:
        """End the connection."""
        self.socket.close()


def connected(port: int, device_id: str, key: Key | None = None) -> Link:
    """Return a client that has said who it is. Raises Failed where it does not get in."""
    link = Link(port, key=key)
    if link.exchange(identify(device_id), 1) != (1, 0):
        raise Failed(f"{device_id} did not get in: {link.last!r}")
    return link


def batches(lines: Iterator[bytes], size: int = 1 << 15) -> Iterator[bytes]:
    """Join lines to blocks of about a size in bytes."""
    block = bytearray()
    for one in lines:
        block += one
        if len(block) >= size:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)

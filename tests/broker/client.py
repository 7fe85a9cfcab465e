"""A small TextMQ client for tests: plain blocking sockets, strict about what the broker sends."""

from collections import deque
from dataclasses import dataclass, field
import re
import socket
import struct
from types import EllipsisType, TracebackType
from typing import Self

from custom_components.textmq.broker.protocol import wire

type Address = tuple[str, int]

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_ANSWERS = frozenset({"OK", "BAD", "HELLO!"})


@dataclass(frozen=True, slots=True)
class Message:
    """One message from the broker."""

    command: str
    params: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """Parse a line of the broker, which has to be in the exact form of section A1."""
        command, params = wire.parse(line.removesuffix(b"\n"))
        assert wire.encode_message(command, params) == line, (
            f"not in the exact form of the protocol: {line!r}"
        )
        assert b"\t" not in line, f"a tab stands in a line: {line!r}"
        return cls(command, params)

    def __getitem__(self, key: str) -> str:
        """Return a parameter."""
        return self.params[key]


def message(command: str, **params: object) -> Message:
    """Return the message that a test expects."""
    return Message(command, {key: str(value) for key, value in params.items()})


def line(command: str, **params: object) -> bytes:
    """Return a message in the form that a client sends."""
    return wire.encode_message(
        command, {key: str(value) for key, value in params.items()}
    )


def is_timestamp(text: str) -> bool:
    """Tell whether text is a time as the protocol writes it (B3): UTC, ISO 8601, milliseconds."""
    return _TIMESTAMP.fullmatch(text) is not None


def reset(connection: socket.socket) -> None:
    """Close a connection with RST, as a crashing device does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Client:
    """One connection to the broker."""

    def __init__(
        self,
        address: Address,
        *,
        receive_buffer: int | None = None,
        timeout: float = 15,
    ) -> None:
        """Connect; `receive_buffer` (bytes) makes the kernel take little for a slow reader."""
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        self._received = bytearray()
        self._ended = False
        #: Deliveries and keep-alives that came while an answer was awaited, in their order.
        self.deliveries: deque[Message] = deque()

    def __enter__(self) -> Self:
        """Return self; leaving the block closes the connection."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self.drop()

    # Sending

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def send(self, command: str, **params: object) -> None:
        """Send a command and do not wait."""
        self.send_bytes(line(command, **params))

    def half_close(self) -> None:
        """Say that nothing more will be sent; go on reading."""
        self.socket.shutdown(socket.SHUT_WR)

    def drop(self) -> None:
        """Close the connection without a word."""
        self.socket.close()

    def reset(self) -> None:
        """Close the connection with RST."""
        reset(self.socket)

    # Receiving

    def receive_line(self) -> bytes | None:
        """Return the next line as it came, None where the broker has closed the connection."""
        start = 0
        while (end := self._received.find(b"\n", start)) < 0:
            start = len(self._received)
            if not self._fill():
                assert not self._received, (
                    f"the stream ends in half a line: {self._received!r}"
                )
                return None
        taken = bytes(self._received[: end + 1])
        del self._received[: end + 1]
        return taken

    def _fill(self) -> bool:
        if self._ended:
            return False
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        self._received += data
        self._ended = not data
        return bool(data)

    def receive(self) -> Message:
        """Return the next message of any kind."""
        if self.deliveries:
            return self.deliveries.popleft()
        return self._receive_fresh()

    def _receive_fresh(self) -> Message:
        received = self.receive_line()
        assert received is not None, "the broker closed the connection"
        return Message.parse(received)

    def expect(self, command: str, **params: str | float | EllipsisType) -> Message:
        """Take the next message, which has to be this one; `...` stands for any value."""
        received = self.receive()
        wanted = {
            key: received.params.get(key, "") if value is ... else str(value)
            for key, value in params.items()
        }
        assert received == Message(command, wanted), (command, params)
        return received

    def answer(self) -> Message:
        """Take messages until an answer (OK, BAD, HELLO!) comes; keep the deliveries for later."""
        while (received := self._receive_fresh()).command not in _ANSWERS:
            assert received.command != "CLOSE", received
            self.deliveries.append(received)
        return received

    def answers(self, count: int) -> list[Message]:
        """Take the next answers."""
        return [self.answer() for _ in range(count)]

    def do(self, command: str, **params: object) -> Message:
        """Send a command and take its answer."""
        self.send(command, **params)
        return self.answer()

    def ok(self, command: str, **params: object) -> Message:
        """Send a command that has to succeed."""
        answered = self.do(command, **params)
        assert answered.command == "OK", (command, params, answered)
        return answered

    def bad(self, reason: str, command: str, **params: object) -> Message:
        """Send a command that has to be refused for this reason."""
        self.send(command, **params)
        return self.refused(reason)

    def refused(self, reason: str) -> Message:
        """Take the next answer, which has to be a BAD with this reason."""
        answered = self.answer()
        assert (answered.command, answered.params.get("REASON")) == ("BAD", reason), (
            answered
        )
        return answered

    def fence(self) -> list[Message]:
        """Return every message that the broker sent up to now; leave none waiting."""
        self.send("HELLO?")
        answered = self.answer()
        assert answered == Message("HELLO!"), answered
        taken = list(self.deliveries)
        self.deliveries.clear()
        return taken

    def get(self, variable: str) -> Message | None:
        """Return the current value of a variable as the broker tells it, None if there is none."""
        answered = self.do("GET", VARIABLE=variable)
        if answered.command == "BAD":
            assert answered.params.get("REASON") == "no-such-variable", answered
            return None
        assert answered.command == "OK", answered
        return self.deliveries.pop()

    def closed(self, reason: str | None = None) -> None:
        """Wait for the end of the connection, with no message before it but CLOSE and reason."""
        if reason is not None:
            self.expect("CLOSE", REASON=reason)
        assert not self.deliveries, self.deliveries
        assert self.receive_line() is None

    def until_closed(self) -> list[Message]:
        """Return all messages up to the end of the connection."""
        taken = list(self.deliveries)
        self.deliveries.clear()
        while (received := self.receive_line()) is not None:
            taken.append(Message.parse(received))
        return taken

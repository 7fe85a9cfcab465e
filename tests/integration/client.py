"""A TextMQ client for tests that share the event loop with the broker."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
import ssl
from types import TracebackType
from typing import Self

from custom_components.textmq.broker.protocol import wire

ANSWERS = frozenset({"OK", "BAD", "HELLO!"})
TIMEOUT = 15


@dataclass(frozen=True, slots=True)
class Message:
    """One message from the broker."""

    command: str
    params: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, key: str) -> str:
        """Return a parameter."""
        return self.params[key]


def line(command: str, **params: object) -> bytes:
    """Return a message in the form that a client sends."""
    return wire.encode_message(
        command, {key: str(value) for key, value in params.items()}
    )


def parse(data: bytes) -> Message:
    """Read a line of the broker. Raises Refusal (malformed)."""
    return Message(*wire.parse(data.removesuffix(b"\n")))


async def until(condition: Callable[[], object]) -> None:
    """Wait for what comes by itself."""
    async with asyncio.timeout(TIMEOUT):
        while not condition():
            await asyncio.sleep(0.01)


class Client:
    """One connection to the broker."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Take an open connection."""
        self._reader = reader
        self._writer = writer
        self.deliveries: deque[Message] = deque()

    @classmethod
    async def connect(cls, port: int, tls: ssl.SSLContext | None = None) -> Self:
        """Connect to the broker. Raises OSError where it, or TLS, fails."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, ssl=tls))

    async def __aenter__(self) -> Self:
        """Return self; leaving the block closes the connection."""
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""
        await self.close()

    async def close(self) -> None:
        """Close the connection without a word."""
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)

    def send(self, command: str, **params: object) -> None:
        """Send a command and do not wait."""
        self.send_bytes(line(command, **params))

    async def receive(self) -> Message:
        """Return the next message of any kind; CLOSE where the connection has just ended."""
        if self.deliveries:
            return self.deliveries.popleft()
        return await self._receive()

    async def _receive(self) -> Message:
        async with asyncio.timeout(TIMEOUT):
            data = await self._reader.readline()
        return parse(data) if data else Message("")

    async def answer(self) -> Message:
        """Take messages until an answer comes; keep the deliveries for later."""
        while (received := await self._receive()).command not in ANSWERS:
            assert received.command not in ("", "CLOSE"), received
            self.deliveries.append(received)
        return received

    async def do(self, command: str, **params: object) -> Message:
        """Send a command and take its answer."""
        self.send(command, **params)
        return await self.answer()

    async def ok(self, command: str, **params: object) -> Message:
        """Send a command that has to succeed."""
        answered = await self.do(command, **params)
        assert answered.command == "OK", (command, params, answered)
        return answered

    async def ended(self) -> str:
        """Take what comes until the connection ends; return the REASON of its CLOSE."""
        reason = ""
        while (received := await self.receive()).command:
            if received.command == "CLOSE":
                reason = received["REASON"]
        return reason

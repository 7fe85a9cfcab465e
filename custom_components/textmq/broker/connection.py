"""One connection: bytes to and from its session, back-pressure, the end (protocol A1, B8).

Nothing here awaits, and no message makes a task.
"""

import asyncio
from collections.abc import Callable
import logging
from typing import Final, override

from .broker import Broker
from .session import Session
from .wire import CloseReason

_LOGGER = logging.getLogger(__name__)

_RECEIVE: Final = 1 << 16
"""Bytes received at a time: bounds the work of one turn of the event loop."""
_TLS_HANDSHAKE: Final = 0x16

_buffer: Final = memoryview(bytearray(_RECEIVE))
"""Shared by all connections: what is received is taken out before the loop goes on."""


class Connection(asyncio.BufferedProtocol):
    """The socket side of a session."""

    __slots__ = ("_broker", "_first", "_loop", "_session", "_transport")

    _session: Session
    _transport: asyncio.Transport

    def __init__(self, broker: Broker, loop: asyncio.AbstractEventLoop) -> None:
        """Make the protocol of a connection that is being accepted."""
        self._broker = broker
        self._loop = loop
        self._first = True

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(self._broker.limits.high_water)
        peer = transport.get_extra_info("peername")
        self._session = Session(self._broker, self, peer[0] if peer else "")
        self._broker.open(self._session)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._session.lost()

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        return _buffer

    @override
    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(_buffer[:nbytes])
        if self._first:
            self._first = False
            if data[0] == _TLS_HANDSHAKE:
                self._session.close(CloseReason.TLS)
                return
        self._run(lambda: self._session.receive(data))

    @override
    def eof_received(self) -> bool:
        self._session.lost()
        return False

    @override
    def pause_writing(self) -> None:
        self._session.pause()

    @override
    def resume_writing(self) -> None:
        self._run(self._session.resume)

    def _run(self, step: Callable[[], None]) -> None:
        """Take a step of the session; an error in it ends this connection and no other."""
        try:
            step()
        except Exception:
            _LOGGER.exception("A connection failed and is closed")
            self._session.close(CloseReason.INTERNAL_ERROR)

    # The sink of the session

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self._transport.write(data)

    @property
    def unsent(self) -> int:
        """Bytes that were written and not yet sent."""
        return self._transport.get_write_buffer_size()

    def close(self) -> None:
        """End the connection; the other side gets a time to take what was written.

        Its sending side is shut first and what still comes in is passed over: closing a
        socket with unread bytes would reset it, and the CLOSE would be lost.
        """
        transport = self._transport
        if transport.is_closing():
            return
        transport.resume_reading()
        if transport.can_write_eof():
            transport.write_eof()
        self._loop.call_later(self._broker.limits.linger, transport.abort)

    def pause_reading(self) -> None:
        """Receive nothing more for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Receive again."""
        self._transport.resume_reading()

    def wake_after(self, seconds: float) -> None:
        """Go on with the session after a time."""
        self._loop.call_later(seconds, self._run, self._session.wake)

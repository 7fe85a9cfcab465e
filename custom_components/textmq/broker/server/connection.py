"""One connection: bytes to and from its session, plain or encrypted, and its end (protocol A1, B7, B8).

Nothing here awaits, and no message makes a task.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
import logging
from typing import Final, override

from ..core.broker import Broker
from ..core.session import Session, State
from ..protocol.reasons import CloseReason
from .tls import HANDSHAKE, TlsConnection, TlsError, TlsServer

_LOGGER = logging.getLogger(__name__)

_RECEIVE: Final = 1 << 16
"""Bytes received at a time: bounds the work of one turn of the event loop."""

_IPV4_IN_IPV6: Final = "::ffff:"

_buffer: Final = memoryview(bytearray(_RECEIVE))
"""Shared by all connections: what is received is taken out before the loop goes on."""


class Connection(asyncio.BufferedProtocol):
    """The socket side of a session."""

    __slots__ = (
        "_broker",
        "_first",
        "_loop",
        "_on_lost",
        "_session",
        "_timers",
        "_tls",
        "_tls_server",
        "_transport",
    )

    _session: Session
    _transport: asyncio.Transport

    def __init__(
        self,
        broker: Broker,
        loop: asyncio.AbstractEventLoop,
        tls_server: TlsServer | None,
        on_lost: Callable[["Connection"], None],
    ) -> None:
        """Make the protocol of a connection that is being accepted.

        Without tls_server TLS is refused; on_lost is called when the socket is closed.
        """
        self._broker = broker
        self._loop = loop
        self._first = True
        self._tls: TlsConnection | None = None
        self._tls_server = tls_server
        self._on_lost = on_lost
        self._timers: dict[str, asyncio.TimerHandle] = {}

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(self._broker.limits.high_water)
        peer = transport.get_extra_info("peername")
        address = peer[0].removeprefix(_IPV4_IN_IPV6) if peer else ""
        self._session = Session(self._broker, self, address)
        self._broker.open(self._session)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._session.lost()
        # Freed at once: the garbage collector does not see how much memory it has.
        self._tls = None
        self._on_lost(self)

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        return _buffer

    @override
    def buffer_updated(self, nbytes: int) -> None:
        if self._session.state is State.CLOSED:
            return
        data = bytes(_buffer[:nbytes])
        if self._first:
            self._first = False
            if data[0] == HANDSHAKE:
                self._start_tls()
        if self._tls is not None:
            data = self._decrypt(self._tls, data)
        if data:
            self._run(self._session.receive, data)
        if self._tls is not None and self._tls.ended:
            self._session.lost()

    def _start_tls(self) -> None:
        if self._tls_server is None:
            self._session.close(CloseReason.TLS)
            return
        self._tls = self._tls_server.connection()
        self._timers["handshake"] = self._loop.call_later(
            self._broker.limits.identify_timeout,
            self._session.close,
            CloseReason.IDENTIFY_TIMEOUT,
        )

    def _decrypt(self, tls: TlsConnection, data: bytes) -> bytes:
        try:
            text = tls.receive(data)
        except TlsError as err:
            _LOGGER.debug("TLS with %s failed: %s", self._session.address, err)
            self._send_encrypted(tls)
            if not tls.established and tls.identity is not None:
                self._broker.key_failed(tls.identity.device_id, self._session.address)
            self._session.close(CloseReason.TLS)
            return b""
        if tls.established and self._session.identity is None:
            self._timers.pop("handshake").cancel()
            self._session.identity = tls.identity
        self._send_encrypted(tls)
        return text

    def _send_encrypted(self, tls: TlsConnection) -> None:
        if data := tls.outgoing():
            self._transport.write(data)

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

    def _run[*Args](self, step: Callable[[*Args], None], *args: *Args) -> None:
        """Take a step of the session; an error in it ends this connection and no other."""
        try:
            step(*args)
        except Exception:
            _LOGGER.exception("A connection failed and is closed")
            self._session.close(CloseReason.INTERNAL_ERROR)

    # The sink of the session

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if self._tls is None:
            self._transport.write(data)
        else:
            self._tls.send(data)
            self._send_encrypted(self._tls)

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
        if self._tls is not None:
            self._tls.end()
            self._send_encrypted(self._tls)
        transport.resume_reading()
        with suppress(OSError):
            transport.write_eof()
        self._timers["end"] = self._loop.call_later(
            self._broker.limits.linger, transport.abort
        )

    def pause_reading(self) -> None:
        """Receive nothing more for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Receive again."""
        self._transport.resume_reading()

    def wake_after(self, seconds: float) -> None:
        """Go on with the session after a time."""
        self._timers["wake"] = self._loop.call_later(
            seconds, self._run, self._session.wake
        )

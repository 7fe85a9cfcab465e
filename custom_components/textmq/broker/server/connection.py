"""One connection: bytes to and from its session, plain or encrypted, and its end (protocol A1, B7, B8).

The sockets are read here and not by asyncio's transports, which read every socket that is ready in
one turn of the event loop: a connection reads when it is its turn. Nothing here awaits, and
no message makes a task.
"""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
import logging
import socket
from typing import Final

from ..core.broker import Broker
from ..core.states import State
from ..protocol.reasons import CloseReason
from .poller import Poller
from .tls import HANDSHAKE, TlsConnection, TlsError, TlsServer
from .trace import Trace

_LOGGER = logging.getLogger(__name__)

_RECEIVE: Final = 1 << 16
"""Bytes received at a time."""
_RECEIVE_UNAUTHORIZED: Final = 1 << 12
"""The same of a client that is not let in: more than it has to say."""
_MAX_DRAINED: Final = 1 << 18
"""Bytes that are passed over while a connection closes."""
_LOW_WATER: Final = 4
"""Part of the high-water mark below which a client counts as reading again."""

_IPV4_IN_IPV6: Final = "::ffff:"

_buffer: Final = memoryview(bytearray(_RECEIVE))
"""Shared by all connections: what is received is taken out before the loop goes on."""


class Connection:
    """The socket side of a session, and what the scheduler gives its turns to."""

    __slots__ = (
        "_broker",
        "_closing",
        "_drained",
        "_ended",
        "_first",
        "_limits",
        "_loop",
        "_lost",
        "_on_closing",
        "_on_lost",
        "_poller",
        "_reading",
        "_session",
        "_socket",
        "_timers",
        "_tls",
        "_tls_server",
        "_unsent",
        "bytes_taken",
        "bytes_written",
        "quota",
        "scheduled",
        "trace",
    )

    def __init__(
        self,
        broker: Broker,
        loop: asyncio.AbstractEventLoop,
        poller: Poller,
        peer: socket.socket,
        address: str,
        tls_server: TlsServer | None,
        on_closing: Callable[["Connection"], None],
        on_lost: Callable[["Connection"], None],
    ) -> None:
        """Serve a socket, accepted from an IP address, that does not block, when poller says that it is ready.

        Without tls_server TLS is refused. on_closing is called when the session is over, on_lost
        when the socket is closed.
        """
        self._broker = broker
        self._loop = loop
        self._poller = poller
        self._socket = peer
        self._limits = broker.limits
        self._tls: TlsConnection | None = None
        self._tls_server = tls_server
        self.trace: Trace | None = None
        self._on_closing = on_closing
        self._on_lost = on_lost
        self._first = True
        self._ended = False
        """The other side has said, by TLS, that nothing follows."""
        self._closing = False
        self._drained = 0
        self._lost = False
        self._unsent = bytearray()
        self.bytes_written = 0
        """Bytes that were to be sent so far, as they go over the wire."""
        self.bytes_taken = 0
        """Bytes of these that the system has taken."""
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self.scheduled = False
        self._reading = True
        self._watch()
        self._session = broker.session(self, address.removeprefix(_IPV4_IN_IPV6))
        self.quota = self._session.quota
        broker.open(self._session)

    def show_wire(self, *, wanted: bool) -> None:
        """Show what goes over the wire in the log from now on, or no more."""
        self.trace = Trace(self._session, self._get_secrets) if wanted else None

    def _get_secrets(self) -> Collection[str]:
        return self._broker.secrets

    # Turns

    def work(self) -> bool:
        """Send and receive, and let the session work; return whether something is left that can go on at once."""
        session = self._session
        try:
            if self._unsent:
                self._send_unsent()
            if self._closing:
                self._drain()
                return False
            if session.idle:
                if not self._receive():
                    return False
            elif not (session.has_work or session.is_delayed() or self._receive()):
                return False
            left = session.work()
            if self._ended and not session.has_work:
                session.finished()
        except Exception:
            _LOGGER.exception("A connection failed and is closed")
            session.close(CloseReason.INTERNAL_ERROR)
            return False
        return left

    # Receiving

    def _receive(self) -> bool:
        """Receive for the session; return whether there is something for it."""
        size = _RECEIVE_UNAUTHORIZED if self._session.unauthorized else _RECEIVE
        try:
            count = self._socket.recv_into(_buffer, size)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            self._lose()
            return False
        if not count:
            self._session.finished()
            return False
        data = bytes(_buffer[:count])
        if self._first:
            self._first = False
            if data[0] == HANDSHAKE:
                self._start_tls()
        if self._tls is not None:
            data = self._decrypt(self._tls, data)
        if data:
            if self.trace is not None:
                self.trace.received(data)
            self._session.receive(data)
        if self._tls is not None and self._tls.ended:
            self._ended = True
        return bool(data) or self._ended

    def _drain(self) -> None:
        """Pass over what comes in while the connection closes, until the other side has closed it too."""
        try:
            count = self._socket.recv_into(_buffer)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            count = 0
        # A byte at a time costs no less than what a packet carries.
        self._drained += max(count, _RECEIVE_UNAUTHORIZED)
        if not count:
            self._lose()
        elif self._drained > _MAX_DRAINED:
            self._reading = False
            self._watch()

    def _start_tls(self) -> None:
        if self._tls_server is None:
            self._session.close(CloseReason.TLS)
            return
        self._tls = self._tls_server.connection()
        self._timers["handshake"] = self._loop.call_later(
            self._limits.identify_timeout,
            self._session.close,
            CloseReason.IDENTIFY_TIMEOUT,
        )

    def _decrypt(self, tls: TlsConnection, data: bytes) -> bytes:
        try:
            text = tls.receive(data)
        except TlsError as err:
            _LOGGER.debug("TLS with %s failed: %s", self._session.address, err)
            self._send(tls.outgoing())
            if not tls.established and tls.identity is not None:
                self._broker.key_failed(tls.identity.device_id, self._session.address)
            self._session.close(CloseReason.TLS)
            return b""
        if tls.established and self._session.identity is None:
            self._timers.pop("handshake").cancel()
            self._session.identity = tls.identity
        self._send(tls.outgoing())
        return text

    # Sending: the sink of the session

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if self.trace is not None:
            self.trace.sent(data)
        if self._tls is not None:
            self._tls.send(data)
            data = self._tls.outgoing()
        self._send(data)

    def _send(self, data: bytes) -> None:
        self.bytes_written += len(data)
        if self._lost or not data:
            return
        if self._unsent:
            self._unsent += data
        else:
            try:
                count = self._socket.send(data)
            except (BlockingIOError, InterruptedError):
                count = 0
            except OSError:
                self._lose_soon()
                return
            self.bytes_taken += count
            if count == len(data):
                return
            self._unsent += memoryview(data)[count:]
            self._watch()
        if len(self._unsent) > self._limits.high_water:
            self._session.pause()

    def _send_unsent(self) -> None:
        try:
            with memoryview(self._unsent) as unsent:
                count = self._socket.send(unsent[:_RECEIVE])
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._lose()
            return
        self.bytes_taken += count
        del self._unsent[:count]
        if not self._unsent:
            self._watch()
            if self._closing:
                self._shut_sending()
        outbox = self._session.outbox
        if outbox.paused and len(self._unsent) <= self._limits.high_water // _LOW_WATER:
            self._session.resume()

    @property
    def unsent(self) -> int:
        """Bytes that were written and not yet sent."""
        return len(self._unsent)

    def set_reading(self, *, reading: bool) -> None:
        """Receive from now on, or nothing more for now."""
        self._reading = reading
        self._watch()

    def _watch(self) -> None:
        self._poller.watch(
            self._socket,
            self,
            read=self._reading,
            write=bool(self._unsent),
        )

    def work_soon(self) -> None:
        """Let the session work when it is its turn."""
        self._broker.scheduler.ready(self)

    def work_after(self, seconds: float) -> None:
        """Let the session work again after a time."""
        self._timers["quota"] = self._loop.call_later(seconds, self._resume_work)

    def _resume_work(self) -> None:
        self._session.resume_work()
        self._broker.scheduler.ready(self)

    # The end

    def close(self) -> None:
        """End the connection; the other side gets a time to take what was written.

        Its sending side is shut first and what still comes in is passed over: closing a
        socket with unread bytes would reset it, and the CLOSE would be lost.
        """
        if self._lost or self._closing:
            return
        if self._tls is not None:
            self._tls.end()
            self._send(self._tls.outgoing())
        self._closing = True
        self._cancel_timers()
        self.set_reading(reading=True)
        if not self._unsent:
            self._shut_sending()
        self._timers["end"] = self._loop.call_later(self._limits.linger, self._lose)
        self._on_closing(self)

    def _shut_sending(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """Close the socket at once, whatever was written."""
        self._lose()

    def _lose_soon(self) -> None:
        """Close the socket in the next turn of the loop: not within somebody else's write."""
        self._loop.call_soon(self._lose)

    def _lose(self) -> None:
        if self._lost:
            return
        self._lost = True
        if self.trace is not None:
            self.trace.end()
        self._cancel_timers()
        self._reading = False
        self._unsent.clear()
        self._watch()
        self._socket.close()
        # Freed at once: the garbage collector does not see how much memory it has.
        self._tls = None
        if self._session.state is not State.CLOSED:
            self._session.lost()
        self._on_lost(self)

    def _cancel_timers(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

"""The port: bind, accept, look after the clock, close (protocol A1)."""

import asyncio
import errno
import logging
import socket
import ssl
from typing import Final

from ..core.broker import Broker
from ..core.quota import Allowance
from .connection import Connection
from .poller import make_poller
from .tls import TlsServer
from .trace import Trace

_LOGGER = logging.getLogger(__name__)

_BACKLOG: Final = 128
_OF_ONE_PEER: Final = {
    errno.EPROTO,
    errno.ENOPROTOOPT,
    errno.EOPNOTSUPP,
    errno.EPERM,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.ETIMEDOUT,
}
"""Errors of accept that say nothing of the next connection (accept(2), Error handling)."""
_ACCEPT_AGAIN: Final = 1.0
"""Seconds until the next try where the system has no socket left."""
_WARN_AGAIN: Final = 3600.0
"""Seconds until that is logged again."""
_TICK: Final = 1.0
"""Seconds between looks at the clock, at most; less where keep-alive is set shorter."""
_TICKS_PER_KEEPALIVE: Final = 4
_PROBE: Final = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
"""After how many seconds of silence, how often and how many times TCP itself asks (protocol A4)."""


def bind(host: str | None, port: int) -> socket.socket:
    """Bind and listen on an address, on all of IPv4 and IPv6 where host is None or empty.

    Raises OSError where the address or the port can't be had.
    """
    if host:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        server = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    elif socket.has_dualstack_ipv6():
        server = socket.create_server(
            ("", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True
        )
    else:
        server = socket.create_server(("", port), backlog=_BACKLOG)
    server.setblocking(False)
    _set_options(server)
    return server


def _set_options(server: socket.socket) -> None:
    """Set what all connections of a port take over from it (tcp(7), socket(7))."""
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBE.items():
        if (option := getattr(socket, name, None)) is not None:
            server.setsockopt(socket.IPPROTO_TCP, option, value)


class Listener:
    """Accepts connections for a broker.

    It accepts by itself, since asyncio's server logs a hundred lines a second while the
    system has no socket left, and accepts all that wait in one turn of the loop.
    """

    def __init__(self, broker: Broker, host: str | None, port: int) -> None:
        """Listen on one IP address, or on all where host is None; port 0 takes any free one."""
        self._broker = broker
        self._host = host
        self._port = port
        self._tls = TlsServer(broker.access.keys.get) if ssl.HAS_PSK else None
        self._tracing = False
        limits = broker.limits
        self._accepting = Allowance(
            limits.accept_share, limits.accept_share_burst, broker.clock()
        )
        self._connections: set[Connection] = set()
        self._closing: dict[Connection, None] = {}
        self._none_left = asyncio.Event()
        self._warned_at: float | None = None
        self._socket: socket.socket | None = None
        self._is_serving = False
        self._timers: dict[str, asyncio.TimerHandle] = {}

    @property
    def port(self) -> int:
        """The port that is listened on, 0 where none is."""
        if self._socket is None:
            return 0
        port: int = self._socket.getsockname()[1]
        return port

    def bind(self) -> None:
        """Take the port: clients can connect, and wait until they are served.

        Raises OSError where the port can't be had.
        """
        self._socket = bind(self._host, self._port)

    def serve(self) -> None:
        """Accept from now on, those first that wait since `bind`; the clock begins."""
        if self._socket is None:
            raise RuntimeError("bind comes before serve")
        self._loop = asyncio.get_running_loop()
        self._poller = make_poller(self._loop, self._broker.scheduler.ready)
        self._broker.scheduler.look = self._poller.poll
        self._is_serving = True
        self._broker.begin()
        self._watch(self._socket)
        self._tick()

    async def start(self) -> None:
        """Bind and serve. Raises OSError where the port can't be had."""
        self.bind()
        self.serve()

    async def stop(self) -> None:
        """Accept nothing more, close every client; the port is free when this returns."""
        if self._socket is None:
            return
        server, self._socket = self._socket, None
        if not self._is_serving:
            server.close()
            return
        self._is_serving = False
        for timer in self._timers.values():
            timer.cancel()
        self._loop.remove_reader(server)
        server.close()
        self._broker.shutdown()
        if self._connections:
            self._none_left.clear()
            await self._none_left.wait()
        self._broker.scheduler.look = lambda: None
        self._poller.close()

    def _watch(self, server: socket.socket) -> None:
        self._loop.add_reader(server, self._accept, server)

    def _accept(self, server: socket.socket) -> None:
        """Accept what waits, as far as this turn of the loop has time for it."""
        scheduler = self._broker.scheduler
        while not scheduler.is_exhausted():
            if wait := self._accepting.wait(self._broker.clock()):
                self._pause_accepting(server, wait)
                return
            scheduler.begin()
            try:
                client, address = server.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as err:
                if not isinstance(err, ConnectionError) and (
                    err.errno not in _OF_ONE_PEER
                ):
                    self._wait_for_sockets(server, err)
                    return
            else:
                connection = self._serve(client, address[0])
                seconds = scheduler.lap()
                self._accepting.balance -= seconds
                connection.quota.charge(seconds)

    def _serve(self, client: socket.socket, address: str) -> Connection:
        client.setblocking(False)
        connection = Connection(
            self._broker,
            self._loop,
            self._poller,
            client,
            address,
            self._tls,
            self._on_closing,
            self._on_lost,
        )
        connection.show_wire(wanted=self._tracing)
        self._connections.add(connection)
        return connection

    def _wait_for_sockets(self, server: socket.socket, err: OSError) -> None:
        now = self._loop.time()
        if self._warned_at is None or now - self._warned_at > _WARN_AGAIN:
            self._warned_at = now
            _LOGGER.warning("No connection can be accepted for now: %s", err.strerror)
        self._pause_accepting(server, _ACCEPT_AGAIN)

    def _pause_accepting(self, server: socket.socket, seconds: float) -> None:
        self._loop.remove_reader(server)
        self._timers["accept"] = self._loop.call_later(seconds, self._watch, server)

    def _on_closing(self, connection: Connection) -> None:
        """Note that a connection closes: past a bound the oldest of these is cut."""
        self._closing[connection] = None
        if len(self._closing) > self._broker.limits.closing:
            next(iter(self._closing)).abort()

    def _on_lost(self, connection: Connection) -> None:
        self._closing.pop(connection, None)
        self._connections.discard(connection)
        if not self._connections:
            self._none_left.set()

    def _tick(self) -> None:
        limits = self._broker.limits
        shortest = min(limits.keepalive, limits.keepalive_timeout)
        delay = min(_TICK, shortest / _TICKS_PER_KEEPALIVE)
        self._timers["tick"] = self._loop.call_later(delay, self._tick)
        self._follow_trace()
        self._broker.tick()

    def _follow_trace(self) -> None:
        """Trace all connections, or none, where the level of the log has changed."""
        if Trace.wanted() is self._tracing:
            return
        self._tracing = not self._tracing
        for connection in self._connections:
            connection.show_wire(wanted=self._tracing)

"""The port: bind, accept, look after the clock, close (protocol A1)."""

import asyncio
import logging
import socket
import ssl
from typing import Final

from ..core.broker import Broker
from .connection import Connection
from .tls import TlsServer

_LOGGER = logging.getLogger(__name__)

_BACKLOG: Final = 128
_ACCEPT_AGAIN: Final = 1.0
"""Seconds until the next try where the system has no socket left."""
_WARN_AGAIN: Final = 3600.0
"""Seconds until that is logged again."""
_TICK: Final = 1.0
"""Seconds between looks at the clock, at most; less where keep-alive is set shorter."""
_TICKS_PER_KEEPALIVE: Final = 4


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
    return server


class Listener:
    """Accepts connections for a broker.

    It accepts by itself, since asyncio's server logs a hundred lines a second while the
    system has no socket left.
    """

    def __init__(self, broker: Broker, host: str | None, port: int) -> None:
        """Listen on one IP address, or on all where host is None; port 0 takes any free one."""
        self._broker = broker
        self._host = host
        self._port = port
        self._tls = TlsServer(broker.access.keys.get) if ssl.HAS_PSK else None
        self._connections: set[Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._none_left = asyncio.Event()
        self._warned_at: float | None = None
        self._socket: socket.socket | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}

    @property
    def port(self) -> int:
        """The port that is listened on, 0 where none is."""
        if self._socket is None:
            return 0
        port: int = self._socket.getsockname()[1]
        return port

    async def start(self) -> None:
        """Bind and accept. Raises OSError where the port can't be had."""
        self._loop = asyncio.get_running_loop()
        self._socket = bind(self._host, self._port)
        self._watch(self._socket)
        self._tick()

    async def stop(self) -> None:
        """Accept nothing more, close every client; the port is free when this returns."""
        if self._socket is None:
            return
        for timer in self._timers.values():
            timer.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._socket = None
        await asyncio.gather(*self._opening)
        self._broker.shutdown()
        if self._connections:
            self._none_left.clear()
            await self._none_left.wait()

    def _watch(self, server: socket.socket) -> None:
        self._loop.add_reader(server, self._accept, server)

    def _accept(self, server: socket.socket) -> None:
        for _ in range(_BACKLOG):
            try:
                client, _ = server.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as err:
                self._wait_for_sockets(server, err)
                return
            client.setblocking(False)
            # asyncio does it only for sockets whose protocol number is given.
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = self._loop.create_task(self._open(client))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def _wait_for_sockets(self, server: socket.socket, err: OSError) -> None:
        now = self._loop.time()
        if self._warned_at is None or now - self._warned_at > _WARN_AGAIN:
            self._warned_at = now
            _LOGGER.warning("No connection can be accepted for now: %s", err.strerror)
        self._loop.remove_reader(server)
        self._timers["accept"] = self._loop.call_later(
            _ACCEPT_AGAIN, self._watch, server
        )

    async def _open(self, client: socket.socket) -> None:
        connection = Connection(self._broker, self._loop, self._tls, self._closed)
        self._connections.add(connection)
        try:
            await self._loop.connect_accepted_socket(lambda: connection, client)
        except OSError as err:
            _LOGGER.debug("A connection was gone at once: %s", err)
            client.close()
            self._closed(connection)

    def _closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._none_left.set()

    def _tick(self) -> None:
        limits = self._broker.limits
        shortest = min(limits.keepalive, limits.keepalive_timeout)
        delay = min(_TICK, shortest / _TICKS_PER_KEEPALIVE)
        self._timers["tick"] = self._loop.call_later(delay, self._tick)
        self._broker.tick()

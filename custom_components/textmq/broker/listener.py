"""The port: bind, accept, look after the clock, close (protocol A1)."""

import asyncio
from contextlib import suppress
import ssl
from typing import Final

from .broker import Broker
from .connection import Connection
from .tls import TlsServer

_BACKLOG: Final = 128
_TICK: Final = 1.0
"""Seconds between looks at the clock, at most; less where keep-alive is set shorter."""
_TICKS_PER_KEEPALIVE: Final = 4


class Listener:
    """Accepts connections for a broker."""

    def __init__(self, broker: Broker, host: str | None, port: int) -> None:
        """Listen on one address, or on all where host is None; port 0 takes any free one."""
        self._broker = broker
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._ticker: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        """The port that is listened on, 0 where none is yet."""
        if self._server is None or not self._server.sockets:
            return 0
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        """Bind and accept. Raises OSError where the port can't be had."""
        loop = asyncio.get_running_loop()
        tls_server = TlsServer(self._broker.access.keys.get) if ssl.HAS_PSK else None
        self._server = await loop.create_server(
            lambda: Connection(self._broker, loop, tls_server),
            self._host,
            self._port,
            backlog=_BACKLOG,
        )
        self._tick(loop)

    async def stop(self) -> None:
        """Accept nothing more, close every client; the port is free when this returns."""
        if self._server is None:
            return
        if self._ticker is not None:
            self._ticker.cancel()
        self._server.close()
        self._broker.shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._broker.limits.linger):
                await self._server.wait_closed()
        self._server.abort_clients()
        await self._server.wait_closed()
        self._server = None

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        limits = self._broker.limits
        shortest = min(limits.keepalive, limits.keepalive_timeout)
        delay = min(_TICK, shortest / _TICKS_PER_KEEPALIVE)
        self._ticker = loop.call_later(delay, self._tick, loop)
        self._broker.tick()

"""Which sockets of the clients are ready: all of them as one descriptor of the event loop.

asyncio calls each socket that is ready in the same turn of its loop, a thousand of them too, whether
the broker has time for them or not. The system can tell of as many as are wanted, in turns,
so the others wait where they cost nothing.
"""

import asyncio
from collections.abc import Callable
import select
import socket
from typing import Final, Protocol

from ..core.quota import Worker

_MAX_EVENTS: Final = 128
"""Sockets that are asked for at a time: about what a turn has time for."""


class Poller(Protocol):
    """Reports a worker when its socket can be read, or written where that is wanted."""

    def watch(
        self,
        peer: socket.socket,
        worker: Worker,
        *,
        read: bool,
        write: bool,
    ) -> None:
        """Report the worker, again and again, while the socket can be read or written as wanted."""

    def poll(self) -> None:
        """Report the workers whose sockets are ready now; the event loop does so in each turn."""

    def close(self) -> None:
        """Watch nothing any more."""


class EpollPoller:
    """Asks Linux's epoll, which is itself watched by the event loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, ready: Callable[[Worker], None]
    ) -> None:
        """Begin without sockets; ready is called with a worker that has something to do."""
        self._loop = loop
        self._ready = ready
        self._epoll = select.epoll()
        self._watched: dict[int, tuple[Worker, int]] = {}
        loop.add_reader(self._epoll.fileno(), self.poll)

    def watch(
        self,
        peer: socket.socket,
        worker: Worker,
        *,
        read: bool,
        write: bool,
    ) -> None:
        """Report the worker, again and again, while the socket can be read or written as wanted."""
        number = peer.fileno()
        wanted = (select.EPOLLIN if read else 0) | (select.EPOLLOUT if write else 0)
        before = self._watched.get(number)
        if not wanted:
            if before is not None:
                del self._watched[number]
                self._epoll.unregister(number)
            return
        self._watched[number] = (worker, wanted)
        if before is None:
            self._epoll.register(number, wanted)
        elif before[1] != wanted:
            self._epoll.modify(number, wanted)

    def poll(self) -> None:
        """Report the workers whose sockets are ready now; the event loop does so in each turn."""
        watched, ready = self._watched, self._ready
        for number, _ in self._epoll.poll(0, _MAX_EVENTS):
            # One that was called before may have closed it.
            if (entry := watched.get(number)) is not None:
                ready(entry[0])

    def close(self) -> None:
        """Watch nothing any more."""
        self._loop.remove_reader(self._epoll.fileno())
        self._watched.clear()
        self._epoll.close()


class LoopPoller:
    """Lets the event loop watch each socket, where there is no epoll."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, ready: Callable[[Worker], None]
    ) -> None:
        """Begin without sockets; ready is called with a worker that has something to do."""
        self._loop = loop
        self._ready = ready

    def watch(
        self,
        peer: socket.socket,
        worker: Worker,
        *,
        read: bool,
        write: bool,
    ) -> None:
        """Report the worker, again and again, while the socket can be read or written as wanted."""
        if read:
            self._loop.add_reader(peer, self._ready, worker)
        else:
            self._loop.remove_reader(peer)
        if write:
            self._loop.add_writer(peer, self._ready, worker)
        else:
            self._loop.remove_writer(peer)

    def poll(self) -> None:
        """Nothing: the event loop reports them itself."""

    def close(self) -> None:
        """Watch nothing any more; the connections have ended by now."""


def make_poller(
    loop: asyncio.AbstractEventLoop, ready: Callable[[Worker], None]
) -> Poller:
    """Return what this system has; ready is called with a worker that has something to do."""
    return (EpollPoller if hasattr(select, "epoll") else LoopPoller)(loop, ready)

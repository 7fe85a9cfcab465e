"""Those who come to the broker, each as a process of its own: attackers, the crowd around them, the probe.

A role speaks with the program that measures over a pipe. It says that it is ready, takes a list of times (of the
monotonic clock), says at each of them what it has done, and ends when told to.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
import itertools
from multiprocessing.connection import Connection
import os
import re
import resource
import selectors
import socket
import struct
import time
from typing import Any, Final, Protocol

from benchmarks.client_side import line

from .wire import HELLO, Failed, Key, Link, batches, identify

_OPENING_SECONDS: Final = 60
_WAIT: Final = 0.02
"""Seconds between two looks at the clock, at most."""
_PROBE_INTERVAL: Final = 0.01
PROBE_SECONDS: Final = 30
"""How long the probe waits for the last answers."""
_SEQUENCE: Final = re.compile(rb"COMMAND=OK \| SEQ=p(\d+) ")
_ABORT: Final = struct.pack("ii", 1, 0)
"""SO_LINGER, so that close() resets the connection."""
_CLOSING_SECONDS: Final = 2

type Report = dict[str, Any]
type Blocks = Callable[[], Iterator[bytes]]


class Role(Protocol):
    """What a process does."""

    def __call__(self, port: int, pipe: Connection) -> None:
        """Do it with the broker at a port of 127.0.0.1."""


def nothing() -> Iterator[bytes]:
    """Send nothing."""
    return iter(())


def again(*lines: bytes, size: int = 1 << 15) -> Blocks:
    """Send some lines over and over, in blocks of about a size."""
    text = b"".join(lines)
    block = text * max(1, size // len(text))
    return lambda: itertools.repeat(block)


def numbered(make: Callable[[int], bytes], *, count: int = 1 << 40) -> Blocks:
    """Send what a function makes of 0, 1, 2, ..."""
    return lambda: batches(make(number) for number in range(count))


@dataclass(frozen=True)
class Script:
    """What one connection does."""

    opening: bytes = b""
    """Sent first, again after each reconnect."""
    answers: int = 0
    """Answers to it, before all else begins."""
    blocks: Blocks = nothing
    reads: bool = True
    key: Key | None = None
    pause: float = 0.0
    """Seconds between two blocks."""
    receive_buffer: int = 0
    """Bytes, 0: as the system has it."""


class _Player:
    """A connection that follows its script; where the broker closes it, it comes again."""

    def __init__(self, port: int, script: Script) -> None:
        self.script = script
        self.link = Link(port, key=script.key, receive_buffer=script.receive_buffer)
        self.link.exchange(script.opening, script.answers)
        self._blocks = script.blocks()
        self._rest = memoryview(b"")
        self._next = 0.0
        self.ended = False

    def reconnect(self) -> None:
        """Come again."""
        self.link.close()
        self.link.connect()
        self._rest = memoryview(self.script.opening)

    def wants_to_send(self, now: float, *, attacks: bool) -> bool:
        """Say whether there is something to send now."""
        if self._rest:
            return True
        if self.link.asked:
            self.link.asked = False
            self._rest = memoryview(HELLO)
        elif attacks and not self.ended and now >= self._next:
            self._next = now + self.script.pause
            block = next(self._blocks, None)
            self.ended = block is None
            self._rest = memoryview(block or b"")
        return bool(self._rest)

    def send(self) -> None:
        """Send what goes."""
        self._rest = self._rest[self.link.send(self._rest) :]


class Flood:
    """Connections that send as fast as the broker reads."""

    def __init__(self, *scripts: Script) -> None:
        """Take a script for each connection."""
        self._scripts = scripts

    def __call__(self, port: int, pipe: Connection) -> None:
        """Do it."""
        players = [_Player(port, script) for script in self._scripts]
        pipe.send({})
        self._play(players, pipe.poll, attacks=False)
        before = self._lines(players)
        for end in pipe.recv():
            self._play(players, partial(_is_past, end), attacks=True)
            pipe.send(
                {
                    "lines": self._lines(players) - before,
                    "bad": sum(player.link.bad for player in players),
                    "bytes": sum(player.link.sent for player in players),
                    "connects": sum(player.link.connects for player in players),
                    "last": next(
                        (
                            player.link.last.decode(errors="replace")
                            for player in players
                            if player.link.bad
                        ),
                        "",
                    ),
                }
            )
        self._play(players, pipe.poll, attacks=False)
        for player in players:
            player.link.close()

    @staticmethod
    def _lines(players: list[_Player]) -> int:
        return sum(player.link.answers + player.link.hello for player in players)

    def _play(
        self, players: list[_Player], ended: Callable[[], bool], *, attacks: bool
    ) -> None:
        with selectors.DefaultSelector() as selector:
            masks: dict[_Player, int] = {}
            while not ended():
                now = time.monotonic()
                for player in players:
                    if player.link.closed:
                        if masks.pop(player, 0):
                            selector.unregister(player.link.socket)
                        if attacks:
                            player.reconnect()
                        continue
                    mask = selectors.EVENT_READ if player.script.reads else 0
                    if player.wants_to_send(now, attacks=attacks):
                        mask |= selectors.EVENT_WRITE
                    self._watch(selector, player, masks, mask)
                for key, events in selector.select(_WAIT if not attacks else 0.002):
                    player = key.data
                    if events & selectors.EVENT_READ:
                        player.link.receive()
                    if events & selectors.EVENT_WRITE and not player.link.closed:
                        player.send()

    @staticmethod
    def _watch(
        selector: selectors.BaseSelector,
        player: _Player,
        masks: dict[_Player, int],
        mask: int,
    ) -> None:
        before = masks.get(player, 0)
        if mask == before:
            return
        link = player.link
        if not mask:
            selector.unregister(link.socket)
        elif before:
            selector.modify(link.socket, mask, player)
        else:
            selector.register(link.socket, mask, player)
        masks[player] = mask


def _is_past(end: float) -> bool:
    return time.monotonic() >= end


class Returning:
    """Clients that connect, send, take their answers, and are gone, over and over."""

    def __init__(
        self,
        make: Callable[[int], bytes],
        answers: int,
        *,
        width: int = 16,
        aborts: bool = False,
    ) -> None:
        """Take what the n-th client sends, how many answers it waits for, and how many come at once."""
        self._make = make
        self._answers = answers
        self._width = width
        self._aborts = aborts

    def __call__(self, port: int, pipe: Connection) -> None:
        """Do it."""
        pipe.send({})
        number = bad = 0
        last = b""
        for end in pipe.recv():
            while time.monotonic() < end:
                links = [Link(port) for _ in range(self._width)]
                for link in links:
                    with suppress(Exception):
                        link.socket.settimeout(_CLOSING_SECONDS)
                        link.socket.sendall(self._make(number))
                        link.socket.setblocking(False)
                    number += 1
                self._take_answers(links)
                for link in links:
                    bad += link.bad
                    last = link.last if link.bad else last
                    if self._aborts:
                        link.socket.setsockopt(
                            socket.SOL_SOCKET, socket.SO_LINGER, _ABORT
                        )
                    link.close()
            pipe.send(
                {
                    "lines": number,
                    "bad": bad,
                    "bytes": 0,
                    "connects": number,
                    "last": last.decode(errors="replace"),
                }
            )
        pipe.recv()

    def _take_answers(self, links: list[Link]) -> None:
        deadline = time.monotonic() + _CLOSING_SECONDS
        waiting = [link for link in links if self._answers]
        while waiting and time.monotonic() < deadline:
            for link in waiting:
                link.receive()
            waiting = [
                link
                for link in waiting
                if link.answers < self._answers and not link.closed
            ]
            if waiting:
                time.sleep(0.0005)


class Probe:
    """Another client, which publishes at an even pace and notes how long each answer takes.

    It does not wait for one answer before it sends the next, so that a broker which stands still is seen for as long
    as it does. Answers are paired by SEQ: deliveries in between do not count.
    """

    def __init__(self, device_id: str, variable: str) -> None:
        """Take an ID and a variable that nobody else has."""
        self._id = device_id
        self._variable = variable

    def __call__(self, port: int, pipe: Connection) -> None:
        """Do it."""
        # Ahead of the attackers, which share its core: their turns are not the broker's.
        with suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        link = Link(port)
        opening = identify(self._id) + line("PUB", VARIABLE=self._variable, VALUE=0)
        if link.exchange(opening, 2) != (2, 0):
            raise Failed(f"the probe may not publish: {link.last!r}")
        pipe.send({})
        times: dict[int, float] = {}
        taken: list[tuple[float, float]] = []
        kept = b""
        due = time.monotonic()
        number = 0
        deadline = 0.0
        with selectors.DefaultSelector() as selector:
            selector.register(link.socket, selectors.EVENT_READ)
            while not link.closed:
                now = time.monotonic()
                if deadline and (not times or now > deadline):
                    break
                if not deadline and now >= due:
                    times[number] = now
                    publish = line(
                        "PUB",
                        VARIABLE=self._variable,
                        VALUE=number,
                        SEQ=f"p{number}",
                    )
                    if link.asked:
                        link.asked = False
                        publish += HELLO
                    link.send(memoryview(publish))
                    number += 1
                    due += _PROBE_INTERVAL
                if selector.select(max(0.0, due - now) if not deadline else _WAIT):
                    link.receive()
                    now = time.monotonic()
                    kept += link.chunk
                    for found in _SEQUENCE.finditer(kept):
                        sent = times.pop(int(found[1]), None)
                        if sent is not None:
                            taken.append((sent, now - sent))
                    kept = kept[kept.rfind(b"\n") + 1 :]
                if not deadline and pipe.poll():
                    pipe.recv()
                    deadline = time.monotonic() + PROBE_SECONDS
        pipe.send(
            {
                "taken": taken,
                "missing": len(times),
                "closed": link.last.decode(errors="replace") if link.closed else "",
            }
        )
        link.close()


class Storm:
    """Strangers that connect at a pace and stay until the broker closes them."""

    def __init__(self, rate: int, seconds: float, greeting: bytes = b"") -> None:
        """Take connects a second, for how long, and what each sends first."""
        self._rate = rate
        self._seconds = seconds
        self._greeting = greeting

    def __call__(self, port: int, pipe: Connection) -> None:
        """Do it."""
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        pipe.send({})
        ends = pipe.recv()
        links: list[Link] = []
        greeted = 0
        began = time.monotonic()
        total = int(self._rate * self._seconds)
        for end in ends:
            while (now := time.monotonic()) < end:
                due = min(total, int((now - began) * self._rate))
                links.extend(Link(port) for _ in range(due - len(links)))
                if self._greeting:
                    for link in links[greeted:]:
                        link.send(memoryview(self._greeting))
                    greeted = len(links)
                for link in links[-200:]:
                    link.receive()
                time.sleep(0.001)
            for link in links:
                if not link.closed:
                    while link.receive():
                        pass
            pipe.send(
                {
                    "lines": len(links),
                    "bad": 0,
                    "bytes": 0,
                    "connects": len(links),
                    "open": sum(not link.closed for link in links),
                    "last": "",
                }
            )
        pipe.recv()
        for link in links:
            link.close()

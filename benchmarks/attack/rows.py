"""What is tried: each row is an attack on a broker, or a harmless client to compare with."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from benchmarks.client_side import line

from .roles import Flood, Role, Script, again
from .wire import Link, connected, identify

VARIABLES: Final = 4990
"""Almost as many as the broker takes by default; the others are the probe's and the attackers'."""
_PER_CLIENT: Final = 2000
"""Of one client."""


class Bound(Enum):
    """What the share of the loop is judged by."""

    CLIENT = 10.0
    """One client that has been let in, after its burst: percent."""
    STRANGERS = 5.0
    """All who have not been let in together: percent."""
    NONE = 100.0
    """Several clients, of which each may take its share."""


@dataclass
class Stage:
    """A broker that is being made ready for a row."""

    port: int
    depth: int
    """Levels that a name may have here."""
    links: list[Link] = field(default_factory=list)

    def ask(self, device_id: str, *lines: bytes) -> tuple[int, int]:
        """Send lines as a device of this ID, which stays; return how many got OK and BAD."""
        link = connected(self.port, device_id)
        self.links.append(link)
        return link.exchange(b"".join(lines), len(lines))

    def fill(
        self,
        count: int = VARIABLES,
        name: Callable[[int], str] = "v/{}".format,
        value: str = "21.5",
    ) -> None:
        """Publish variables, by as many clients as it takes."""
        for first in range(0, count, _PER_CLIENT):
            numbers = range(first, min(count, first + _PER_CLIENT))
            self.ask(
                f"fill-{first}",
                *(line("PUB", VARIABLE=name(n), VALUE=value) for n in numbers),
            )

    def close(self) -> None:
        """Let the devices go."""
        for link in self.links:
            link.close()


type Attack = Callable[[Stage], Role]


def unprepared(_stage: Stage) -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    title: str
    attack: Attack
    prepare: Callable[[Stage], None] = unprepared
    crowd: Attack | None = None
    """Others who take part and are not counted; they come before the attack."""
    options: tuple[str, ...] = ("--access", "open")
    """Of the standalone broker."""
    bound: Bound = Bound.CLIENT
    paced: bool = False
    """Goes on for a minute: the share of the loop is what counts."""
    harmless: bool = False
    """The row that the others are compared with."""


def one(
    *lines: bytes,
    device_id: str = "mallory",
    opening: tuple[bytes, ...] = (),
    receive_buffer: int = 0,
) -> Attack:
    """Return an attack by one client that sends the same lines again and again."""
    return lambda _stage: Flood(
        Script(
            identify(device_id) + b"".join(opening),
            1 + len(opening),
            again(*lines),
            receive_buffer=receive_buffer,
        )
    )


def deep(stage: Stage, *last: str, wildcard: bool = False) -> str:
    """Return a name or a filter that is as deep as it may be."""
    level = "+" if wildcard else "a"
    return "/".join([level] * (stage.depth - len(last)) + list(last))


def deep_filters(stage: Stage, first: int = 0, count: int = 31) -> Iterator[str]:
    """Return different filters that all match the deep name, with as many branches as they can have."""
    for number in range(first + 1, first + 1 + count):
        levels = ["a"] * stage.depth
        levels[-1] = "+"
        for bit in range(number.bit_length()):
            if number >> bit & 1:
                levels[bit] = "+"
        yield "/".join(levels)


def subscriptions(filters: Iterator[str]) -> tuple[bytes, ...]:
    """Return the lines that subscribe to filters."""
    return tuple(line("SUB", VARIABLE=pattern, REPLAY="NO") for pattern in filters)


def subscribers(count: int, *names: str) -> Attack:
    """Return so many clients that subscribe, read, and do nothing else."""
    lines = subscriptions(iter(names))
    return lambda _stage: Flood(
        *(
            Script(identify(f"crowd-{n}") + b"".join(lines), 1 + len(lines))
            for n in range(count)
        )
    )

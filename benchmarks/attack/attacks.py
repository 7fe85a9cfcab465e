"""What attackers do, and what is made ready for them: the pieces of the table."""

import base64
from collections.abc import Callable
import itertools
from typing import Final

from benchmarks.client_side import line

from .roles import Flood, Returning, Role, Script, again, numbered
from .rows import (
    VARIABLES,
    Attack,
    Stage,
    deep,
    deep_filters,
    subscribers,
    subscriptions,
)
from .wire import connected, identify

CROWD: Final = 400
READS_ALL: Final = 1 << 26
"""A receive buffer that takes whatever the broker sends, so that nothing but the broker itself ends its writing."""
LONG_VALUE: Final = "x" * 4000
KEY: Final = bytes(range(32))
DOOR: Final = ("--allow", "probe", "--allow", "known")
"""Only these two are let in."""
KEYED: Final = (
    *("--access", "open"),
    *("--key", f"mallory={base64.b64encode(KEY).decode()}"),
)
STRANGERS: Final = 31
BLOCK: Final = 1 << 16

KNOWN: Final = line("PUB", VARIABLE="x", VALUE="21.5")
GET_ALL: Final = line("GET", VARIABLE="#")


def fill(stage: Stage) -> None:
    """Publish 5,000 short values."""
    stage.fill()


def fill_long(stage: Stage) -> None:
    """Publish 5,000 values of 4 KB."""
    stage.fill(value=LONG_VALUE)


def fill_deep(stage: Stage) -> None:
    """Publish 5,000 variables, as deep as may be."""
    stage.fill(name=lambda number: deep(stage, str(number)))


def deep_get(*last: str) -> Attack:
    """Return a client that gets a filter of wildcards, as deep as may be."""
    return lambda stage: Flood(
        Script(
            identify("mallory"),
            1,
            again(line("GET", VARIABLE=deep(stage, *last, wildcard=True))),
        )
    )


def sub_deep(stage: Stage) -> Role:
    """Return a client that subscribes to a deep filter again and again."""
    levels = ["a"] + ["+"] * (stage.depth - 1)
    subscribe = line("SUB", VARIABLE="/".join(levels), REPLAY="NO")
    return Flood(Script(identify("mallory"), 1, again(subscribe)))


def own_filters(make: Callable[[Stage, int], bytes]) -> Attack:
    """Return an attack by a client with 31 deep filters of its own."""

    def attack(stage: Stage) -> Role:
        opening = subscriptions(deep_filters(stage))
        return Flood(
            Script(
                identify("mallory") + b"".join(opening),
                1 + len(opening),
                numbered(lambda number: make(stage, number)),
            )
        )

    return attack


def define_deep(stage: Stage, number: int) -> bytes:
    """Describe a deep name, each time in another way."""
    return line("DEF", VARIABLE=deep(stage, "a"), TYPE="sensor", NAME=number)


def publish_deep(stage: Stage, number: int) -> bytes:
    """Publish to the n-th deep name."""
    return line("PUB", VARIABLE=deep(stage, str(number)), VALUE=1, RETAIN="NO")


def subscribe_and_publish(stage: Stage, _number: int) -> bytes:
    """Subscribe to a plain name, and publish to a deep one."""
    return line("SUB", VARIABLE="q") + line("PUB", VARIABLE=deep(stage, "a"), VALUE=1)


def foreign_filters(stage: Stage) -> Role:
    """Return ten clients with 31 deep filters each."""
    return Flood(
        *(
            Script(
                identify(f"crowd-{n}")
                + b"".join(subscriptions(deep_filters(stage, n * 31))),
                32,
            )
            for n in range(10)
        )
    )


def pub_deep(stage: Stage) -> Role:
    """Return a client that publishes to ever new deep names."""
    return Flood(
        Script(identify("mallory"), 1, numbered(lambda n: publish_deep(stage, n)))
    )


def pub_deep_known(stage: Stage) -> Role:
    """Return a client that publishes to one deep name while another subscribes to ever new filters and back."""
    publish = line("PUB", VARIABLE=deep(stage, "a"), VALUE=1)
    return Flood(
        Script(identify("mallory"), 1, again(publish)),
        Script(
            identify("other"),
            1,
            again(line("SUB", VARIABLE="+/q"), line("UNSUB", VARIABLE="+/q")),
        ),
    )


def deepest(_stage: Stage) -> Role:
    """Return a client that sends 122 levels, whatever the answer is."""
    lines = (
        line("GET", VARIABLE="/".join(["+"] * 122)),
        line("SUB", VARIABLE="/".join(["a"] + ["+"] * 121), REPLAY="NO"),
        line("PUB", VARIABLE="/".join(["a"] * 122), VALUE=1, RETAIN="NO"),
    )
    return Flood(Script(identify("mallory"), 1, again(*lines)))


def many(count: int, *lines: bytes) -> Attack:
    """Return so many clients that all send the same."""
    return lambda _stage: Flood(
        *(Script(identify(f"many-{n}"), 1, again(*lines)) for n in range(count))
    )


def raw(block: bytes, *, pause: float = 0.0) -> Attack:
    """Return an attack by one client that sends a block of anything again and again."""
    return lambda _stage: Flood(
        Script(identify("mallory"), 1, lambda: itertools.repeat(block), pause=pause)
    )


def dribble(_stage: Stage) -> Role:
    """Return a thousand connections that send their lines byte by byte."""
    return Flood(
        *(
            Script(
                identify(f"many-{n}"),
                1,
                lambda: itertools.cycle(KNOWN[at : at + 1] for at in range(len(KNOWN))),
            )
            for n in range(50)
        )
    )


def strangers(*lines: bytes, opening: bytes = b"") -> Attack:
    """Return 31 connections that nobody has let in."""
    return lambda _stage: Flood(
        *(Script(opening, 0, again(*lines)) for _ in range(STRANGERS))
    )


def stranger_ids(*, change: bool) -> Attack:
    """Return 31 connections that send IDs: each its own, or ever new ones."""

    def script(number: int) -> Script:
        def identity(n: int) -> bytes:
            return identify(f"stranger-{number}-{n if change else 0}")

        return Script(b"", 0, numbered(identity))

    return lambda _stage: Flood(*(script(number) for number in range(STRANGERS)))


def slow_reader(_stage: Stage) -> Role:
    """Return a client that reads nothing, and one that changes what the other has subscribed to."""
    subscribe = line("SUB", VARIABLE="#")
    publishes = [line("PUB", VARIABLE=f"v/{n}", VALUE="22.5") for n in range(VARIABLES)]
    return Flood(
        Script(
            identify("mallory") + subscribe,
            1,
            lambda: iter([GET_ALL * 20]),
            reads=False,
            receive_buffer=4096,
        ),
        Script(identify("other"), 1, again(*publishes)),
    )


def slow_readers(_stage: Stage) -> Role:
    """Return a hundred clients that ask for everything and read nothing."""
    return Flood(
        *(
            Script(
                identify(f"many-{n}") + line("SUB", VARIABLE="#"),
                1,
                lambda: iter([GET_ALL]),
                reads=False,
                receive_buffer=4096,
            )
            for n in range(100)
        )
    )


def will(number: int) -> bytes:
    """Say what the n-th client sends that leaves a will."""
    will = line("WILL", VARIABLE="x", VALUE=number)
    return identify(f"will-{number}") + will + line("SUB", VARIABLE="#", REPLAY="NO")


def brief(number: int) -> bytes:
    """Say what the n-th client sends that leaves at once."""
    return identify(f"brief-{number}") + line("CLOSE")


def mass_leave(number: int) -> bytes:
    """Say what the n-th client sends that leaves together with others."""
    filters = b"".join(
        line("SUB", VARIABLE=f"m/{number}/{n}/+/+", REPLAY="NO") for n in range(30)
    )
    return (
        identify(f"leave-{number}") + filters + line("WILL", VARIABLE="x", VALUE=number)
    )


def subscribe_many(_stage: Stage) -> Role:
    """Return a client that subscribes to 1,000 names and takes all back."""
    lines = [line("SUB", VARIABLE=f"u/{n}") for n in range(1000)]
    return Flood(Script(identify("mallory"), 1, again(*lines, line("UNSUBALL"))))


def filters_in_turn(_stage: Stage) -> Role:
    """Return a client that subscribes to 500 filters and takes all back."""
    lines = [line("SUB", VARIABLE=f"u/+/{n}") for n in range(500)]
    return Flood(Script(identify("mallory"), 1, again(KNOWN, *lines, line("UNSUBALL"))))


def id_changing(_stage: Stage) -> Role:
    """Return a client that changes its ID all the time."""
    return Flood(Script(identify("mallory"), 1, numbered(lambda n: identify(f"m{n}"))))


def new_names(_stage: Stage) -> Role:
    """Return a client that publishes to ever new names, and stores nothing."""
    return Flood(
        Script(
            identify("mallory"),
            1,
            numbered(lambda n: line("PUB", VARIABLE=f"new/{n}", VALUE=1, RETAIN="NO")),
        )
    )


def new_variables(_stage: Stage) -> Role:
    """Return a client that makes 2,000 variables and deletes them, over and over."""
    made = [line("PUB", VARIABLE=f"new/{n}", VALUE=1) for n in range(2000)]
    gone = [line("DEL", VARIABLE=f"new/{n}") for n in range(2000)]
    return Flood(Script(identify("mallory"), 1, again(*made, *gone)))


def definitions(_stage: Stage) -> Role:
    """Return a client that describes a variable, each time in another way."""
    return Flood(
        Script(
            identify("mallory"),
            1,
            numbered(
                lambda n: line("DEF", VARIABLE="x", TYPE="sensor", NAME=f"Name {n}")
            ),
        )
    )


def definition_readers(_stage: Stage) -> Role:
    """Return a crowd that wants descriptions."""
    subscribe = line("SUB", VARIABLE="x", DEF="YES", REPLAY="NO")
    return Flood(*(Script(identify(f"crowd-{n}") + subscribe, 2) for n in range(CROWD)))


def know_x(stage: Stage) -> None:
    """Publish the variables x and y."""
    stage.ask("owner", KNOWN, line("PUB", VARIABLE="y", VALUE=1))


def meet(stage: Stage) -> None:
    """Let a device be known and go, so that messages can wait for it."""
    connected(stage.port, "absent").close()


def wrong_key(_stage: Stage) -> Role:
    """Return clients whose first bytes look like TLS and are not."""
    return Returning(
        lambda _: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc" + b"\x03" * 508, 0
    )


def tls(*lines: bytes) -> Attack:
    """Return a client that comes by its key."""
    return lambda _stage: Flood(
        Script(identify("mallory"), 1, again(*lines), key=("mallory", KEY))
    )


IDLE_CROWD: Final = subscribers(CROWD, "nothing")
MESSAGE_ALL: Final = line("MSG", DEVICE="*", VALUE="hello")
X_AND_Y: Final = (KNOWN, line("PUB", VARIABLE="y", VALUE=1))
WRONG_CLASS: Final = line("DEF", VARIABLE="x", TYPE="sensor", CLASS="temperatures")
BAD_LINE: Final = b"START | COMMAND=PUB | END | x\n"

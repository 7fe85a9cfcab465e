"""Rows of what clients of the first version do not do: the full form, receipts, sets of descriptions, secrets."""

from typing import Final

from benchmarks.client_side import line

from . import attacks
from .roles import Flood, Role, Script, again
from .rows import Bound, Row, Stage, one, subscribers
from .wire import identify

_RECEIPTS: Final = line("ID", ID="mallory", RECEIPTS="YES")
_MESSAGES: Final = tuple(
    line("MSG", DEVICE="mallory", VALUE=attacks.LONG_VALUE, TTL=3600) for _ in range(32)
)
_DESCRIPTIONS: Final = tuple(
    line("DEF", VARIABLE=f"d/{n}", TYPE="sensor") for n in range(2000)
)
_SET: Final = line("DEFS", TOKEN="t", COUNT=2000)
_LOCK: Final = line("DEF", VARIABLE="lock", TYPE="lock", CODE="NUMBER")


def sets(_stage: Stage) -> Role:
    """Return a client that tells 2,000 descriptions as ever new sets."""
    rounds = [
        line
        for token in ("t", "u")
        for line in (*_DESCRIPTIONS, _SET.replace(b"=t ", f"={token} ".encode()))
    ]
    return Flood(Script(identify("mallory"), 1, again(*rounds)))


def owners(_stage: Stage) -> Role:
    """Return two clients that publish and describe one variable, each as if it were its own."""
    return Flood(
        *(
            Script(
                identify(name),
                1,
                again(
                    line("PUB", VARIABLE="x", VALUE=name),
                    line("DEF", VARIABLE="x", TYPE="sensor", NAME=name),
                    line("DEF", VARIABLE="x"),
                ),
            )
            for name in ("mallory", "other")
        )
    )


NEWER_ROWS: Final = (
    Row(
        "sub-all-full",
        "SUB # FULL=YES DEF=YES of 5,000, again and again",
        one(line("SUB", VARIABLE="#", FULL="YES", DEF="YES")),
        attacks.fill,
    ),
    Row(
        "get-all-full",
        "GET # FULL=YES of 5,000",
        one(line("GET", VARIABLE="#", FULL="YES")),
        attacks.fill,
    ),
    Row(
        "pub-known-full",
        "PUB of a known variable, 400 subscribers in the full form",
        one(attacks.KNOWN),
        attacks.know_x,
        crowd=lambda _stage: Flood(
            *(
                Script(
                    identify(f"crowd-{n}") + line("SUB", VARIABLE="x", FULL="YES"), 2
                )
                for n in range(attacks.CROWD)
            )
        ),
    ),
    Row(
        "receipts",
        "32 messages of 4 KB that are never acknowledged, ID again and again",
        one(_RECEIPTS, opening=(_RECEIPTS, *_MESSAGES)),
    ),
    Row(
        "receipts-flow",
        "MSG TTL to itself with receipts, acknowledged blindly",
        one(
            line("MSG", DEVICE="mallory", VALUE="hello", TTL=3600),
            *(line("GOT", RECEIPT=n) for n in range(1, 100)),
            opening=(_RECEIPTS,),
        ),
    ),
    Row("defs", "DEFS of 2,000 descriptions, ever new sets", sets),
    Row(
        "defs-known",
        "ID DEFS of 2,000 descriptions that are known, again and again",
        one(
            line("ID", ID="mallory", DEFS="t"),
            opening=(*_DESCRIPTIONS, _SET),
        ),
    ),
    Row(
        "def-unknown-keys",
        "DEF with 60 keys that are not known",
        one(
            line(
                "DEF",
                VARIABLE="x",
                TYPE="lamp",
                **{f"X_{n}": "x" * 30 for n in range(60)},
            )
        ),
    ),
    Row(
        "owners",
        "two clients that publish and describe one variable in turn",
        owners,
        bound=Bound.NONE,
    ),
    Row(
        "secret",
        "PUB of a command that is secret, 400 subscribers",
        one(line("PUB", VARIABLE="lock/set", VALUE="UNLOCK CODE=1"), opening=(_LOCK,)),
        crowd=subscribers(attacks.CROWD, "lock/set"),
    ),
)

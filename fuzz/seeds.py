"""Writes the inputs that the searches begin with.

python -m fuzz.seeds broker|wire FOLDER
"""

from hashlib import sha256
import json
from pathlib import Path
import sys
from typing import Final

VECTORS: Final = Path(__file__).parents[1] / "tests" / "vectors.json"
SEPARATOR: Final = b"\xfe"
COMMANDS: Final = (
    "ID | ID=known | NAME=Lamp | MODEL=m | SW=1 | MAC=00:00:00:00:00:01 | AREA=Hall",
    "ID | ID=limited",
    "ID | ID=new | SEQ=1",
    "SUB | VARIABLE=a/b | REPLAY=NO | DEF=YES",
    "SUB | VARIABLE=a/+/#",
    "SUB | VARIABLE=$SYS/#",
    "GET | VARIABLE=a/b",
    "GET | VARIABLE=#",
    "UNSUB | VARIABLE=a/b",
    "UNSUBALL | ACK=NO",
    "PUB | VARIABLE=a/b | VALUE=1",
    "PUB | VARIABLE=a/b | VALUE=\\u00b0C | RETAIN=NO | SEQ=2",
    "DEL | VARIABLE=a/b",
    "WILL | VARIABLE=a/w | VALUE=gone | RETAIN=NO",
    "SUB | VARIABLE=# | FULL=YES | DEF=YES",
    "GET | VARIABLE=$DEVICES/# | FULL=YES",
    "ID | ID=known | RECEIPTS=YES | DEFS=t | CAN=",
    "MSG | DEVICE=known | VALUE=x | TTL=60 | RE=q",
    "GOT | RECEIPT=1",
    "DEF | VARIABLE=a/l | TYPE=lock | CODE=TEXT | X_OWN=1",
    "PUB | VARIABLE=a/l/set | VALUE=UNLOCK CODE=1",
    "DEFS | TOKEN=t | COUNT=1",
    "WILL | VARIABLE=a/w",
    "DEF | VARIABLE=a/b | TYPE=sensor | UNIT=\\u00b0C | CLASS=temperature | STATE=measurement | PRECISION=1",
    "DEF | VARIABLE=a/n | TYPE=number | MIN=0 | MAX=10 | STEP=1 | MODE=slider | SET=a/set | EXPIRE=60 | HIDDEN=YES",
    "DEF | VARIABLE=a/s | TYPE=select | OPTIONS=a,b,c | CATEGORY=config | ICON=mdi:lamp",
    "DEF | VARIABLE=a/b",
    "MSG | DEVICE=known | VALUE=hi | TTL=60",
    "MSG | DEVICE=* | VALUE=hi",
    "MSG | DEVICE=homeassistant | VALUE=hi",
    "HELLO?",
    "HELLO!",
    "CLOSE | SLEEP=60",
)


def broker_seeds() -> list[bytes]:
    """Return chunks of clients: the vectors (first lines by the client that says nothing before), and every command in every mode."""
    seeds = [
        b"\x01" + SEPARATOR.join(b"\x00" + chunk for chunk in chunks)
        for chunks in _vectors("framing_and_parsing")
    ]
    seeds += [
        b"\x01" + SEPARATOR.join(b"\x02" + chunk for chunk in chunks)
        for chunks in _vectors("first_line")
    ]
    lines = [f"START | COMMAND={text} | END\n".encode() for text in COMMANDS]
    seeds += [bytes([mode]) + b"\x00" + line for mode in range(3) for line in lines]
    seeds += [
        bytes([mode]) + SEPARATOR.join(bytes([client]) + line for line in lines)
        for mode in range(3)
        for client in range(3)
    ]
    events = [bytes([event]) for event in range(0xF0, 0xFE)]
    seeds.append(b"\x01" + SEPARATOR.join([b"\x00" + lines[0], *events]))
    return seeds


def wire_seeds() -> list[bytes]:
    """Return chunks from a broker: the vectors, with a long line and a short one."""
    return [
        bytes([longest]) + SEPARATOR.join(chunks)
        for chunks in _vectors("framing_and_parsing")
        for longest in (40, 255)
    ]


def _vectors(kind: str) -> list[list[bytes]]:
    cases = json.loads(VECTORS.read_text(encoding="utf-8"))[kind]
    return [[chunk.encode("latin-1") for chunk in case["chunks"]] for case in cases]


def main(kind: str, folder: Path) -> None:
    """Write each seed into a file named after what is in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in {"broker": broker_seeds, "wire": wire_seeds}[kind]():
        (folder / sha256(seed).hexdigest()[:16]).write_bytes(seed)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

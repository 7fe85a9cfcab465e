"""Coverage-guided search with atheris: bytes of several clients through framing, parsing and sessions.

    python -m fuzz.fuzz_broker [OPTION OF LIBFUZZER...] [FOLDER OF INPUTS...]

An input is a row of chunks, parted by 0xFE; the first byte of each says which client sends the rest, or what happens to it.
"""

import re
import sys
from typing import Final

import atheris  # type: ignore[import-untyped]

with atheris.instrument_imports(include=["custom_components.textmq.broker"]):
    from custom_components.textmq.broker.core.access import AccessMode, Rights
    from custom_components.textmq.broker.core.broker import Broker
    from custom_components.textmq.broker.protocol import names, reasons, wire
    from tests.broker.inprocess import Clock, Peer, make_broker

SEPARATOR: Final = b"\xfe"
LONGEST: Final = 4096
LINE: Final = re.compile(
    r"COMMAND=[A-Z]+[!?]?(?: \| [^|= \x00-\x1f\x7f-\uffff]+=[^|\x00-\x1f\x7f-\uffff]*)*"
)
"""Keys that the broker does not know are passed on as they came."""
MODES: Final = tuple(AccessMode)
GREETING: Final = b"START | COMMAND=HELLO? | END\n"
UNGREETED: Final = 2
"""The client whose first line is the search's own: of another's, most first lines would be the last."""
FIRST_EVENT: Final = 0xF0
"""First bytes from here on are events, all others are clients."""


def _connect(broker: Broker, number: int) -> Peer:
    peer = Peer(broker)
    if number != UNGREETED:
        peer.session.receive(GREETING)
    return peer


def run_clients(data: bytes) -> None:
    """Let clients send chunks, stop reading, vanish, and time pass; nothing may fail, every line must be whole."""
    clock = Clock()
    broker = make_broker(MODES[data[0] % len(MODES)], "known", "limited", clock=clock)
    broker.home_assistant = lambda sender, value: None
    broker.set_rights("limited", Rights(("a/#",), ("a/#",), message=False))
    peers = [_connect(broker, number) for number in range(3)]
    for chunk in data[1:].split(SEPARATOR):
        if not chunk:
            continue
        first, rest = chunk[0], chunk[1:]
        number = first % len(peers)
        peer = peers[number]
        match first - FIRST_EVENT:
            case 0 | 1 | 2:
                peer.session.pause()
            case 3 | 4 | 5:
                peer.session.resume()
            case 6 | 7:
                clock.time += 5
                broker.tick()
                peer.session.resume_work()
                peer.go_on()
            case 8:
                broker.approve("new")
                broker.permit(30)
            case 9:
                broker.refuse("new")
                broker.revoke("known", delete_variables=True)
            case 10 | 11 | 12:
                peer.session.lost()
                peers[number] = _connect(broker, number)
            case _:
                peer.send_bytes(rest)
        for line in peer.take():
            assert LINE.fullmatch(line), line
    for peer in peers:
        peer.session.lost()
    broker.tick()
    assert not broker.sessions
    assert not broker.waiting
    assert not broker.devices.by_message_prefix
    assert not broker._approval._unauthorized  # noqa: SLF001
    subscriptions = broker._router._subscriptions  # noqa: SLF001
    assert subscriptions._root.unused  # noqa: SLF001
    assert not subscriptions._exact  # noqa: SLF001
    assert subscriptions.nodes == subscriptions.bytes == 0


def check_wire(data: bytes) -> None:
    """What can be parsed can be written, and is the same when it is parsed again; so are values."""
    try:
        message = wire.parse(data[:LONGEST])
    except reasons.Refusal:
        message = None
    if message is not None:
        again = wire.encode_message(message.command, message.params)
        assert wire.parse(again[:-1]) == message
        for value in message.params.values():
            text = wire.decode(value)
            assert wire.decode(wire.encode(text)) == text
    name = data[:300].decode("latin-1")
    if names.is_filter(name) and names.is_variable_name(name):
        assert names.filter_matches(name, name)


def run_one(data: bytes) -> None:
    """Take one input."""
    if data:
        run_clients(data)
        check_wire(data)


if __name__ == "__main__":
    atheris.Setup(sys.argv, run_one)
    atheris.Fuzz()

"""What a broker can beyond the first version, from both ends (protocol B3 to B6)."""

from collections.abc import Sequence

import pytest

from custom_components.textmq.broker.client import outgoing
from custom_components.textmq.broker.client.client_session import ClientSession
from custom_components.textmq.broker.client.deliveries import (
    Answer,
    Connected,
    Description,
    MessageReceived,
    SessionEvent,
    Value,
)
from custom_components.textmq.broker.client.receipt_ledger import ReceiptLedger
from custom_components.textmq.broker.client.wishes import Wishes
from custom_components.textmq.broker.core.access import AccessMode
from custom_components.textmq.broker.core.broker import Broker

from .inprocess import make_broker
from .test_client_pair import Cut, Pair, anywhere, single, whole

CUTS = [whole, single, anywhere(1)]
TOKEN = "set-1"


def let_in(
    broker: Broker,
    cut: Cut,
    device: str = "node",
    *,
    receipts: ReceiptLedger | None = None,
    token: str | None = None,
) -> tuple[Pair, list[SessionEvent]]:
    """Connect a device that can everything; return what it was told."""
    pair = Pair(broker, cut)
    pair.client = ClientSession(receipts=receipts)
    events = pair.do(
        outgoing.identify(
            device,
            receipts=receipts is not None,
            definitions_token=token,
            capabilities=["defs", "receipts", "full"],
        )
    )
    return pair, events


def granted(events: Sequence[SessionEvent]) -> Connected:
    """Return what the OK of ID carried."""
    return next(one for one in events if isinstance(one, Connected))


@pytest.mark.parametrize("cut", CUTS)
def test_what_the_broker_can_is_told(cut: Cut) -> None:
    """With CAN= OK says version, length of a line and what is there."""
    _, events = let_in(make_broker(AccessMode.OPEN), cut)
    connected = granted(events)
    assert connected.protocol == "1"
    assert connected.max_line == 4096
    assert {"defs", "receipts", "full", "presence"} <= connected.capabilities


@pytest.mark.parametrize("cut", CUTS)
def test_a_set_of_descriptions_is_sent_once(cut: Cut) -> None:
    """DEFS ends it; the next connection with the token need not send it, one with another must."""
    broker = make_broker(AccessMode.OPEN)
    wishes = Wishes()
    wishes.set_descriptions({f"node/{name}": {"TYPE": "sensor"} for name in "abc"})
    pair, events = let_in(broker, cut, token=wishes.token)
    connected = granted(events)
    assert not connected.definitions_known
    commands = wishes.restoring(connected.capabilities, definitions_known=False)
    assert [one.name for one in commands] == ["DEF", "DEF", "DEF", "DEFS"]
    answers = [one for one in pair.do(*commands) if isinstance(one, Answer)]
    assert [one.refusal for one in answers] == [None] * 4
    _, events = let_in(broker, cut, token=wishes.token)
    assert granted(events).definitions_known
    _, events = let_in(broker, cut, token="another")
    assert not granted(events).definitions_known


@pytest.mark.parametrize("cut", CUTS)
def test_a_refused_description_keeps_no_token(cut: Cut) -> None:
    """DEFS after a refused DEF is refused, and the set is not known later."""
    broker = make_broker(AccessMode.OPEN)
    pair, _ = let_in(broker, cut, token=TOKEN)
    events = pair.do(
        outgoing.describe("node/a", {"TYPE": "sensor"}),
        outgoing.describe("node/b", {"TYPE": "number", "MIN": 2, "MAX": 1}),
        outgoing.definitions_end(TOKEN, 2),
    )
    refusals = [one.refusal for one in events if isinstance(one, Answer)]
    assert [one and one.reason for one in refusals] == [
        None,
        "bad-definition",
        "bad-definition",
    ]
    _, events = let_in(broker, cut, token=TOKEN)
    assert not granted(events).definitions_known


@pytest.mark.parametrize("cut", CUTS)
def test_the_full_form(cut: Cut) -> None:
    """Live and replayed values, events, descriptions and what GET finds carry all that is known."""
    broker = make_broker(AccessMode.OPEN)
    writer, _ = let_in(broker, cut, "writer")
    writer.do(
        outgoing.describe("v/a", {"TYPE": "sensor", "NAME": "A"}),
        outgoing.publish("v/a", "1"),
    )
    reader, _ = let_in(broker, cut, "reader")
    events = reader.do(
        outgoing.subscribe("v/#", full=True, definitions=True),
        outgoing.get("v/#", full=True),
    )
    described = next(one for one in events if isinstance(one, Description))
    assert (described.device, described.owner) == ("writer", "writer")
    assert dict(described.params) == {"TYPE": "sensor", "NAME": "A"}
    found = next(
        one for one in events if isinstance(one, Answer) and one.command.name == "GET"
    )
    replayed = next(one for one in events if isinstance(one, Value))
    for value in (replayed, *found.values):
        assert (value.value, value.device, value.owner) == ("1", "writer", "writer")
        assert (value.retain, value.age) == (True, 0)
        assert value.time is not None
    writer.do(outgoing.publish("v/a", "2"), outgoing.publish("v/e", "x", retain=False))
    live = [one for one in reader.exchange() if isinstance(one, Value)]
    assert [(one.value, one.retain, one.device) for one in live] == [
        ("2", True, "writer"),
        ("x", False, "writer"),
    ]


@pytest.mark.parametrize("cut", CUTS)
def test_a_message_arrives_once_over_connections(cut: Cut) -> None:
    """It waits, is repeated until it was dealt with, and is told to the application once."""
    broker = make_broker(AccessMode.OPEN)
    receipts = ReceiptLedger()
    pair, _ = let_in(broker, cut, receipts=receipts)
    pair.do(outgoing.close(60))
    sender, _ = let_in(broker, cut, "sender")
    sender.do(*(outgoing.send("node", f"{n}", ttl=60, re="r") for n in range(3)))
    pair, events = let_in(broker, cut, receipts=receipts)
    messages = [one for one in events if isinstance(one, MessageReceived)]
    assert [(one.value, one.re) for one in messages] == [
        ("0", "r"),
        ("1", "r"),
        ("2", "r"),
    ]
    assert None not in {one.receipt for one in messages}
    # The first is dealt with and acknowledged; the second only after the connection is gone.
    pair.client.acknowledge(messages[0])
    pair.exchange()
    receipts.finish(messages[1])
    again, events = let_in(broker, cut, receipts=receipts)
    assert not [one for one in events if isinstance(one, MessageReceived)]
    assert broker.messages_waiting("node") == 1
    again.client.acknowledge(messages[2])
    again.exchange()
    assert broker.messages_waiting("node") == 0


@pytest.mark.parametrize("cut", CUTS)
def test_presence(cut: Cut) -> None:
    """Whether a device that is known is there is a variable as every other."""
    broker = make_broker(AccessMode.APPROVE, "node", "reader")
    reader, _ = let_in(broker, cut, "reader")
    reader.do(outgoing.subscribe("$DEVICES/node"))
    node, _ = let_in(broker, cut)
    (here,) = [one for one in reader.exchange() if isinstance(one, Value)]
    assert here.value.startswith("CONNECTED SINCE=")
    node.do(outgoing.close(60))
    (asleep,) = [one for one in reader.exchange() if isinstance(one, Value)]
    assert asleep.value.startswith("ASLEEP UNTIL=")

"""What a device may do, who it is, and how often it may come: access, rights, flapping."""

import hmac
from typing import override

import pytest

from custom_components.textmq.broker.core.access import (
    ALL_RIGHTS,
    Access,
    AccessMode,
    Identity,
    Rights,
    Verdict,
)
from custom_components.textmq.broker.core.broker import Broker
from custom_components.textmq.broker.core.devices import Device, DeviceState
from custom_components.textmq.broker.core.limits import Limits
from custom_components.textmq.broker.core.observers import Observer
from custom_components.textmq.broker.protocol.reasons import (
    BadReason,
    CloseReason,
    Refusal,
)

from .inprocess import Clock, Peer, make_broker

KEY = bytes(range(32))
OTHER_KEY = bytes(32)
OK = "COMMAND=OK"
GARDEN = Rights(write=("garden/+/set", "pump"), read=("garden/#",), message=False)


class Told(Observer):
    """Keeps what it is told of trouble."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.violations: list[tuple[str, str]] = []
        self.flapping: list[str] = []
        self.refused: list[tuple[str, BadReason]] = []
        self.misidentified: list[tuple[str, str]] = []

    @override
    def device_violated(self, device: Device, detail: str) -> None:
        """Keep ID and detail."""
        self.violations.append((device.id, detail))

    @override
    def device_flapping(self, device_id: str, address: str) -> None:
        """Keep the ID."""
        self.flapping.append(device_id)

    @override
    def device_refused(self, device_id: str, address: str, reason: BadReason) -> None:
        """Keep ID and reason."""
        self.refused.append((device_id, reason))

    @override
    def device_misidentified(self, identity: str, device_id: str, address: str) -> None:
        """Keep both IDs."""
        self.misidentified.append((identity, device_id))


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands still."""
    return Clock()


@pytest.fixture
def broker(clock: Clock) -> Broker:
    """Return a broker that knows `limited`, which has few rights, and `free`, which has all."""
    broker = make_broker(AccessMode.APPROVE, "limited", "free", clock=clock)
    broker.set_rights("limited", GARDEN)
    return broker


@pytest.fixture
def told(broker: Broker) -> Told:
    """Return an observer of the broker."""
    told = Told()
    broker.observe(told)
    return told


@pytest.fixture
def limited(broker: Broker) -> Peer:
    """Return a device with few rights."""
    return _let_in(broker, "limited")


@pytest.fixture
def free(broker: Broker) -> Peer:
    """Return a device with all rights."""
    return _let_in(broker, "free")


def _let_in(broker: Broker, device: str) -> Peer:
    peer = Peer(broker, device)
    (answer,) = peer.take()
    assert answer.startswith(OK)
    return peer


def _reason(peer: Peer, command: str) -> str:
    """Return the reason for which a command is refused, empty where it is carried out."""
    (answer,) = peer.ask(command)
    _, found, rest = answer.partition("REASON=")
    assert bool(found) is answer.startswith("COMMAND=BAD")
    return rest.partition(" | ")[0]


def _value(broker: Broker, name: str) -> str | None:
    variable = broker.variables.get(name)
    return variable.value if variable else None


# Rights


@pytest.mark.parametrize(
    ("rights", "writes", "reads"),
    [
        (ALL_RIGHTS, ["a", "a/b", "pump"], ["a", "a/b", "pump", "$SYS/version"]),
        (Rights(write=("a/#",), read=("+",)), ["a", "a/b"], ["a", "pump"]),
        (Rights(write=("pump",), read=("$SYS/+",)), ["pump"], ["$SYS/version"]),
        (Rights(write=(), read=()), [], []),
    ],
    ids=["all", "filters", "names", "none"],
)
def test_filters_of_rights(rights: Rights, writes: list[str], reads: list[str]) -> None:
    """Rights are filters; no filter at all is no right at all."""
    names = ["a", "a/b", "pump", "$SYS/version"]
    assert [name for name in names if rights.may_read(name)] == reads
    assert [name for name in names if rights.may_write(name)] == writes


@pytest.mark.parametrize(
    "command",
    [
        "COMMAND=PUB | VARIABLE=garden/x | VALUE=1",
        "COMMAND=PUB | VARIABLE=garden/x | VALUE=1 | RETAIN=NO",
        "COMMAND=PUB | VARIABLE=secret | VALUE=1 | ACK=NO",
        "COMMAND=DEL | VARIABLE=secret",
        "COMMAND=DEL | VARIABLE=not/there",
        "COMMAND=DEF | VARIABLE=secret | TYPE=sensor",
        "COMMAND=DEF | VARIABLE=secret",
        "COMMAND=DEF | VARIABLE=pump | TYPE=switch | SET=lock/set",
        "COMMAND=WILL | VARIABLE=secret | VALUE=1",
        "COMMAND=WILL | VARIABLE=secret",
        "COMMAND=SUB | VARIABLE=secret",
        "COMMAND=GET | VARIABLE=secret",
        "COMMAND=GET | VARIABLE=not/there",
        "COMMAND=SUB | VARIABLE=$SYS/version",
        "COMMAND=MSG | DEVICE=free | VALUE=1",
        "COMMAND=MSG | DEVICE=* | VALUE=1",
        "COMMAND=MSG | DEVICE=nobody | VALUE=1 | TTL=60",
    ],
)
def test_what_rights_do_not_allow(
    broker: Broker, told: Told, limited: Peer, free: Peer, command: str
) -> None:
    """It is refused as forbidden, whether the variable is there or not, told, counted, and nothing happens."""
    free.ask("COMMAND=PUB | VARIABLE=secret | VALUE=kept")
    assert _reason(limited, command) == "forbidden"
    assert free.take() == []
    assert _value(broker, "secret") == "kept"
    assert broker.variables.get("garden/x") is None
    ((device, detail),) = told.violations
    assert (device, detail.isprintable()) == ("limited", True)
    known = broker.devices.get("limited")
    assert known is not None
    assert known.violations == 1


def test_what_rights_allow(
    broker: Broker, told: Told, limited: Peer, free: Peer
) -> None:
    """What is allowed works, messages to Home Assistant always; what is read is filtered without a word."""
    got: list[str] = []
    broker.home_assistant = lambda sender, value: got.append(f"{sender}:{value}")
    free.ask(
        "COMMAND=PUB | VARIABLE=garden/x | VALUE=1",
        "COMMAND=PUB | VARIABLE=house/x | VALUE=2",
    )
    for command in (
        "COMMAND=PUB | VARIABLE=pump | VALUE=on",
        "COMMAND=DEF | VARIABLE=pump | TYPE=switch",
        "COMMAND=DEF | VARIABLE=pump | TYPE=switch | SET=garden/pump/set",
        "COMMAND=WILL | VARIABLE=garden/here/set | VALUE=no",
        "COMMAND=MSG | DEVICE=HomeAssistant | VALUE=hi",
        "COMMAND=DEL | VARIABLE=pump",
    ):
        assert limited.ask(command) == [OK]
    assert got == ["limited:hi"]
    first, second = limited.ask("COMMAND=SUB | VARIABLE=#")
    assert first == OK
    assert second.startswith("COMMAND=SUB | VARIABLE=garden/x | VALUE=1 | TIME=")
    value, answer = limited.ask("COMMAND=GET | VARIABLE=+/x")
    assert value.startswith("COMMAND=SUB | VARIABLE=garden/x | VALUE=1 | TIME=")
    assert answer == OK
    free.ask(
        "COMMAND=PUB | VARIABLE=garden/x | VALUE=3",
        "COMMAND=PUB | VARIABLE=house/x | VALUE=4",
        "COMMAND=PUB | VARIABLE=house/x | VALUE=5 | RETAIN=NO",
        "COMMAND=DEL | VARIABLE=house/x",
    )
    assert limited.take() == ["COMMAND=SUB | VARIABLE=garden/x | VALUE=3"]
    assert told.violations == []


def test_descriptions_need_the_right_to_read(
    broker: Broker, limited: Peer, free: Peer
) -> None:
    """A description is as secret as its variable, told live or to a reader that had stopped reading."""
    limited.ask("COMMAND=SUB | VARIABLE=# | DEF=YES")
    free.ask(
        "COMMAND=DEF | VARIABLE=house/x | TYPE=sensor",
        "COMMAND=DEF | VARIABLE=garden/x | TYPE=sensor",
    )
    assert limited.take() == ["COMMAND=DEF | VARIABLE=garden/x | TYPE=sensor"]
    limited.session.pause()
    free.ask("COMMAND=DEF | VARIABLE=garden/y | TYPE=sensor")
    broker.set_rights("limited", Rights(read=()))
    limited.session.resume()
    assert limited.take() == []


def test_bad_names_are_no_violations(broker: Broker, told: Told, limited: Peer) -> None:
    """A name that can't be is said to be one; rights are not asked."""
    for name, reason in (
        ("\\" * 400, "bad-name"),
        ("", "bad-name"),
        ("$x", "read-only"),
    ):
        assert _reason(limited, f"COMMAND=PUB | VARIABLE={name} | VALUE=1") == reason
    assert told.violations == []


def test_rights_change_at_once(broker: Broker, limited: Peer, free: Peer) -> None:
    """Rights given and taken hold from the next message, for subscriptions that were there before as well."""
    assert _reason(limited, "COMMAND=PUB | VARIABLE=v | VALUE=1") == "forbidden"
    limited.ask("COMMAND=SUB | VARIABLE=#")
    free.ask("COMMAND=PUB | VARIABLE=v | VALUE=2")
    assert limited.take() == []
    broker.set_rights("limited", ALL_RIGHTS)
    free.ask("COMMAND=PUB | VARIABLE=v | VALUE=3")
    assert limited.take() == ["COMMAND=SUB | VARIABLE=v | VALUE=3"]
    assert limited.ask("COMMAND=UNSUBALL", "COMMAND=PUB | VARIABLE=v | VALUE=4") == [
        OK,
        OK,
    ]
    limited.ask("COMMAND=SUB | VARIABLE=v | REPLAY=NO")
    broker.set_rights("limited", Rights(write=(), read=()))
    assert _reason(limited, "COMMAND=PUB | VARIABLE=v | VALUE=5") == "forbidden"
    free.ask("COMMAND=PUB | VARIABLE=v | VALUE=6")
    assert limited.take() == []


def test_rights_do_not_reach_back(broker: Broker, limited: Peer, free: Peer) -> None:
    """What waits for a reader that has stopped reading is not delivered when it may no longer read it."""
    limited.ask("COMMAND=SUB | VARIABLE=garden/#")
    limited.session.pause()
    free.ask("COMMAND=PUB | VARIABLE=garden/x | VALUE=1")
    broker.set_rights("limited", Rights(read=("pump",)))
    limited.session.resume()
    assert limited.take() == []


def test_a_will_needs_the_right_when_it_is_published(
    broker: Broker, free: Peer
) -> None:
    """A will that was set under rights that are gone is not published, asleep or not."""
    free.ask("COMMAND=WILL | VARIABLE=lock | VALUE=open")
    broker.set_rights("free", GARDEN)
    free.session.lost()
    assert broker.variables.get("lock") is None


def test_a_sleepers_will_needs_the_right(
    broker: Broker, free: Peer, clock: Clock
) -> None:
    """The same holds for a sleeper that does not come back."""
    free.ask("COMMAND=WILL | VARIABLE=lock | VALUE=open")
    free.send("COMMAND=CLOSE | SLEEP=10")
    broker.set_rights("free", GARDEN)
    clock.time += 11
    broker.tick()
    assert broker.variables.get("lock") is None


@pytest.mark.parametrize("asleep", [False, True])
def test_a_device_that_is_kept_out_leaves_no_will(
    broker: Broker, free: Peer, clock: Clock, asleep: bool
) -> None:
    """A person has said that nothing comes from it any more; nobody waits for it either."""
    free.ask("COMMAND=WILL | VARIABLE=lock | VALUE=open")
    if asleep:
        free.send("COMMAND=CLOSE | SLEEP=10")
    gone: list[tuple[str, DeviceState, CloseReason]] = []

    class Watching(Observer):
        @override
        def device_disconnected(self, device: Device, reason: CloseReason) -> None:
            gone.append((device.id, device.state, reason))

    broker.observe(Watching())
    broker.refuse("free")
    assert gone == [("free", DeviceState.DISCONNECTED, CloseReason.DENIED)]
    assert not broker.may_be_there("free")
    clock.time += 11
    broker.tick()
    assert broker.variables.get("lock") is None
    assert len(gone) == 1


def test_a_will_of_a_device_that_is_kept_out_before_it_is_known(
    broker: Broker, free: Peer, clock: Clock
) -> None:
    """Who is kept out may be said after the sleepers were taken from file."""
    free.ask("COMMAND=WILL | VARIABLE=lock | VALUE=open")
    free.send("COMMAND=CLOSE | SLEEP=10")
    broker.access.refused.add("free")
    clock.time += 11
    broker.tick()
    assert broker.variables.get("lock") is None


@pytest.mark.parametrize("asleep", [False, True])
def test_a_device_that_is_revoked_while_it_is_lost(
    broker: Broker, free: Peer, clock: Clock, asleep: bool
) -> None:
    """An observer may do so: the device has no rights of its own any more, and leaves no will by those of all."""
    other = Peer(broker)
    broker.approve("other")
    other.send("COMMAND=ID | ID=other")
    free.ask("COMMAND=WILL | VARIABLE=lock | VALUE=open")
    broker.set_rights("free", GARDEN)

    class Revoking(Observer):
        @override
        def device_lost(self, device: Device) -> None:
            broker.revoke("free")

        @override
        def device_disconnected(self, device: Device, reason: CloseReason) -> None:
            if reason is CloseReason.LOST:
                broker.revoke("free")

    broker.observe(Revoking())
    if asleep:
        # The first of two that are lost in one look at the clock; the other one is forgotten by it.
        other.send("COMMAND=CLOSE | SLEEP=10")
        free.send("COMMAND=CLOSE | SLEEP=10")
        broker.devices.enter("free")
        clock.time += 11
        broker.tick()
    else:
        free.session.lost()
    assert broker.variables.get("lock") is None
    assert not broker.access.knows("free")


@pytest.mark.parametrize("retain", ["YES", "NO"])
def test_a_new_id_has_its_own_rights(
    broker: Broker, free: Peer, limited: Peer, retain: str
) -> None:
    """Under another ID a connection keeps its subscriptions, but gets only what the new ID may read."""
    free.ask("COMMAND=SUB | VARIABLE=#")
    publisher = Peer(broker)
    broker.approve("other")
    publisher.send("COMMAND=ID | ID=other")
    publish = f"COMMAND=PUB | VARIABLE=secret | VALUE=1 | RETAIN={retain}"
    publisher.send(publish)
    assert free.take() == ["COMMAND=SUB | VARIABLE=secret | VALUE=1"]
    free.send("COMMAND=ID | ID=limited")
    assert limited.take() == ["COMMAND=CLOSE | REASON=taken-over"]
    free.take()
    publisher.send(publish)
    assert free.take() == []
    assert _reason(free, publish) == "forbidden"


def test_rights_outlive_the_connection(broker: Broker, limited: Peer) -> None:
    """They belong to the ID, not to the connection; only revoking ends them."""
    limited.send("COMMAND=CLOSE")
    again = _let_in(broker, "limited")
    assert _reason(again, "COMMAND=PUB | VARIABLE=v | VALUE=1") == "forbidden"
    broker.revoke("limited")
    broker.approve("limited")
    anew = _let_in(broker, "limited")
    assert anew.ask("COMMAND=PUB | VARIABLE=v | VALUE=1") == [OK]


def test_the_fast_way_asks_for_rights(
    broker: Broker, limited: Peer, free: Peer
) -> None:
    """Publishes and messages that come many at once are judged as single ones are."""
    free.ask("COMMAND=PUB | VARIABLE=v | VALUE=0")
    answers = limited.ask(
        *["COMMAND=PUB | VARIABLE=v | VALUE=1"] * 20,
        *["COMMAND=MSG | DEVICE=free | VALUE=1"] * 20,
    )
    assert len(answers) == 40
    assert all("REASON=forbidden" in answer for answer in answers)
    assert free.take() == []
    assert _value(broker, "v") == "0"


# Who is let in


@pytest.mark.parametrize("mode", list(AccessMode))
@pytest.mark.parametrize(
    ("device", "identity", "reason"),
    [
        ("keyed", Identity("keyed", KEY), None),
        ("keyed", Identity("keyed", OTHER_KEY), BadReason.DENIED),
        ("keyed", Identity("keyed", b""), BadReason.DENIED),
        ("keyed", Identity("other", OTHER_KEY), BadReason.DENIED),
        ("other", Identity("keyed", KEY), BadReason.DENIED),
        ("known", Identity("keyed", KEY), BadReason.DENIED),
        ("gone", Identity("gone", KEY), BadReason.DENIED),
        ("keyed", None, BadReason.KEY_REQUIRED),
        ("refused", None, BadReason.DENIED),
        ("refused", Identity("refused", KEY), BadReason.DENIED),
    ],
)
def test_judgement(
    mode: AccessMode, device: str, identity: Identity | None, reason: BadReason | None
) -> None:
    """A key opens its own ID and no other, in every mode; without it a device that has one stays out."""
    access = Access(mode, ["known", "keyed"], {"keyed": KEY, "refused": KEY})
    access.refused.add("refused")
    access.permit_until = 100
    if reason is None:
        assert access.judge(device, identity, 0) is Verdict.ALLOW
    else:
        with pytest.raises(Refusal) as refused:
            access.judge(device, identity, 0)
        assert refused.value.reason is reason


def test_no_key_is_no_key() -> None:
    """A connection that proved an empty key is not taken for one of a device without a key."""
    access = Access(AccessMode.OPEN)
    with pytest.raises(Refusal):
        access.judge("", Identity("", b"x"), 0)
    access.keys["a"] = KEY
    with pytest.raises(Refusal):
        access.judge("a", Identity("a", KEY[:31]), 0)
    access.keys["b"] = b""
    for identity in (Identity("b", b""), Identity("b", KEY), None):
        with pytest.raises(Refusal):
            access.judge("b", identity, 0)


def test_keys_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long it takes tells nothing of the key: hmac.compare_digest alone decides."""
    compared: list[tuple[object, object]] = []
    in_constant_time = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return in_constant_time(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    Access(AccessMode.KEY, (), {"a": KEY}).judge("a", Identity("a", KEY), 0)
    assert compared == [(KEY, KEY)]


def test_approved_while_away(broker: Broker) -> None:
    """A device that a person lets in while it is not there gets in when it comes."""
    Peer(broker, "new").session.lost()
    broker.approve("new")
    _let_in(broker, "new")


def test_the_answer_reaches_who_waits(broker: Broker) -> None:
    """The OK is sent when the person decides, with nothing else to cause it."""
    approved, permitted = Peer(broker, "approved"), Peer(broker, "permitted")
    assert approved.take() == permitted.take() == []
    broker.approve("approved")
    (answer,) = approved.take()
    assert answer.startswith(OK)
    broker.permit(60)
    (answer,) = permitted.take()
    assert answer.startswith(OK)


def test_a_stranger_waits_under_one_id(broker: Broker) -> None:
    """Asking for another ID takes the first request back; the last one counts."""
    peer = Peer(broker)
    peer.send(*(f"COMMAND=ID | ID=new{number} | SEQ={number}" for number in range(3)))
    refused = [line.partition(" | DETAIL")[0] for line in peer.take()]
    assert refused == [
        f"COMMAND=BAD | SEQ={number} | REASON=not-authorized" for number in range(2)
    ]
    assert list(broker.waiting) == ["new2"]
    broker.approve("new0")
    assert peer.take() == []
    assert peer.session.device is None
    broker.approve("new2")
    assert peer.session.device_id == "new2"


def test_who_waits_in_plain_text_gets_no_key(broker: Broker, told: Told) -> None:
    """A device that gets its key while somebody waits under its ID in plain text is not that one."""
    peer, other = Peer(broker, "new"), Peer(broker, "other")
    broker.set_key("new", KEY)
    broker.approve("new")
    broker.permit(60)
    refused, close = peer.take()
    assert refused.startswith("COMMAND=BAD | REASON=key-required | DETAIL=")
    assert close == "COMMAND=CLOSE | REASON=denied"
    assert other.take()[0].startswith(OK)
    broker.set_key("other", None)


def test_another_ones_id_is_told(broker: Broker, told: Told) -> None:
    """A device that came by its own key and says to be another one is told of, by both IDs."""
    broker.set_key("limited", KEY)
    Peer(broker, "free", Identity("limited", KEY))
    Peer(broker, "limited", Identity("limited", OTHER_KEY))
    assert told.misidentified == [("limited", "free")]
    assert told.refused == [("free", BadReason.DENIED), ("limited", BadReason.DENIED)]


@pytest.mark.parametrize("last", ["new2", "limited"])
def test_nothing_waits_for_who_has_gone(broker: Broker, last: str) -> None:
    """A stranger that has asked for several IDs leaves none of them behind."""
    peer = Peer(broker)
    for device in ("new0", "new1", last):
        peer.send(f"COMMAND=ID | ID={device}")
    peer.session.lost()
    assert broker.waiting == {}
    for device in ("new0", "new1", "new2"):
        broker.approve(device)
        broker.refuse(device)
    broker.permit(60)


def test_who_is_refused_has_to_go(broker: Broker, told: Told) -> None:
    """A device that is kept out while it is connected is closed, and can't come back."""
    free = _let_in(broker, "free")
    free.ask("COMMAND=SUB | VARIABLE=#")
    broker.refuse("free")
    assert free.take() == ["COMMAND=CLOSE | REASON=denied"]
    assert free.sink.closed
    again = Peer(broker, "free")
    assert again.sink.closed
    assert told.refused == [("free", BadReason.DENIED)]


# Flapping


def test_flapping(broker: Broker, told: Told, clock: Clock) -> None:
    """An ID that connects too often in a minute waits; who is in stays; after the minute it may come again."""
    latest = _let_in(broker, "free")
    for _ in range(broker.limits.max_connects_per_minute - 1):
        latest = _let_in(broker, "free")
    for _ in range(3):
        refused = Peer(broker, "free")
        reason, close = refused.take()
        assert reason.startswith("COMMAND=BAD | REASON=limit | DETAIL=")
        assert close == "COMMAND=CLOSE | REASON=limit"
    assert told.flapping == ["free"] * 3
    assert not latest.sink.closed
    assert latest.ask("COMMAND=PUB | VARIABLE=v | VALUE=1") == [OK]
    clock.time += 61
    _let_in(broker, "free")
    assert len(told.flapping) == 3


def test_flapping_is_one_ids_own(broker: Broker, told: Told) -> None:
    """Another ID from the same address gets in meanwhile, and an ID repeated on its connection is no connect."""
    device = _let_in(broker, "free")
    for _ in range(3 * broker.limits.max_connects_per_minute):
        assert device.ask("COMMAND=ID | ID=free | SW=2")[0].startswith(OK)
    for _ in range(broker.limits.max_connects_per_minute + 1):
        Peer(broker, "limited")
    assert told.flapping == ["limited"]
    _let_in(broker, "free")


def test_flapping_between_two_ids(broker: Broker, told: Told) -> None:
    """A connection that changes its ID to and fro counts as one that comes and goes."""
    for _ in range(broker.limits.max_connects_per_minute // 10):
        peer = Peer(broker)
        for _ in range(10):
            peer.send("COMMAND=ID | ID=free", "COMMAND=ID | ID=limited")
        assert all(answer.startswith(OK) for answer in peer.take())
    peer = Peer(broker, "free")
    assert peer.take()[-1] == "COMMAND=CLOSE | REASON=limit"
    assert told.flapping == ["free"]


def test_slow_reconnects_are_no_flapping(
    broker: Broker, told: Told, clock: Clock
) -> None:
    """A device that wakes now and then is welcome, however often in all, and leaves no growing list."""
    for _ in range(10 * broker.limits.max_connects_per_minute):
        _let_in(broker, "free").send("COMMAND=CLOSE")
        clock.time += 4
    assert told.flapping == []
    device = broker.devices.get("free")
    assert device is not None
    assert len(device.connects) <= broker.limits.max_connects_per_minute


def test_flapping_of_who_is_not_let_in(clock: Clock) -> None:
    """A thief of an ID can't use up the connects of the device, whose key it does not have."""
    broker = Broker(
        access=Access(AccessMode.KEY, (), {"a": KEY}), limits=Limits(), clock=clock
    )
    told = Told()
    broker.observe(told)
    for _ in range(3 * broker.limits.max_connects_per_minute):
        Peer(broker, "a")
        Peer(broker, "a", Identity("a", OTHER_KEY))
    assert told.flapping == []
    device = Peer(broker, "a", Identity("a", KEY))
    assert device.take()[0].startswith(OK)

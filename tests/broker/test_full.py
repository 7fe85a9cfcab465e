"""The full form of deliveries and replays (protocol B3): who gets it, what it says, slow readers."""

import pytest

from custom_components.textmq.broker.core.access import Rights

from .inprocess import House, Peer

AT = "2027-01-15T08:00:00.000Z"


@pytest.fixture
def house() -> House:
    """Return a house with a publisher and readers."""
    return House(("a", "b", "plain", "full"))


def _readers(house: House) -> tuple[Peer, Peer]:
    plain, full = house.peer("plain"), house.peer("full")
    plain.ask("COMMAND=SUB | VARIABLE=#")
    full.ask("COMMAND=SUB | VARIABLE=# | FULL=YES")
    return plain, full


def _sub(value: str, *, device: str = "a", more: str = "") -> str:
    return f"COMMAND=SUB | VARIABLE=v | VALUE={value} | TIME={AT} | AGE=0 | DEVICE={device} | OWNER=a{more}"


@pytest.mark.parametrize(
    "form", ["START | COMMAND={} | END\n", "start|command={}|end\n"]
)
def test_live(house: House, form: str) -> None:
    """Both forms of one publish go to those who asked, in the broker's form of the line and in any other."""
    plain, full = _readers(house)
    a = house.peer("a")
    for value in ("1", "2", "3"):
        line = form.format(f"PUB | VARIABLE=v | VALUE={value}")
        a.send_bytes(line.encode() * 2)
    assert plain.take() == [
        f"COMMAND=SUB | VARIABLE=v | VALUE={value}" for value in "112233"
    ]
    assert full.take() == [_sub(value) for value in "112233"]


def test_events(house: House) -> None:
    """An event says that it is not kept, who sent it, and who owns the variable."""
    plain, full = _readers(house)
    house.peer("a").send("COMMAND=DEF | VARIABLE=v | TYPE=sensor")
    house.peer("b").send("COMMAND=PUB | VARIABLE=v | VALUE=x | RETAIN=NO")
    assert plain.take() == ["COMMAND=SUB | VARIABLE=v | VALUE=x"]
    assert full.take() == [_sub("x", device="b", more=" | RETAIN=NO")]


def test_who_sent_it_is_empty_for_a_client_without_an_id(house: House) -> None:
    """The parameter is there all the same."""
    _, full = _readers(house)
    house.broker.publish("v", "1", device="")
    house.broker.flush()
    assert full.take() == [
        f"COMMAND=SUB | VARIABLE=v | VALUE=1 | TIME={AT} | AGE=0 | DEVICE= | OWNER="
    ]


def test_age_and_replays(house: House) -> None:
    """A replay counts the whole seconds since the publish; so does GET, of a name and of a filter."""
    house.peer("a").send("COMMAND=PUB | VARIABLE=v | VALUE=1")
    house.wait(61.9)
    expected = (
        f"COMMAND=SUB | VARIABLE=v | VALUE=1 | TIME={AT} | AGE=61 | DEVICE=a | OWNER=a"
    )
    reader = house.peer("full")
    reader.take()
    for command in ("GET | VARIABLE=v", "GET | VARIABLE=#"):
        assert reader.ask(f"COMMAND={command} | FULL=YES") == [expected, "COMMAND=OK"]
    for pattern in ("v", "#", "+"):
        assert reader.ask(f"COMMAND=SUB | VARIABLE={pattern} | FULL=YES") == [
            "COMMAND=OK",
            expected,
        ]
        reader.ask("COMMAND=UNSUBALL")


def test_a_time_in_the_future_has_no_age(house: House) -> None:
    """The clock was wrong once: that variable says so, and no other."""
    a = house.peer("a")
    a.send("COMMAND=PUB | VARIABLE=v | VALUE=1")
    house.wall.time -= 3600
    a.send("COMMAND=PUB | VARIABLE=w | VALUE=2")
    reader = house.peer("full")
    told = reader.ask("COMMAND=GET | VARIABLE=# | FULL=YES")
    assert told == [
        f"COMMAND=SUB | VARIABLE=v | VALUE=1 | TIME={AT} | DEVICE=a | OWNER=a",
        "COMMAND=SUB | VARIABLE=w | VALUE=2 | TIME=2027-01-15T07:00:00.000Z | AGE=0 | DEVICE=a | OWNER=a",
        "COMMAND=OK",
    ]
    variable = house.broker.variables.get("v")
    assert variable is not None and variable.age(house.wall.time) is None


def test_one_matching_subscription_is_enough(house: House) -> None:
    """Then every delivery is full and comes once, replays of other subscriptions included."""
    reader = house.peer("full")
    reader.send("COMMAND=SUB | VARIABLE=v", "COMMAND=SUB | VARIABLE=+ | FULL=YES")
    reader.take()
    house.peer("a").send("COMMAND=PUB | VARIABLE=v | VALUE=1")
    assert reader.take() == [_sub("1")]
    assert reader.ask("COMMAND=SUB | VARIABLE=#") == ["COMMAND=OK", _sub("1")]
    reader.ask("COMMAND=UNSUB | VARIABLE=+")
    house.peer("a").send("COMMAND=PUB | VARIABLE=v | VALUE=1")
    assert reader.take() == ["COMMAND=SUB | VARIABLE=v | VALUE=1"]
    assert reader.ask("COMMAND=SUB | VARIABLE=v") == [
        "COMMAND=OK",
        f"COMMAND=SUB | VARIABLE=v | VALUE=1 | TIME={AT}",
    ]


def test_descriptions(house: House) -> None:
    """They say who described the variable and whom it belongs to, replayed and live; a new owner is told."""
    a, b, reader = house.peer("a"), house.peer("b"), house.peer("full")
    a.send("COMMAND=DEF | VARIABLE=v | TYPE=sensor")
    text = "COMMAND=DEF | VARIABLE=v | TYPE=sensor"
    assert reader.ask("COMMAND=SUB | VARIABLE=v | DEF=YES | FULL=YES")[-2:] == [
        "COMMAND=OK",
        f"{text} | DEVICE=a | OWNER=a",
    ]
    plain = house.peer("plain")
    plain.ask("COMMAND=SUB | VARIABLE=v | DEF=YES")
    b.send(text)
    assert reader.take() == [f"{text} | DEVICE=b | OWNER=a"]
    assert plain.take() == []
    a.send("COMMAND=CLOSE")
    b.send(f"{text} | NAME=B")
    assert reader.take() == [f"{text} | NAME=B | DEVICE=b | OWNER=b"]
    assert plain.take() == [f"{text} | NAME=B"]


def test_a_slow_reader_gets_the_full_form_of_then(house: House) -> None:
    """The newest value, with its age at the time when the client reads again; descriptions too."""
    reader, a = house.peer("full"), house.peer("a")
    reader.ask("COMMAND=SUB | VARIABLE=# | DEF=YES | FULL=YES")
    reader.session.pause()
    a.send("COMMAND=PUB | VARIABLE=v | VALUE=1", "COMMAND=PUB | VARIABLE=v | VALUE=2")
    a.send("COMMAND=DEF | VARIABLE=v | TYPE=sensor")
    house.wait(5)
    assert reader.take() == []
    reader.session.resume()
    assert reader.take() == [
        "COMMAND=DEF | VARIABLE=v | TYPE=sensor | DEVICE=a | OWNER=a",
        f"COMMAND=SUB | VARIABLE=v | VALUE=2 | TIME={AT} | AGE=5 | DEVICE=a | OWNER=a",
    ]


def test_a_delivery_is_not_much_longer_than_what_was_sent(house: House) -> None:
    """At most 256 bytes longer, whatever stands in it (protocol A1)."""
    device, owner = "d" * 64, "o" * 64
    house.broker.know([device, owner])
    a, b, reader = house.peer(device), house.peer(owner), house.peer("full")
    reader.ask("COMMAND=SUB | VARIABLE=# | FULL=YES | DEF=YES")
    b.send("COMMAND=DEF | VARIABLE=v | TYPE=sensor")
    start = b"START|COMMAND=PUB|VARIABLE=v|VALUE="
    sent = start + b"x" * (4096 - len(start) - 4) + b"|END"
    for line in (sent, sent[:-7] + b"|RETAIN=NO|END"[-7:]):
        a.send_bytes(line + b"\n")
    a.send("COMMAND=WILL | VARIABLE=v | VALUE=" + "x" * 4000)
    reader.take()
    house.wait(10**9)
    a.session.lost()
    told = reader.take()
    told += reader.ask("COMMAND=GET | VARIABLE=# | FULL=YES")
    longest = max(len(f"START | {line} | END") for line in told)
    assert 4096 < longest <= 4096 + 256


def test_wrong_values_of_full(house: House) -> None:
    """FULL is YES or NO."""
    reader = house.peer("full")
    for command in ("SUB", "GET"):
        assert reader.ask(f"COMMAND={command} | VARIABLE=v | FULL=1")[-1:] == [
            "COMMAND=BAD | REASON=malformed | DETAIL=FULL is YES or NO"
        ]


def test_descriptions_are_not_much_longer_either(house: House) -> None:
    """However many keys they have that nobody knows."""
    reader, a = house.peer("full"), house.peer("a")
    reader.ask("COMMAND=SUB | VARIABLE=# | DEF=YES | FULL=YES")
    keys = "".join(f"|{chr(65 + n // 26)}{chr(65 + n % 26)}=" for n in range(600))
    known = "|NAME=n|ICON=a:b|CATEGORY=diagnostic|HIDDEN=NO|FORCE=NO|PART=p|PART_NAME=n"
    sent = f"START|COMMAND=DEF|VARIABLE=v|TYPE=sensor{known}{keys}|END"
    a.send_bytes(sent.encode() + b"\n")
    (told,) = reader.take()
    assert len(f"START | {told} | END") <= len(sent) + 256


def test_a_replay_ends_with_the_right_to_it(house: House) -> None:
    """What is left of it is not told after the rights have changed."""
    a, reader = house.peer("a"), house.peer("plain")
    for number in range(1900):
        house.broker.publish(f"v/{number}", "x" * 200, device="a")
    write = reader.sink.write

    def fill(data: bytes) -> None:
        write(data)
        if len(data) > 10000:
            reader.session.pause()

    reader.sink.write = fill  # type: ignore[method-assign]
    reader.take()
    told = reader.ask("COMMAND=SUB | VARIABLE=#")
    assert 1 < len(told) < 1900
    house.broker.set_rights("plain", Rights(read=("nothing",)))
    reader.session.resume()
    assert len(reader.take()) <= 1
    assert a.session.device_id == "a"

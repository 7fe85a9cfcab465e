"""What is measured, and the figures to reach."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

OURS: Final = "textmq"
REFERENCE: Final = "mosquitto"
PEERS: Final = (OURS, REFERENCE, "mosquitto-nagle", "amqtt", "streams", "echo")
MORE_PEERS: Final = (*PEERS, "amqtt-bare")
MQTT_PEERS: Final = (OURS, REFERENCE, "mosquitto-nagle", "amqtt")


class Figure(StrEnum):
    """What a goal is about."""

    CPU = "CPU of the other broker per operation, divided by ours"
    MEMORY = "memory in KiB"


@dataclass(frozen=True)
class Goal:
    """A figure to reach: a ratio at least, or a memory at most."""

    figure: Figure
    target: float
    server: str = OURS
    other: str = REFERENCE
    floor: float | None = None
    """What must hold in every case."""


class Kind(StrEnum):
    """How a scenario is carried out."""

    LOAD = "load"
    """One run of the load generator: CPU per operation."""
    CONNECTIONS = "connections"
    """The same, for the memory and CPU of a connection."""
    RESTORE = "restore"
    """A start with stored variables, compared with one without."""
    SAVE = "save"
    """The delay of publishes while stored variables are written."""


@dataclass(frozen=True)
class Scenario:
    """One line of the report."""

    name: str
    title: str
    options: str
    """Of the load generator."""
    goals: tuple[Goal, ...] = ()
    servers: tuple[str, ...] = PEERS
    kind: Kind = Kind.LOAD
    most_rounds: int = 1000

    @property
    def takes_peers(self) -> bool:
        """Say whether servers of --peer are compared: neither over TLS, nor with bounds, nor with files."""
        return (
            OURS in self.servers
            and self.kind in (Kind.LOAD, Kind.CONNECTIONS)
            and not self.name.startswith(("tls-", "bounds-"))
        )


def cpu(
    target: float | None = None,
    floor: float | None = None,
    *,
    streams: float | None = None,
) -> tuple[Goal, ...]:
    """Return the goals against mosquitto, the StreamReader broker and, everywhere the same, amqtt."""
    goals = [Goal(Figure.CPU, 5, other="amqtt")]
    if streams is not None:
        goals.insert(0, Goal(Figure.CPU, streams, other="streams"))
    if target is not None:
        goals.insert(0, Goal(Figure.CPU, target, floor=floor))
    return tuple(goals)


def _fan_out() -> tuple[Scenario, ...]:
    figures = {
        (1, 1): cpu(0.65, 0.50, streams=2),
        (1, 16): cpu(2.7, 2.0, streams=2),
        (10, 1): cpu(0.85, 0.65),
        (10, 16): cpu(9, 6),
        (100, 1): cpu(1.15, 0.90),
        (100, 16): cpu(15, 10, streams=10),
        (1000, 1): cpu(1.3, 1.0),
        (1000, 16): cpu(17, 11),
    }
    return tuple(
        Scenario(
            f"fan-out-{subscribers}-{window}",
            f"1 publisher to {subscribers:,} subscriber{'s'[: subscribers > 1]}, {window} in flight",
            f"--subscribers {subscribers} --window {window}",
            goals,
            MORE_PEERS if (subscribers, window) == (100, 16) else PEERS,
        )
        for (subscribers, window), goals in figures.items()
    )


def _tls(target: float) -> tuple[Goal, ...]:
    return (Goal(Figure.CPU, target, server="textmq-tls", other=OURS),)


_ENCRYPTED: Final = (OURS, "textmq-tls", REFERENCE, "mosquitto-tls")
_BOUNDED: Final = (Goal(Figure.CPU, 0.9, server="textmq-bounded", other=OURS),)
_STORED: Final = "--variables 5000 --window 64 --count 5000 --warm-up 0 --retain"

SCENARIOS: Final = (
    Scenario("ingest-1", "1 publisher, 1 in flight", "", cpu(0.75, 0.60), MORE_PEERS),
    Scenario("ingest-16", "1 publisher, 16 in flight", "--window 16", cpu(3.2, 1.8)),
    Scenario(
        "ingest-256",
        "1 publisher, 256 in flight",
        "--window 256",
        cpu(16, 10),
        MORE_PEERS,
    ),
    Scenario(
        "ingest-256-variables",
        "1 publisher of 100 variables, 256 in flight",
        "--window 256 --variables 100",
        cpu(13, 8),
    ),
    *_fan_out(),
    Scenario(
        "publishers-100",
        "100 publishers, 1 in flight each",
        "--publishers 100",
        cpu(0.80, 0.65),
    ),
    Scenario(
        "publishers-1000",
        "1,000 publishers, 1 in flight each",
        "--publishers 1000",
        cpu(0.85, 0.65),
    ),
    Scenario(
        "publishers-100-to-1",
        "100 publishers to 1 subscriber",
        "--publishers 100 --subscribers 1",
        cpu(1.4, 1.1),
    ),
    Scenario(
        "publishers-100-to-10",
        "100 publishers to 10 subscribers",
        "--publishers 100 --subscribers 10",
        cpu(4, 2.5),
    ),
    Scenario("round-trip", "publish to own delivery", "--own", cpu(1.0, 0.70)),
    Scenario(
        "message-round-trip",
        "device messages, to and fro",
        "--messages --ping-pong --publishers 2",
        cpu(0.75, 0.55),
    ),
    Scenario(
        "message-16",
        "device messages, 16 in flight",
        "--messages --window 16",
        cpu(3.5, 2.0),
    ),
    Scenario(
        "message-256",
        "device messages, 256 in flight",
        "--messages --window 256",
        cpu(20, 12),
    ),
    Scenario(
        "filters",
        "10,000 exact subscriptions beside 100 filters, 16 in flight",
        "--variables 10000 --exact 10 --filters 10 --window 16",
        cpu(),
        MQTT_PEERS,
    ),
    Scenario(
        "stalled",
        "10 subscribers beside one that does not read, 16 in flight",
        "--subscribers 10 --window 16 --stalled --value-bytes 500 --warm-up 0 --count 12000 --seconds 3",
        (*cpu(7, 4), Goal(Figure.MEMORY, 1024, floor=4096)),
        (OURS, REFERENCE, "mosquitto-nagle", "amqtt", "streams"),
    ),
    *(
        Scenario(
            f"connections-{count}",
            f"{count:,} idle connections with one subscription each",
            f"--subscribers {count} --warm-up 0 --count 1 --patience 20",
            (Goal(Figure.MEMORY, 5, floor=8),),
            (OURS, REFERENCE, "amqtt", "streams"),
            Kind.CONNECTIONS,
            3,
        )
        for count in (1000, 5000)
    ),
    Scenario(
        "tls-connections-1000",
        "1,000 idle connections over TLS with one subscription each",
        "--subscribers 1000 --warm-up 0 --count 1 --patience 20",
        (Goal(Figure.MEMORY, 36, server="textmq-tls"),),
        ("textmq-tls", "mosquitto-tls"),
        Kind.CONNECTIONS,
        3,
    ),
    Scenario(
        "tls-ingest-1", "TLS: 1 publisher, 1 in flight", "", _tls(0.55), _ENCRYPTED
    ),
    Scenario(
        "tls-ingest-256",
        "TLS: 1 publisher, 256 in flight",
        "--window 256",
        _tls(0.7),
        _ENCRYPTED,
    ),
    Scenario(
        "tls-round-trip",
        "TLS: publish to own delivery",
        "--own",
        _tls(0.55),
        _ENCRYPTED,
    ),
    Scenario(
        "bounds-burst",
        "default bounds: 20 publishers, 16 in flight each",
        "--publishers 20 --window 16 --warm-up 0 --count 4500 --seconds 20",
        _BOUNDED,
        (OURS, "textmq-bounded"),
    ),
    Scenario(
        "bounds-publishers-100",
        "default bounds: 100 publishers, 1 in flight each",
        "--publishers 100",
        _BOUNDED,
        (OURS, "textmq-bounded"),
    ),
    Scenario(
        "restore",
        "restore of 5,000 variables",
        _STORED,
        (),
        (OURS, "mosquitto-saving"),
        Kind.RESTORE,
        3,
    ),
    Scenario(
        "save",
        "1 publisher, 1 in flight, while 5,000 variables are saved",
        _STORED,
        (),
        ("textmq-saving", "mosquitto-saving", OURS),
        Kind.SAVE,
        3,
    ),
)

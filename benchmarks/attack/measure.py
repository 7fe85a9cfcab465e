"""Carries out a row: who comes, for how long, and what the meter and the probe have seen."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
import multiprocessing
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
import os
import statistics
import time
from typing import Any, Final

from benchmarks.client_side import line

from .roles import PROBE_SECONDS, Probe, Report, Role, Storm
from .rows import Row, Stage
from .target import Target
from .wire import Failed, Link, connected, identify

_FORK: Final = multiprocessing.get_context("fork")
_NICE: Final = -10
"""Ahead of all else on their core: the broker is to be what is slow."""
_READY_SECONDS: Final = 120
_END_SECONDS: Final = 60
_IDLE_SECONDS: Final = 1.5
"""The probe alone: what it costs is taken off the share."""
_AFTER_SECONDS: Final = 1.0
"""After the attackers are gone; what their going costs is part of the row."""
_LOOK_SECONDS: Final = 0.01
"""Between two looks at the descriptors."""
_BLOCK: Final = 1 << 16
_DEEPEST: Final = 122
_DEEP: Final = 16
"""Levels of a name, where more are refused."""


@dataclass(frozen=True)
class Times:
    """How long rows take, in seconds."""

    burst: float
    """From the beginning; apart, since what a client may do at once comes on top of its pace."""
    steady: float
    minute: float
    """In place of steady, for rows that go on."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What one round of a row gave. Times in ms of CPU, those of the probe in ms."""

    line: float
    """CPU per answered line; where not even one in 64 KiB is answered, per 64 KiB sent."""
    unanswered: bool
    lines: int
    refused: int
    burst_share: float
    """Of the loop's time while the burst lasts, without what the probe costs: percent."""
    share: float
    """The same afterwards."""
    p50: float
    p99: float
    longest: float
    slice: float
    """The longest slice, without the garbage collector."""
    slice_name: str
    turn: float
    """The longest turn of the loop, without the garbage collector."""
    collection: float
    """The longest run of the garbage collector."""
    delayed: float
    """Share of the time that the loop could run and something else had its core: percent. It explains times of the probe."""
    refusal: str
    """The end of what an attacker was answered, where it was refused."""


@dataclass(frozen=True, kw_only=True)
class StormSample:
    """What one storm of connections gave."""

    connects: int
    descriptors: int
    """Above those before, at most."""
    left: int
    """Above those before, one second after the attackers are gone."""
    known: float
    """Until a known device that came meanwhile had its OK, ms."""
    tries: int
    """Connections that it took."""
    share: float
    p99: float
    longest: float
    slice: float
    turn: float


class Actor:
    """A role in a process of its own."""

    def __init__(self, role: Role, port: int) -> None:
        """Start it. Raises Failed where it can't begin."""
        self._pipe, other = _FORK.Pipe()
        self._process: ForkProcess = _FORK.Process(
            target=_act, args=(role, port, other), daemon=True
        )
        self._process.start()
        other.close()
        self.hear(_READY_SECONDS)

    def hear(self, seconds: float) -> Report:
        """Return what it says next. Raises Failed where it says nothing or has failed."""
        try:
            if not self._pipe.poll(seconds):
                raise Failed("a client stands still")
            report: Report = self._pipe.recv()
        except EOFError:
            raise Failed("a client has ended") from None
        if "failed" in report:
            raise Failed(report["failed"])
        return report

    def tell(self, what: object) -> None:
        """Say something to it."""
        self._pipe.send(what)

    def end(self) -> None:
        """End it, whatever it does."""
        # Said and not only closed: who was forked later has this end of the pipe, too.
        with suppress(OSError):
            self.tell(None)
        self._pipe.close()
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _act(role: Role, port: int, pipe: Connection) -> None:
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)
    try:
        role(port, pipe)
    except EOFError, BrokenPipeError:
        pass
    except Exception as err:  # noqa: BLE001 -- it is the other process that tells of it
        pipe.send({"failed": f"{type(err).__name__}: {err}"})


@contextmanager
def acting(port: int) -> Iterator[Callable[[Role], Actor]]:
    """Give a function that starts roles; end them all afterwards."""
    actors: list[Actor] = []

    def start(role: Role) -> Actor:
        actor = Actor(role, port)
        actors.append(actor)
        return actor

    try:
        yield start
    finally:
        for actor in actors:
            actor.end()


def depth_of(port: int) -> int:
    """Ask a broker how deep names may be: as deep as ever, or 16 levels."""
    link = connected(port, "depth")
    name = "/".join(["a"] * _DEEPEST)
    ok, _ = link.exchange(line("PUB", VARIABLE=name, VALUE=1, RETAIN="NO"), 1)
    link.close()
    return _DEEPEST if ok else _DEEP


def measure(target: Target, row: Row, depth: int, times: Times, probe: Probe) -> Sample:
    """Carry out a row. Raises Failed where the broker died or an answer to the probe is missing."""
    log = len(target.log.read_bytes())
    stage = Stage(target.port, depth)
    row.prepare(stage)
    stage.close()
    with acting(target.port) as start:
        if row.crowd:
            start(row.crowd(stage)).tell([])
        attacker = start(row.attack(stage))
        prober = start(probe)
        time.sleep(0.3)
        target.read_meter()
        time.sleep(_IDLE_SECONDS)
        idle = _share(target.read_meter())
        steady = times.minute if row.paced else times.steady
        waited = target.delayed()
        began = time.monotonic()
        middle, end = began + times.burst, began + times.burst + steady
        attacker.tell([middle, end])
        early = attacker.hear(_END_SECONDS)
        burst = target.read_meter()
        late = attacker.hear(steady + _END_SECONDS)
        calm = target.read_meter()
        waited = target.delayed() - waited
        attacker.end()
        time.sleep(_AFTER_SECONDS)
        after = target.read_meter()
        taken = _answers(prober, began)
    _check(target, log)
    figures = (burst, calm, after)
    cpu = sum(one["cpu"] - idle / 100 * one["wall"] for one in (burst, calm))
    lines, sent = late["lines"], late["bytes"]
    unanswered = lines * _BLOCK < sent
    worst = max(figures, key=lambda one: one["longest_slice"])
    return Sample(
        line=max(0.0, cpu) / (sent / _BLOCK if unanswered else lines or 1) * 1e3,
        unanswered=unanswered,
        lines=lines,
        refused=late["bad"],
        burst_share=max(0.0, _share(burst) - idle),
        share=max(0.0, _share(calm) - idle),
        slice=worst["longest_slice"] * 1e3,
        slice_name=worst["slice_name"],
        turn=max(one["longest_turn"] for one in figures) * 1e3,
        collection=max(one["longest_collection"] for one in figures) * 1e3,
        delayed=waited / (burst["wall"] + calm["wall"]) * 100,
        refusal=early["last"] or late["last"],
        **_times(taken),
    )


def measure_storm(
    target: Target, storm: Storm, seconds: float, probe: Probe
) -> StormSample:
    """Let strangers connect, and a known device meanwhile. Raises Failed where it does not get in, or the broker died."""
    log = len(target.log.read_bytes())
    with acting(target.port) as start:
        attacker = start(storm)
        prober = start(probe)
        time.sleep(0.3)
        base = target.descriptors()
        target.read_meter()
        began = time.monotonic()
        end = began + seconds
        attacker.tell([end])
        most = 0
        known: _Known | None = None
        while (now := time.monotonic()) < end + _AFTER_SECONDS:
            most = max(most, target.descriptors())
            if known is None and now > began + seconds / 2:
                known = _Known(target.port)
            if known is not None:
                known.go_on()
            time.sleep(_LOOK_SECONDS)
        assert known is not None
        figures = target.read_meter()
        connects = attacker.hear(_END_SECONDS)["connects"]
        attacker.end()
        deadline = time.monotonic() + _END_SECONDS
        while not known.took and time.monotonic() < deadline:
            known.go_on()
            time.sleep(_LOOK_SECONDS)
        time.sleep(_AFTER_SECONDS)
        left = target.descriptors() - base
        taken = _answers(prober, began)
        if not known.took:
            raise Failed("a known device does not get in")
        known.link.close()
    _check(target, log)
    spread = _times(taken)
    return StormSample(
        connects=connects,
        descriptors=most - base,
        left=left - 1,
        known=known.took * 1e3,
        tries=known.tries,
        share=_share(figures),
        p99=spread["p99"],
        longest=spread["longest"],
        slice=figures["longest_slice"] * 1e3,
        turn=figures["longest_turn"] * 1e3,
    )


class _Known:
    """A device that everybody knows, on its way in; where it is thrown out, it comes again."""

    def __init__(self, port: int) -> None:
        self._began = time.monotonic()
        self.tries = 1
        self.took = 0.0
        self.link = Link(port)
        self._rest = memoryview(identify("known"))

    def go_on(self) -> None:
        """Look whether it is in."""
        if self.took:
            return
        self._rest = self._rest[self.link.send(self._rest) :]
        self.link.receive()
        if self.link.ok:
            self.took = time.monotonic() - self._began
        elif self.link.closed:
            self.tries += 1
            self.link.connect()
            self._rest = memoryview(identify("known"))


def _share(figures: dict[str, Any]) -> float:
    """Return the share of the loop's thread in percent."""
    share: float = figures["cpu"] / figures["wall"] * 100
    return share


def _answers(prober: Actor, began: float) -> list[float]:
    """Return how long the probe waited since a time, in seconds. Raises Failed where anything is missing."""
    prober.tell(None)
    report = prober.hear(_END_SECONDS)
    if report["closed"]:
        raise Failed(f"the probe was closed: {report['closed']!r}")
    if report["missing"]:
        raise Failed(
            f"{report['missing']} answers to the probe are missing after {PROBE_SECONDS} s"
        )
    taken = [took for sent, took in report["taken"] if sent >= began]
    if len(taken) < 2:
        raise Failed("the probe has no answers")
    return taken


def _times(taken: list[float]) -> dict[str, float]:
    return {
        "p50": statistics.median(taken) * 1e3,
        "p99": statistics.quantiles(taken, n=100, method="inclusive")[98] * 1e3,
        "longest": max(taken) * 1e3,
    }


def _check(target: Target, since: int) -> None:
    if not target.runs():
        raise Failed(f"the broker has ended: {target.told(since)[-600:]}")
    log = target.told(since)
    if (at := log.find("Traceback")) >= 0:
        raise Failed(f"the broker failed: {log[max(0, at - 300) :][:1500]}")

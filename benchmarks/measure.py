"""Carries out a scenario with one broker. Every answer and delivery is checked by the load generator."""

from collections.abc import Mapping
from dataclasses import dataclass
import json
import os
from pathlib import Path
import shlex
import subprocess
import tempfile
from typing import Any, Final

from scenarios import Kind, Scenario
from servers import GENERATOR_CORE, KEY, Failed, Running, Server, running

_LOADGEN: Final = os.environ["LOADGEN"]
_PROBE_SECONDS: Final = 2.5
"""Longer than two saves of the servers that save each second."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What one measurement gave; None: not measured there."""

    cpu: float | None = None
    """Broker CPU per operation (a delivery, else a publish), µs."""
    rate: float | None = None
    """Operations per second."""
    p50: float | None = None
    """From sending a command to the last of its answer and deliveries, µs."""
    p99: float | None = None
    longest: float | None = None
    busy: float | None = None
    """Share of its core that the broker used, percent."""
    generator: float | None = None
    """The same of the load generator; with one command in flight it never sleeps."""
    memory: float | None = None
    """Growth of the broker's memory by the load, or by each connection, KiB."""
    start: float | None = None
    """Time that the stored variables add to the start, ms."""
    written: float | None = None
    """What the broker wrote to files meanwhile, KiB."""


def measure(scenario: Scenario, server: Server, seconds: float) -> Sample:
    """Carry out the scenario. Raises Failed where anything is missing or wrong."""
    with tempfile.TemporaryDirectory(prefix="textmq-benchmark-") as name:
        folder = Path(name)
        match scenario.kind:
            case Kind.RESTORE:
                return _restore(scenario, server, folder)
            case Kind.SAVE:
                return _save(scenario, server, folder)
        with running(server, folder) as broker:
            result = _load(broker, scenario.options, seconds)
            if scenario.kind is Kind.CONNECTIONS:
                return _connections(result)
            if "--stalled" in scenario.options and server.protocol == "textmq":
                _check_stalled(result)
            return _sample(
                result["measured"],
                memory=_memory(result, "memory_after", "memory_connected"),
            )


def _load(broker: Running, options: str, seconds: float) -> dict[str, Any]:
    key = ["--key", KEY.hex()] if broker.server.encrypted else []
    command = [
        *(
            "taskset",
            "-c",
            str(GENERATOR_CORE),
            _LOADGEN,
            "--protocol",
            broker.server.protocol,
        ),
        *("--port", str(broker.port), "--pid", str(broker.pid), *key),
        *(
            "--seconds",
            str(seconds),
            "--warm-up",
            str(seconds / 4),
            *shlex.split(options),
        ),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(
            done.stderr.strip() or f"the load generator ended with {done.returncode}"
        )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _sample(
    phase: Mapping[str, int],
    *,
    memory: float | None = None,
    written: float | None = None,
) -> Sample:
    operations = phase["deliveries"] or phase["operations"]
    return Sample(
        cpu=phase["cpu_ns"] / operations / 1e3,
        rate=operations / phase["wall_ns"] * 1e9,
        p50=phase["p50_ns"] / 1e3,
        p99=phase["p99_ns"] / 1e3,
        longest=phase["longest_ns"] / 1e3,
        busy=phase["cpu_ns"] / phase["wall_ns"] * 100,
        generator=phase["own_cpu_ns"] / phase["wall_ns"] * 100,
        memory=memory,
        written=written,
    )


def _memory(result: Mapping[str, int], after: str, before: str) -> float:
    return (result[after] - result[before]) / 1024


def _connections(result: Mapping[str, Any]) -> Sample:
    phase = result["connecting"]
    count = phase["operations"]
    return Sample(
        cpu=phase["cpu_ns"] / count / 1e3,
        rate=count / phase["wall_ns"] * 1e9,
        memory=_memory(result, "memory_connected", "memory_before") / count,
    )


def _check_stalled(result: Mapping[str, Any]) -> None:
    if not result["stalled_last"]:
        raise Failed("the stalled reader did not get the last value")


def _restore(scenario: Scenario, server: Server, folder: Path) -> Sample:
    empty, full = folder / "empty", folder / "full"
    empty.mkdir()
    full.mkdir()
    with running(server, full) as broker:
        _load(broker, scenario.options, 20)
    with running(server, empty) as broker:
        usual = broker
    with running(server, full) as broker:
        found = _load(broker, f"{scenario.options} --check-only", 20)["stored"]
        return Sample(
            cpu=max(0.0, broker.start_cpu - usual.start_cpu) / found * 1e6,
            start=(broker.start_seconds - usual.start_seconds) * 1e3,
        )


def _save(scenario: Scenario, server: Server, folder: Path) -> Sample:
    with running(server, folder) as broker:
        _load(broker, scenario.options, 20)
        before = _size(folder)
        phase = _load(broker, "--retain", _PROBE_SECONDS)["measured"]
        return _sample(phase, written=_size(folder) - before)


def _size(folder: Path) -> float:
    return (
        sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1024
    )

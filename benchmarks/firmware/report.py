"""The page: docs/performance-node.md."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
import os
from pathlib import Path
import platform
import re
import subprocess
from typing import Final

from .builds import ARM, Size
from .runs import Run

_CASES: Final = {
    "idle": "a turn of the node's loop with nothing to do",
    "state": "a sensor's new state, until it is in the socket",
    "answer": "the broker's OK to it",
    "text": "a text published by an automation, until it is in the socket",
    "value": "a value that a sensor follows: received, taken as its state",
    "automation": "a text received, an automation run with it",
    "command": "a command to a switch: received, carried out, the new state published",
}


def report(
    runs: Mapping[str, Run],
    sizes: Mapping[str, Mapping[str, Size]],
    esphome: Path,
    rounds: int,
) -> str:
    """Return the page."""
    return "\n".join(
        (
            "# Performance of a node",
            "",
            f"Made by `benchmarks/node` on {datetime.now(UTC):%Y-%m-%d}, each figure from {rounds:,} rounds. "
            "A node with eleven entities, built by ESPHome for this machine and optimized for size (`-Os`), with the real "
            "brokers: once with TextMQ, once with ESPHome's mqtt. Neither is encrypted.",
            "",
            _machine(esphome),
            "",
            "ESPHome's mqtt exists for ESP32, ESP8266 and their kin only, since each brings its own MQTT library. Here "
            "its code is compiled unchanged but for the lines that name platform, lwIP and JSON, on libmosquitto, with mosquitto. An "
            "ESP32 has another library in a task of its own, so read these figures as a size, not as a "
            "measurement of it.",
            "",
            "## Instructions and allocations",
            "",
            "Instructions of the processor (x86-64) outside of the kernel, counted by callgrind; from run to run they "
            "differ by less than a hundredth. Allocations are those from the heap. The time is that of this machine, "
            "median; it contains the kernel, which is most of it.",
            "",
            _costs(runs),
            "",
            "mqtt publishes with QoS 0, the default of ESPHome: nobody tells it that a publish was lost. TextMQ gets an "
            "OK for each, keeps the line until then, and sends it again where the connection was lost. Text takes more "
            "instructions to write and to read than MQTT's bytes: that is what people pay for being able to read it. "
            "What TextMQ sends and receives takes nothing from the heap, which so stays in one piece on a node that runs "
            "for years.",
            "",
            "## Bytes",
            "",
            "32-bit is ARM with Thumb-2 instructions, for which Linux distributions have a compiler: pointers as long "
            "and code about as dense as on an ESP32, whose compiler gives other figures again. Code contains "
            "constants, and not what the linker adds of other libraries. Memory is what ESPHome reserves for the "
            "component's instances and variables; the heap is what the node has in use beside that when it is "
            "connected, more than the same node without a connection.",
            "",
            _bytes(runs, sizes),
            "",
            "TextMQ is all of it but TCP. mqtt's figures are without the MQTT library, which on an ESP32 adds its code, "
            "its task with its stack and its buffers, and without the JSON library, which makes the descriptions "
            "for Home Assistant.",
            "",
            "TextMQ's memory: " + _instances(sizes["textmq"][ARM]) + ".",
            "",
        )
    )


def _costs(runs: Mapping[str, Run]) -> str:
    rows = []
    for name, title in _CASES.items():
        ours = runs["textmq"].cases[name]
        mqtt = runs["mqtt"].cases.get(name)
        rows.append(
            (
                title,
                f"{ours.instructions:,.0f}",
                f"{mqtt.instructions:,.0f}" if mqtt else "-",
                f"{ours.allocations:.0f}",
                f"{mqtt.allocations:.0f}" if mqtt else "-",
                f"{ours.microseconds:.1f} µs"
                if ours.microseconds >= 1
                else f"{ours.microseconds:.2f} µs",
            )
        )
    head = (
        "",
        "TextMQ",
        "mqtt",
        "allocations, TextMQ",
        "allocations, mqtt",
        "time, TextMQ",
    )
    return _table(head, rows)


def _bytes(runs: Mapping[str, Run], sizes: Mapping[str, Mapping[str, Size]]) -> str:
    ways = ("textmq", "mqtt")
    here = platform.machine()
    rows = []
    for name, machine in ((here, ""), ("32-bit", ARM)):
        found = [sizes[way][machine] for way in ways]
        rows.append((f"code, {name}", *(f"{size.code:,}" for size in found)))
        rows.append((f"memory, {name}", *(f"{size.memory:,}" for size in found)))
    heap = (f"{runs[way].heap - runs['bare'].heap:,}" for way in ways)
    rows.append((f"heap, {here}", *heap))
    return _table(("", "TextMQ", "mqtt"), rows)


def _instances(size: Size) -> str:
    titles = {
        "textmq__mq": "the client {} bytes, nearly all of them its two buffers",
        "textmq__textmq_entitypublisher_id": "the table of the entities {}",
    }
    told = [title.format(f"{size.instances[name]:,}") for name, title in titles.items()]
    rest = size.memory - sum(size.instances[name] for name in titles)
    return ", ".join((*told, f"what follows the two variables {rest}")) + " (32-bit)"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _machine(esphome: Path) -> str:
    processor = _first(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    versions = {
        "processor": f"{processor}, {os.cpu_count()} cores",
        "system": f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {platform.release()}",
        "ESPHome": _first(r"Version: (\S+)", _output(str(esphome), "version")),
        "g++": _output("g++", "-dumpfullversion").strip(),
        "g++ for ARM": _output(f"{ARM}g++", "-dumpfullversion").strip(),
        "valgrind": _first(r"valgrind-(\S+)", _output("valgrind", "--version")),
        "mosquitto": _first(r"version (\S+)", _output(os.environ["MOSQUITTO"], "-h")),
    }
    return "\n".join(f"- {name}: {text}" for name, text in versions.items())


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else "unknown"


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr

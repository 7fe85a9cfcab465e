"""The nodes that are measured: built by ESPHome for this machine, and their objects once more for a 32-bit one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
import json
from pathlib import Path
import re
import shlex
import shutil
from typing import Final

from tests.esphome.builds import CACHE, HERE as TESTS, build_node, node_folder, run

HERE: Final = Path(__file__).parent
WAYS: Final = ("bare", "textmq", "mqtt")
"""What connects the node: nothing, or one of the two."""
ARM: Final = "arm-linux-gnueabihf-"
"""The toolchain of a 32-bit machine that distributions have; an ESP32's pointers are as long, its code about as dense."""

_MQTT: Final = CACHE / "mqtt-for-host"
_CHANGES: Final = {
    "__init__.py": (
        ('return ["json"]', "return []"),
        ("PLATFORM_ESP32,\n            PLATFORM_ESP8266", '"host"'),
    ),
    "mqtt_client.h": (
        ("USE_LIBRETINY", "USE_HOST"),
        ("LibreTiny", "Host"),
        ("mqtt_backend_libretiny.h", "mqtt_backend_host.h"),
        ('#include "esphome/components/json/json_util.h"', ""),
        ('#include "lwip/ip_addr.h"', ""),
    ),
    "mqtt_client.cpp": (
        ('#include "lwip/dns.h"', ""),
        ('#include "lwip/err.h"', ""),
        ("ip.is_set()", "ip.is_ip4()"),
    ),
}
"""How ESPHome's mqtt becomes one that compiles for a platform for which ESPHome has no MQTT library."""


def node_name(way: str) -> str:
    """Return the name of the node."""
    return f"measured-{way}"


def build(esphome: Path, way: str) -> Path:
    """Build the node that is connected in this way; return the program."""
    folder = HERE / way
    yaml = "".join(
        file.read_text(encoding="utf-8")
        for file in (HERE / "node.yaml", folder / "way.yaml")
    )
    headers = [
        HERE / "measure.h",
        TESTS / "nodes" / "count_mallocs.h",
        *sorted(folder.glob("*.h")),
    ]
    if way == "mqtt":
        _prepare_mqtt(esphome)
    for placeholder, text in (
        ("NAME", node_name(way)),
        (", LINK", ", -lmosquitto" if way == "mqtt" else ""),
        ("MQTT", str(_MQTT)),
    ):
        yaml = yaml.replace(placeholder, text)
    return build_node(esphome, node_name(way), yaml, *headers)


def _prepare_mqtt(esphome: Path) -> None:
    """Make a component mqtt for this machine from ESPHome's own, which takes ESP32 and its kin alone."""
    (package,) = esphome.parent.parent.glob("lib/python*/site-packages/esphome")
    folder = _MQTT / "mqtt"
    shutil.rmtree(folder, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package / "components" / "mqtt", folder, ignore=ignored)
    shutil.copy(HERE / "mqtt" / "mqtt_backend_host.h", folder)
    for name, changes in _CHANGES.items():
        text = (folder / name).read_text(encoding="utf-8")
        for before, after in changes:
            assert before in text, (
                f"ESPHome's {name} has changed: {before} is not in it"
            )
            text = text.replace(before, after)
        (folder / name).write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Size:
    """What a component takes, in bytes."""

    code: int
    """Code and constants of its objects."""
    variables: int
    """Variables of its objects."""
    instances: dict[str, int]
    """Instances of its classes, by name; ESPHome makes all of them static."""

    @property
    def memory(self) -> int:
        """All that is taken for good, without the heap."""
        return self.variables + sum(self.instances.values())


def measure_sizes(way: str) -> dict[str, Size]:
    """Return what the component of a node that was built takes: on this machine (""), and on a 32-bit one (ARM)."""
    if way == "bare":
        return {}
    return {
        "": _size(way, node_folder(node_name(way)) / "obj" / "src", ""),
        ARM: _size(way, _compile_for_arm(way), ARM),
    }


def _is_component(path: str, way: str) -> bool:
    return re.search(rf"/components/{way}(_subscribe)?/", path) is not None


def _compile_for_arm(way: str) -> Path:
    """Compile the component and the generated code for ARM (Thumb-2) with the same options; return where the objects are."""
    folder = node_folder(node_name(way))
    target = CACHE / node_name(way) / "arm"
    shutil.rmtree(target, ignore_errors=True)
    commands = json.loads((folder / "compile_commands.json").read_text("utf-8"))
    for entry in commands:
        file, output = entry["file"], target / entry["output"]
        if _is_component(file, way) or file.endswith("/src/main.cpp"):
            output.parent.mkdir(parents=True, exist_ok=True)
            options = _options_for_arm(shlex.split(entry["command"]))
            run("env", "-C", folder, f"{ARM}g++", *options, "-c", file, "-o", output)
    return target / "obj" / "src"


def _options_for_arm(command: Sequence[str]) -> Iterator[str]:
    yield from ("-mthumb", "-DNVALGRIND", "-Wno-psabi")
    words = iter(command[1:])
    for word in words:
        if word in ("-c", "-o", "-MF", "-include"):
            next(words)
        elif word != "-MMD" and "invalid-pch" not in word:
            yield word


def _size(way: str, folder: Path, toolchain: str) -> Size:
    code = variables = 0
    once: dict[str, int] = {}
    for file in folder.rglob("*.o"):
        if not _is_component(str(file), way):
            continue
        sections = run(f"{toolchain}size", "-A", file)
        for name, size in re.findall(r"^(\.\S+)\s+(\d+)", sections, re.MULTILINE):
            if name.startswith((".text", ".rodata", ".data.rel.ro")):
                # Of what several objects have, the linker keeps one.
                if "._Z" in name:
                    once[name] = int(size)
                else:
                    code += int(size)
            elif name.startswith((".data", ".bss")):
                variables += int(size)
    symbols = run(f"{toolchain}nm", "-S", folder / "main.cpp.o")
    instances = re.findall(
        rf"^\S+ (\S+) \w \S*?({way}(?:_subscribe)?__\w+)__pstorage$",
        symbols,
        re.MULTILINE,
    )
    return Size(
        code + sum(once.values()),
        variables,
        {name: int(size, 16) for size, name in instances},
    )

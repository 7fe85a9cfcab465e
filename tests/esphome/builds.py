"""Builds for the tests: kept in a cache, so that the same sources are built once."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
import fcntl
import hashlib
import os
from pathlib import Path
import re
import subprocess
from typing import Final

ROOT: Final = Path(__file__).parents[2]
COMPONENTS: Final = ROOT / "esphome" / "components"
COMPONENT: Final = COMPONENTS / "textmq"
HERE: Final = Path(__file__).parent
CACHE: Final = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    / "textmq"
    / "esphome-builds"
)
#: How many builds of one name are kept, for whoever goes back and forth between branches.
KEPT: Final = 4
SANITIZE: Final = (
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
)
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")


def plain(text: str) -> str:
    """Return the text without the colours of a terminal."""
    return _COLOUR.sub("", text)


def component_sources() -> list[Path]:
    """Return the files of the component."""
    return sorted(
        path for path in COMPONENT.rglob("*") if path.suffix in (".h", ".cpp", ".py")
    )


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _cached(
    name: str, sources: Sequence[Path], extra: str, make: Callable[[Path], Path]
) -> Path:
    """Return what `make` has made of these sources in a folder of that name, or make it."""
    digest = hashlib.sha256(extra.encode())
    for source in sources:
        digest.update(source.name.encode())
        digest.update(source.read_bytes())
    folder = CACHE / name
    with _lock(folder):
        made = folder / f"made-{digest.hexdigest()[:16]}"
        if not made.exists():
            result = make(folder)
            result.rename(made)
            old = sorted(folder.glob("made-*"), key=lambda path: path.stat().st_mtime)
            for path in old[:-KEPT]:
                path.unlink()
        made.touch()
    return made


def once(name: str, sources: Sequence[Path], check: Callable[[], object]) -> None:
    """Run a check that takes long, unless it has passed with the same sources before."""

    def make(folder: Path) -> Path:
        check()
        passed = folder / "passed"
        passed.touch()
        return passed

    _cached(name, sources, "", make)


def run(*command: str | Path) -> str:
    """Run a command at low priority; return what it says, fail where it fails."""
    done = subprocess.run(
        ["nice", "-n", "10", *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
    )
    said = plain(done.stdout + done.stderr)
    assert done.returncode == 0, said
    return said


def build_harness(name: str, *options: str) -> Path:
    """Compile one C++ file of this folder with code of the component that needs no ESPHome, for this machine.

    Options name further sources, and libraries. What the code includes of ESPHome is in the folder stubs.
    """
    source = HERE / f"{name}.cpp"
    stubs = HERE / "stubs"

    def make(folder: Path) -> Path:
        target = folder / name
        command: list[str | Path] = ["g++", "-std=c++20", "-g", "-O1"]
        command += ["-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", *SANITIZE]
        command += [f"-I{COMPONENT}", f"-I{stubs}", source, *options, "-o", target]
        run(*command)
        return target

    headers = [path for path in component_sources() if path.suffix != ".py"]
    headers += [*sorted(HERE.glob("*.h")), *sorted(stubs.rglob("*.h"))]
    sources = [source, *headers]
    return _cached(name, sources, " ".join(options), make)


def node_folder(name: str) -> Path:
    """Return where ninja has built a node last: objects, and the database of compile commands."""
    return CACHE / name / ".esphome" / "build" / name / ".pioenvs" / name


def generate_again(esphome: Path, name: str) -> Path:
    """Bring the sources of a node that was built up to date without building; return node_folder()."""
    with _lock(CACHE / name):
        run(esphome, "compile", "--only-generate", CACHE / name / f"{name}.yaml")
    return node_folder(name)


def build_node(esphome: Path, name: str, yaml: str, *headers: Path) -> Path:
    """Build a node for the `host` platform from its YAML; return the program."""
    version = run(esphome, "version")
    yaml = yaml.replace("component: path", f"component: {COMPONENTS}")

    def write(folder: Path) -> None:
        (folder / f"{name}.yaml").write_text(yaml)
        for header in headers:
            (folder / header.name).write_bytes(header.read_bytes())

    def make(folder: Path) -> Path:
        write(folder)
        run(esphome, "compile", folder / f"{name}.yaml")
        return node_folder(name) / "program"

    made = _cached(name, [*component_sources(), *headers], version + yaml, make)
    with _lock(CACHE / name):
        # Another checkout may have built its own in this folder since.
        write(CACHE / name)
    return made

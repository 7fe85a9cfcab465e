"""What passes over the wire, written down: scenes that can be recorded with one broker and replayed with another.

A recording is a text file. `# TITLE` begins a part, with a broker of its own; `broker OPTION...` gives its options.
Lines that begin with `; ` are for readers.
`## TITLE` begins a scene, whose connections end with it. Then one line for each step:

    a connects              also `a-1 to a-33 connect`, `a connects with the key of garden`, `a connects and does not read`
    a > LINE                the client sends the line and a line feed
    a > 300 times LINE      the same line, or with <n> the numbers from 1
    a >> BYTES              the client sends these bytes, written as in a Python string, and no line feed
    a < LINE                it receives the line
    a <+ LINE               it receives the line at least once, perhaps among others that are marked so
    a waits                 something comes by itself, after seconds (only the recorder needs to know)
    a reads                 a client that did not read reads again
    a drops                 the client is gone without a word
    a ends                  the broker has closed the connection
    broker restarts         it is stopped and started again

What differs each time stands in angle brackets: <time>, <seconds>, <version>, <commands>; <300 x> are 300 times the letter x.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
import re
import shlex
import time
from typing import Final

from .client import Client
from .encryption import EncryptedClient, client_context, key_options
from .process import BrokerProcess

QUIET: Final = 0.25
"""Seconds of silence after which the recorder takes it that nothing more comes."""
PATIENT: Final = 15.0
"""The same where something is known to come by itself."""

_NORMAL = (
    (re.compile(r"TIME=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "TIME=<time>"),
    (re.compile(r"(\$SYS/uptime \| VALUE=)\d+"), r"\1<seconds>"),
    (re.compile(r"(\$SYS/version \| VALUE=)[^ ]+"), r"\1<version>"),
    (re.compile(r"(\| DETAIL=known are ).* \| END"), r"\1<commands> | END"),
    (re.compile(r"x{50,}"), lambda found: f"<{len(found[0])} x>"),
)
_RUN = re.compile(r"<(\d+) x>")
_STEP = re.compile(r"(?P<who>\S+) (?P<what>>>|>|<\+|<|\w+) ?(?P<rest>.*)")
_TIMES = re.compile(r"(?P<count>\d+) times (?P<line>.*)")
_RANGE = re.compile(r"(?P<stem>\w+-)1 to (?P=stem)(?P<last>\d+) connect")
HELLO: Final = b"START | COMMAND=HELLO! | END\n"
_RECEIVING = frozenset({"<", "<+", "ends"})


def normal(line: bytes) -> str:
    """Return a received line as a recording shows it: without what differs each time."""
    text = line.decode("ascii").removesuffix("\n")
    for pattern, replacement in _NORMAL:
        text = pattern.sub(replacement, text)
    return text


def expand(text: str) -> str:
    """Return what a line of a recording stands for when it is sent."""
    return _RUN.sub(lambda found: "x" * int(found[1]), text)


@dataclass
class Step:
    """What a client, or the broker, does; and what the clients receive then."""

    action: str
    received: list[str] = field(default_factory=list)


@dataclass
class Scene:
    """Some connections that end with it."""

    title: str
    comment: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


@dataclass
class Part:
    """What is played with one broker."""

    title: str
    comment: list[str] = field(default_factory=list)
    options: str = ""
    scenes: list[Scene] = field(default_factory=list)


@dataclass
class Recording:
    """A whole file."""

    preface: list[str] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Recording:
        """Read a file. Raises ValueError where a line is none of those described above."""
        recording = cls()
        for line in path.read_text(encoding="ascii").splitlines():
            recording._read_line(line)
        return recording

    def _read_line(self, line: str) -> None:
        part = self.parts[-1] if self.parts else None
        scene = part.scenes[-1] if part and part.scenes else None
        if line.startswith("## ") and part:
            part.scenes.append(Scene(line.removeprefix("## ")))
        elif line.startswith("# "):
            self.parts.append(Part(line.removeprefix("# ")))
        elif not line:
            return
        elif line.startswith(";"):
            owner = scene or part
            (owner.comment if owner else self.preface).append(line)
        elif line.startswith("broker --") and part and not scene:
            part.options = line.removeprefix("broker ")
        elif scene and (step := _STEP.fullmatch(line)):
            if step["what"] in _RECEIVING:
                scene.steps[-1].received.append(line)
            else:
                scene.steps.append(Step(line))
        else:
            raise ValueError(f"no step of a recording: {line}")

    def write(self, path: Path) -> None:
        """Write the file."""
        path.write_text("\n".join(self._lines()) + "\n", encoding="ascii")

    def _lines(self) -> Iterator[str]:
        yield from self.preface
        for part in self.parts:
            yield from ("", f"# {part.title}", *part.comment, f"broker {part.options}")
            for scene in part.scenes:
                yield from ("", f"## {scene.title}", *scene.comment)
                for step in scene.steps:
                    yield step.action
                    yield from step.received


class Stage:
    """A broker and the connections of a scene."""

    def __init__(self, part: Part, data: Path, command: str | None = None) -> None:
        """Start the broker of a part, by another command than this checkout's if one is given."""
        self._data = data
        self._command = (command,) if command else None
        self._options: list[str] = []
        words = iter(shlex.split(part.options))
        for word in words:
            self._options += key_options(next(words)) if word == "--key" else [word]
        self.broker = self._start(0)
        self.clients: dict[str, Client] = {}
        self.lagging: set[str] = set()
        self._stack = ExitStack()

    def _start(self, port: int) -> BrokerProcess:
        return BrokerProcess(
            self._data, *self._options, port=port, command=self._command
        )

    def do(self, action: str) -> None:
        """Carry out what a step says."""
        if found := _RANGE.fullmatch(action):
            for number in range(1, int(found["last"]) + 1):
                self._connect(f"{found['stem']}{number}", "")
            return
        step = _STEP.fullmatch(action)
        assert step, action
        who, what, rest = step["who"], step["what"], step["rest"]
        match what:
            case "connects":
                self._connect(who, rest)
            case ">>":
                self.clients[who].send_bytes(
                    rest.encode().decode("unicode_escape").encode("latin-1")
                )
            case ">":
                self.clients[who].send_bytes(b"".join(_lines_to_send(rest)))
            case "drops":
                self.clients.pop(who).drop()
            case "reads":
                self.lagging.remove(who)
            case "restarts":
                port = self.broker.address[1]
                assert self.broker.stop() == 0
                self.broker = self._start(port)
            case "waits":
                pass
            case _:
                raise ValueError(f"no step of a recording: {action}")

    def _connect(self, name: str, how: str) -> None:
        device = how.removeprefix("with the key of ")
        if device != how:
            client: Client = EncryptedClient(
                self.broker.address, client_context(device)
            )
        elif how == "and does not read":
            client = Client(self.broker.address, receive_buffer=4096)
            self.lagging.add(name)
        else:
            client = Client(self.broker.address)
        self.clients[name] = self._stack.enter_context(client)

    def end_scene(self) -> None:
        """Check that nothing more has come for anybody, and close the connections."""
        for name, client in self.clients.items():
            assert client.fence() == [], name
        self.clients.clear()
        self.lagging.clear()
        self._stack.close()

    def close(self) -> None:
        """Stop the broker, which must be well."""
        self._stack.close()
        self.broker.check()
        assert self.broker.stop() == 0


def _lines_to_send(text: str) -> Iterator[bytes]:
    found = _TIMES.fullmatch(text)
    for number in range(1, (int(found["count"]) if found else 1) + 1):
        line = (found["line"] if found else text).replace("<n>", str(number))
        yield f"{expand(line)}\n".encode("ascii")


# Recording


def record(
    recording: Recording,
    folder: Path,
    command: str | None,
    say: Callable[[str], object],
) -> None:
    """Play every step and note in the recording what is received."""
    for number, part in enumerate(recording.parts):
        stage = Stage(part, folder / str(number), command)
        for scene in part.scenes:
            say(f"{part.title}: {scene.title}")
            for step in scene.steps:
                words = _STEP.fullmatch(step.action)
                repeated = bool(words and _TIMES.fullmatch(words["rest"]))
                stage.do(step.action)
                waits = step.action.endswith(" waits")
                step.received = list(
                    _received(
                        stage,
                        PATIENT if waits else QUIET,
                        repeated=repeated or step.action.endswith(" reads"),
                        first=words["who"] if words else "",
                    )
                )
            stage.end_scene()
        stage.close()


def _received(
    stage: Stage, patience: float, *, repeated: bool, first: str
) -> Iterator[str]:
    """Take what comes until all is quiet; what one client gets stands first."""
    names = sorted(stage.clients, key=lambda name: name != first)
    lines: dict[str, list[str]] = {name: [] for name in names}
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        for name in [name for name in stage.clients if name not in stage.lagging]:
            client = stage.clients[name]
            client.socket.settimeout(0.01)
            try:
                line = client.receive_line()
            except TimeoutError:
                continue
            finally:
                client.socket.settimeout(15)
            deadline = time.monotonic() + QUIET
            if line is None:
                lines[name].append(f"{name} ends")
                stage.clients.pop(name).drop()
            else:
                lines[name].append(f"{name} < {normal(line)}")
    for heard in lines.values():
        # How many there are may be chance where many were sent: each once, in the order in which they were first heard.
        yield from (
            dict.fromkeys(one.replace(" < ", " <+ ", 1) for one in heard)
            if repeated and len(heard) > 1
            else heard
        )


# Replaying


def replay(stage: Stage, scene: Scene, changed: Mapping[str, str]) -> None:
    """Play a scene again: what is received must be what was recorded, byte for byte but for what stands in brackets.

    Where a recorded text is in `changed` the new one is wanted.
    """
    for step in scene.steps:
        stage.do(step.action)
        received = [_now(line, changed) for line in step.received]
        while received:
            parsed = _STEP.fullmatch(received[0])
            assert parsed
            name = parsed["who"]
            mine = _leading(received, name)
            del received[: len(mine)]
            _expect(stage, name, mine)
    stage.end_scene()


def _now(line: str, changed: Mapping[str, str]) -> str:
    for then, now in changed.items():
        line = line.replace(then, now)
    return line


def _leading(received: list[str], name: str) -> list[str]:
    """Return the lines at the beginning that one client receives."""
    count = 0
    while count < len(received) and received[count].startswith(f"{name} "):
        count += 1
    return received[:count]


def _expect(stage: Stage, name: str, wanted: list[str]) -> None:
    """Let one client receive these lines."""
    repeated = {one for one in wanted if one.startswith(f"{name} <+ ")}
    if not repeated:
        for one in wanted:
            got = _receive(stage, name)
            assert got == one, f"{got!r} instead of {one!r}"
        return
    heard: dict[str, None] = {}
    while len(heard) < len(wanted):
        one = _receive(stage, name).replace(" < ", " <+ ", 1)
        heard[one] = None
        assert one in wanted, f"{one!r} besides {wanted}"
    assert list(heard) == wanted, f"{list(heard)} instead of {wanted}"
    if name in stage.clients:
        # What else there is of the same, up to a fence.
        rest = stage.clients[name]
        rest.send("HELLO?")
        while (line := rest.receive_line()) != HELLO:
            assert line is not None
            assert f"{name} <+ {normal(line)}" in repeated


def _receive(stage: Stage, name: str) -> str:
    line = stage.clients[name].receive_line()
    if line is not None:
        return f"{name} < {normal(line)}"
    stage.clients.pop(name).drop()
    return f"{name} ends"

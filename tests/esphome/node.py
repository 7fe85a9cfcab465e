"""A real ESPHome node as a process of its own."""

from collections.abc import Callable
import os
from pathlib import Path
import re
import signal
import subprocess
import threading
from typing import Final
from urllib.parse import quote, unquote

from tests.broker.client import Address, Message
from tests.broker.process import PATIENCE, wait_for

from .builds import plain
from .peer import Peer

_STATE: Final = re.compile(r"STATE (\w+) (\S+) (\S*)$")
_SAFE: Final = "/!\"#$&'()*+,:;<=>?@[\\]^`{|}"


class Node:
    """A running node: what it logs, and its standard input, over which a test drives it (nodes/control.h)."""

    def __init__(
        self,
        program: Path,
        address: Address,
        device_id: str | None,
        preferences: Path,
        **settings: str | int,
    ) -> None:
        """Start the program; settings are the environment variables NODE_... of control.h."""
        variables = {"port": address[1], "host": address[0], **settings}
        if device_id is not None:
            variables["id"] = device_id
        self.log: list[str] = []
        self._process = subprocess.Popen(
            [program],
            env=os.environ
            | {"ESPHOME_PREFDIR": str(preferences)}
            | {f"NODE_{key.upper()}": str(value) for key, value in variables.items()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="backslashreplace",
            bufsize=1,
        )
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def _read_log(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for text in stream:
                self.log.append(plain(text.rstrip("\n")))

    @property
    def pid(self) -> int:
        """The process ID."""
        return self._process.pid

    @property
    def text(self) -> str:
        """All that was logged."""
        return "\n".join(self.log)

    # Driving it

    def do(self, verb: str, *words: str) -> None:
        """Let the node carry out a command of control.h; the last word may be any text."""
        assert self._process.stdin is not None
        self._process.stdin.write(
            " ".join([verb, *(quote(word, safe=_SAFE) for word in words)]) + "\n"
        )

    def done(self, verb: str, *words: str) -> bool:
        """As do(), and return whether the node says that it worked."""
        before = len(self.log)
        self.do(verb, *words)
        return self.wait_for_log(rf"DONE {re.escape(verb)} (\d)", since=before) == "1"

    # Watching it

    def wait_for_log(self, pattern: str, *, since: int = 0, count: int = 1) -> str:
        """Wait for a line, the count-th of its kind; return its first group, or all that matched."""
        expression = re.compile(pattern)

        def find() -> re.Match[str] | None:
            found = [
                match for line in self.log[since:] if (match := expression.search(line))
            ]
            assert self.running or len(found) >= count, self.text
            return found[count - 1] if len(found) >= count else None

        match = self.wait_until(find, f"a line {pattern}")
        assert match is not None
        return match.group(1) if expression.groups else match.group()

    def logged(self, pattern: str) -> list[str]:
        """Return the lines with a match so far."""
        return [line for line in self.log if re.search(pattern, line)]

    def wait_until[T](self, condition: Callable[[], T], what: str) -> T:
        """Wait for a condition; show the log where it does not come true."""
        try:
            return wait_for(condition, what)
        except AssertionError as error:
            error.add_note(self.text)
            raise

    def wait_connected(self, count: int = 1) -> None:
        """Wait until the broker has let the node in, for the count-th time."""
        self.wait_for_log("ON_CONNECT", count=count)

    def wait_flushed(
        self, peer: Peer | None = None, told: list[Message] | None = None
    ) -> None:
        """Wait until the broker has taken all that the node has to tell.

        A peer that plays the broker answers meanwhile; what it is told is added to the list.
        """

        def flushed() -> bool:
            if peer is not None:
                messages = peer.answer_what_comes()
                if told is not None:
                    told.extend(messages)
            before = len(self.log)
            self.do("status")
            return self.wait_for_log(r"flushed=(\d)", since=before) == "1"

        self.wait_until(flushed, "the node to be flushed")

    def states(self) -> dict[str, str | None]:
        """Return the states of its entities by kind and object ID, None where there is none."""
        before = len(self.log)
        self.do("states")
        self.do("mark", str(before))
        self.wait_for_log(rf"MARK {before}$", since=before)
        found = (_STATE.search(line) for line in self.log[before:])
        return {
            f"{match[1]}.{match[2]}": None if match[3] == "-" else unquote(match[3])
            for match in found
            if match
        }

    def wait_state(self, entity: str, state: str | None) -> None:
        """Wait until an entity, by kind and object ID, has a state."""
        self.wait_until(
            lambda: self.states()[entity] == state, f"{entity} to be {state!r}"
        )

    # Its end

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    def suspend(self) -> None:
        """Stop the process where it stands."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a power cut does."""
        self._process.kill()
        self._wait()

    def stop(self) -> int:
        """End it in good order."""
        if self.running:
            self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Wait until it ends by itself; return its exit code."""
        return self._wait()

    def _wait(self) -> int:
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        self._reader.join(PATIENCE)
        if self._process.stdin is not None:
            self._process.stdin.close()
        return code

    def check(self) -> None:
        """Assert that no sanitizer has found anything."""
        for word in (
            "ERROR: AddressSanitizer",
            "ERROR: LeakSanitizer",
            "runtime error:",
        ):
            assert word not in self.text, self.text

"""Which answer belongs to which command (protocol A3, B2)."""

from collections import deque
from collections.abc import Iterator
from typing import Final

from .outgoing import Command, Expected

_FENCES: Final = 4
"""A run of commands without an answer is at most this part of what may be unanswered."""


class Mispaired(Exception):
    """An answer came that belongs to no command."""


class Unanswered:
    """Commands that were sent and are not settled yet, in their order, ID apart.

    A command with ACK=NO is settled by the next answer to one behind it: BADs come in order, too.
    """

    def __init__(self, most: int) -> None:
        """Keep at most this many, those apart that the session adds itself."""
        self._most = most
        self._commands: deque[tuple[Command, str]] = deque()
        self._answered: deque[Command] = deque()
        """Those of them that have an answer of their own."""
        self.hellos = 0
        """Those of them that ask whether the broker is there."""
        self._run = 0
        """Commands with ACK=NO since the last one that has an answer."""

    def __iter__(self) -> Iterator[Command]:
        """Iterate over the commands, the oldest first."""
        return (command for command, _ in self._commands)

    @property
    def full(self) -> bool:
        """Whether there is room for no more."""
        return len(self._commands) - self.hellos >= self._most

    @property
    def needs_fence(self) -> bool:
        """Whether something that has an answer should follow."""
        return self._run * _FENCES >= self._most

    @property
    def next_answered(self) -> Command | None:
        """The command that the next answer belongs to."""
        return self._answered[0] if self._answered else None

    def add(self, command: Command, seq: str = "") -> None:
        """Note a command that was sent, with its SEQ where it has one."""
        self._commands.append((command, seq))
        self.hellos += command.expected is Expected.HELLO
        if command.expected is Expected.REFUSAL_ONLY:
            self._run += 1
        else:
            self._run = 0
            self._answered.append(command)

    def settle(self, expected: Expected) -> list[Command]:
        """Take the command that an OK or HELLO! belongs to, after those that it settles with it.

        Raises Mispaired where none of this kind is next.
        """
        command = self.next_answered
        if command is None or command.expected is not expected:
            raise Mispaired("an answer without a command")
        return self._take_up_to(command)

    def refuse(self, seq: str) -> list[Command]:
        """Take the command that a BAD belongs to, after those that it settles with it.

        Raises Mispaired where there is none.
        """
        if not seq:
            return self.settle(Expected.OK)
        for command, given in self._commands:
            if given == seq:
                return self._take_up_to(command)
            if command.expected is not Expected.REFUSAL_ONLY:
                break
        raise Mispaired("a BAD without a command")

    def _take_up_to(self, last: Command) -> list[Command]:
        taken: list[Command] = []
        while not taken or taken[-1] is not last:
            taken.append(self._commands.popleft()[0])
        if last is self.next_answered:
            self._answered.popleft()
        self.hellos -= last.expected is Expected.HELLO
        return taken

"""What one device does wrong, of one kind, as a person reads it."""

from collections.abc import Callable
from itertools import islice
from typing import Final

from .sanitize import escape_markdown

MAX_KEPT: Final = 100
"""Mistakes of a device that are followed until they are put right."""
MAX_SHOWN: Final = 10
"""Mistakes that a person reads at once."""
_MAX_DETAIL: Final = 300
"""Characters of what is said of one."""


class MistakeList:
    """Mistakes by their subjects: a variable, or a command."""

    def __init__(self) -> None:
        """Begin without any."""
        self._details: dict[str, str] = {}
        self._last: dict[str, float] = {}

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._details)

    def note(self, subject: str, detail: str, now: float) -> bool:
        """Take a mistake, made now; returns whether that says something new."""
        if subject not in self._details and len(self._details) >= MAX_KEPT:
            return False
        self._last[subject] = now
        if self._details.get(subject) == detail:
            return False
        self._details[subject] = detail
        return True

    def drop(self, subject: str) -> bool:
        """Forget a mistake; returns whether there was one."""
        self._last.pop(subject, None)
        return self._details.pop(subject, None) is not None

    def drop_where(self, settled: Callable[[str, float], bool]) -> bool:
        """Forget what is settled, by subject and the time when it last was so; returns whether anything was."""
        found = [one for one, last in self._last.items() if settled(one, last)]
        for subject in found:
            self.drop(subject)
        return bool(found)

    @property
    def markdown(self) -> str:
        """The mistakes as a list in Markdown."""
        lines = [
            f"- **{escape_markdown(subject)}**: {escape_markdown(detail, _MAX_DETAIL)}"
            for subject, detail in islice(self._details.items(), MAX_SHOWN)
        ]
        if len(self._details) > MAX_SHOWN:
            lines.append("- …")
        return "\n".join(lines)

"""Messages that are acknowledged, so that each is acted on once (protocol B5)."""

from collections import OrderedDict
from typing import Final

from .deliveries import MessageReceived

_REMEMBERED: Final = 1024
"""Messages that are known as told, and as acted on: a broker repeats at most 32."""


class ReceiptLedger:
    """What was delivered under which number; outlives the connections of one client."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._done: OrderedDict[MessageReceived, None] = OrderedDict()
        self._told: OrderedDict[MessageReceived, None] = OrderedDict()

    def is_new(self, message: MessageReceived) -> bool:
        """Note a message that came; tell whether the application has not had it yet.

        The same number with another text is another message: a broker whose files were
        removed counts from the beginning again.
        """
        if message in self._told or message in self._done:
            return False
        _remember(self._told, message)
        return True

    def is_done(self, message: MessageReceived) -> bool:
        """Tell whether the application has dealt with a message."""
        return message in self._done

    def finish(self, message: MessageReceived) -> None:
        """Note that the application has dealt with a message."""
        self._told.pop(message, None)
        _remember(self._done, message)

    def fail(self, message: MessageReceived) -> None:
        """Note that the application could not deal with a message: a repetition is told to it."""
        self._told.pop(message, None)


def _remember(
    known: OrderedDict[MessageReceived, None], message: MessageReceived
) -> None:
    known[message] = None
    if len(known) > _REMEMBERED:
        known.popitem(last=False)

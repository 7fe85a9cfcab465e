"""A broker as one far away would be: it answers 200 ms later, goes away and comes back."""

import asyncio
from collections.abc import Awaitable, Callable
import inspect
from typing import Any, Final, override

from custom_components.textmq.broker import Observer, Publication
from custom_components.textmq.hub.broker_api import BrokerApi, BrokerGone, Unlisten

DELAY: Final = 0.2
"""Seconds until an answer."""
_AT_ONCE: Final = ("open", "close")
"""What belongs to the start and the stop of this process."""


class SlowBroker:
    """Any broker behind a slow and unreliable wire, in the place of the broker itself.

    What is asked while it is away fails, also where it goes before it has answered. What happens
    meanwhile is heard of when it is back.
    """

    def __init__(self, broker: BrokerApi) -> None:
        """Stand before a broker."""
        self.behind = broker
        self.available = True
        self._listeners: list[Callable[[], None]] = []
        self._unheard: list[Callable[[], None]] = []

    def __getattr__(self, name: str) -> Any:
        """Read the mirror at once, ask the broker slowly."""
        found = getattr(self.behind, name)
        if name in _AT_ONCE or not inspect.iscoroutinefunction(found):
            return found

        async def ask(*args: Any, **kwargs: Any) -> Any:
            if not self.available:
                raise BrokerGone
            await asyncio.sleep(DELAY)
            if not self.available:
                raise BrokerGone
            answer: Awaitable[Any] = found(*args, **kwargs)
            return await answer

        return ask

    def go(self) -> None:
        """Go away."""
        self.available = False
        self._tell()

    def come_back(self) -> None:
        """Come back, and tell what has happened."""
        unheard, self._unheard = self._unheard, []
        for one in unheard:
            one()
        self.available = True
        self._tell()

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()

    def listen_available(self, listener: Callable[[], None]) -> Unlisten:
        """Call listener when the broker is gone, or back."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _hear(self, call: Callable[[], None]) -> None:
        if self.available:
            call()
        else:
            self._unheard.append(call)

    def observe(self, observer: Observer) -> Unlisten:
        """Tell an observer what happens, later where the broker is away."""
        return self.behind.observe(_Relay(observer, self._hear))

    def watch(self, pattern: str, watcher: Callable[[Publication], None]) -> Unlisten:
        """Call watcher with each publication, later where the broker is away."""
        return self.behind.watch(
            pattern, lambda publication: self._hear(lambda: watcher(publication))
        )


class _Relay(Observer):
    """Hands on to an observer what it is told."""

    def __init__(
        self, observer: Observer, hear: Callable[[Callable[[], None]], None]
    ) -> None:
        """Hand on by a function."""
        self._observer = observer
        self._hear = hear

    @override
    def __getattribute__(self, name: str) -> Any:
        """Relay whatever an observer can be told."""
        if name.startswith("_") or not hasattr(Observer, name):
            return super().__getattribute__(name)
        method = getattr(self._observer, name)
        return lambda *args: self._hear(lambda: method(*args))

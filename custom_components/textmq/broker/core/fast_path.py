"""Publishes to known variables and messages to connected devices, in the form that the broker writes (protocol A1).

Nearly all that clients send is of this kind and comes many lines at a time: what goes to the
same place is joined.
"""

from collections.abc import Callable
from typing import Final

from .devices import Devices
from .observers import Publication, Untold
from .outbox import Outbox
from .quota import Scheduler
from .router import Route, Router
from .traffic import Traffic

_VALUE: Final = " | VALUE="
_MAX_UNTOLD: Final = 8
"""Publications that watchers are told of together, after the deliveries."""


class FastPath:
    """Carries out canonical lines."""

    def __init__(
        self,
        router: Router,
        devices: Devices,
        scheduler: Scheduler,
        traffic: Traffic,
        now: Callable[[], float],
    ) -> None:
        """Publish by router and send to devices, until the scheduler's slice is over; now is the wall's clock."""
        self._router = router
        self._teller = router.teller
        self._routes = router.by_publish_prefix
        self._outboxes = devices.by_message_prefix
        self._scheduler = scheduler
        self._traffic = traffic
        self._now = now

    def carry_out(self, items: list[str], device: str, head: str) -> int:
        """Carry out lines, each without its end, of a device ID; head begins its MSGs.

        Stops at whatever is something else and where the slice is over; returns how many are done.
        """
        routes, outboxes = self._routes, self._outboxes
        store, is_over = self._router.store, self._scheduler.is_over
        now = self._now()
        target: Route | Outbox | None = None
        lines: list[str] = []
        full_lines: list[str] = []
        more = ""
        untold: list[Untold] = []
        done = 0
        for item in items:
            prefix, found, value = item.partition(_VALUE)
            if not found or "|" in value:
                break
            place = routes.get(prefix) or outboxes.get(prefix)
            if lines and place is not target:
                self._hand_over(target, lines, full_lines)
                if is_over():
                    break
            if isinstance(place, Route):
                value = value.strip()
                generation = place.generation
                previous = store(place, value, device, now)
                variable = place.variable
                if place.receivers or place.full_receivers:
                    target = place
                    lines.append(f"{variable.prefix}{value} | END\n")
                    if place.full_receivers:
                        if not full_lines:
                            more = variable.full(now)
                        full_lines.append(f"{variable.prefix}{value}{more} | END\n")
                if place.watchers:
                    publication = Publication(
                        variable.name, value, previous, now, device, True
                    )
                    untold.append((place.watchers, publication))
                refreshed = place.generation != generation
            elif place is None or place.paused:
                break
            else:
                target = place
                lines.append(f"{head}{value.strip()} | END\n")
                refreshed = False
            done += 1
            if refreshed and is_over():
                break
            if untold and len(untold) >= _MAX_UNTOLD:
                self._hand_over(target, lines, full_lines)
                self._tell(untold)
                if is_over():
                    break
        if lines:
            self._hand_over(target, lines, full_lines)
        if untold:
            self._tell(untold)
        return done

    def _hand_over(
        self,
        target: Route | Outbox | None,
        lines: list[str],
        full_lines: list[str],
    ) -> None:
        """Give joined lines to the subscribers of a variable, or to a device."""
        if target is None or not lines:
            return
        blob = "".join(lines).encode("ascii")
        count = len(lines)
        lines.clear()
        if isinstance(target, Route):
            self._router.deliver(target, blob, count)
            if full_lines:
                blob = "".join(full_lines).encode("ascii")
                full_lines.clear()
                self._router.deliver_full(target, blob, count)
        else:
            self._traffic.sent += count
            target.push(blob)

    def _tell(self, untold: list[Untold]) -> None:
        self._teller.tell_all(untold)
        untold.clear()

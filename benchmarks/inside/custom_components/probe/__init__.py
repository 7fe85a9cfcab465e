"""Looks at a Home Assistant from inside: how late its event loop is, what held it for long, when it had started."""

import asyncio
import gc
import os
import runpy
import time
from typing import Any, Final

from aiohttp import web

from homeassistant.components.recorder import get_instance
from homeassistant.components.recorder.tasks import AdjustLRUSizeTask
from homeassistant.const import EVENT_HOMEASSISTANT_STARTED
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers.http import HomeAssistantView
from homeassistant.helpers.typing import ConfigType

DOMAIN: Final = "probe"
URL: Final = "/api/probe"
_INTERVAL: Final = 0.005
"""Seconds between two looks at the clock."""
_LONG: Final = 0.01
"""Seconds that a slice of the event loop has to take to be noted."""


class Probe:
    """What was seen since the last question."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Look at a Home Assistant."""
        self._hass = hass
        self._late: list[float] = []
        self._due = 0.0
        self._collecting = 0.0
        self.collected: list[float] = []
        self.slices: list[tuple[float, float, str]] = []
        self.started: dict[str, float] = {}

    @callback
    def look(self) -> None:
        """Note how late this call is, and ask for the next."""
        now = self._hass.loop.time()
        if self._due:
            self._late.append(now - self._due)
        self._due = now + _INTERVAL
        self._hass.loop.call_at(self._due, self.look)

    @callback
    def note_start(self, _event: Event) -> None:
        """Note when the start has ended, and what was there by then."""
        self.started = {
            "seconds": time.monotonic() - float(os.environ["PROBE_EPOCH"]),
            "cpu": time.process_time(),
            "sensors": len(self._hass.states.async_entity_ids("sensor")),
        }

    @callback
    def time_slices(self) -> None:
        """Time everything that the event loop runs, from now on, and note what takes long."""
        run = asyncio.Handle._run  # noqa: SLF001
        clock = time.perf_counter

        def timed(handle: asyncio.Handle) -> None:
            name = _name(handle)
            before = len(self.collected)
            begun = clock()
            run(handle)
            if (seconds := clock() - begun) > _LONG:
                self.slices.append((seconds, sum(self.collected[before:]), name))

        asyncio.Handle._run = timed  # type: ignore[assignment, method-assign]  # noqa: SLF001

    def collector(self, phase: str, _info: dict[str, int]) -> None:
        """Time a run of Python's garbage collector, which stops everything (gc.callbacks)."""
        if phase == "start":
            self._collecting = time.perf_counter()
        else:
            self.collected.append(time.perf_counter() - self._collecting)

    def answer(self) -> dict[str, Any]:
        """Return what was seen, times in seconds, and begin anew.

        The recorder adapts its caches to the number of entities, as it does every five minutes.
        """
        recorder = get_instance(self._hass)
        recorder.queue_task(AdjustLRUSizeTask())
        late, self._late = self._late, []
        collected, self.collected = self.collected, []
        return {
            "late": late,
            "collected": collected,
            "slices": self.slices,
            "started": self.started,
            "written": max(
                state.last_updated_timestamp for state in self._hass.states.async_all()
            ),
            "backlog": recorder.backlog,
        }


def _name(handle: asyncio.Handle) -> str:
    function = handle._callback  # type: ignore[attr-defined]  # noqa: SLF001
    if isinstance(task := getattr(function, "__self__", None), asyncio.Task):
        return f"{task.get_name()} {getattr(task.get_coro(), '__qualname__', '')}"
    return getattr(function, "__qualname__", repr(function))


class View(HomeAssistantView):
    """Answers with what was seen."""

    url = URL
    name = "api:probe"

    def __init__(self, probe: Probe) -> None:
        """Ask a probe."""
        self._probe = probe

    async def get(self, request: web.Request) -> web.Response:
        """Answer."""
        return self.json(self._probe.answer())


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Begin to look."""
    probe = Probe(hass)
    gc.callbacks.append(probe.collector)
    if program := os.environ.get("PROBE_METER"):
        runpy.run_path(program)["install"]()
    elif "PROBE_SLICES" in os.environ:
        probe.time_slices()
    else:
        probe.look()
    hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STARTED, probe.note_start)
    hass.http.register_view(View(probe))
    return True

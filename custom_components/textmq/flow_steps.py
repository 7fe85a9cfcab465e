"""What the steps of all flows have in common: what they are about may be gone when they are submitted."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate

from homeassistant.config_entries import UnknownEntry, UnknownSubEntry
from homeassistant.data_entry_flow import FlowHandler


def unless_removed[**P, Flow: FlowHandler[Any, Any, Any], Result](
    step: Callable[Concatenate[Flow, P], Coroutine[Any, Any, Result]],
) -> Callable[Concatenate[Flow, P], Coroutine[Any, Any, Result]]:
    """Decorate a step, so that it ends the flow where the broker or the device has been removed."""

    @wraps(step)
    async def checked(self: Flow, /, *args: P.args, **kwargs: P.kwargs) -> Result:
        try:
            return await step(self, *args, **kwargs)
        except UnknownEntry:
            reason = "broker_removed"
        except UnknownSubEntry:
            reason = "device_removed"
        ended: Result = self.async_abort(reason=reason)
        return ended

    return checked

"""The broker's own variables, $SYS (protocol B9)."""

from collections.abc import Callable, Mapping

from .router import Router


class SysTree:
    """Keeps the values of the broker's own variables."""

    def __init__(
        self,
        router: Router,
        values: Mapping[str, Callable[[], object]],
        now: Callable[[], float],
    ) -> None:
        """Publish values, by name; now is the wall's clock."""
        self._router = router
        self._values = values
        self._now = now
        self._routes = {name: router.add_own(name) for name in values}

    def refresh(self) -> None:
        """Publish what has changed."""
        now = self._now()
        for name, read in self._values.items():
            route, value = self._routes[name], str(read())
            if route.variable.value != value:
                self._router.publish_known(route, value, "", now)

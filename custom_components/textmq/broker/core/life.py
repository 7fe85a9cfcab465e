"""What has its time: keep-alive, sleep, messages, presence, the numbers of $SYS; from the start to the stop."""

from collections.abc import Callable, Iterator

from ..protocol.reasons import CloseReason
from .approval import Approval
from .device_records import DeviceRecords
from .limits import Limits
from .mailbox import Mailbox
from .presence import Presence
from .quota import Scheduler
from .sys_tree import SysTree


class Life:
    """Looks at the clock for every room."""

    def __init__(
        self,
        approval: Approval,
        mailbox: Mailbox,
        presence: Presence,
        records: DeviceRecords,
        sys_tree: SysTree,
        scheduler: Scheduler,
        limits: Limits,
        clock: Callable[[], float],
    ) -> None:
        """Work step by step in scheduler; clock is monotonic, in seconds."""
        self._approval = approval
        self._mailbox = mailbox
        self._presence = presence
        self._records = records
        self._sys_tree = sys_tree
        self._scheduler = scheduler
        self._limits = limits
        self._clock = clock
        self._system_at = clock()

    def begin(self) -> None:
        """From now on devices can come: their time to come back begins."""
        self._presence.begin()
        self._records.begin()

    def tick(self) -> None:
        """Look after all that has its time; called about once a second."""
        now = self._clock()
        later = self._scheduler.later
        later(self._tick_sessions(now))
        later(self._records.wake_sleepers())
        later(self._mailbox.expire())
        later(self._presence.give_up())
        if now - self._system_at >= self._limits.system_interval:
            self._system_at = now
            self._sys_tree.refresh()
        self._scheduler.flush()

    def _tick_sessions(self, now: float) -> Iterator[None]:
        for session in tuple(self._approval.sessions):
            session.tick(now)
            yield

    def end(self) -> None:
        """Close every session."""
        self._presence.stop()
        for session in tuple(self._approval.sessions):
            session.close(CloseReason.SHUTDOWN)

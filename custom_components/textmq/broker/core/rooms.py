"""The rooms of the broker, put together (docs/architecture.md)."""

from collections.abc import Callable

from ..protocol.definitions import Rules
from .access import Access
from .approval import Approval
from .archive import Archive
from .changes import Changes
from .commands import Commands
from .definition_sets import DefinitionSets, fingerprint
from .descriptions import Descriptions
from .device_records import DeviceRecords
from .devices import Devices
from .fast_path import FastPath
from .greeting import Greeting
from .life import Life
from .limits import Limits
from .mailbox import Mailbox
from .mistakes import Mistakes
from .observers import Observers, Teller
from .owners import Owners
from .presence import Presence
from .quota import Allowance, Scheduler
from .replacement import Replacement
from .router import Router
from .sys_tree import SysTree
from .traffic import Traffic
from .variables import Variables


class Rooms:
    """Every room, made once, each with what it needs."""

    def __init__(
        self,
        access: Access,
        limits: Limits,
        rules: Rules,
        version: str,
        call_soon: Callable[[Callable[[], None]], object],
        clock: Callable[[], float],
        now: Callable[[], float],
        cpu_time: Callable[[], float],
    ) -> None:
        """Make them, with clocks in seconds: monotonic, the wall's, and this thread's processor time."""
        self.access = access
        self.limits = limits
        self.variables = Variables()
        self.devices = Devices()
        self.scheduler = Scheduler(self.limits, call_soon, clock, cpu_time)
        self.traffic = Traffic()
        self.observers = Observers()
        self.changes = Changes(self.observers)
        judged_by = fingerprint(version, rules)
        self.sets = DefinitionSets(
            self.variables.get,
            self.changes,
            self.observers,
            lambda device_id: fingerprint(judged_by, self.access.rights_of(device_id)),
        )
        owners = Owners(
            self.variables,
            lambda device_id: self.presence.may_be_there(device_id),
            self.observers,
        )
        self.router = Router(
            self.variables,
            self.devices,
            owners,
            self.sets,
            self.changes,
            self.limits,
            self.observers,
            Teller(self.scheduler.later),
            self.traffic,
            now,
        )
        self.descriptions = Descriptions(
            self.router,
            owners,
            self.sets,
            self.changes,
            self.observers,
            self.traffic,
        )
        self.mailbox = Mailbox(
            self.devices,
            self.access,
            self.changes,
            self.limits,
            self.traffic,
            clock,
            now,
        )
        self.presence = Presence(
            self.router,
            self.devices,
            self.access,
            self.changes,
            self.limits,
            clock,
            now,
        )
        self.records = DeviceRecords(
            self.access,
            self.variables,
            self.devices,
            self.router,
            self.descriptions,
            self.mailbox,
            self.presence,
            self.sets,
            self.changes,
            self.observers,
            self.limits,
            clock,
            now,
        )
        self.approval = Approval(
            self.access,
            self.devices,
            self.router,
            self.mailbox,
            self.presence,
            self.records,
            self.descriptions,
            self.sets,
            self.observers,
            self.limits,
            self.traffic,
            clock,
            now,
        )
        self.replacement = Replacement(
            self.variables,
            owners,
            self.sets,
            self.router,
            self.descriptions,
            self.approval,
            self.changes,
            self.observers,
            self.scheduler,
        )
        self.archive = Archive(
            self.router,
            self.descriptions,
            self.records,
            self.presence,
            self.mailbox,
            now,
        )
        self.greeting = Greeting(self.sets, self.limits, now)
        started = clock()
        system_values: dict[str, Callable[[], object]] = {
            "$SYS/version": lambda: version,
            "$SYS/uptime": lambda: int(clock() - started),
            "$SYS/clients": lambda: len(self.approval.sessions),
            "$SYS/variables": lambda: len(self.variables),
            "$SYS/messages/received": lambda: self.approval.messages_received,
            "$SYS/messages/sent": lambda: self.traffic.sent,
        }
        self.sys_tree = SysTree(self.router, system_values, now)
        self.commands = Commands(
            self.router,
            self.descriptions,
            self.sets,
            self.mailbox,
            self.approval,
            self.sys_tree,
            Mistakes(self.observers, self.router.secrets),
            self.limits,
            rules,
        )
        self.fast_path = FastPath(
            self.router, self.devices, self.scheduler, self.traffic, now
        )
        self.strangers = Allowance(
            self.limits.unauthorized_share_total,
            self.limits.unauthorized_share_total_burst,
            clock(),
        )
        self.life = Life(
            self.approval,
            self.mailbox,
            self.presence,
            self.records,
            self.sys_tree,
            self.scheduler,
            self.limits,
            clock,
        )
        self.presence.follow_access()

"""Who is let in, and what becomes of who leaves (protocol A4, B4, B5, B7)."""

from collections import Counter
from collections.abc import Callable
import logging
from typing import Final, Protocol

from ..protocol import names
from ..protocol.reasons import BadReason, CloseReason, Refusal
from .access import Access, Rights, Verdict, key_required
from .definition_sets import DefinitionSets
from .descriptions import Descriptions
from .device_records import DeviceRecords
from .devices import Device, Devices, Peer, Will
from .limits import MINUTE, Limits
from .mailbox import Mailbox
from .observers import Observer, Observers
from .presence import Presence
from .quota import Allowance, Quota
from .request import Request
from .router import Router, Subscriber
from .traffic import Traffic

_LOGGER = logging.getLogger(__name__)

_MAX_GUESTS: Final = 256
"""Addresses of guests that are remembered."""

CLOSES_WITHOUT_WILL: Final = frozenset(
    {
        CloseReason.CLIENT_CLOSE,
        CloseReason.SLEEP,
        CloseReason.TAKEN_OVER,
        CloseReason.REVOKED,
        CloseReason.SHUTDOWN,
    }
)
"""Ends that are no loss of the client (protocol B4, B5)."""


class Applicant(Peer, Subscriber, Protocol):
    """A session that comes in and goes."""

    rights: Rights
    device: Device | None
    will: Will | None
    unauthorized: bool
    """It is not let in yet, and must be."""
    guest: bool
    """It need not say who it is."""
    admitted: bool
    """The permit window has let it in."""

    @property
    def received(self) -> int:
        """Messages received from it."""

    @property
    def address(self) -> str:
        """Where it comes from."""

    @property
    def request(self) -> Request:
        """The ID that it asked for, and what it says of itself."""

    @property
    def quota(self) -> Quota:
        """What it may use."""

    def limits_changed(self) -> None:
        """Take the allowances that are due to it now."""

    def tick(self, now: float) -> None:
        """Look after keep-alive; now is of the monotonic clock, in seconds."""

    def allow(self, device: Device) -> None:
        """Accept the ID that it asked for."""

    def refuse(self, refusal: Refusal) -> None:
        """Refuse the ID that it asked for, and close."""


class Approval:
    """Lets sessions in under their IDs, and parts with them."""

    def __init__(
        self,
        access: Access,
        devices: Devices,
        router: Router,
        mailbox: Mailbox,
        presence: Presence,
        records: DeviceRecords,
        descriptions: Descriptions,
        sets: DefinitionSets,
        observers: Observers,
        limits: Limits,
        traffic: Traffic,
        clock: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        """Judge by access; clock is monotonic, now the wall's, both in seconds."""
        self._access = access
        self._devices = devices
        self._router = router
        self._mailbox = mailbox
        self._presence = presence
        self._records = records
        self._descriptions = descriptions
        self._sets = sets
        self._observers = observers
        self._limits = limits
        self._traffic = traffic
        self._clock = clock
        self._now = now
        self.sessions: dict[Applicant, None] = {}
        """Every open session, the oldest first."""
        self.waiting: dict[str, Applicant] = {}
        """Sessions that a person is to decide on, by the device ID they asked for."""
        self.closes: Counter[CloseReason] = Counter()
        self._unauthorized: dict[Applicant, None] = {}
        self._guests: dict[str, Allowance] = {}
        """What was left of the allowance of guests that have gone, by address."""

    @property
    def messages_received(self) -> int:
        """Messages received so far, from all clients."""
        return self._traffic.received + sum(one.received for one in self.sessions)

    # Coming

    def session_opened(self, session: Applicant) -> None:
        """Take a new session; it is closed at once where there are too many."""
        self.sessions[session] = None
        if len(self.sessions) > self._limits.clients:
            silent = next(one for one in self.sessions if not one.received)
            silent.close(CloseReason.LIMIT)
            if silent is session:
                return
        if session.guest and (former := self._guests.get(session.address)):
            session.quota.inherit(former, self._clock())
        if session.unauthorized:
            self._unauthorized[session] = None
            if len(self._unauthorized) > self._limits.max_unauthorized:
                self._close_an_unauthorized()

    def _close_an_unauthorized(self) -> None:
        """Close the oldest of the address that has the most of them."""
        crowds = Counter(session.address for session in self._unauthorized)
        ((address, _),) = crowds.most_common(1)
        oldest = next(one for one in self._unauthorized if one.address == address)
        oldest.close(CloseReason.LIMIT)

    def ask(self, session: Applicant) -> bool:
        """Judge the ID that a session asked for; returns whether it must wait for a person.

        Raises Refusal (denied, key-required, limit). An error in the judgement is a refusal too.
        """
        device_id = session.request.device_id
        verdict = self._judge(session)
        if verdict is Verdict.ALLOW_AND_REMEMBER and session.admitted:
            verdict = Verdict.ASK
        if verdict is Verdict.ASK:
            if other := self.waiting.pop(device_id, None):
                other.close(CloseReason.TAKEN_OVER)
            self.waiting[device_id] = session
            self._notify_waiting(session)
            return True
        if self._is_flapping(session):
            self._observers.notify(Observer.device_flapping, device_id, session.address)
            raise Refusal(BadReason.LIMIT, "this ID connects too often, wait a minute")
        self._let_in(session, remember=verdict is Verdict.ALLOW_AND_REMEMBER)
        return False

    def _judge(self, session: Applicant) -> Verdict:
        device_id, identity = session.request.device_id, session.identity
        try:
            return self._access.judge(device_id, identity, self._clock())
        except Refusal as refusal:
            self._observers.notify(
                Observer.device_refused, device_id, session.address, refusal.reason
            )
            if identity is not None and identity.device_id != device_id:
                self._observers.notify(
                    Observer.device_misidentified,
                    identity.device_id,
                    device_id,
                    session.address,
                )
            raise
        except Exception as err:
            _LOGGER.exception("Access could not be judged, so it is refused")
            raise Refusal(BadReason.DENIED, "try again later") from err

    def _notify_waiting(self, session: Applicant) -> None:
        self._observers.notify(
            Observer.device_waiting,
            session.request.device_id,
            session.request.details,
            session.address,
        )

    def _is_flapping(self, session: Applicant) -> bool:
        """Tell whether an ID has connected too often of late; a repeated ID is no connect."""
        device = self._devices.get(session.request.device_id)
        if device is None or device.session is session:
            return False
        earliest = self._clock() - MINUTE
        device.connects = [time for time in device.connects if time > earliest]
        return len(device.connects) >= self._limits.max_connects_per_minute

    def _let_in(self, session: Applicant, *, remember: bool = False) -> None:
        device_id = session.request.device_id
        device = self._records.enter(device_id)
        self._unauthorized.pop(session, None)
        self.cancel_request(session)
        old = session.device
        if old is not None and old is not device and old.session is session:
            self._devices.detach(old)
            self._presence.disconnected(old)
            self._observers.notify(
                Observer.device_disconnected, old, CloseReason.CLIENT_CLOSE
            )
        previous = device.session
        if previous is not session:
            if previous is not None:
                self._devices.detach(device)
            device.connected_at = self._now()
            device.connects.append(self._clock())
            self._devices.attach(device, session)
        device.details = session.request.details
        device.address = session.address
        device.last_seen = self._now()
        device.asleep_until = device.will = None
        device.wants_receipts = session.request.receipts
        if previous is not None and previous is not session:
            previous.close(CloseReason.TAKEN_OVER)
        self._set_rights(session, self._access.rights_of(device_id))
        session.allow(device)
        self._mailbox.identified(device)
        if remember:
            self._remember(session, device)
        if previous is not session:
            self._presence.connected(device)
        self._observers.notify(Observer.device_connected, device)
        token = session.request.defs
        if token and self._sets.is_known(device_id, token):
            for variable in self._sets.members(device_id, token):
                self._descriptions.claim(variable)
            self._sets.tell_stale(device_id, token)

    def _set_rights(self, session: Peer, rights: Rights) -> None:
        if session.rights != rights:
            session.rights = rights
            if session.patterns:
                self._router.renew_routes()

    def _remember(self, session: Applicant, device: Device) -> None:
        """Let in for good a device that came through the permit window."""
        session.admitted = True
        self._access.known.add(device.id)
        self._access.permit_left -= 1
        self._presence.follow_access()
        self._observers.notify(Observer.device_admitted, device)
        if self._access.permit_left == 0:
            self._access.permit_until = 0
            self._observers.notify(Observer.window_closed)

    def cancel_request(self, session: Applicant) -> None:
        """Withdraw what a session asked for from who is to decide."""
        if self.waiting.get(session.request.device_id) is session:
            del self.waiting[session.request.device_id]
            self._observers.notify(Observer.device_left, session.request.device_id)

    # What a person decides

    def approve(self, device_id: str) -> None:
        """Let a device in from now on, at once if it waits."""
        self._access.refused.discard(device_id)
        self._access.known.add(device_id)
        if session := self.waiting.get(device_id):
            self._let_in_or_refuse(session)
        self._presence.follow_access()

    def refuse(self, device_id: str) -> None:
        """Keep a device out from now on; one that waits is told so, one that is in is closed.

        One that sleeps is not waited for any more.
        """
        self._access.known.discard(device_id)
        self._access.refused.add(device_id)
        if session := self.waiting.get(device_id):
            session.refuse(Refusal(BadReason.DENIED, "this device is kept out"))
        self._presence.follow_access()
        self._close_device(device_id, CloseReason.DENIED)
        device = self._devices.get(device_id)
        if device is not None and device.asleep_until is not None:
            device.asleep_until = device.will = None
            self._observers.notify(
                Observer.device_disconnected, device, CloseReason.DENIED
            )

    def permit(self, seconds: float) -> None:
        """Let new devices in for a time, those that wait at once; 0 ends it."""
        self._access.permit_until = self._clock() + seconds
        self._access.permit_left = self._limits.admissions if seconds else 0
        for device_id, session in tuple(self.waiting.items()):
            if not self._access.is_permitting(self._clock()):
                return
            # An observer of one that was let in may have closed another one.
            if self.waiting.get(device_id) is session and not session.admitted:
                self._let_in_or_refuse(session, remember=True)

    def _let_in_or_refuse(self, session: Applicant, *, remember: bool = False) -> None:
        try:
            self._let_in(session, remember=remember)
        except Refusal as refusal:
            session.refuse(refusal)

    def set_rights(self, device_id: str, rights: Rights) -> None:
        """Change what a device may do, at once."""
        self._access.rights[device_id] = rights
        device = self._devices.get(device_id)
        if device is not None and device.session is not None:
            self._set_rights(device.session, rights)

    def set_key(self, device_id: str, key: bytes | None) -> None:
        """Change a device's key (32 bytes), or take it away.

        A session that came by the old one is closed; one that waits in plain text is refused
        where there is a new one.
        """
        if key is None:
            self._access.keys.pop(device_id, None)
        else:
            self._access.keys[device_id] = key
            if session := self.waiting.get(device_id):
                session.refuse(key_required())
        self._presence.follow_access()
        self._close_device(device_id, CloseReason.DISCONNECTED)

    def disconnect(self, device_id: str) -> bool:
        """Close a device's connection; returns whether there was one. It may come back."""
        return self._close_device(device_id, CloseReason.DISCONNECTED)

    def revoke(self, device_id: str) -> None:
        """Forget a device: it is not known any more, its connection and its messages are gone."""
        self._expel(device_id)
        self._records.forget(device_id)

    def replace(self, device_id: str, heir: str) -> None:
        """Forget a device, and let another one have the messages that wait for it."""
        self._expel(device_id)
        self._mailbox.hand_over(device_id, heir)
        self._records.forget(device_id)

    def _expel(self, device_id: str) -> None:
        self._access.known.discard(device_id)
        self._access.keys.pop(device_id, None)
        self._access.rights.pop(device_id, None)
        self._presence.follow_access()
        self._close_device(device_id, CloseReason.REVOKED)

    def _close_device(self, device_id: str, reason: CloseReason) -> bool:
        device = self._devices.get(device_id)
        if device is None or device.session is None:
            return False
        device.session.close(reason)
        return True

    # What goes wrong

    def key_failed(self, identity: str | None, address: str) -> None:
        """Note that TLS failed for an identity, None where it did not come that far."""
        if identity is not None and names.is_device_id(identity):
            self._observers.notify(Observer.device_key_failed, identity, address)

    # Going

    def session_closed(
        self, session: Applicant, reason: CloseReason, sleep: float | None
    ) -> None:
        """Part with a session that has ended; sleep is the time for which it will be away, in seconds."""
        self.closes[reason] += 1
        self._traffic.received += session.received
        del self.sessions[session]
        if session.guest:
            self._remember_guest(session)
        self._unauthorized.pop(session, None)
        self.cancel_request(session)
        for pattern in session.patterns:
            self._router.unsubscribe(pattern, session)
        device, will = session.device, session.will
        if device is not None and device.session is session:
            self._devices.detach(device)
            device.last_seen = self._now()
            if sleep is not None:
                device.asleep_until = self._clock() + sleep
                device.will = will
            if reason is not CloseReason.SHUTDOWN:
                self._presence.disconnected(device)
            self._observers.notify(Observer.device_disconnected, device, reason)
        if will is None or reason in CLOSES_WITHOUT_WILL:
            return
        # An observer may have forgotten the device: it has no rights then that would bound its will.
        if device is None or self._devices.get(device.id) is device:
            self._records.publish_will(will, device.id if device else "")

    def _remember_guest(self, session: Applicant) -> None:
        """Add up what the guests of an address have cost, those that go at the same time too."""
        now = self._clock()
        quota = session.quota
        left = self._guests.pop(session.address, None)
        if left is None:
            left = Allowance(self._limits.share, self._limits.share_burst, now)
        left.balance -= max(0, quota.seconds.used(now) - quota.inherited)
        self._guests[session.address] = left
        if len(self._guests) > _MAX_GUESTS:
            del self._guests[next(iter(self._guests))]

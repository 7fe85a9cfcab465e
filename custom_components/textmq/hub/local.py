"""The broker inside Home Assistant."""

from asyncio import AbstractEventLoop, sleep
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Final, override

from ..broker import (
    ALL_RIGHTS,
    Access,
    Broker,
    CloseReason,
    Delivery,
    DeviceState,
    Limits,
    Listener,
    Observer,
    Publication,
    Rules,
    Saver,
    Store,
    Variable,
    __version__,
    names,
    posix_time_zone,
)
from ..broker.core.stored import DEVICE_PREFIX
from .broker_api import (
    Approval,
    BrokerApi,
    BrokerGone,
    DeviceTable,
    RememberedDevice,
    Unlisten,
    VariableTable,
    Waiting,
)
from .settings import Settings

_STEPS: Final = 50
"""Steps of a long piece of work that are taken before the event loop goes on."""


class _Applicants(Mapping[str, Waiting]):
    """The sessions that wait, as Home Assistant needs them."""

    def __init__(self, broker: Broker) -> None:
        """Show those of a broker."""
        self._broker = broker

    @override
    def __len__(self) -> int:
        return len(self._broker.waiting)

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._broker.waiting)

    @override
    def __getitem__(self, device_id: str) -> Waiting:
        session = self._broker.waiting[device_id]
        return Waiting(session.address, session.request.details)


class LocalBroker(BrokerApi):
    """A broker in this process: nothing that it is asked takes longer than a turn of the loop."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        folder: Path,
        settings: Settings,
        rules: Rules,
        on_saving_failed: Callable[[Mapping[str, str]], None],
    ) -> None:
        """Keep variables in a folder; on_saving_failed hears why files can't be saved, or that all can."""
        self._loop = loop
        self._broker = Broker(
            access=Access(settings.access),
            limits=settings.limits,
            rules=rules,
            version=__version__,
            call_soon=loop.call_soon,
        )
        self._on_saving_failed = on_saving_failed
        self._store = Store(folder, rules, settings.limits.max_line)
        self._saver = Saver(
            self._broker, self._store, settings.save_interval, on_saving_failed
        )
        self._listener = Listener(self._broker, settings.host, settings.port)
        self._waiting = _Applicants(self._broker)
        self._is_closing = False

    # The mirror

    @property
    @override
    def available(self) -> bool:
        return True

    @property
    @override
    def port(self) -> int:
        return self._listener.port

    @property
    @override
    def variables(self) -> VariableTable:
        return self._broker.variables

    @property
    @override
    def devices(self) -> DeviceTable:
        return self._broker.devices

    @property
    @override
    def waiting(self) -> Mapping[str, Waiting]:
        return self._waiting

    @property
    @override
    def limits(self) -> Limits:
        return self._broker.limits

    @property
    @override
    def secrets(self) -> Collection[str]:
        return self._broker.secrets

    @property
    @override
    def uptime(self) -> float:
        return self._broker.uptime

    @property
    @override
    def connections(self) -> int:
        return len(self._broker.sessions)

    @property
    @override
    def messages_received(self) -> int:
        return self._broker.messages_received

    @property
    @override
    def messages_sent(self) -> int:
        return self._broker.messages_sent

    @property
    @override
    def closes(self) -> Mapping[CloseReason, int]:
        return self._broker.closes

    @property
    @override
    def clock_behind(self) -> float:
        return self._broker.archive.clock_behind

    @override
    def state(self, device_id: str) -> DeviceState:
        device = self._broker.devices.get(device_id)
        return device.state if device else DeviceState.DISCONNECTED

    @override
    def was_here(self, device_id: str) -> bool:
        if self.state(device_id) is DeviceState.ASLEEP:
            # One that has slept beyond its time is given a while, but nothing is known of it.
            presence = self._broker.variables.get(f"{DEVICE_PREFIX}{device_id}")
            return presence is None or bool(presence.value)
        return self._broker.may_be_there(device_id)

    @override
    def knows(self, device_id: str) -> bool:
        return device_id in self._broker.access.known

    @override
    def has_key(self, device_id: str) -> bool:
        return bool(self._broker.access.keys.get(device_id))

    @override
    def refuses(self, device_id: str) -> bool:
        return device_id in self._broker.access.refused

    @override
    def messages_waiting(self, device_id: str) -> int:
        return self._broker.messages_waiting(device_id)

    @override
    def now(self) -> float:
        return self._broker.now()

    @override
    def clock(self) -> float:
        return self._broker.clock()

    # Listening

    @override
    def observe(self, observer: Observer) -> Unlisten:
        return self._broker.observe(observer)

    @override
    def watch(self, pattern: str, watcher: Callable[[Publication], None]) -> Unlisten:
        return self._broker.watch(pattern, watcher)

    @override
    def listen_available(self, listener: Callable[[], None]) -> Unlisten:
        return lambda: None

    @override
    def receive_messages(self, receiver: Callable[[str, str], None] | None) -> None:
        self._broker.home_assistant = receiver

    # Life

    @override
    async def open(self, remembered: Mapping[str, RememberedDevice]) -> None:
        self._remember(remembered)
        stored = await self._loop.run_in_executor(None, self._store.load)
        self._broker.restore(*stored)
        self._listener.bind()
        self._on_saving_failed({})
        self._saver.start()

    def _remember(self, devices: Mapping[str, RememberedDevice]) -> None:
        now = self._broker.now()
        for device_id, device in devices.items():
            until = device.asleep_until
            left = None if until is None or until <= now else until - now
            self._broker.archive.restore_device(
                device_id,
                address=device.address,
                last_seen=device.last_seen,
                sleep=left,
            )

    @override
    def serve(self) -> None:
        self._listener.serve()

    @override
    async def close(self) -> None:
        self._is_closing = True
        try:
            await self._listener.stop()
        finally:
            await self._saver.stop()

    @override
    async def set_limits(self, limits: Limits) -> None:
        self._broker.set_limits(limits)

    @override
    async def set_save_interval(self, seconds: float) -> None:
        self._saver.interval = seconds

    @override
    async def set_time_zone(self, time_zone: str) -> None:
        self._broker.greeting.time_zone = await self._loop.run_in_executor(
            None, posix_time_zone, time_zone
        )

    @override
    async def save(self) -> str | None:
        failed = await self._saver.save()
        return next(iter(failed.values()), None)

    @override
    def pause_saving(self, seconds: float) -> None:
        self._saver.pause(seconds)

    @override
    def resume_saving(self) -> None:
        self._saver.resume()

    # Variables and messages

    @override
    async def publish(self, name: str, value: str, *, retain: bool = True) -> None:
        self._broker.check_length("PUB", name, value)
        self._broker.publish(name, value, device=names.HOME_ASSISTANT, retain=retain)
        self._broker.flush()

    @override
    async def delete(self, name: str) -> None:
        self._broker.delete(name)
        self._broker.flush()

    @override
    async def read(self, pattern: str) -> list[Variable]:
        return self._broker.read(pattern)

    @override
    async def send(
        self, device_id: str, value: str, *, ttl: float | None = None
    ) -> Delivery:
        self._broker.check_length("MSG", device_id, value)
        delivery = self._broker.send(names.HOME_ASSISTANT, device_id, value, ttl=ttl)
        self._broker.flush()
        return delivery

    # Devices

    @override
    async def approve(self, devices: Mapping[str, Approval]) -> None:
        broker, access = self._broker, self._broker.access
        broker.know(devices)
        for device_id, approval in devices.items():
            access.refused.discard(device_id)
            if access.keys.get(device_id) != approval.key:
                broker.set_key(device_id, approval.key)
            if access.rights.get(device_id, ALL_RIGHTS) != approval.rights:
                broker.set_rights(device_id, approval.rights)
            if device_id in broker.waiting:
                broker.approve(device_id)

    @override
    async def refuse(self, device_id: str) -> None:
        self._broker.refuse(device_id)

    @override
    async def stop_refusing(self, device_id: str) -> None:
        self._broker.access.refused.discard(device_id)

    @override
    async def revoke(self, device_id: str, *, delete_variables: bool) -> None:
        self._broker.revoke(device_id, delete_variables=delete_variables)

    @override
    async def replace_device(self, old: str, new: str) -> None:
        for step, _ in enumerate(self._broker.replace_device(old, new), 1):
            if step % _STEPS == 0:
                await sleep(0)
                if self._is_closing:
                    # The rest would not be saved: the next start goes on with it.
                    raise BrokerGone
        self._broker.flush()

    @override
    async def permit(self, seconds: float) -> None:
        self._broker.permit(seconds)

    @override
    async def disconnect(self, device_id: str) -> bool:
        return self._broker.disconnect(device_id)

"""The commands, one method each (protocol A2, B2 to B6)."""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import ClassVar, Final

from ..protocol import names, wire
from ..protocol.definitions import Definition, Rules
from ..protocol.reasons import BadReason, CloseReason, Refusal, Violation
from .access import ALL_RIGHTS
from .answers import HELLO_ANSWERED, bad_line, ok_lines
from .approval import Approval
from .definition_sets import DefinitionSets
from .descriptions import Descriptions
from .devices import Device, Will
from .limits import Limits
from .mailbox import Mailbox
from .mistakes import Mistakes
from .parameters import Params, flag, required, seconds, token, whole_number
from .request import Request
from .router import Router
from .session import Session
from .states import State
from .subscriptions import DEFINITIONS, FULL, levels
from .sys_tree import SysTree
from .variables import SYSTEM, Variable

UNAUTHORIZED_COMMANDS: Final = frozenset({"ID", "HELLO?", "HELLO!", "CLOSE"})
"""Commands that a client may use before it is let in."""


class Commands:
    """Carries out commands of sessions; each method gives the OK itself, where it belongs."""

    def __init__(
        self,
        router: Router,
        descriptions: Descriptions,
        sets: DefinitionSets,
        mailbox: Mailbox,
        approval: Approval,
        sys_tree: SysTree,
        mistakes: Mistakes,
        limits: Limits,
        rules: Rules,
    ) -> None:
        """Publish and find by router, send by mailbox, let in by approval; rules judge descriptions.

        mistakes is told what is refused.
        """
        self._router = router
        self._descriptions = descriptions
        self._sets = sets
        self._mailbox = mailbox
        self._approval = approval
        self._sys_tree = sys_tree
        self._mistakes = mistakes
        self._limits = limits
        self._rules = rules

    def execute(self, session: Session, message: wire.Message) -> None:
        """Carry out a command and answer it. Raises Refusal where it can't be."""
        try:
            self._execute(session, message)
        except Refusal as refusal:
            self._note(session, message, refusal)
            raise

    def unreadable(self, session: Session, refusal: Refusal) -> None:
        """Note that a line can't be read."""
        if (device := _member(session)) is not None:
            self._mistakes.unreadable(device, refusal)

    def _note(self, session: Session, message: wire.Message, refusal: Refusal) -> None:
        if (device := _member(session)) is not None:
            self._mistakes.refused(device, message, refusal)

    def _execute(self, session: Session, message: wire.Message) -> None:
        command, params = message
        if command == "GOT":
            self._got(session, params)
            return
        try:
            token(params, "SEQ")
        except Refusal:
            del params["SEQ"]
            raise
        flag(params, "ACK", default=True)
        handler = self._HANDLERS.get(command)
        if handler is None:
            known = ", ".join(self._HANDLERS)
            raise Refusal(BadReason.UNKNOWN_COMMAND, f"known are {known}")
        if session.unauthorized and command not in UNAUTHORIZED_COMMANDS:
            waits = session.state is State.WAITING
            advice = "wait for the OK of ID" if waits else "send ID first"
            raise Refusal(BadReason.NOT_AUTHORIZED, advice)
        handler(self, session, params)

    # Life (A2, A4)

    def _hello(self, session: Session, params: Params) -> None:
        session.answer(HELLO_ANSWERED)

    def _hello_answered(self, session: Session, params: Params) -> None:
        """HELLO! needs no answer: that it came is enough."""

    def _identify(self, session: Session, params: Params) -> None:
        request = Request.parse(params)
        session.check_id_change(request.device_id)
        if session.state is State.WAITING:
            self._approval.cancel_request(session)
        session.ask(request)
        try:
            if self._approval.ask(session):
                session.await_decision()
        except Refusal as refusal:
            session.refuse(refusal)

    def _close(self, session: Session, params: Params) -> None:
        try:
            sleep = seconds(params, "SLEEP") or None
            if sleep is not None:
                sleep = min(sleep, self._limits.max_sleep)
        except Refusal:
            sleep = None
        session.end(CloseReason.SLEEP if sleep else CloseReason.CLIENT_CLOSE, sleep)

    # Reading (A2, B3)

    def _subscribe(self, session: Session, params: Params) -> None:
        pattern = required(params, "VARIABLE")
        replay = flag(params, "REPLAY", default=True)
        definitions = flag(params, "DEF", default=False)
        full = flag(params, "FULL", default=False)
        found = self._search(session, pattern)
        if pattern not in session.patterns:
            self._check_room(session, pattern)
        wishes = DEFINITIONS * definitions | FULL * full
        self._router.subscribe(pattern, session, wishes)
        session.wants_full = session.wants_full or full
        if pattern not in session.patterns:
            session.patterns[pattern] = None
            session.filter_levels += levels(pattern)
        session.ok(params)
        if replay or definitions:
            session.stream(
                self._replay(session, found, values=replay, definitions=definitions)
            )

    def _check_room(self, session: Session, pattern: str) -> None:
        limits = self._limits
        if len(session.patterns) >= limits.subscriptions:
            raise Refusal(
                BadReason.LIMIT,
                f"a client has at most {limits.subscriptions} subscriptions",
            )
        if session.filter_levels + levels(pattern) > limits.filter_levels:
            raise Refusal(
                BadReason.LIMIT,
                f"the filters of a client have at most {limits.filter_levels} levels",
            )
        self._router.check_room(pattern)

    def _unsubscribe(self, session: Session, params: Params) -> None:
        pattern = required(params, "VARIABLE")
        if pattern in session.patterns:
            del session.patterns[pattern]
            session.filter_levels -= levels(pattern)
            self._router.unsubscribe(pattern, session)
        else:
            names.check_filter(pattern)
        session.ok(params)

    def _unsubscribe_all(self, session: Session, params: Params) -> None:
        for pattern in session.patterns:
            self._router.unsubscribe(pattern, session)
        session.patterns.clear()
        session.filter_levels = 0
        session.ok(params)

    def _get(self, session: Session, params: Params) -> None:
        pattern = required(params, "VARIABLE")
        full = flag(params, "FULL", default=False)
        write = self._router.write_full if full else Variable.replay
        found = self._search(session, pattern)
        if not names.is_wildcard(pattern):
            variable = next(found)
            if variable is None or variable.value is None:
                raise names.no_such_variable(pattern)
            session.answer(write(variable))
            session.ok(params)
            return
        session.stream(chain(_values(session, found, write), ok_lines(params)))

    def _search(self, session: Session, pattern: str) -> Iterator[Variable | None]:
        """Find what a name or filter matches and this client may read; None is a step without a find."""
        found = self._router.search(pattern)
        if pattern.startswith(SYSTEM):
            self._sys_tree.refresh()
        if not names.is_wildcard(pattern) and not session.may_read(pattern):
            raise Violation(f"this device may not read {pattern}")
        # Rights may change while the search goes on.
        return (one if one and session.may_read(one.name) else None for one in found)

    def _replay(
        self,
        session: Session,
        found: Iterator[Variable | None],
        *,
        values: bool,
        definitions: bool,
    ) -> Iterator[bytes | None]:
        """Tell a new subscriber what there is, each variable once even where it changes meanwhile."""
        router, outbox = self._router, session.outbox
        for variable in found:
            told = b""
            full = (
                variable is not None
                and session.wants_full
                and router.tells_in_full(variable.name, outbox)
            )
            if variable is not None and definitions and variable.definition:
                told = outbox.take_definition(variable, full=full)
            if variable is not None and values:
                newer = outbox.take_newer(variable.name)
                if newer is not None:
                    told += newer
                elif variable.value is not None:
                    told += router.write_full(variable) if full else variable.replay()
            yield told or None

    # Publishing (A2, B4, B6)

    def _check_write(self, session: Session, name: str) -> None:
        if session.rights is ALL_RIGHTS or session.rights.may_write(name):
            return
        self._router.check_writable(name)
        raise Violation(f"this device may not write {name}")

    def _publish(self, session: Session, params: Params) -> None:
        name, value = required(params, "VARIABLE"), required(params, "VALUE")
        retain = flag(params, "RETAIN", default=True)
        self._check_write(session, name)
        self._router.publish(name, value, device=session.device_id, retain=retain)
        session.ok(params)

    def _delete(self, session: Session, params: Params) -> None:
        name = required(params, "VARIABLE")
        self._check_write(session, name)
        self._descriptions.check_secrets(name, None, session.device_id)
        self._router.delete(name)
        session.ok(params)

    def _define(self, session: Session, params: Params) -> None:
        described = session.described
        try:
            notes = self._describe(session, params)
        except Refusal:
            described.refused = True
            raise
        if (device := _member(session)) is not None:
            self._mistakes.described(device, wire.Message("DEF", dict(params)), notes)
        more = {"DETAIL": wire.encode("; ".join(notes))} if notes else {}
        session.ok(params, **more)

    def _describe(self, session: Session, params: Params) -> tuple[str, ...]:
        name = required(params, "VARIABLE")
        definition = (
            Definition.parse(params, self._rules, name) if "TYPE" in params else None
        )
        self._check_write(session, name)
        if definition is not None and definition.secret:
            names.check_variable_name(f"{name}/set")
            self._check_write(session, f"{name}/set")
        elif definition is not None and definition.set is not None:
            self._check_write(session, definition.set)
        self._descriptions.define(name, definition, device=session.device_id)
        route = self._router.find(name)
        if definition is None or route is None:
            session.described.variables.pop(name, None)
            return ()
        if session.device is not None:
            most = self._limits.variables_per_client
            session.described.add(route.variable.name, most)
        return definition.notes

    def _complete_definitions(self, session: Session, params: Params) -> None:
        required(params, "TOKEN")
        required(params, "COUNT")
        name, count = token(params, "TOKEN"), whole_number(params, "COUNT") or 0
        device = session.device
        if device is None:
            raise Refusal(BadReason.NOT_AUTHORIZED, "send ID first")
        steps = self._sets.complete(device.id, name, count, session.described)
        session.stream(self._answered(session, steps, params))

    def _answered(
        self, session: Session, steps: Iterator[None], params: Params
    ) -> Iterator[bytes | None]:
        """Carry out DEFS step by step, and answer it at the end."""
        try:
            yield from steps
        except Refusal as refusal:
            self._note(session, wire.Message("DEFS", dict(params)), refusal)
            yield bad_line(refusal, params)
        else:
            yield from ok_lines(params)

    def _set_will(self, session: Session, params: Params) -> None:
        name = required(params, "VARIABLE")
        self._router.check_writable(name)
        self._check_write(session, name)
        retain = flag(params, "RETAIN", default=True)
        value = params.get("VALUE")
        session.will = None if value is None else Will(name, value, retain)
        session.ok(params)

    # Messages (A2, B5)

    def _send(self, session: Session, params: Params) -> None:
        target, value = required(params, "DEVICE"), required(params, "VALUE")
        if not session.rights.message and target.lower() != names.HOME_ASSISTANT:
            raise Violation("this device may not send messages")
        ttl, re = seconds(params, "TTL"), token(params, "RE")
        self._mailbox.send(session.device_id, target, value, ttl=ttl, re=re)
        session.ok(params)

    def _got(self, session: Session, params: Params) -> None:
        """GOT has no answer, whatever stands in it."""
        if session.device is not None and not session.unauthorized:
            self._mailbox.acknowledge(session.device, params.get("RECEIPT", ""))

    _HANDLERS: ClassVar[Mapping[str, Callable[["Commands", Session, Params], None]]] = {
        "HELLO?": _hello,
        "HELLO!": _hello_answered,
        "ID": _identify,
        "SUB": _subscribe,
        "UNSUB": _unsubscribe,
        "UNSUBALL": _unsubscribe_all,
        "GET": _get,
        "PUB": _publish,
        "DEL": _delete,
        "DEF": _define,
        "WILL": _set_will,
        "DEFS": _complete_definitions,
        "MSG": _send,
        "CLOSE": _close,
    }


def _member(session: Session) -> Device | None:
    """Return the device that a session speaks for, None of a stranger or a guest."""
    return None if session.unauthorized else session.device


def _values(
    session: Session,
    found: Iterator[Variable | None],
    write: Callable[[Variable], bytes],
) -> Iterator[bytes | None]:
    """Tell the values that there are, each after what waits of its variable from before it."""
    for variable in found:
        if variable is None or variable.value is None:
            yield None
        else:
            newer = session.outbox.take_newer(variable.name) or b""
            yield newer + write(variable)

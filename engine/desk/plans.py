"""A call for many targets: planned whole before anything is stored, shown by a dry run, and applied as planned or not at all.

Rules. A plan is made of one snapshot of state.db and the journal. A target that cannot be commanded is a *conflict*: it refuses
the whole call, unless the caller said `skip_conflicts`; then it is left out and listed. What is only worth knowing (in downtime
or acknowledged already) is listed, too, and refuses nothing. The hash of a plan covers what was asked, word for word, and each
target with its command, so that relative times stay what they were; what was promised is kept for a day, to tell what changed.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Callable, Mapping, Sequence

import msgspec
import orjson

from engine.commands.catalogue import CATALOGUE, FieldType
from engine.commands.profiles import PROFILES
from engine.commands.wire import encode
from engine.config import Poller, Settings
from engine.desk.accept import refused
from engine.desk.checks import Asked, Window, second
from engine.desk.generic import check_supported
from engine.desk.orders import ANY_CORE_ID, Order, acknowledgement, checks, comment_order, deletion, downtime_order, downtimes
from engine.desk.resolve import Found, Resolver
from engine.desk.selection import EntrySelection, Selection, check_limit, select, select_entries
from engine.desk.values import Receipt
from engine.desk.writer import Written
from engine.errors import CallerError, Conflicting, Forbidden, InvalidField, NotPossible, PlanChanged, UnknownObject, UnknownPoller
from engine.journal.audit import AuditRow, add_audit
from engine.model import ObjectKey
from engine.state.scope import Scope
from engine.state.views import Reader

KEPT_S = 86400.0
_SHOWN = 100  # conflicts and changes named in one error
_OF_A_TARGET = frozenset({"host", "service"})  # fields of InvalidField that are a target's own fault

Make = Callable[[Asked, Found], list[Order]]


class How(msgspec.Struct, frozen=True):
    """How a call is to be carried out. `plan`: the hash of the plan to apply; `words`: what was asked, as JSON values."""

    words: Mapping[str, object] = msgspec.field(default_factory=dict)
    dry_run: bool = False
    plan: str = ""
    skip_conflicts: bool = False
    reference: str = ""
    force: bool = False


class Conflict(msgspec.Struct, frozen=True):
    """A target that cannot be commanded (`refuses`), or of which something is worth knowing. `reason` is a word for programs."""

    poller: int | None
    host: str
    service: str | None
    reason: str
    detail: str
    refuses: bool


class PlannedTarget(msgspec.Struct, frozen=True):
    """One object, and the line that is to be written for it; what is known only then stands in angle brackets."""

    poller: int
    host: str
    service: str | None
    command: str
    line: str
    entry_id: int | None  # deletions: of what


class Planned(msgspec.Struct, frozen=True):
    """What a call would do. `limit` is the caller's."""

    hash: str
    request: str
    orders: tuple[Order, ...]
    conflicts: tuple[Conflict, ...]
    limit: int
    lines: tuple[str, ...]  # what the hash covers

    def targets(self) -> list[PlannedTarget]:
        """Every object, in order."""
        return [target for order in self.orders for target in _targets(order)]


class Done(msgspec.Struct, frozen=True):
    """What was accepted, and what was left out or is worth knowing."""

    receipts: tuple[Receipt, ...]
    conflicts: tuple[Conflict, ...]


# --- what is asked ----------------------------------------------------------------------------------------------------------------


class DowntimeAsked(msgspec.Struct, frozen=True):
    """Downtimes on what is selected."""

    selection: Selection
    window: Window
    comment: str

    action = "downtime"

    def make(self, who: Asked, found: Found) -> list[Order]:
        children = self.selection.children
        if children is None:
            return downtimes(who, found, self.window, self.comment, self.selection.with_services)
        check_supported(children, found)
        return [downtime_order(who, found, children, self.window, self.comment)]

    def known(self, found: Found) -> str:
        row = found.row
        return "in_downtime" if row is not None and row.scheduled_downtime_depth else ""


class AcknowledgementAsked(msgspec.Struct, frozen=True):
    """Acknowledgements of what is selected."""

    selection: Selection
    comment: str
    sticky: bool
    notify: bool
    persistent: bool
    expire: float | None = None

    action = "acknowledge"

    def make(self, who: Asked, found: Found) -> list[Order]:
        ends = None if self.expire is None else second(self.expire, "expire")
        return [acknowledgement(who, found, self.comment, self.sticky, self.notify, self.persistent, ends)]

    def known(self, found: Found) -> str:
        return "acknowledged" if found.row is not None and found.row.acknowledged else ""


class CommentAsked(msgspec.Struct, frozen=True):
    """Comments on what is selected."""

    selection: Selection
    comment: str
    persistent: bool

    action = "comment"

    def make(self, who: Asked, found: Found) -> list[Order]:
        return [comment_order(who, found, self.comment, self.persistent)]

    def known(self, found: Found) -> str:
        return ""


class CheckAsked(msgspec.Struct, frozen=True):
    """Checks of what is selected."""

    selection: Selection
    at: float | None
    forced: bool = True

    action = "check"

    def make(self, who: Asked, found: Found) -> list[Order]:
        return checks(who, found, self.at, self.forced)

    def known(self, found: Found) -> str:
        return ""


class DeletionAsked(msgspec.Struct, frozen=True):
    """Deletion of the entries that are selected."""

    selection: EntrySelection

    @property
    def action(self) -> str:
        return f"delete {self.selection.kind}"


Ask = DowntimeAsked | AcknowledgementAsked | CommentAsked | CheckAsked | DeletionAsked

_KNOWN = {
    "in_downtime": "It is in a downtime already: it gets another one.",
    "acknowledged": "It is acknowledged already: the new acknowledgement takes the old one's place.",
}


# --- planning -------------------------------------------------------------------------------------------------------------------


def limit_of(settings: Settings, role: str) -> int:
    """The most targets of one call for that role."""
    return dict(settings.bulk_limit_by_role).get(role, settings.bulk_limit)


def plan(reader: Reader, pollers: Mapping[int, Poller], who: Asked, ask: Ask, how: How) -> Planned:
    """What the call would do. Raises what concerns the call as a whole; what concerns single targets becomes conflicts."""
    resolver = Resolver(reader, who.caller.scope, pollers)
    limit = limit_of(who.settings, who.caller.role)
    orders, conflicts = (
        _deletions(resolver, who, ask, limit) if isinstance(ask, DeletionAsked) else _orders(resolver, who, ask, limit)
    )
    check_limit(sum(len(_keys(order)) for order in orders), limit)
    request = _digest(who, ask, how)
    lines = (*map(_line, orders), *map(_conflict_line, conflicts))
    digest = hashlib.sha256("\n".join((request, *sorted(lines))).encode()).hexdigest()
    return Planned(digest, request, tuple(orders), tuple(conflicts), limit, lines)


def _orders(
    resolver: Resolver, who: Asked, ask: DowntimeAsked | AcknowledgementAsked | CommentAsked | CheckAsked, limit: int
) -> tuple[list[Order], list[Conflict]]:
    selected = select(resolver, ask.selection, who.now, limit)
    conflicts = [
        Conflict(one.target.poller, one.target.host, one.target.service, one.error.code, str(one.error), True)
        for one in selected.unfound
    ]
    made: list[Order] = []
    for found in selected.found:
        try:
            made += ask.make(who, found)
        except CallerError as error:
            if _concerns_all(error):
                raise
            conflicts.append(_conflict(found.key, error))
            continue
        if word := ask.known(found):
            conflicts.append(Conflict(found.key.poller, found.key.host, found.key.service, word, _KNOWN[word], False))
    refusals = [(order, error) for order, error in refused(resolver.reader.connection, made, who) if isinstance(error, CallerError)]
    gone = {tuple(order.found.key) for order, _ in refusals}
    conflicts = [one for one in conflicts if one.refuses or (one.poller, one.host, one.service) not in gone]
    conflicts += [_conflict(order.found.key, error) for order, error in refusals]
    out = {id(order) for order, _ in refusals}
    return [order for order in made if id(order) not in out], conflicts


def _concerns_all(error: CallerError) -> bool:
    """Not the target's own fault: no other target would fare better."""
    return isinstance(error, Forbidden) or (isinstance(error, InvalidField) and error.facts.get("field") not in _OF_A_TARGET)


def _deletions(resolver: Resolver, who: Asked, ask: DeletionAsked, limit: int) -> tuple[list[Order], list[Conflict]]:
    orders: list[Order] = []
    conflicts: list[Conflict] = []
    for row in select_entries(resolver, ask.selection, who.now, limit):
        key = ObjectKey(row.poller, row.host, row.service or None)
        try:
            orders.append(deletion(who, resolver.stored(key), row))
        except UnknownPoller as error:
            conflicts.append(_conflict(key, error))
    return orders, conflicts


def _conflict(key: ObjectKey, error: CallerError) -> Conflict:
    return Conflict(key.poller, key.host, key.service, error.code, str(error), True)


def check_conflicts(planned: Planned, how: How, pollers: Mapping[int, Poller]) -> None:
    """Raises Conflicting unless conflicts are to be skipped, UnknownObject or NotPossible when nothing is left to do."""
    refusing = [conflict for conflict in planned.conflicts if conflict.refuses]
    if refusing and not how.skip_conflicts:
        raise Conflicting(
            f"{len(refusing)} of the targets cannot be commanded, so nothing was accepted: see `conflicts`, mend or leave them out,"
            " or say skip_conflicts.",
            total=len(refusing),
            conflicts=[_shown(conflict, pollers) for conflict in refusing[:_SHOWN]],
        )
    if planned.orders:
        return
    if refusing:
        raise NotPossible("None of the targets can be commanded: nothing was accepted.", total=len(refusing))
    raise UnknownObject("Nothing within your scope is meant by that: nothing was accepted.")


def _shown(conflict: Conflict, pollers: Mapping[int, Poller]) -> dict[str, object]:
    poller = pollers.get(conflict.poller) if conflict.poller is not None else None
    return {
        "poller": poller.name if poller is not None else None,
        "host": conflict.host,
        "service": conflict.service,
        "reason": conflict.reason,
        "detail": conflict.detail,
    }


# --- what a plan promises ---------------------------------------------------------------------------------------------------------


def packed(planned: Planned) -> bytes:
    """What is kept of a plan's targets."""
    return zlib.compress("\n".join(planned.lines).encode(), 1)


def packed_conflicts(conflicts: Sequence[Conflict]) -> bytes:
    """What a repeat with the same key is told of the targets."""
    return zlib.compress(msgspec.json.encode(conflicts), 1) if conflicts else b""


def unpacked_conflicts(told: bytes, scope: Scope) -> list[Conflict]:
    """The same, as far as the pollers reach to which the token in hand is limited."""
    found = msgspec.json.decode(zlib.decompress(told), type=list[Conflict]) if told else []
    return [one for one in found if one.poller is None or Scope(pollers=scope.pollers).allows(one.poller, ())]


def keep(
    connection: sqlite3.Connection, planned: Planned, targets: bytes, user: str, now: float, row: AuditRow | None = None
) -> Written[None]:
    """Remember what a dry run promised (`targets`: packed), and in the audit that it was made; forget what is older than a day."""
    if row is not None:
        add_audit(connection, row)
    connection.execute("DELETE FROM plan WHERE at < ?", (now - KEPT_S,))
    connection.execute("INSERT OR REPLACE INTO plan VALUES (?, ?, ?, ?, ?)", (planned.hash, user, planned.request, targets, now))
    return Written(None)


def check_plan(connection: sqlite3.Connection, planned: Planned, how: How, user: str) -> None:
    """Raises PlanChanged unless what would be done now is what the dry run of that hash promised."""
    if not how.plan or how.plan == planned.hash:
        return
    found = connection.execute("SELECT request, targets FROM plan WHERE hash = ? AND user = ?", (how.plan, user)).fetchone()
    again = "make a dry run again, look at it, and send its plan."
    if found is None:
        raise PlanChanged(f"There is no such plan of yours (they are kept for a day): {again}", plan=how.plan)
    request, targets = found
    if request != planned.request:
        raise PlanChanged(
            f"The plan was made for another request: send the same one, with `plan` instead of `dry_run`, or {again}", plan=how.plan
        )
    before, now = set(zlib.decompress(targets).decode().split("\n")), set(planned.lines)
    added, removed = sorted(now - before - {""}), sorted(before - now - {""})
    raise PlanChanged(
        f"The targets are not those of the plan any more, so nothing was accepted: {again}",
        added=[_named(line) for line in added[:_SHOWN]],
        removed=[_named(line) for line in removed[:_SHOWN]],
        added_total=len(added),
        removed_total=len(removed),
    )


def _digest(who: Asked, ask: Ask, how: How) -> str:
    words = {"action": ask.action, "author": who.author, "words": dict(how.words), "skip": how.skip_conflicts}
    return hashlib.sha256(orjson.dumps(words, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _line(order: Order) -> str:
    key, members = order.found.key, order.found.members
    rest = "\x1f".join([f"{member.host};{member.service or ''}" for member in members]) if members else ""
    return f"{key.poller}\x1f{key.host}\x1f{key.service or ''}\x1f{order.row.name}\x1f{order.deletes or ''}\x1f{rest}"


def _conflict_line(conflict: Conflict) -> str:
    return "\x1f".join((str(conflict.poller), conflict.host, conflict.service or "", f"!{conflict.reason}", "", ""))


def _named(line: str) -> dict[str, object]:
    poller, host, service, what, entry, *_ = line.split("\x1f")
    named: dict[str, object] = {"poller": int(poller) if poller.isdigit() else None, "host": host, "service": service or None}
    if what.startswith("!"):
        return named | {"conflict": what[1:]}
    return named | {"command": what} | ({"id": int(entry)} if entry else {})


def _keys(order: Order) -> tuple[ObjectKey, ...]:
    return order.found.members or (order.found.key,)


def _targets(order: Order) -> list[PlannedTarget]:
    line = _written(order)
    return [PlannedTarget(key.poller, key.host, key.service, order.row.name, line, order.deletes) for key in _keys(order)]


def _written(order: Order) -> str:
    """The line as it will be written: its time, and the core's id of what it deletes, are known only then."""
    line = encode(order.row, order.arguments, 0, ANY_CORE_ID, PROFILES[order.found.poller.kind])
    text = line.decode().rstrip("\n").removeprefix("[0] ")
    if any(part.type is FieldType.ENTRY for part in order.row.fields):
        text = text.replace(f";{ANY_CORE_ID}", ";<core's id>")
    return f"[<time of writing>] {text}"


PROPAGATED = {
    "triggered": CATALOGUE["SCHEDULE_AND_PROPAGATE_TRIGGERED_HOST_DOWNTIME"],
    "independent": CATALOGUE["SCHEDULE_AND_PROPAGATE_HOST_DOWNTIME"],
}

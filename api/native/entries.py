"""What downtimes, acknowledgements and comments have in common: listing them, finding one, deleting one by its public id."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec

from api.native.lists import ListQuery, rows_answer
from api.native.members import Member, shown, view_member
from api.native.operation import Answer, Call
from api.native.outcome import outcome
from api.native.pollers import View, views_of
from api.native.requests import OfHost, OfService, WaitQuery, doc, refuse_service_alone
from api.native.targets import carried_out, filter_text
from api.render import rfc3339_or_none
from engine.desk import Entry, Target
from engine.desk.entries import ENTRY_ROWS
from engine.desk.plans import DeletionAsked, How
from engine.desk.selection import EntrySelection, On, Selection
from engine.errors import InvalidField, UnknownObject
from engine.state.fields import Table
from engine.state.scope import Condition, Scope

LARGEST_ID = 2**63 - 1

_RENAMED = {"poller": "poller_name"}
_TIMES = {"start": "start_time", "end": "end_time", "expire": "end_time"} | {
    name: name for name in ("entry_time", "actual_start", "actual_end", "deleted_at")
}


class EntriesQuery(ListQuery, frozen=True, kw_only=True):
    """Which of them."""

    tables: ClassVar[tuple[Table, ...]] = (ENTRY_ROWS.table,)

    host: OfHost = ""
    service: OfService = ""
    present: Annotated[
        Literal["true", "false", "any"], doc("`true`: those that stand now, `false`: those that ended, `any`: both")
    ] = "true"
    reference: Annotated[str, doc("made with this reference", min_length=1)] = ""


class DeletionQuery(WaitQuery, frozen=True, kw_only=True):
    """Which of those that stand: all that is given must hold, and something must be given."""

    host: Annotated[str, doc("on this host itself, or with `service` on that service", min_length=1)] = ""
    service: Annotated[str, doc("on this service; needs `host`", min_length=1)] = ""
    hostgroup: Annotated[str, doc("on this hostgroup's hosts and their services", min_length=1)] = ""
    servicegroup: Annotated[str, doc("on this servicegroup's services and their hosts", min_length=1)] = ""
    filter: Annotated[str, doc("on what this search finds", min_length=1)] = ""
    on: Annotated[Literal["hosts", "services", "both"], doc("on hosts only, on services only")] = "both"
    author: Annotated[str, doc("by exactly this author", min_length=1)] = ""
    comment: Annotated[str, doc("with exactly this comment", min_length=1)] = ""
    reference: Annotated[str, doc("made with this reference", min_length=1)] = ""
    poller: Annotated[str, doc("on this poller, by name or number", min_length=1)] = ""
    dry_run: Annotated[bool, doc("only say what would be deleted, and give its `plan`")] = False
    plan: Annotated[str, doc("the plan of a dry run: delete just that, or answer 409 with what changed", min_length=1)] = ""
    skip_conflicts: Annotated[bool, doc("leave out, and list, what cannot be deleted; else it refuses the call")] = False


class EntryNoun(msgspec.Struct, frozen=True):
    """One of the three. Members of an `item` bear the names of `Entry`'s fields, or stand in `_TIMES`."""

    kind: str
    item: type[Any]

    async def listed(self, call: Call, query: EntriesQuery) -> Answer:
        """One page of them or all, newest id first, and how fresh what is said of each poller is."""
        refuse_service_alone(query.host, query.service)
        columns = {"host": query.host, "service": query.service, "reference": query.reference}
        wanted: list[Condition] = [(f"e.{name} = ?", [value]) for name, value in columns.items() if value]
        if query.present != "any":
            wanted.append(("e.present = ?", [int(query.present == "true")]))
        names = self.item.__struct_fields__
        return await rows_answer(call, query, ENTRY_ROWS, self._columns, names, ("e.kind = ?", [self.kind]), *wanted)

    def _columns(self, scope: Scope) -> dict[str, Member]:
        fields = {**ENTRY_ROWS.table.fields, "poller": ENTRY_ROWS.table.fields["poller.name"]}
        own = {name: shown(fields[name]) for name in self.item.__struct_fields__ if name != "view"}
        return own | {"view": view_member("e.poller")}

    async def one(self, call: Call) -> Answer:
        """The one the path names; its view is None when its poller is no longer configured. Raises UnknownObject."""
        found = await call.desk.entry(call.caller, self.kind, self._id(call))
        views = await call.desk.read(lambda reader: views_of(reader, call, found.poller))
        return Answer(self.shown(found, views.get(found.poller)))

    async def deleted(self, call: Call, query: WaitQuery) -> Answer:
        """Delete the one the path names, and answer with what became of it."""
        receipts = await call.desk.delete_entry(call.caller, self.kind, self._id(call))
        return await outcome(call, query, receipts, deletes=True)

    async def deleted_with_services(self, call: Call, query: WaitQuery) -> Answer:
        """The same, and with a host's those of its services that were set together with it."""
        found = await call.desk.entry(call.caller, self.kind, self._id(call))
        if not found.present:
            return await self.deleted(call, query)  # says how it ended
        selection = EntrySelection(self.kind, id=found.id, with_services=True)
        return await carried_out(call, query, DeletionAsked(selection), How(), deletes=True)

    async def deleted_by_meaning(self, call: Call, query: DeletionQuery, *, with_services: bool = False) -> Answer:
        """Delete what the query means, and answer with what became of each."""
        refuse_service_alone(query.host, query.service)
        if query.host and query.on != "both":
            raise InvalidField("on goes with a group, a search or what an entry says: leave it out for a host.", field="on")
        targets = (Target(query.host, query.service or None),) if query.host else ()
        objects = Selection(
            targets=targets,
            hostgroup=query.hostgroup,
            servicegroup=query.servicegroup,
            filter=filter_text(query.filter or None),
            on=On(query.on),
            poller=await call.poller(query.poller),
        )
        selection = EntrySelection(self.kind, objects, query.author, query.comment, query.reference, with_services)
        words = {name: value for name, value in msgspec.to_builtins(query).items() if name not in ("dry_run", "plan", "wait")}
        how = How(words, query.dry_run, query.plan, query.skip_conflicts)
        return await carried_out(call, query, DeletionAsked(selection), how, deletes=True)

    def shown(self, row: Entry, view: View | None) -> object:
        """The entry as people see it."""
        names = [field.name for field in msgspec.structs.fields(self.item) if field.name != "view"]
        return self.item(**{name: _member(row, name) for name in names}, view=view)

    def _id(self, call: Call) -> int:
        text = call.names["id"]
        if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= LARGEST_ID):
            raise UnknownObject(f"There is no {self.kind} {text!r}: ids are whole numbers, /v1/{self.kind}s lists them.", id=text)
        return int(text)


def _member(row: Entry, name: str) -> object:
    if name in _TIMES:
        return rfc3339_or_none(getattr(row, _TIMES[name]))
    return getattr(row, _RENAMED.get(name, name))

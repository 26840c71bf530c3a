"""What downtimes, acknowledgements and comments have in common: listing them, finding one, deleting one by its public id."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from api.native.operation import Answer, Call, poller_number
from api.native.outcome import outcome
from api.native.pollers import View, views_of
from api.native.requests import ObjectsQuery, WaitQuery, doc, refuse_service_alone
from api.render import rfc3339_or_none
from engine.desk import Entry, EntryFilter
from engine.errors import UnknownObject
from engine.state.views import Reader

LARGEST_ID = 2**63 - 1

_RENAMED = {"poller": "poller_name"}
_TIMES = {"start": "start_time", "end": "end_time"} | {
    name: name for name in ("entry_time", "actual_start", "actual_end", "deleted_at")
}


class EntriesQuery(ObjectsQuery, frozen=True, kw_only=True):
    """Which of them."""

    present: Annotated[
        Literal["true", "false", "any"], doc("`true`: those that stand now, `false`: those that ended, `any`: both")
    ] = "true"
    reference: Annotated[str, doc("made with this reference", min_length=1)] = ""


@dataclass(frozen=True, slots=True)
class EntryNoun:
    """One of the three. Members of an `item` bear the names of `Entry`'s fields, or stand in `_TIMES`; `page` is a page of them."""

    kind: str
    item: type[Any]
    page: Callable[[int, int, int, list[View], list[Any]], object]

    async def listed(self, call: Call, query: EntriesQuery) -> Answer:
        """One page of them, newest id first, and how fresh what is said of each poller is."""
        refuse_service_alone(query.host, query.service)
        poller, views = await call.desk.read(lambda reader: _views(reader, call, query.poller))
        which = EntryFilter(
            kind=self.kind,
            poller=poller,
            host=query.host or None,
            service=query.service or None,
            present={"true": True, "false": False, "any": None}[query.present],
            reference=query.reference or None,
            limit=query.limit,
            offset=query.offset,
        )
        found = await call.desk.entries(call.caller, which)
        items = [self._shown(row, views.get(row.poller)) for row in found.rows]
        return Answer(self.page(found.total, query.limit, query.offset, list(views.values()), items))

    async def one(self, call: Call) -> Answer:
        """The one the path names; its view is None when its poller is no longer configured. Raises UnknownObject."""
        found = await call.desk.entry(call.caller, self.kind, self._id(call))
        views = await call.desk.read(lambda reader: views_of(reader, call, found.poller))
        return Answer(self._shown(found, views.get(found.poller)))

    async def deleted(self, call: Call, query: WaitQuery) -> Answer:
        """Delete the one the path names, and answer with what became of it."""
        receipts = await call.desk.delete_entry(call.caller, self.kind, self._id(call))
        return await outcome(call, query, receipts, deletes=True)

    def _shown(self, row: Entry, view: View | None) -> object:
        """The entry as people see it."""
        names = [field.name for field in dataclasses.fields(self.item) if field.name != "view"]
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


def _views(reader: Reader, call: Call, word: str) -> tuple[int | None, dict[int, View]]:
    poller = poller_number(reader, call.caller, word)
    return poller, views_of(reader, call, poller)

"""What downtimes, acknowledgements and comments have in common: listing them, finding one, deleting one by its public id."""

from __future__ import annotations

from typing import Annotated, Literal

from api.native.operation import Answer, Call, poller_number
from api.native.outcome import outcome
from api.native.pollers import View, views_of
from api.native.requests import Paging, WaitQuery, doc
from engine.desk import Entry, EntryFilter, Page
from engine.errors import InvalidField, UnknownObject
from engine.state.views import Reader

LARGEST_ID = 2**63 - 1


class EntriesQuery(Paging, frozen=True, kw_only=True):
    """Which of them."""

    host: Annotated[str, doc("of this host and its services", min_length=1)] = ""
    service: Annotated[str, doc("of this service; needs `host`", min_length=1)] = ""
    present: Annotated[
        Literal["true", "false", "any"], doc("`true`: those that stand now, `false`: those that ended, `any`: both")
    ] = "true"


async def entries(call: Call, kind: str, query: EntriesQuery) -> tuple[Page[Entry], list[View]]:
    """One page of them, newest id first, and how fresh what is said of each poller is."""
    if query.service and not query.host:
        raise InvalidField("service needs host: a description alone names no service.", field="host")
    poller, views = await call.desk.read(lambda reader: _views(reader, call, query.poller))
    which = EntryFilter(
        kind=kind,
        poller=poller,
        host=query.host or None,
        service=query.service or None,
        present={"true": True, "false": False, "any": None}[query.present],
        limit=query.limit,
        offset=query.offset,
    )
    return await call.desk.entries(call.caller, which), views


def _views(reader: Reader, call: Call, word: str) -> tuple[int | None, list[View]]:
    poller = poller_number(reader, call.caller, word)
    return poller, list(views_of(reader, call, poller).values())


async def entry(call: Call, kind: str) -> tuple[Entry, View | None]:
    """The one the path names, and how fresh it is; None when its poller is no longer configured. Raises UnknownObject."""
    found = await call.desk.entry(call.caller, kind, _id(call, kind))
    return found, (await call.desk.read(lambda reader: views_of(reader, call, found.poller))).get(found.poller)


async def delete_entry(call: Call, kind: str, query: WaitQuery) -> Answer:
    """Delete the one the path names, and answer with what became of it."""
    receipts = await call.desk.delete_entry(call.caller, kind, _id(call, kind))
    return await outcome(call, query, receipts, deletes=True)


def _id(call: Call, kind: str) -> int:
    text = call.names["id"]
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= LARGEST_ID):
        raise UnknownObject(f"There is no {kind} {text!r}: ids are whole numbers, /v1/{kind}s lists them.", id=text)
    return int(text)

"""The list of pollers, in the language of all lists. What is said of them is worked out here, so it is put into the statement."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
from msgspec.structs import replace

from api.native.lists import Chosen, ListQuery, Section, list_answer, listing_of
from api.native.members import Member, age, shown
from api.native.operation import Answer, Call, Operation
from api.native.pollers import Poller, View, poller_of
from api.native.requests import MOST_ROWS, doc
from api.render import encode_json
from engine.model import PollerView
from engine.state.fields import Field, Table, Type
from engine.state.lists import Source
from engine.state.scope import Scope, written_out
from engine.state.views import Reader


class Pollers(msgspec.Struct, frozen=True):
    """One page of pollers, by number."""

    total: int
    limit: int
    offset: int
    views: list[View]
    items: list[Poller]


_TIMES = {"created_at": "created", "read_at": "read_at", "program_start": "program_start"}
_TYPES: dict[object, Type] = {"int": Type.INTEGER, "float": Type.REAL, "bool": Type.FLAG, "str": Type.TEXT}


def _field(name: str, kind: object) -> Field:
    value = f"(r.item ->> '$.{name}')"
    if name in _TIMES:
        return Field(f"nullif({value}, 0)", Type.TIME)
    return Field(value, Type.AGE if name == "age_s" else _TYPES[kind])


_MEMBERS = {name: _field(name, kind) for name, kind in Poller.__annotations__.items()}
_FIELDS = _MEMBERS | {"poller": _MEMBERS["name"]}  # as other lists call it
_ROWS = Source(
    "(SELECT 0 AS rowid, NULL AS item WHERE 0) r",
    Table(_FIELDS, (_FIELDS["number"].sql,)),
    lambda scope: Scope(pollers=scope.pollers).sql(_FIELDS["number"].sql, ""),
)
_COLUMNS: dict[str, Member] = {name: shown(field) for name, field in _MEMBERS.items()} | {"age_s": age(_FIELDS["age_s"].sql)}


class PollersQuery(ListQuery, frozen=True, kw_only=True):
    """Which pollers."""

    tables: ClassVar[tuple[Table, ...]] = (_ROWS.table,)

    limit: Annotated[int, doc("rows per answer; 0: all, streamed", ge=0, le=MOST_ROWS)] = MOST_ROWS


async def list_pollers(call: Call, query: PollersQuery) -> Answer:
    """Every poller, or what is searched for."""

    def choose(reader: Reader, poller: int | None) -> Chosen:
        rows = [_row(view, call) for view in reader.pollers(call.caller.scope)]
        written = written_out(("?", [encode_json(rows).decode()]))
        source = replace(_ROWS, rows=f"(SELECT j.key AS rowid, j.value AS item FROM json_each({written}) j) r")
        listing = listing_of(call, query, source, poller)
        return Chosen([Section(listing, _COLUMNS)], listing.count)

    return await list_answer(call, query, choose, Poller.__struct_fields__)


def _row(view: PollerView, call: Call) -> dict[str, object]:
    """A poller's members, its times as epoch seconds, its age as when it began by our clock."""
    own: dict[str, object] = msgspec.to_builtins(poller_of(view, call))
    began = view.created - view.clock_offset_s if view.created else None
    return own | {name: getattr(view, source) for name, source in _TIMES.items()} | {"age_s": began}


OPERATIONS = (
    Operation(
        "GET", "/v1/pollers", "The truth about each core", list_pollers, {200: Pollers},
        query=PollersQuery, problems=(404,), lines=True, tagged=True,
    ),
)  # fmt: skip

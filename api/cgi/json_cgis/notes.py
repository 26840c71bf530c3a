"""statusjson.cgi about comments and downtimes, as they stand in the cores.

Their numbers: with one poller the core's own, as scripts know them; with several, where these would be the same for different
things, Signalbox's public ids (0 for what it has not numbered yet). A question by number takes either.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from api.cgi.json_cgis.envelope import Data, member
from api.cgi.json_cgis.names import Found, Sight
from api.cgi.json_cgis.options import Asked, Code, Mistake
from api.cgi.json_cgis.output import Output
from api.cgi.json_cgis.rows import Field, shape
from api.cgi.json_cgis.selection import between, repeated
from api.cgi.json_cgis.status import limits, with_poller
from api.cgi.json_cgis.words import COMMENT_TYPE, DOWNTIME_TYPE, ENTRY_TYPE, NO, TIME_COLUMNS, YES
from engine.state.scope import Condition, all_of

_PUBLIC = (
    "coalesce((SELECT max(e.id) FROM journal.entry e WHERE e.poller = n.poller AND e.kind = '{0}' AND e.present = 1"
    " AND e.core_id = n.core_id), 0)"
)
_OTHER = (
    "coalesce((SELECT max(e.id) FROM journal.entry e WHERE e.poller = n.poller AND e.kind = 'downtime' AND e.core_id = n.{0}), 0)"
)
_HOST_ONLY = "nullif(n.service_description, '')"


class Kind(msgspec.Struct, frozen=True):
    """Comments, or downtimes."""

    table: str
    option: str
    time_field: str
    selectors: tuple[str, ...]
    fields: tuple[Field, ...]
    called: str


COMMENTS = Kind(
    "comment",
    "commentid",
    "commenttimefield",
    ("commenttimefield", "starttime", "endtime", "commenttypes", "entrytypes", "persistence", "expiring"),
    (
        Field("comment_type", "n.is_service + 1", "word", COMMENT_TYPE),
        Field("entry_type", "n.entry_type", "word", ENTRY_TYPE),
        Field("source", "n.source", "int"),
        Field("persistent", "n.persistent", "flag"),
        Field("entry_time", "n.entry_time", "time"),
        Field("expires", "n.expires", "flag"),
        Field("expire_time", "n.expire_time", "time"),
        Field("host_name", "n.host_name"),
        Field("service_description", _HOST_ONLY),
        Field("author", "n.author"),
        Field("comment_data", "n.comment"),
    ),
    "The comment with ID '{0}' could not be found.",
)
DOWNTIMES = Kind(
    "downtime",
    "downtimeid",
    "downtimetimefield",
    (
        "downtimetimefield", "starttime", "endtime", "downtimeobjecttypes", "downtimetypes", "triggered", "triggeredby", "ineffect",
    ),
    (
        Field("type", "2 - n.is_service", "word", DOWNTIME_TYPE),
        Field("host_name", "n.host_name"),
        Field("service_description", _HOST_ONLY),
        Field("entry_time", "n.entry_time", "time"),
        Field("start_time", "n.start_time", "time"),
        Field("flex_downtime_start", "n.actual_start", "time"),
        Field("end_time", "n.end_time", "time"),
        Field("fixed", "n.fixed", "flag"),
        Field("triggered_by", "n.triggered_by", "int"),
        Field("duration", "CAST(n.duration AS INTEGER)", "int"),
        Field("is_in_effect", "n.is_in_effect > 0", "flag"),
        Field("start_notification_sent", "n.start_notification_sent", "flag"),
        Field("author", "n.author"),
        Field("comment", "n.comment"),
    ),
    "The downtime with ID '{0}' could not be found.",
)  # fmt: skip


def missing(sight: Sight, asked: Asked) -> list[Mistake]:
    """Numbers that are asked about and are not there."""
    found = []
    for option, kind, text in (
        ("commentid", COMMENTS, COMMENTS.called),
        ("downtimeid", DOWNTIMES, DOWNTIMES.called),
        ("triggeredby", DOWNTIMES, "The triggering downtime with ID '{0}' could not be found."),
    ):
        if option in asked.values and asked.surface.name == "statusjson.cgi" and not _row(sight, kind, asked.number(option)):
            found.append(Mistake(Code.VALUE_INVALID, text.format(asked.number(option)), asked.query))
    return found


def _in_sight(sight: Sight) -> Condition:
    hosts, host_values = sight.hosts("n.poller", "n.host_name")
    services, service_values = sight.services("n.poller", "n.host_name", "n.service_description")
    return f"iif(n.is_service, {services}, {hosts})", [*service_values, *host_values]


def _number(kind: Kind, sight: Sight) -> str:
    return _PUBLIC.format(kind.table) if sight.numbers_are_public else "n.core_id"


def _row(sight: Sight, kind: Kind, number: int) -> tuple[int, int, int] | None:
    """(poller, is_service, core_id) of the one with that number."""
    where, values = _in_sight(sight)
    by_core = "n.core_id = ?" if not sight.numbers_are_public or number < 1 << 32 else f"{_PUBLIC.format(kind.table)} = ?"
    query = f"SELECT n.poller, n.is_service, n.core_id FROM state.{kind.table} n WHERE {by_core} AND {where} ORDER BY 1, 2 LIMIT 1"
    found = sight.rows(query, [number, *values])
    return found[0] if found else None


def _conditions(kind: Kind, sight: Sight, asked: Asked, found: Found) -> list[Condition]:
    conditions = [_in_sight(sight)]
    name = asked.text(kind.time_field)
    if name is not None:
        conditions += between(asked, f"CAST(n.{TIME_COLUMNS[kind.time_field][name]} AS INTEGER)")
    for option, expression in _MASKS.items():
        mask = asked.mask(option) if option in kind.selectors else None
        if mask is not None:
            conditions.append((f"({expression}) & ?", [mask]))
    if kind is DOWNTIMES and "triggeredby" in asked.values:
        row = _row(sight, DOWNTIMES, asked.number("triggeredby"))
        conditions.append(("n.poller = ? AND n.triggered_by = ?", [row[0], row[2]] if row else [0, 0]))
    host = found.hosts.get("hostname")
    if host is not None:
        conditions.append(("n.poller = ? AND n.host_name = ?", list(host)))
    description = asked.text("servicedescription")
    if description is not None:
        conditions.append(("n.service_description = ?", [description]))
    return conditions


_MASKS = {
    "commenttypes": "1 << n.is_service",
    "entrytypes": "1 << (n.entry_type - 1)",
    "persistence": f"iif(n.persistent, {YES}, {NO})",
    "expiring": f"iif(n.expires, {YES}, {NO})",
    "downtimeobjecttypes": "1 << n.is_service",
    "downtimetypes": "iif(n.fixed, 1, 2)",
    "triggered": f"iif(n.triggered_by, {YES}, {NO})",
    "ineffect": f"iif(n.is_in_effect > 0, {YES}, {NO})",
}


def count(kind: Kind, sight: Sight, asked: Asked, found: Found, output: Output) -> Data:
    """How many there are."""
    where, values = all_of(_conditions(kind, sight, asked, found))
    total = sight.rows(f"SELECT count(*) FROM state.{kind.table} n WHERE {where}", values)[0][0]
    selectors = repeated(asked, output, (*kind.selectors, "hostname", "servicedescription"))
    return Data({"selectors": selectors, "count": total})


def listing(kind: Kind, sight: Sight, asked: Asked, found: Found, output: Output) -> Data:
    """Their numbers, or everything about them by number."""
    details = asked.flag("details")
    fields = _fields(kind, sight) if details else _fields(kind, sight)[:1]
    where, values = all_of(_conditions(kind, sight, asked, found))
    rows = _rows(kind, sight, output, fields, f"{where} ORDER BY n.poller, n.core_id LIMIT ? OFFSET ?", [*values, *limits(asked)])
    selectors = repeated(asked, output, ("start", "count", *kind.selectors, "hostname", "servicedescription"))
    key = fields[0].key
    entries = (member(output, str(row[key]), row) if details else output.encode(row[key], 3) for row in rows)
    return Data({"selectors": selectors}, f"{kind.table}list", entries, details)


def one(kind: Kind, sight: Sight, asked: Asked, output: Output) -> Data:
    """Everything about one."""
    row = _row(sight, kind, asked.number(kind.option))
    assert row is not None
    found = _rows(kind, sight, output, _fields(kind, sight), "n.poller = ? AND n.is_service = ? AND n.core_id = ?", row)
    return Data({kind.table: found[0]})


def _fields(kind: Kind, sight: Sight) -> tuple[Field, ...]:
    fields = (Field(f"{kind.table}_id", _number(kind, sight), "int"), *kind.fields)
    if sight.numbers_are_public:
        other = Field("triggered_by", _OTHER.format("triggered_by"), "int")
        fields = tuple(other if field.key == "triggered_by" else field for field in fields)
    return with_poller(fields, sight, "n")


def _rows(
    kind: Kind, sight: Sight, output: Output, fields: Sequence[Field], where: str, values: Sequence[object]
) -> list[dict[str, object]]:
    made = shape(fields, output, "n.poller")
    found = sight.rows(f"SELECT {made.columns} FROM state.{kind.table} n WHERE {where}", values)
    rows = [made.made(row) for row in found]
    for row in rows:
        if row.get("service_description", "") is None:
            del row["service_description"]
    return rows

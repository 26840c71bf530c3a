"""What stands now, written as events into a spool: what a reader of the stream begins with. Runs in a reading thread.

All of it is of one moment, the cursor beside it included. It is written at full speed, into memory first and onto the disk when it
is large, so that the read is over before the first byte is sent: an open reader would let the write-ahead log grow.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO, Any

import orjson

from engine.desk.audience import Audience
from engine.state.changes import Kind
from engine.state.events import STICKY, Event
from engine.state.scope import Scope
from engine.state.views import Reader

IS = "is"  # the action of what stands
_IN_MEMORY_BYTES = 4 << 20
_FIELDS = (
    "state_type, has_been_checked, current_attempt, max_check_attempts, plugin_output, acknowledged, scheduled_downtime_depth,"
    " is_flapping, last_check, last_state_change, state, poller, id"
)
_OBJECTS = (("host", "name", None, "name, NULL"), ("service", "host_name", "description", "host_name, description"))
_ACKNOWLEDGED_BY = (
    f", acknowledgement_type = {STICKY}"
    ", (SELECT json_array(m.author, m.comment, m.entry_time) FROM state.comment m"
    " WHERE m.poller = o.poller AND m.host_name = o.{0} AND m.service_description IS {1} AND m.entry_type = 4"
    " ORDER BY m.entry_time DESC, m.core_id DESC LIMIT 1)"
)
_BLOCKS = (
    (Kind.DOWNTIME, "downtime", "1", ("start", "start_time"), ("end", "end_time"), ("fixed", "fixed"), ("duration_s", "duration")),
    (Kind.COMMENT, "comment", "entry_type = 1", ("persistent", "persistent")),
)


def write_snapshot(reader: Reader, audience: Audience) -> IO[bytes]:
    """The rows this audience sees, worded. The caller reads the spool from its beginning and closes it."""
    pollers = dict(reader.connection.execute("SELECT number, name FROM state.poller").fetchall())
    spool: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - the caller closes it
    for event in _standing(reader, audience):
        if audience.which.takes(event):
            spool.write(audience.wording.event(event, pollers, ""))
    spool.seek(0)
    return spool


def _standing(reader: Reader, audience: Audience) -> Iterator[Event]:
    kinds = audience.which.kinds
    if kinds is None or Kind.POLLER in kinds:
        yield from _pollers(reader, audience.scope)
    if kinds is None or Kind.STATE in kinds:
        yield from _objects(reader, audience)
    if kinds is None or Kind.ACKNOWLEDGEMENT in kinds:
        yield from _acknowledgements(reader, audience)
    if kinds is None or Kind.FLAPPING in kinds:
        yield from _flapping(reader, audience)
    for kind, table, condition, *fields in _BLOCKS:
        if kinds is None or kind in kinds:
            yield from _blocks(reader, audience, kind, table, condition, dict(fields))


def _pollers(reader: Reader, scope: Scope) -> Iterator[Event]:
    for view in reader.pollers(scope):
        said = {
            "program_start": view.program_start, "version": view.version, "generation": view.generation,
            "command_file": view.command_file_health, "status_file": view.status_file_health, "detail": view.detail,
        }  # fmt: skip
        yield Event(0, Kind.POLLER, IS, view.number, "", None, (), None, view.created, said)


def _objects(reader: Reader, audience: Audience) -> Iterator[Event]:
    for table, host, service_name, names in _OBJECTS:
        where, values = _within(audience, host, service_name)
        query = f"SELECT {names}, {_FIELDS} FROM state.{table} o WHERE {where} ORDER BY poller, {host}"
        for row in reader.connection.execute(query, values):
            name, service, state_type, checked, attempt, most, output, acknowledged, depth, flapping, *times, state, poller, id = (
                row
            )
            said = {
                "id": id, "state_type": state_type, "checked": bool(checked), "attempt": attempt, "max_attempts": most,
                "output": output, "acknowledged": bool(acknowledged), "in_downtime": depth > 0, "is_flapping": bool(flapping),
                "last_check": times[0], "last_state_change": times[1],
            }  # fmt: skip
            yield Event(0, Kind.STATE, IS, poller, name, service, _asked_group(audience), state, times[1], said)


def _acknowledgements(reader: Reader, audience: Audience) -> Iterator[Event]:
    """Who acknowledged what, by the newest comment of that kind."""
    for name, service, state, poller, sticky, words in _objects_that(reader, audience, "o.acknowledged <> 0", _ACKNOWLEDGED_BY):
        author, comment, at = orjson.loads(words) if words else ("", "", 0.0)
        said = {"sticky": bool(sticky), "author": author, "comment": comment}
        yield Event(0, Kind.ACKNOWLEDGEMENT, IS, poller, name, service, _asked_group(audience), state, at, said)


def _flapping(reader: Reader, audience: Audience) -> Iterator[Event]:
    for name, service, state, poller in _objects_that(reader, audience, "o.is_flapping <> 0", ""):
        yield Event(0, Kind.FLAPPING, IS, poller, name, service, _asked_group(audience), state, 0.0, {})


def _objects_that(reader: Reader, audience: Audience, condition: str, more: str) -> Iterator[tuple[Any, ...]]:
    """Name, service, state (None before the first check), poller and more of the objects within scope for which it is true."""
    for table, host, service_name, names in _OBJECTS:
        where, values = _within(audience, host, service_name)
        also = more.format(host, f"o.{service_name}" if service_name else "NULL")
        columns = f"{names}, iif(has_been_checked, state, NULL), poller{also}"
        query = f"SELECT {columns} FROM state.{table} o WHERE {condition} AND {where} ORDER BY poller, {host}"
        yield from reader.connection.execute(query, values)


def _blocks(reader: Reader, audience: Audience, kind: Kind, table: str, condition: str, fields: dict[str, str]) -> Iterator[Event]:
    where, values = _within(audience, "host_name", "service_description")
    # As everywhere in events: no state before the first check, cores write 0 then.
    state = (
        "CASE WHEN service_description IS NULL THEN (SELECT iif(h.has_been_checked, h.state, NULL) FROM state.host h"
        " WHERE h.poller = o.poller AND h.name = o.host_name) ELSE (SELECT iif(s.has_been_checked, s.state, NULL)"
        " FROM state.service s WHERE s.poller = o.poller AND s.host_name = o.host_name"
        " AND s.description = o.service_description) END"
    )
    query = (
        f"SELECT poller, host_name, service_description, {state}, entry_time, author, comment, {', '.join(fields.values())}"
        f" FROM state.{table} o WHERE {condition} AND {where}"
    )
    for poller, name, service, state_now, at, author, comment, *rest in reader.connection.execute(query, values):
        said = {"author": author, "comment": comment} | dict(zip(fields, rest, strict=True))
        said |= {word: bool(said[word]) for word in ("fixed", "persistent") if word in said}
        yield Event(0, kind, IS, poller, name, service, _asked_group(audience), state_now, at, said)


def _within(audience: Audience, host: str, service: str | None) -> tuple[str, list[object]]:
    """Scope and whatever of the filter the database decides."""
    which = audience.which
    where, values = audience.scope.sql("o.poller", f"o.{host}", service and f"o.{service}")
    if which.hostgroup is not None:
        more, more_values = Scope(hostgroups=frozenset({which.hostgroup})).sql("o.poller", f"o.{host}")
        where, values = f"{where} AND {more}", values + more_values
    return where, values


def _asked_group(audience: Audience) -> tuple[str, ...]:
    """The database chose by hostgroup; of an object's others nobody asks."""
    return (audience.which.hostgroup,) if audience.which.hostgroup is not None else ()

"""What happened to a host or a service: its states, notifications, downtimes, acknowledgements and comments in one list.

Newest first. An event's id is unique within its type only, as in the original.
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Mapping, Sequence

from msgspec.structs import replace
from starlette.responses import Response

from api.centreon.answers import encoded_page, list_answer
from api.centreon.objects import LONGEST_READ_S, host_of, service_of
from api.centreon.place import Visit
from api.centreon.searching import Asked, parse_list, to_the_second
from api.centreon.shapes import status_shape
from api.centreon.times import iso_time
from engine.desk.entries import author_ids
from engine.desk.timeline import TIMELINE, Event, timeline
from engine.state.views import Reader

KEYS = replace(TIMELINE, fields=to_the_second(TIMELINE.fields))
COLUMNS = ("type", "date", "content", "contact", "status", "tries")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would calculate at the beginning of a cell

Page = tuple[list[Event], int, Mapping[str, int | None]]


async def of_host(visit: Visit) -> Response:
    """What happened to one host."""
    found = await host_of(visit)
    return await _page(visit, (found.poller, found.status.name, ""))


async def of_service(visit: Visit) -> Response:
    """What happened to one service."""
    found = await service_of(visit)
    return await _page(visit, (found.poller, found.status.host_name, found.status.description))


async def host_file(visit: Visit) -> Response:
    """What happened to one host, as a file for spreadsheets."""
    found = await host_of(visit)
    return await _file(visit, (found.poller, found.status.name, ""))


async def service_file(visit: Visit) -> Response:
    """What happened to one service, as a file for spreadsheets."""
    found = await service_of(visit)
    return await _file(visit, (found.poller, found.status.host_name, found.status.description))


async def _page(visit: Visit, place: tuple[int, str, str]) -> Response:
    asked = _asked(visit)
    events, total, ids = await _read(visit, place, asked, asked.paging.limit, asked.paging.offset)
    is_host = not place[2]
    return await list_answer(
        len(events), lambda: encoded_page([_shape(event, ids, is_host) for event in events], asked.paging, total, asked.echo)
    )


async def _file(visit: Visit, place: tuple[int, str, str]) -> Response:
    """Everything that is found, whatever page is asked for, as the original has it."""
    events, _, _ = await _read(visit, place, _asked(visit), -1, 0)
    headers = {"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="timeline.csv"'}
    text = await asyncio.to_thread(_csv, events, is_host=not place[2])
    return Response(text, 200, headers, "text/csv; charset=utf-8")


def _asked(visit: Visit) -> Asked:
    return parse_list(visit.request.query_params, KEYS, visit.services.clock.now(), visit.caller.scope)


async def _read(visit: Visit, place: tuple[int, str, str], asked: Asked, limit: int, offset: int) -> Page:
    def read(reader: Reader) -> Page:
        with reader.limited(LONGEST_READ_S), reader.snapshot():
            events, total = timeline(reader, place, asked.condition, asked.order, limit=limit, offset=offset)
            return events, total, author_ids(reader, {event.contact for event in events if event.contact})

    return await visit.desk.read(read)


def _shape(event: Event, ids: Mapping[str, int | None], is_host: bool) -> dict[str, object]:
    return {
        "id": event.id,
        "type": event.kind,
        "date": iso_time(event.at),
        "start_date": iso_time(event.start),
        "end_date": iso_time(event.end),
        "content": event.content,
        "contact": {"id": ids.get(event.contact), "name": event.contact} if event.contact else None,
        "status": None if event.state is None else status_shape(event.state, is_host=is_host),
        "tries": event.attempt,
    }


def _csv(events: Sequence[Event], *, is_host: bool) -> str:
    written = io.StringIO()
    writer = csv.writer(written, delimiter=";", lineterminator="\n")
    writer.writerow(COLUMNS)
    for event in events:
        status = "" if event.state is None else status_shape(event.state, is_host=is_host)["name"]
        writer.writerow(map(_cell, (event.kind, iso_time(event.at), event.content, event.contact, status, event.attempt)))
    return written.getvalue()


def _cell(value: object) -> str:
    """Text a spreadsheet takes as text: what plugins and people wrote may begin like a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text

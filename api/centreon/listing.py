"""Lists of downtimes and acknowledgements: searched, sorted and paged as every list, over what the journal keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from msgspec.structs import replace
from starlette.responses import Response

from api.centreon.answers import encoded_page, list_answer
from api.centreon.place import Visit
from api.centreon.searching import ACKNOWLEDGEMENT_KEYS, DOWNTIME_KEYS, parse_list
from engine.desk import Entry, EntryFilter
from engine.desk.entries import author_ids as ids_of_authors

Shape = Callable[[Entry, Mapping[str, int | None]], dict[str, object]]
KEYS = {"downtime": DOWNTIME_KEYS, "acknowledgement": ACKNOWLEDGEMENT_KEYS}


async def entries_page(visit: Visit, which: EntryFilter, shape: Shape) -> Response:
    """One page of what a search finds among the entries of `which`, one of the kinds above."""
    asked = parse_list(visit.request.query_params, KEYS[which.kind or ""], visit.services.clock.now(), visit.caller.scope)
    paging = asked.paging
    found = replace(which, condition=asked.condition, order=asked.order, limit=paging.limit, offset=paging.offset)
    page = await visit.desk.entries(visit.caller, found)
    rows = page.rows
    ids = await author_ids(visit, rows)
    return await list_answer(len(rows), lambda: encoded_page([shape(entry, ids) for entry in rows], paging, page.total, asked.echo))


async def author_ids(visit: Visit, entries: Iterable[Entry]) -> dict[str, int | None]:
    """The user id of each author, None for one that is no user of ours."""
    authors = {entry.author for entry in entries}
    return await visit.desk.read(lambda reader: ids_of_authors(reader, authors)) if authors else {}

"""Lists of downtimes and acknowledgements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from starlette.responses import Response

from api.centreon.answers import encoded_page, in_thread, parse_paging
from api.centreon.place import Visit
from engine.desk import Entry, EntryFilter

Shape = Callable[[Entry, Mapping[str, int | None]], dict[str, object]]


async def entries_page(visit: Visit, which: EntryFilter, shape: Shape) -> Response:
    """One page of the entries a filter finds, newest first."""
    paging = parse_paging(visit.request.query_params)
    page = await visit.desk.entries(visit.caller, replace(which, limit=paging.limit, offset=paging.offset))
    ids = await author_ids(visit, page.rows)
    return await in_thread(lambda: encoded_page([shape(entry, ids) for entry in page.rows], paging, page.total))


async def author_ids(visit: Visit, entries: Iterable[Entry]) -> dict[str, int | None]:
    """The user id of each author, None for one that is no user of ours: an author is text to a core."""
    return {author: await visit.services.doorkeeper.user_id(author) for author in {entry.author for entry in entries}}

"""Downtimes: list, show, set, cancel.

`id` is ours and stays the same over restarts of the core; a downtime is listed under it from the moment it is accepted.
"""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from api.centreon.answers import is_true
from api.centreon.bodies import DowntimeBody, HostDowntimeBody, NoFields
from api.centreon.entry_shapes import downtime_shape
from api.centreon.listing import Shape, author_ids, entries_page
from api.centreon.objects import host_of, host_target, service_of, service_target
from api.centreon.outcomes import noted, nothing_to_do, outcome
from api.centreon.place import Visit
from api.centreon.times import parse_time
from api.render import json_response
from engine.desk import Entry, EntryFilter, Target
from engine.desk.checks import Window, window
from engine.desk.plans import DeletionAsked, Done, How
from engine.desk.selection import EntrySelection
from engine.errors import InvalidField, UnknownObject

ALL = EntryFilter(kind="downtime")
MOST_TOGETHER = 10_000  # downtimes on one host's services


async def downtimes(visit: Visit) -> Response:
    """All downtimes, those that ended included."""
    return await entries_page(visit, ALL, _shape(visit))


async def hosts_downtimes(visit: Visit) -> Response:
    """The downtimes of hosts."""
    return await entries_page(visit, EntryFilter(kind="downtime", services=False), _shape(visit))


async def services_downtimes(visit: Visit) -> Response:
    """The downtimes of services."""
    return await entries_page(visit, EntryFilter(kind="downtime", services=True), _shape(visit))


async def of_host(visit: Visit) -> Response:
    """The downtimes of one host; with `with_services=true` (or the reference's `show_service=true`) of its services, too."""
    found, query = await host_of(visit), visit.request.query_params
    services = None if is_true(query, "with_services") or is_true(query, "show_service") else False
    which = EntryFilter(kind="downtime", poller=found.poller, host=found.status.name, services=services)
    return await entries_page(visit, which, _shape(visit))


async def of_service(visit: Visit) -> Response:
    """The downtimes of one service."""
    found = await service_of(visit)
    which = EntryFilter(
        kind="downtime", poller=found.poller, host=found.status.host_name, service=found.status.description, services=True
    )
    return await entries_page(visit, which, _shape(visit))


async def downtime(visit: Visit) -> Response:
    """One downtime."""
    entry = await visit.desk.entry(visit.caller, "downtime", _id(visit))
    return json_response(200, downtime_shape(entry, await author_ids(visit, [entry]), visit.services.clock.now()))


async def set_on_host(visit: Visit) -> Response:
    """Set a downtime on a host and, if asked, on its services."""
    target = host_target(await host_of(visit))
    body = visit.body(HostDowntimeBody)
    return await _set(visit, target, body, with_services=body.with_services)


async def set_on_service(visit: Visit) -> Response:
    """Set a downtime on a service."""
    target = service_target(await service_of(visit))
    return await _set(visit, target, visit.body(DowntimeBody))


async def cancel(visit: Visit) -> Response:
    """Cancel a downtime; one that was not yet written to its core is withdrawn, of one that is over nothing is left to do.

    A host's with `with_services=true`: those of its services that were set together with it, too.
    """
    visit.body(NoFields)
    entry = await visit.desk.entry(visit.caller, "downtime", _id(visit))
    if entry.service is None and is_true(visit.request.query_params, "with_services"):
        return await _cancel_together(visit, entry)
    if not entry.present:
        return await nothing_to_do(visit, _over(entry))
    receipts = await visit.desk.delete_entry(visit.caller, "downtime", entry.id, hold=False)
    return await outcome(visit, receipts, deletes=True)


async def _cancel_together(visit: Visit, host: Entry) -> Response:
    here = EntryFilter(kind="downtime", poller=host.poller, host=host.host, services=True, present=True, limit=MOST_TOGETHER)
    others = (await visit.desk.entries(visit.caller, here)).rows
    if not host.present and not any(_meaning(one) == _meaning(host) for one in others):
        return await nothing_to_do(visit, _over(host))
    ask = DeletionAsked(EntrySelection("downtime", id=host.id, with_services=True))
    done = await visit.desk.carry_out(visit.caller, ask, How(), hold=False)
    return await outcome(visit, done.receipts if isinstance(done, Done) else (), deletes=True)


def _meaning(entry: Entry) -> tuple[object, ...]:
    return entry.author, entry.comment, entry.start_time, entry.end_time, entry.fixed


def _over(entry: Entry) -> str:
    return f"The downtime {entry.id} {'was cancelled already' if entry.cancelled else 'has ended already'}."


async def _set(visit: Visit, target: Target, body: DowntimeBody, *, with_services: bool = False) -> Response:
    (author, note), when = await author_of(visit, body.author_id), window_of(body)
    receipts = await visit.desk.schedule_downtime(
        visit.caller,
        [target],
        start=when.start,
        end=when.end,
        fixed=when.fixed,
        duration=None if when.fixed else float(when.duration),
        comment=body.comment,
        with_services=with_services,
        author=author,
        hold=False,
    )
    return noted(await outcome(visit, receipts), note)


def window_of(body: DowntimeBody, where: str = "") -> Window:
    """The window a body asks for; `where` stands before the names of its fields. Raises InvalidField.

    A flexible downtime lasts as long as its duration says, a fixed one from start to end.
    """
    start, end = parse_time(body.start_time, f"{where}start_time"), parse_time(body.end_time, f"{where}end_time")
    if end <= start:
        field = f"{where}end_time"
        raise InvalidField(f"[{field}] end_time must lie after start_time.", field=field)
    if body.is_fixed:
        return window(start, end, True, None)
    if not body.duration:
        field = f"{where}duration"
        raise InvalidField(f"[{field}] The property duration is required and above 0 when is_fixed is false", field=field)
    return window(start, end, False, float(body.duration))


async def author_of(visit: Visit, author_id: int | None) -> tuple[str | None, str]:
    """The author to tell the core, None = the caller's own, and what is to be noted. Raises InvalidField.

    Only an admin's word counts; anybody else is the author whatever is said, as in the original.
    """
    doorkeeper, caller = visit.services.doorkeeper, visit.caller
    if author_id is None or author_id == await doorkeeper.user_id(caller.user):
        return None, ""
    if caller.role != "admin":
        return None, f"author_id {author_id} is not you, and only an admin's counts: the author is {caller.author}."
    user = await doorkeeper.user(author_id)
    if user is None:
        raise InvalidField(f"[author_id] There is no contact {author_id}.", field="author_id")
    return user.author, ""


def _id(visit: Visit) -> int:
    return visit.id("downtime_id", UnknownObject, "Downtime")


def _shape(visit: Visit) -> Shape:
    return partial(downtime_shape, now=visit.services.clock.now())

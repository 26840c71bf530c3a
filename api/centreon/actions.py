"""What is done to several objects in one call, and to resources whatever their type: acknowledge, take that back, set a downtime,
check, submit a result, comment.

Every object has a fate of its own, see `outcomes`: one that is unknown or cannot be commanded keeps no other from it.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from api.auth.doorkeeper import check_may
from api.centreon.bodies import (
    COMMENT_SLACK_S,
    AcknowledgementItem,
    CheckBody,
    CheckItem,
    CommentBody,
    DowntimeBody,
    DowntimeItem,
    HostCheckBody,
    ResourcesAcknowledgeBody,
    ResourcesCheckBody,
    ResourcesCommentBody,
    ResourcesDisacknowledgeBody,
    ResourcesDowntimeBody,
    ResourcesSubmitBody,
    SubmitBody,
    SubmittedResource,
)
from api.centreon.downtimes import author_of, window_of
from api.centreon.named import Named, View, Wish, acknowledged, in_trouble, items_of, of_resource, target_of
from api.centreon.objects import host_of, service_of
from api.centreon.outcomes import noted, nothing_to_do, outcome_of_items
from api.centreon.place import Visit
from api.centreon.times import parse_time
from engine.desk.items import (
    Make,
    make_acknowledgement,
    make_check,
    make_comment,
    make_downtime,
    make_removal,
    make_result,
)
from engine.errors import InvalidField
from engine.journal.accounts import Verb

NO_OUTPUT = "(No output returned from plugin)"

# --- resources ----------------------------------------------------------------------------------------------------------------


async def acknowledge(visit: Visit) -> Response:
    """Acknowledge resources; with force_active_checks each is checked after that."""
    body = visit.body(ResourcesAcknowledgeBody)
    said = body.acknowledgement
    if said.force_active_checks:
        check_may(visit.caller, Verb.CHECK)
    make = make_acknowledgement(
        said.comment,
        sticky=said.is_sticky,
        notify=said.is_notify_contacts,
        persistent=said.is_persistent_comment,
        check=said.force_active_checks,
    )
    expand = in_trouble if said.with_services else None
    return await _done(visit, [Wish(of_resource(one), lambda _: make, expand=expand) for one in body.resources], "acknowledge")


async def disacknowledge(visit: Visit) -> Response:
    """Take the acknowledgements of resources back."""
    body = visit.body(ResourcesDisacknowledgeBody)
    make = make_removal()
    expand = acknowledged if body.disacknowledgement.with_services else None
    wishes = [Wish(of_resource(one), lambda _: make, expand=expand) for one in body.resources]
    return await _done(visit, wishes, "remove", removes=True)


async def set_downtime(visit: Visit) -> Response:
    """Set the same downtime on resources; with_services is for the hosts among them."""
    body = visit.body(ResourcesDowntimeBody)
    make, (author, note) = _downtime(body.downtime, body.downtime.with_services), await author_of(visit, body.downtime.author_id)
    with_services = body.downtime.with_services
    wishes = [Wish(of_resource(one), lambda _: make, with_services, author=author) for one in body.resources]
    return noted(await _done(visit, wishes, "downtime"), note)


async def check(visit: Visit) -> Response:
    """Check resources now."""
    body = visit.body(ResourcesCheckBody)
    make = make_check(forced=body.check.is_forced)
    return await _done(visit, [Wish(of_resource(one), lambda _: make) for one in body.resources], "check")


async def submit(visit: Visit) -> Response:
    """Hand in a result for each resource."""
    return await _submitted(visit, [(of_resource(one), one) for one in visit.body(ResourcesSubmitBody).resources])


async def comment(visit: Visit) -> Response:
    """Comment on resources."""
    body = visit.body(ResourcesCommentBody)
    wishes = [
        _comment_wish(visit, of_resource(one), one.comment, one.date, f"resources.{place}.date")
        for place, one in enumerate(body.resources)
    ]
    return await _done(visit, wishes, "comment")


# --- arrays -------------------------------------------------------------------------------------------------------------------


async def acknowledge_hosts(visit: Visit) -> Response:
    """Acknowledge the hosts of an array and, where asked, those of their services that have a problem."""
    return await _acknowledge_each(visit, services=False)


async def acknowledge_services(visit: Visit) -> Response:
    """Acknowledge the services of an array."""
    return await _acknowledge_each(visit, services=True)


async def set_hosts_downtimes(visit: Visit) -> Response:
    """Set a downtime on each host of an array."""
    return await _downtime_each(visit, services=False)


async def set_services_downtimes(visit: Visit) -> Response:
    """Set a downtime on each service of an array."""
    return await _downtime_each(visit, services=True)


async def check_hosts(visit: Visit) -> Response:
    """Check the hosts of an array now."""
    return await _check_each(visit, services=False)


async def check_services(visit: Visit) -> Response:
    """Check the services of an array now."""
    return await _check_each(visit, services=True)


async def _acknowledge_each(visit: Visit, *, services: bool) -> Response:
    def wish(item: AcknowledgementItem) -> Wish:
        make = make_acknowledgement(
            item.comment, sticky=item.is_sticky, notify=item.is_notify_contacts, persistent=item.is_persistent_comment
        )
        return Wish(
            _named(item.resource_id, item.parent_resource_id, services),
            lambda _: make,
            expand=in_trouble if item.with_services else None,
        )

    items = visit.items(AcknowledgementItem)
    _check_for_hosts([item.with_services for item in items], services)
    return await _done(visit, [wish(item) for item in items], "acknowledge")


async def _downtime_each(visit: Visit, *, services: bool) -> Response:
    items = visit.items(DowntimeItem)
    _check_for_hosts([item.with_services for item in items], services)
    authors = [await author_of(visit, item.author_id) for item in items]

    def wish(place: int, item: DowntimeItem, author: str | None) -> Wish:
        make = _downtime(item, item.with_services, f"{place}.")
        named = _named(item.resource_id, item.parent_resource_id, services)
        return Wish(named, lambda _: make, item.with_services, author=author)

    asked = zip(items, authors, strict=True)
    wishes = [wish(place, item, author) for place, (item, (author, _)) in enumerate(asked)]
    return noted(await _done(visit, wishes, "downtime"), " ".join(dict.fromkeys(note for _, note in authors if note)))


async def _check_each(visit: Visit, *, services: bool) -> Response:
    items = visit.items(CheckItem)
    _check_for_hosts([item.with_services for item in items], services)
    named = [_named(item.resource_id, item.parent_resource_id, services) for item in items]
    wishes = [_check_wish(one, item, item.with_services) for one, item in zip(named, items, strict=True)]
    return await _done(visit, wishes, "check")


def _named(own: int, parent: int | None, services: bool) -> Named:
    """An item of an array; a host has no parent, whatever is said."""
    return Named(parent, own) if services else Named(own)


def _check_for_hosts(with_services: Sequence[bool], services: bool) -> None:
    if services and any(with_services):
        field = f"{list(with_services).index(True)}.with_services"
        raise InvalidField(f"[{field}] with_services is for hosts: leave it out for a service.", field=field)


# --- one object ---------------------------------------------------------------------------------------------------------------


async def check_host(visit: Visit) -> Response:
    """Check the host the path names and, if asked, its services."""
    found = await host_of(visit)
    body = visit.body(HostCheckBody)
    return await _done(visit, [_check_wish(Named(found.id), body, body.with_services)], "check")


async def check_service(visit: Visit) -> Response:
    """Check the service the path names."""
    found = await service_of(visit)
    return await _done(visit, [_check_wish(Named(found.host_id, found.id), visit.body(CheckBody))], "check")


async def submit_host(visit: Visit) -> Response:
    """Hand in a result of the host the path names."""
    found = await host_of(visit)
    return await _submitted(visit, [(Named(found.id), visit.body(SubmitBody))])


async def submit_service(visit: Visit) -> Response:
    """Hand in a result of the service the path names."""
    found = await service_of(visit)
    return await _submitted(visit, [(Named(found.host_id, found.id), visit.body(SubmitBody))])


async def comment_host(visit: Visit) -> Response:
    """Comment on the host the path names."""
    found = await host_of(visit)
    body = visit.body(CommentBody)
    return await _done(visit, [_comment_wish(visit, Named(found.id), body.comment, body.date, "date")], "comment")


async def comment_service(visit: Visit) -> Response:
    """Comment on the service the path names."""
    found = await service_of(visit)
    body, named = visit.body(CommentBody), Named(found.host_id, found.id)
    return await _done(visit, [_comment_wish(visit, named, body.comment, body.date, "date")], "comment")


# --- pieces -------------------------------------------------------------------------------------------------------------------


def _downtime(body: DowntimeBody, with_services: bool, where: str = "") -> Make:
    return make_downtime(window_of(body, where), body.comment, with_services=with_services)


def _check_wish(named: Named, body: CheckBody, with_services: bool = False) -> Wish:
    make = make_check(forced=body.is_forced, with_services=with_services)
    return Wish(named, lambda _: make, with_services)


async def _submitted(visit: Visit, results: Sequence[tuple[Named, SubmitBody | SubmittedResource]]) -> Response:
    """What these results came to. Cores refuse a result without output, which the original does not ask for."""
    answer = await _done(visit, [_result_wish(named, result) for named, result in results], "result")
    is_silent = answer.status_code < 300 and not all(result.output for _, result in results)
    return noted(answer, f"A result without output was handed in with what cores say then: {NO_OUTPUT}" if is_silent else "")


def _result_wish(named: Named, result: SubmitBody | SubmittedResource) -> Wish:
    def make(view: View) -> Make:
        return make_result(target_of(view), result.status, result.output or NO_OUTPUT, result.performance_data or "")

    return Wish(named, make)


def _comment_wish(visit: Visit, named: Named, comment: str, date: str | None, field: str) -> Wish:
    now = visit.services.clock.now()
    if date is not None and abs(parse_time(date, field) - now) > COMMENT_SLACK_S:
        raise InvalidField(f"[{field}] A comment is dated when its core is told: leave {field} null, or say now.", field=field)
    make = make_comment(comment)
    return Wish(named, lambda _: make)


async def _done(visit: Visit, wishes: Sequence[Wish], action: str, *, removes: bool = False) -> Response:
    if not wishes:
        return await nothing_to_do(visit, "Nothing was asked for.")
    items = await items_of(visit, wishes)
    done = await visit.desk.carry_out_items(visit.caller, items, action, removes=removes, hold=False)
    return await outcome_of_items(visit, done)

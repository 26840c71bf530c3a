"""Contacts: whom a core tells, when and about what."""

from __future__ import annotations

from typing import ClassVar

import msgspec
import orjson

from api.native.lists import ListQuery, rows_answer
from api.native.members import Member, nested, shown
from api.native.named import read_one
from api.native.operation import Answer, Call, Operation
from api.native.pollers import View, views_of
from api.native.requests import PollerQuery
from api.native.state import as_it_is_now
from api.render import rfc3339_or_none
from engine.model import ContactConfig, ContactStatus
from engine.state.configured import CONTACTS, Configured, contact_status
from engine.state.fields import Table, seen_by
from engine.state.groups import groups_of
from engine.state.scope import Scope
from engine.state.sources import CONTACT_ROWS
from engine.state.views import Reader


class Contact(msgspec.Struct, frozen=True):
    """One contact. Options are the core's letters, `n` for none. Switches and periods are those of now, if the core shows them."""

    name: str
    poller: str
    alias: str
    email: str
    pager: str
    can_submit_commands: bool
    host_notifications_enabled: bool
    service_notifications_enabled: bool
    host_notification_period: str
    service_notification_period: str
    host_notification_options: str
    service_notification_options: str
    host_notification_commands: list[str]
    service_notification_commands: list[str]
    last_host_notification: str | None
    last_service_notification: str | None
    custom_variables: dict[str, str]
    contactgroups: list[str]


class Contacts(msgspec.Struct, frozen=True):
    """One page of contacts, by name and poller."""

    total: int
    limit: int
    offset: int
    views: list[View]
    items: list[Contact]


class ContactDetail(msgspec.Struct, frozen=True):
    """One contact, and how fresh what is said of it is."""

    contact: Contact
    view: View


class ContactsQuery(ListQuery, frozen=True, kw_only=True):
    """Which contacts."""

    tables: ClassVar[tuple[Table, ...]] = (CONTACT_ROWS.table,)


_NOW = CONTACT_ROWS.table.fields
_VARIABLES = "(SELECT cs.custom_variables FROM state.contact_status cs WHERE cs.poller = x.poller AND cs.name = x.name)"


def _columns(scope: Scope) -> dict[str, Member]:
    groups = seen_by(scope, CONTACT_ROWS.table).field("contactgroups")
    assert groups is not None
    return {
        **{name: shown(_NOW[name]) for name in Contact.__struct_fields__ if name in _NOW and not _NOW[name].links},
        **{name: nested(f"x.{name}") for name in ("host_notification_commands", "service_notification_commands")},
        "poller": shown(_NOW["poller.name"]),
        "custom_variables": nested(as_it_is_now("x.custom_variables", f"coalesce({_VARIABLES}, '')")),
        "contactgroups": nested(groups.array()),
    }


async def list_contacts(call: Call, query: ContactsQuery) -> Answer:
    """One page of contacts, or all."""
    return await rows_answer(call, query, CONTACT_ROWS, _columns, Contact.__struct_fields__)


async def show_contact(call: Call, query: PollerQuery) -> Answer:
    """One contact."""

    def work(reader: Reader) -> ContactDetail:
        one = read_one(reader, call, CONTACTS, "contact", call.names["contact"], query)
        return ContactDetail(_contact(reader, call, one), views_of(reader, call)[one.poller])

    return Answer(await call.desk.read(work))


def _contact(reader: Reader, call: Call, one: Configured[ContactConfig]) -> Contact:
    config, status = one.config, contact_status(reader, one.poller, one.config.name)
    now: ContactConfig | ContactStatus = status or config
    return Contact(
        name=config.name,
        poller=one.poller_name,
        alias=config.alias,
        email=config.email,
        pager=config.pager,
        can_submit_commands=bool(config.can_submit_commands),
        host_notifications_enabled=bool(now.host_notifications_enabled),
        service_notifications_enabled=bool(now.service_notifications_enabled),
        host_notification_period=now.host_notification_period or config.host_notification_period,
        service_notification_period=now.service_notification_period or config.service_notification_period,
        host_notification_options=config.host_notification_options,
        service_notification_options=config.service_notification_options,
        host_notification_commands=list(config.host_notification_commands),
        service_notification_commands=list(config.service_notification_commands),
        last_host_notification=rfc3339_or_none(status.last_host_notification) if status else None,
        last_service_notification=rfc3339_or_none(status.last_service_notification) if status else None,
        custom_variables=orjson.loads(config.custom_variables) | (orjson.loads(status.custom_variables) if status else {}),
        contactgroups=list(groups_of(reader, call.caller.scope, "contactgroup", one.poller, config.name)),
    )


OPERATIONS = (
    Operation(
        "GET",
        "/v1/contacts",
        "Contacts",
        list_contacts,
        {200: Contacts},
        query=ContactsQuery,
        problems=(404,),
        lines=True,
        tagged=True,
    ),
    Operation(
        "GET", "/v1/contacts/{contact}", "One contact", show_contact, {200: ContactDetail}, query=PollerQuery, problems=(404, 409)
    ),
)

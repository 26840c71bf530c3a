"""What a command names → where it goes: an object, a group, a contact or a core as a whole, within the caller's scope.

A command is for callers whose hostgroups hold every host it reaches. Whether a contact of the core may give it is said in
rights.py, which asks for the object, or the group's members, as the core's own CGIs do, and not for all that is reached. A
contact's settings and a whole core's are no host's: they are for callers whose scope is not limited to hostgroups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from engine.commands.catalogue import Effect, Row, Subject
from engine.commands.profiles import PROFILES
from engine.commands.row import GROUPS, OBJECTS, Members
from engine.commands.wire import check_name
from engine.desk.checks import Asked, fresh_age
from engine.desk.resolve import Found, Resolver
from engine.desk.values import Target
from engine.errors import Ambiguous, Forbidden, InvalidField, NotPossible, StatusFileStale, UnknownObject, UnknownPoller
from engine.model import ObjectKey, PollerView
from engine.state.members import contacts_of, hosts_of_group, objects_of, pollers_with, shown_of, shown_of_contact
from engine.state.views import Reader

# What a command on a host may act on instead of the host.
_OF_A_HOST = {Members.SERVICES: "services", Members.CHILDREN_AND_SERVICES: "children"}


def subjects_of(resolver: Resolver, row: Row, names: Mapping[str, object], poller: int | None) -> list[Found]:
    """Where the command goes: to one poller, or to each that has the group or contact of that name.

    Raises UnknownHost, UnknownService, UnknownObject, UnknownPoller, Ambiguous, Forbidden, NotPossible where nobody would be met.
    """
    if row.subject in OBJECTS:
        host = _name(names, "host")
        service = _name(names, "service") if row.subject is Subject.SERVICE else None
        found = resolver.one(Target(host, service, poller))
        members = objects_of(resolver.reader, found.key.poller, row, names)
        _check_scope(resolver, found.key.poller, host, members)
        if not members and row.on in _OF_A_HOST and not _takes_itself_in(row, found):
            raise NotPossible(
                f"{host} has no {_OF_A_HOST[row.on]} that {row.name} would act on: there is nothing to command.", host=host
            )
        return [found._replace(members=members)]
    if poller is not None and resolver.core(poller) is None:
        raise UnknownPoller(f"There is no poller {poller}.", poller=poller)
    if row.subject in GROUPS:
        return _groups(resolver, row, names, poller)
    if resolver.scope.hostgroups is not None:
        raise Forbidden(
            f"{row.name} acts beyond the hostgroups you are limited to: ask somebody who may see the whole core.",
            right="whole core",
        )
    if row.subject is Subject.GLOBAL:
        return [_found(resolver, _only(sorted(resolver.visible()), poller, "The command is for a whole core"), "")]
    name = _name(names, row.subject.value)
    return [
        _found(resolver, number, name)._replace(contacts=contacts_of(resolver.reader, number, row, names))
        for number in _named(resolver, row.subject, name, poller, _commanded(resolver, row))
    ]


def check_variable(reader: Reader, who: Asked, found: Found, row: Row, names: Mapping[str, object]) -> None:
    """Raises InvalidField for a custom variable that the object has not got.

    Cores pass over such a command without a word; Icinga 2 makes the variable. **Source**: Nagios 4.4.6 base/commands.c,
    cmd_change_object_custom_var, which takes the name in capitals; both were tried (tests/system/test_every_command.py).
    """
    wanted = names.get("variable")
    is_listed = bool(row.signs) and row.signs[0].key == "custom_variables" and row.effect_in(found.poller.kind) is Effect.SHOWN
    if not is_listed or not isinstance(wanted, str) or fresh_age(who, found) is None:
        return
    number, columns = found.key.poller, ("custom_variables",)
    is_contact = row.subject is Subject.CONTACT
    shown = shown_of_contact(reader, number, found.name, columns) if is_contact else shown_of(reader, found.key, columns)
    known = sorted(orjson.loads(str(shown["custom_variables"]))) if shown is not None else []
    if shown is not None and wanted.upper() not in map(str.upper, known):
        has = f"it has {', '.join(known)}" if known else "it has none"
        raise InvalidField(
            f"{found.label} has no custom variable {wanted!r}, and {found.poller.name} would pass over the command: {has}.",
            field="variable", known=known,
        )  # fmt: skip


def _takes_itself_in(row: Row, found: Found) -> bool:
    return row.name == "SCHEDULE_HOST_SVC_DOWNTIME" and PROFILES[found.poller.kind].host_services_downtime_includes_host


def _groups(resolver: Resolver, row: Row, names: Mapping[str, object], poller: int | None) -> list[Found]:
    """The group on each poller where it has members that the command reaches."""
    name = _name(names, row.subject.value)
    members = {number: _members(resolver, row, names, number) for number in _named(resolver, row.subject, name, poller)}
    if resolver.scope.is_limited and not any(resolver.sees_of_group(number, row.subject, name) for number in members):
        raise _unknown(row.subject, name)
    for number, keys in members.items():
        _check_scope(resolver, number, name, keys)
    reached = {number: keys for number, keys in members.items() if keys}
    if not reached:
        raise NotPossible(f"The {row.subject.value} {name!r} has no such members: there is nothing to command.", name=name)
    return [_found(resolver, number, name)._replace(members=keys) for number, keys in reached.items()]


def _members(resolver: Resolver, row: Row, names: Mapping[str, object], number: int) -> tuple[ObjectKey, ...]:
    """Whom the command reaches: also one that chooses by its own words stays within the group."""
    if row.on is not Members.NOBODY:
        return objects_of(resolver.reader, number, row, names)
    return tuple(ObjectKey(number, host) for host in hosts_of_group(resolver.reader, number, row.subject, names))


def _check_scope(resolver: Resolver, number: int, name: str, members: Sequence[ObjectKey]) -> None:
    """Raises Forbidden when a command would reach hosts beyond the caller's hostgroups."""
    if resolver.scope.hostgroups is not None and {key.host for key in members} - resolver.hosts_in_scope(number, as_contact=False):
        raise Forbidden(f"The command on {name} reaches hosts beyond your scope: command its members one by one.", right="scope")


def _commanded(resolver: Resolver, row: Row) -> dict[int, PollerView]:
    """The visible pollers that a contact may command as a whole: whom else there is to command, he is not told.

    Raises Forbidden for one who may command none.
    """
    visible, rights = resolver.visible(), resolver.scope.rights
    if rights is None:
        return visible
    where, values = rights.commands_system("p.number")
    given = {number for (number,) in resolver.reader.connection.execute(f"SELECT number FROM state.poller p WHERE {where}", values)}
    if not given & visible.keys():
        raise Forbidden(f"{row.name}: the contact {rights.contact} may not, says the core's CGI configuration.", right="contact")
    return {number: view for number, view in visible.items() if number in given}


def _named(
    resolver: Resolver, subject: Subject, name: str, poller: int | None, among: Mapping[int, PollerView] | None = None
) -> list[int]:
    """The visible pollers that have it, or the one that is asked for. `among`: only these."""
    visible = resolver.visible() if among is None else among
    having = [number for number in pollers_with(resolver.reader, subject, name) if number in visible]
    if not having or (poller is not None and poller not in having):
        unseen = [view.name for view in visible.values() if not view.generation]
        if unseen:
            raise StatusFileStale(
                f"Not every core's files have been read yet: ask again in a moment, {name} may stand there.", pollers=unseen
            )
        raise _unknown(subject, name)
    return having if poller is None else [poller]


def _only(numbers: list[int], poller: int | None, why: str) -> int:
    if poller is not None:
        return poller
    if not numbers:
        raise UnknownPoller("There is no poller within your scope.")
    if len(numbers) > 1:
        raise Ambiguous(f"{why}: say which with poller=.", pollers=numbers)
    return numbers[0]


def _found(resolver: Resolver, number: int, name: str) -> Found:
    return Found(ObjectKey(number, ""), resolver.pollers[number], resolver.core(number), None, name=name)


def _name(names: Mapping[str, object], field: str) -> str:
    value = names.get(field)
    if not isinstance(value, str):
        raise InvalidField(f"{field} must be given, as text.", field=field)
    return check_name(value, field)


def _unknown(subject: Subject, name: str) -> UnknownObject:
    return UnknownObject(f"There is no {subject.value} {name!r}.", kind=subject.value, name=name)

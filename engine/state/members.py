"""Whom a command acts on: the members of its subject as the mirror has them now, and what their rows say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from engine.commands.row import MEMBERS, Members, Row, Subject, meant
from engine.model import ObjectKey
from engine.state.views import Reader

_HOSTS = "SELECT gm.host_name FROM state.group_member gm WHERE gm.poller = ? AND gm.kind = ? AND gm.name = ?"


def objects_of(reader: Reader, poller: int, row: Row, names: Mapping[str, object]) -> tuple[ObjectKey, ...]:
    """The hosts and services a command acts on, by name; () for commands on contacts or on the whole core."""
    host, service = str(names.get("host") or ""), names.get("service")
    below = (Members.HOST_AND_CHILDREN, Members.CHILDREN_AND_SERVICES)
    hosts: Sequence[str] = children_of(reader, poller, host) if row.on in below else (host,)
    match row.on:
        case Members.NOBODY | Members.CONTACTS:
            return ()
        case Members.ITSELF if row.subject in (Subject.HOST, Subject.SERVICE):
            return (ObjectKey(poller, host, str(service) if service is not None else None),)
        case Members.ITSELF:
            return ()
        case Members.HOST_AND_CHILDREN:
            return tuple(ObjectKey(poller, name) for name in (host, *hosts))
        case Members.CHILDREN_AND_SERVICES | Members.HOST_AND_SERVICES:
            return tuple(key for name in hosts for key in (ObjectKey(poller, name), *_services(reader, poller, name)))
        case Members.HOSTS:
            return tuple(ObjectKey(poller, name) for name in hosts_of_group(reader, poller, row.subject, names))
        case Members.SERVICES if row.subject is Subject.SERVICEGROUP:
            return _services_of_group(reader, poller, str(names["servicegroup"]))
        case Members.SERVICES:
            named = hosts_of_group(reader, poller, row.subject, names) if row.subject is Subject.HOSTGROUP else hosts
            return tuple(key for name in named for key in _services(reader, poller, name))


def hosts_of_group(reader: Reader, poller: int, subject: Subject, names: Mapping[str, object]) -> tuple[str, ...]:
    """The hosts of a hostgroup, or those of a servicegroup's services, that stand in the status file."""
    query = f"SELECT h.name FROM state.host h WHERE h.poller = ? AND h.name IN ({_HOSTS}) ORDER BY h.name"
    found = reader.connection.execute(query, (poller, poller, subject.value, names[subject.value]))
    return tuple(name for (name,) in found)


def meant_hosts(reader: Reader, poller: int, subject: Subject, arguments: Mapping[str, object]) -> Sequence[str]:
    """Those the command was accepted for; as the group is now for a command of a time when these were not stored."""
    accepted = arguments.get(MEMBERS)
    return accepted if isinstance(accepted, list) else hosts_of_group(reader, poller, subject, arguments)


def meant_objects(reader: Reader, poller: int, row: Row, arguments: Mapping[str, object]) -> Sequence[ObjectKey] | None:
    """The hosts and services a command was accepted for; None when they were too many to be stored, and are others by now."""
    accepted = arguments.get(MEMBERS)
    if isinstance(accepted, list):
        return [ObjectKey(poller, host, service or None) for host, _, service in (name.partition(";") for name in accepted)]
    now = objects_of(reader, poller, row, arguments)
    return now if accepted in (None, meant([member_name(key) for key in now])) else None


def meant_contacts(reader: Reader, poller: int, row: Row, arguments: Mapping[str, object]) -> Sequence[str] | None:
    """The same of contacts."""
    accepted = arguments.get(MEMBERS)
    if isinstance(accepted, list):
        return accepted
    now = contacts_of(reader, poller, row, arguments)
    return now if accepted in (None, meant(now)) else None


def member_name(key: ObjectKey) -> str:
    """A host or service as MEMBERS names it."""
    return key.host if key.service is None else f"{key.host};{key.service}"


def contacts_of(reader: Reader, poller: int, row: Row, names: Mapping[str, object]) -> tuple[str, ...]:
    """The contacts a command acts on."""
    if row.subject is Subject.CONTACT:
        return (str(names["contact"]),)
    found = reader.connection.execute(f"{_HOSTS} ORDER BY 1", (poller, "contactgroup", names["contactgroup"]))
    return tuple(name for (name,) in found)


def children_of(reader: Reader, poller: int, host: str) -> tuple[str, ...]:
    """Every host below this one, each once."""
    children: dict[str, list[str]] = {}
    query = "SELECT name, parents FROM state.host_config WHERE poller = ? AND parents <> '[]'"
    for name, parents in reader.connection.execute(query, (poller,)):
        for parent in orjson.loads(parents):
            children.setdefault(parent, []).append(name)
    found: dict[str, None] = {}
    new = list(children.get(host, ()))
    while new:
        name = new.pop(0)
        if name not in found and name != host:
            found[name] = None
            new += children.get(name, ())
    return tuple(found)


def _services(reader: Reader, poller: int, host: str) -> list[ObjectKey]:
    return [ObjectKey(poller, host, service) for service in reader.service_names(poller, host)]


def _services_of_group(reader: Reader, poller: int, group: str) -> tuple[ObjectKey, ...]:
    found = reader.connection.execute(
        "SELECT s.host_name, s.description FROM state.group_member gm JOIN state.service s"
        " ON s.poller = gm.poller AND s.host_name = gm.host_name AND s.description = gm.service_description"
        " WHERE gm.poller = ? AND gm.kind = 'servicegroup' AND gm.name = ? ORDER BY 1, 2",
        (poller, group),
    )
    return tuple(ObjectKey(poller, host, service) for host, service in found)


def shown_of(reader: Reader, key: ObjectKey, columns: Sequence[str]) -> dict[str, object] | None:
    """These columns of one host or service; None when it is not in the status file."""
    table, where = ("host", "name = ?") if key.service is None else ("service", "host_name = ? AND description = ?")
    values = (key.poller, key.host) if key.service is None else (key.poller, key.host, key.service)
    return _shown(reader, table, where, columns, values)


def shown_of_contact(reader: Reader, poller: int, contact: str, columns: Sequence[str]) -> dict[str, object] | None:
    """The same of a contact."""
    return _shown(reader, "contact_status", "name = ?", columns, (poller, contact))


def _shown(reader: Reader, table: str, where: str, columns: Sequence[str], values: Sequence[object]) -> dict[str, object] | None:
    query = f"SELECT {', '.join(columns)} FROM state.{table} WHERE poller = ? AND {where}"
    found = reader.connection.execute(query, values).fetchone()
    return dict(zip(columns, found, strict=True)) if found is not None else None


def program_of(reader: Reader, poller: int) -> dict[str, object]:
    """The programstatus block of a core's newest status file, keys and values as it wrote them."""
    found = reader.connection.execute("SELECT program FROM state.poller WHERE number = ?", (poller,)).fetchone()
    return dict(orjson.loads(found[0])) if found is not None else {}


def pollers_with(reader: Reader, subject: Subject, name: str) -> tuple[int, ...]:
    """The numbers of the pollers that have a group or contact of that name."""
    if subject is Subject.CONTACT:
        query, values = "SELECT poller FROM state.contact WHERE name = ? ORDER BY poller", [name]
    else:
        query, values = "SELECT poller FROM state.object_group WHERE kind = ? AND name = ? ORDER BY poller", [subject.value, name]
    return tuple(number for (number,) in reader.connection.execute(query, values))

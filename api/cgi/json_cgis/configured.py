"""objectjson.cgi about everything but hosts and services: groups, contacts, timeperiods, commands, dependencies, escalations.

Of one name on several pollers the first poller's words are shown; a group has the members of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
import orjson
from msgspec.structs import replace

from api.cgi.json_cgis.envelope import Data, member
from api.cgi.json_cgis.names import Found, Keys, Named, Sight
from api.cgi.json_cgis.options import Asked, Code, Mistake
from api.cgi.json_cgis.output import Output, option_letters, real
from api.cgi.json_cgis.selection import in_hostgroup, in_servicegroup, repeated
from api.cgi.json_cgis.status import limits
from api.cgi.json_cgis.timeranges import days, exceptions
from api.cgi.json_cgis.words import HOST_LETTERS, OPTION_TYPES, SERVICE_LETTERS
from engine.state.configured import CHECK_COMMANDS, CONTACTS, TIMEPERIODS
from engine.state.groups import named_by_objects
from engine.state.scope import Condition, all_of

Details = Callable[[Sight, Output, Mapping[str, Any]], dict[str, object]]
Narrowing = Callable[[Sight, Asked, Found], list[Condition]]
Answering = Callable[[Sight, Asked, Found, Output], Data]

_MOST_ADDRESSES = 6


class Noun(msgspec.Struct, frozen=True):
    """One kind of named object. `option`: what names one of them; `narrowing`: which of them selectors leave."""

    name: str
    table: str
    option: str
    selectors: tuple[str, ...]
    narrowing: Narrowing
    details: Details
    keys: Mapping[str, str] = msgspec.field(default_factory=dict)
    fixed: str = "1"


# --- which there are ----------------------------------------------------------------------------------------------------------


def _conditions(noun: Noun, sight: Sight, asked: Asked, found: Found) -> tuple[str, list[object]]:
    return all_of([sight.on_pollers("x.poller"), (noun.fixed, []), *noun.narrowing(sight, asked, found)])


def _group_in_sight(kind: str, sight: Sight) -> Condition:
    """Groups with a member in sight, as the originals have it: an empty one is seen by nobody."""
    if kind == "hostgroup":
        in_sight, values = sight.hosts("m.poller", "m.host_name")
    else:
        in_sight, values = sight.services("m.poller", "m.host_name", "m.service_description")
    members = f"SELECT 1 FROM state.group_member m WHERE m.kind = '{kind}' AND m.name = x.name AND m.poller = x.poller"
    return f"EXISTS ({members} AND {in_sight})", values


def _with_member(kind: str, member: Named | None, description: str = "") -> list[Condition]:
    if member is None:
        return []
    same = "m.poller = ? AND m.host_name = ? AND m.service_description = ?"
    query = f"SELECT m.name FROM state.group_member m WHERE m.kind = ? AND {same}"
    return [(f"x.name IN ({query})", [kind, *member, description])]


def _hostgroups(sight: Sight, asked: Asked, found: Found) -> list[Condition]:
    return [_group_in_sight("hostgroup", sight), *_with_member("hostgroup", found.hosts.get("hostgroupmember"))]


def _servicegroups(sight: Sight, asked: Asked, found: Found) -> list[Condition]:
    host, description = found.hosts.get("servicegroupmemberhost"), asked.text("servicegroupmemberservice") or ""
    return [_group_in_sight("servicegroup", sight), *_with_member("servicegroup", host, description)]


def _used(sight: Sight, condition: Callable[[Any], Condition]) -> list[Condition]:
    return [condition(sight.scope)] if sight.is_limited else []


def _contactgroups(sight: Sight, asked: Asked, found: Found) -> list[Condition]:
    used = _used(sight, lambda scope: named_by_objects(scope, "contact_groups", "x.poller", "x.name"))
    contact = asked.text("contactgroupmember")
    query = "SELECT m.poller, m.name FROM state.group_member m WHERE m.kind = 'contactgroup' AND m.host_name = ?"
    return used if contact is None else [*used, (f"(x.poller, x.name) IN ({query})", [contact])]


def _contacts(sight: Sight, asked: Asked, found: Found) -> list[Condition]:
    conditions = _used(sight, CONTACTS.used)
    group = asked.text("contactgroup")
    if group is not None:
        query = "SELECT m.poller, m.host_name FROM state.group_member m WHERE m.kind = 'contactgroup' AND m.name = ?"
        conditions.append((f"(x.poller, x.name) IN ({query})", [group]))
    for kind in ("host", "service"):
        period = asked.text(f"{kind}notificationtimeperiod")
        if period is not None:
            conditions.append((f"x.{kind}_notification_period = ?", [period]))
    return conditions


# --- what they are like -------------------------------------------------------------------------------------------------------


def _group_details(kind: str, sight: Sight, output: Output, row: Mapping[str, Any]) -> dict[str, object]:
    where, values = sight.on_pollers("m.poller")
    if kind != "contactgroup":
        where, values = all_of([sight.services("m.poller", "m.host_name", "m.service_description")])
        if kind == "hostgroup":
            where, values = all_of([sight.hosts("m.poller", "m.host_name")])
    found = sight.rows(
        f"SELECT m.poller, m.host_name, m.service_description FROM state.group_member m WHERE m.kind = ? AND m.name = ? AND {where}"
        " ORDER BY 1, 2, 3",
        [kind, row["name"], *values],
    )
    described: dict[str, object] = {"group_name": row["name"], "alias": row["alias"]}
    if kind == "contactgroup":
        return described | {"members": sorted({name for _, name, _ in found})}
    keys = Keys(sight)
    if kind == "hostgroup":
        members: list[object] = [keys.of(poller, host) for poller, host, _ in found]
    else:
        members = [{"host_name": keys.of(poller, host), "service_description": service} for poller, host, service in found]
    return described | {"members": members, **{name: row[name] for name in ("notes", "notes_url", "action_url")}}


def _contact_details(sight: Sight, output: Output, row: Mapping[str, Any]) -> dict[str, object]:
    said = orjson.loads(row["directives"])
    mask = output.mask(OPTION_TYPES)
    return {
        "name": row["name"],
        "alias": row["alias"],
        "email": row["email"],
        "pager": row["pager"],
        "addresses": [said[f"address{at}"] for at in range(1, _MOST_ADDRESSES + 1) if f"address{at}" in said],
        "host_notification_commands": orjson.loads(row["host_notification_commands"]),
        "service_notification_commands": orjson.loads(row["service_notification_commands"]),
        "service_notification_options": mask(option_letters(row["service_notification_options"], SERVICE_LETTERS)),
        "host_notification_options": mask(option_letters(row["host_notification_options"], HOST_LETTERS)),
        "host_notification_period": row["host_notification_period"],
        "service_notification_period": row["service_notification_period"],
        "host_notifications_enabled": bool(row["host_notifications_enabled"]),
        "service_notifications_enabled": bool(row["service_notifications_enabled"]),
        "can_submit_commands": bool(row["can_submit_commands"]),
        "retain_status_information": said.get("retain_status_information", "1") != "0",
        "retain_nonstatus_information": said.get("retain_nonstatus_information", "1") != "0",
        "minimum_value": int(said.get("minimum_importance", "0")),
        "custom_variables": orjson.loads(row["custom_variables"]),
    }


def _timeperiod_details(sight: Sight, output: Output, row: Mapping[str, Any]) -> dict[str, object]:
    ranges = [(key, value) for key, value in orjson.loads(row["ranges"])]
    exclusions = orjson.loads(row["exclude"])
    return {
        "name": row["name"],
        "alias": row["alias"],
        "days": days(ranges),
        "exceptions": exceptions(ranges),
        "exclusions": exclusions,
    }


def _command_details(sight: Sight, output: Output, row: Mapping[str, Any]) -> dict[str, object]:
    return {"name": row["name"], "command_line": row["line"]}


NOUNS = (
    Noun(
        "hostgroup", "object_group", "hostgroup", ("hostgroupmember",), _hostgroups, partial(_group_details, "hostgroup"),
        fixed="x.kind = 'hostgroup'",
    ),
    Noun(
        "servicegroup", "object_group", "servicegroup", ("servicegroupmemberhost", "servicegroupmemberservice"), _servicegroups,
        partial(_group_details, "servicegroup"), fixed="x.kind = 'servicegroup'",
    ),
    Noun(
        "contactgroup", "object_group", "contactgroup", ("contactgroupmember",), _contactgroups,
        partial(_group_details, "contactgroup"), fixed="x.kind = 'contactgroup'",
    ),
    Noun(
        "contact", "contact", "contactname", ("contactgroup", "hostnotificationtimeperiod", "servicenotificationtimeperiod"),
        _contacts, _contact_details,
    ),
    Noun("timeperiod", "timeperiod", "timeperiod", (), lambda sight, *_: _used(sight, TIMEPERIODS.used), _timeperiod_details),
    Noun("command", "check_command", "command", (), lambda sight, *_: _used(sight, CHECK_COMMANDS.used), _command_details),
)  # fmt: skip


def _count(noun: Noun, sight: Sight, asked: Asked, found: Found, output: Output) -> Data:
    where, values = _conditions(noun, sight, asked, found)
    total = sight.rows(f"SELECT count(DISTINCT x.name) FROM state.{noun.table} x WHERE {where}", values)[0][0]
    return Data({"selectors": repeated(asked, output, noun.selectors), "count": total})


def _listing(noun: Noun, sight: Sight, asked: Asked, found: Found, output: Output) -> Data:
    where, values = _conditions(noun, sight, asked, found)
    # Of the rows of one name SQLite gives the one with the lowest poller: what min() is taken of decides.
    query = f"SELECT x.*, min(x.poller) FROM state.{noun.table} x WHERE {where} GROUP BY x.name ORDER BY x.name LIMIT ? OFFSET ?"
    rows = _named(sight, query, [*values, *limits(asked)])
    details = asked.flag("details")
    entries = [
        member(output, row["name"], noun.details(sight, output, row)) if details else output.encode(row["name"]) for row in rows
    ]
    selectors = repeated(asked, output, ("start", "count", *noun.selectors))
    return Data({"selectors": selectors}, f"{noun.name}list", entries, details)


def _one(noun: Noun, sight: Sight, asked: Asked, found: Found, output: Output) -> Data:
    """Raises Mistake for one that lists do not show this caller."""
    name = asked.text(noun.option)
    in_sight = noun.narrowing(sight, replace(asked, values={}), Found({})) if sight.is_limited else []
    where, values = all_of([sight.on_pollers("x.poller"), (noun.fixed, []), *in_sight, ("x.name = ?", [name])])
    rows = _named(sight, f"SELECT x.* FROM state.{noun.table} x WHERE {where} ORDER BY x.poller LIMIT 1", values)
    if not rows:
        raise Mistake(Code.VALUE_INVALID, f"The {noun.name} '{name}' could not be found.", asked.query)
    return Data({noun.name: noun.details(sight, output, rows[0])})


def _named(sight: Sight, query: str, values: Sequence[object]) -> list[dict[str, Any]]:
    found = sight.reader.connection.execute(query, list(values))
    names = [described[0] for described in found.description]
    return [dict(zip(names, row, strict=True)) for row in found]


# --- dependencies and escalations ---------------------------------------------------------------------------------------------


def _links(kind: str, is_service: bool, sight: Sight, asked: Asked, found: Found, output: Output, *, counted: bool) -> Data:
    conditions = _LINK_CONDITIONS[kind](sight, asked, found)
    conditions.append((f"x.{_OWN[kind]} {'<>' if is_service else '='} ''", []))
    where, values = all_of(conditions)
    name = f"{'service' if is_service else 'host'}{kind}"
    selectors = [option for option in _LINK_SELECTORS[kind] if is_service or "service" not in option]
    if counted:
        total = sight.rows(f"SELECT count(*) FROM state.{kind} x WHERE {where}", values)[0][0]
        return Data({"selectors": repeated(asked, output, selectors, _LINK_KEYS), "count": total})
    query = f"SELECT x.* FROM state.{kind} x WHERE {where} ORDER BY x.poller, x.rowid LIMIT ? OFFSET ?"
    rows = _named(sight, query, [*values, *limits(asked)])
    entries = [output.encode(_LINK_DETAILS[kind](row, is_service, output), 3) for row in rows]
    return Data({"selectors": repeated(asked, output, ("start", "count", *selectors), _LINK_KEYS)}, f"{name}list", entries, False)


_OWN = {"dependency": "dependent_service_description", "escalation": "service_description"}
_LINK_KEYS = {"contactname": "contact"}
_LINK_SELECTORS = {
    "dependency": (
        "masterhostname", "masterhostgroupname", "masterservicedescription", "masterservicegroupname", "dependenthostname",
        "dependenthostgroupname", "dependentservicedescription", "dependentservicegroupname",
    ),
    "escalation": ("hostname", "servicedescription", "hostgroup", "servicegroup", "contactname", "contactgroup"),
}  # fmt: skip


def _dependency_conditions(sight: Sight, asked: Asked, found: Found) -> list[Condition]:
    conditions = [sight.hosts("x.poller", "x.host_name"), sight.hosts("x.poller", "x.dependent_host_name")]
    for side, prefix in (("master", ""), ("dependent", "dependent_")):
        host, description = f"x.{prefix}host_name", f"x.{prefix}service_description"
        named = found.hosts.get(f"{side}hostname")
        if named is not None:
            conditions.append((f"x.poller = ? AND {host} = ?", list(named)))
        conditions += in_hostgroup(asked, "x.poller", host, f"{side}hostgroupname")
        if (text := asked.text(f"{side}servicedescription")) is not None:
            conditions.append((f"{description} = ?", [text]))
        conditions += in_servicegroup(asked, "x.poller", host, description, f"{side}servicegroupname")
    return conditions


def _escalation_conditions(sight: Sight, asked: Asked, found: Found) -> list[Condition]:
    conditions = [sight.hosts("x.poller", "x.host_name"), *in_hostgroup(asked, "x.poller", "x.host_name")]
    conditions += in_servicegroup(asked, "x.poller", "x.host_name", "x.service_description")
    if (host := found.hosts.get("hostname")) is not None:
        conditions.append(("x.poller = ? AND x.host_name = ?", list(host)))
    if (description := asked.text("servicedescription")) is not None:
        conditions.append(("x.service_description = ?", [description]))
    has = "EXISTS (SELECT 1 FROM json_each(x.{0}) j WHERE j.value = ?)"
    through = (
        "EXISTS (SELECT 1 FROM json_each(x.contact_groups) j JOIN state.group_member m ON m.kind = 'contactgroup'"
        " AND m.name = j.value AND m.poller = x.poller AND m.host_name = ?)"
    )
    if (contact := asked.text("contactname")) is not None:
        conditions.append((f"({has.format('contacts')} OR {through})", [contact, contact]))
    if (group := asked.text("contactgroup")) is not None:
        conditions.append((has.format("contact_groups"), [group]))
    return conditions


def _dependency_details(row: Mapping[str, Any], is_service: bool, output: Output) -> dict[str, object]:
    letters = SERVICE_LETTERS if is_service else HOST_LETTERS
    described: dict[str, object] = {"dependency_type": 1 if row["kind"] == "notification" else 2}
    for prefix in ("dependent_", ""):
        described[f"{prefix}host_name"] = row[f"{prefix}host_name"]
        if is_service:
            described[f"{prefix}service_description"] = row[f"{prefix}service_description"]
    return described | {
        "dependency_period": row["dependency_period"],
        "inherits_parent": bool(row["inherits_parent"]),
        "failure_options": output.mask(OPTION_TYPES)(option_letters(row["failure_options"], letters)),
    }


def _escalation_details(row: Mapping[str, Any], is_service: bool, output: Output) -> dict[str, object]:
    letters = SERVICE_LETTERS if is_service else HOST_LETTERS
    return {
        "host_name": row["host_name"],
        **({"description": row["service_description"]} if is_service else {}),
        "first_notification": row["first_notification"],
        "last_notification": row["last_notification"],
        "notification_interval": real(row["notification_interval"]),
        "escalation_period": row["escalation_period"],
        "escalation_options": output.mask(OPTION_TYPES)(option_letters(row["escalation_options"], letters)),
        "contact_groups": orjson.loads(row["contact_groups"]),
        "contacts": orjson.loads(row["contacts"]),
    }


_LINK_CONDITIONS = {"dependency": _dependency_conditions, "escalation": _escalation_conditions}
_LINK_DETAILS = {"dependency": _dependency_details, "escalation": _escalation_details}


def _answers() -> dict[str, Answering]:
    found: dict[str, Answering] = {}
    for noun in NOUNS:
        found[f"{noun.name}count"] = partial(_count, noun)
        found[f"{noun.name}list"] = partial(_listing, noun)
        found[noun.name] = partial(_one, noun)
    for kind in ("dependency", "escalation"):
        for is_service, word in ((False, "host"), (True, "service")):
            found[f"{word}{kind}count"] = partial(_links, kind, is_service, counted=True)
            found[f"{word}{kind}list"] = partial(_links, kind, is_service, counted=False)
    return found


ANSWERS = _answers()

"""archivejson.cgi: alerts, notifications, the states of one object and availability, from the index of the cores' logs.

Whoever may see an object now may see what happened to it. What is no longer configured is seen by those who see everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from api.cgi.json_cgis.envelope import Data
from api.cgi.json_cgis.names import Found, Sight, is_known
from api.cgi.json_cgis.options import Asked
from api.cgi.json_cgis.output import Output
from api.cgi.json_cgis.report import availability
from api.cgi.json_cgis.rows import Field, Shape, shape
from api.cgi.json_cgis.selection import SERVICES_OF_GROUP, between, in_hostgroup, related, repeated
from api.cgi.json_cgis.status import limits
from api.cgi.json_cgis.words import ARCHIVE_OBJECT, ARCHIVE_STATE, ARCHIVE_STATE_TYPE, NOTIFICATION, SERVICE_RECOVERY
from engine.formats.logentry import EntryType
from engine.state.scope import Condition, all_of

_TABLES = "history.entry e JOIN history.object o ON o.id = e.object"
_IS_SERVICE = "(o.service <> '')"
_STATE = f"iif{_IS_SERVICE[:-1]}, 8 << e.state, 1 << e.state)"
_STATE_TYPE = "iif(e.state_type = 0, 2, 1)"
_OBJECT_FIELDS = (
    Field("timestamp", "e.at", "time"),
    Field("object_type", f"{_IS_SERVICE} + 1", "word", ARCHIVE_OBJECT),
    Field("host_name", "o.host"),
    Field("description", "o.service"),
)
_ALERT_FIELDS = (
    *_OBJECT_FIELDS,
    Field("state_type", _STATE_TYPE, "word", ARCHIVE_STATE_TYPE),
    Field("state", _STATE, "word", ARCHIVE_STATE),
    Field("plugin_output", "e.text"),
)
_OF_HOST = {"CUSTOM": 8, "ACKNOWLEDGEMENT": 16, "FLAPPINGSTART": 32, "FLAPPINGSTOP": 64, "RECOVERY": 4}
_OF_SERVICE = {"CUSTOM": 1024, "ACKNOWLEDGEMENT": 2048, "FLAPPINGSTART": 4096, "FLAPPINGSTOP": 8192, "RECOVERY": SERVICE_RECOVERY}


def _by_word(words: Mapping[str, int], problems: Sequence[int]) -> str:
    cases = " ".join(f"WHEN '{word}' THEN {number}" for word, number in words.items())
    of_state = " ".join(f"WHEN {state} THEN {number}" for state, number in enumerate(problems, 1))
    return f"CASE e.word {cases} WHEN 'PROBLEM' THEN CASE e.state {of_state} ELSE 0 END ELSE 0 END"


_NOTIFICATION_TYPE = f"iif({_IS_SERVICE}, {_by_word(_OF_SERVICE, (256, 128, 16384))}, {_by_word(_OF_HOST, (1, 2))})"
# Behind a person's notification the log has `;author;comment`.
_MESSAGE = "iif(e.word IN ('PROBLEM', 'RECOVERY'), e.text, substr(e.text, 1, instr(e.text || ';', ';') - 1))"
_NOTIFICATION_FIELDS = (
    *_OBJECT_FIELDS,
    Field("contact", "e.contact"),
    Field("notification_type", _NOTIFICATION_TYPE, "word", NOTIFICATION),
    Field("method", "e.command"),
    Field("message", _MESSAGE),
)


def updated(sight: Sight) -> float:
    """When the newest entry of the logs was written; of several pollers the oldest of these."""
    if not sight.reader.attach_history():
        return 0.0
    where, values = sight.on_pollers("poller")
    return float(sight.rows(f"SELECT coalesce(min(newest), 0) FROM history.source WHERE {where}", values)[0][0])


def _in_sight(sight: Sight) -> Condition:
    where, values = sight.on_pollers("o.poller")
    own = f"{where} AND o.host <> ''"
    if not sight.is_limited:
        return own, values
    hosts, host_values = sight.hosts("o.poller", "o.host")
    services, service_values = sight.services("o.poller", "o.host", "o.service")
    return f"{own} AND iif({_IS_SERVICE}, {services}, {hosts})", [*values, *service_values, *host_values]


def _object_conditions(sight: Sight, asked: Asked, found: Found) -> list[Condition]:
    conditions = [_in_sight(sight), *related(found, "o.poller", "o.host"), *in_hostgroup(asked, "o.poller", "o.host")]
    objects = asked.mask("objecttypes")
    if objects is not None:
        conditions.append((f"({_IS_SERVICE} + 1) & ?", [objects]))
    conditions += _named(asked, found)
    group = asked.text("servicegroup")
    if group is not None:
        conditions.append((f"(o.service = '' OR (o.poller, o.host, o.service) IN ({SERVICES_OF_GROUP}))", [group]))
    told_group = asked.text("contactgroup")
    if told_group is not None:
        conditions.append(_told(("contact_groups", told_group)))
    return conditions


def _named(asked: Asked, found: Found) -> list[Condition]:
    """The host that is named, were it no longer there; services of that description, and with them what is said of hosts."""
    conditions: list[Condition] = []
    host = found.hosts.get("hostname")
    if host is not None:
        conditions.append(("o.poller = ? AND o.host = ?", list(host)))
    elif (name := asked.text("hostname")) is not None:
        conditions.append(("o.host = ?", [name]))
    description = asked.text("servicedescription")
    if description is not None:
        conditions.append(("o.service IN ('', ?)", [description]))
    return conditions


def _told(*wanted: tuple[str, str]) -> Condition:
    """Objects in whose configuration one of these lists has that name."""
    parts: list[str] = []
    values: list[object] = []
    for column, name in wanted:
        for table, keys in (("host_config", "c.poller, c.name, ''"), ("service_config", "c.poller, c.host_name, c.description")):
            parts.append(f"SELECT {keys} FROM state.{table} c, json_each(c.{column}) j WHERE j.value = ?")
            values.append(name)
    return f"(o.poller, o.host, o.service) IN ({' UNION ALL '.join(parts)})", values


def _alert_conditions(sight: Sight, asked: Asked, found: Found) -> list[Condition]:
    conditions: list[Condition] = [("e.type = ?", [int(EntryType.ALERT)]), *between(asked, "e.at")]
    conditions += _object_conditions(sight, asked, found)
    if (types := asked.mask("statetypes")) is not None:
        conditions.append((f"{_STATE_TYPE} & ?", [types]))
    conditions += _masks(asked, "hoststates", "servicestates", _STATE)
    contact = asked.text("contactname")
    if contact is not None and is_known(sight, "contact", contact):  # one that is not there narrows nothing, as in the original
        groups = [name for (name,) in sight.rows(_GROUPS_OF, [contact])]
        conditions.append(_told(("contacts", contact), *(("contact_groups", group) for group in groups)))
    return conditions


_GROUPS_OF = "SELECT DISTINCT m.name FROM state.group_member m WHERE m.kind = 'contactgroup' AND m.host_name = ?"


def _masks(asked: Asked, hosts: str, services: str, expression: str) -> list[Condition]:
    """Bits wanted of hosts' entries and of services'."""
    conditions: list[Condition] = []
    for option, side in ((hosts, f"NOT {_IS_SERVICE}"), (services, _IS_SERVICE)):
        mask = asked.mask(option)
        if mask is not None:
            conditions.append((f"(NOT ({side}) OR ({expression}) & ?)", [mask]))
    return conditions


def _notification_conditions(sight: Sight, asked: Asked, found: Found) -> list[Condition]:
    conditions: list[Condition] = [("e.type = ?", [int(EntryType.NOTIFICATION)]), *between(asked, "e.at")]
    conditions += [*_object_conditions(sight, asked, found), (f"({_NOTIFICATION_TYPE}) <> 0", [])]
    conditions += _masks(asked, "hostnotificationtypes", "servicenotificationtypes", _NOTIFICATION_TYPE)
    for option, column in (("contactname", "e.contact"), ("notificationmethod", "e.command")):
        if (name := asked.text(option)) is not None:
            conditions.append((f"{column} = ?", [name]))
    return conditions


_ALERT_SELECTORS = (
    "starttime", "endtime", "objecttypes", "statetypes", "hoststates", "servicestates", "hostname", "servicedescription",
    "parenthost", "childhost", "hostgroup", "servicegroup", "contactname", "contactgroup",
)  # fmt: skip
_NOTIFICATION_SELECTORS = (
    "starttime", "endtime", "objecttypes", "hostnotificationtypes", "servicenotificationtypes", "hostname", "servicedescription",
    "parenthost", "childhost", "hostgroup", "servicegroup", "contactname", "contactgroup", "notificationmethod",
)  # fmt: skip
_KEYS = {"contactname": "contact"}
_OF_SERVICES = ("servicestates", "servicenotificationtypes", "servicegroup")
_OF_HOSTS = ("hoststates", "hostnotificationtypes")


def _selectors(sight: Sight, asked: Asked, output: Output, names: Sequence[str]) -> dict[str, object]:
    """Those of an object type that was not asked for are left out; so is a contact that narrows nothing."""
    objects = asked.words("objecttypes") or frozenset(ARCHIVE_OBJECT)
    left_out = {*(_OF_SERVICES if "service" not in objects else ()), *(_OF_HOSTS if "host" not in objects else ())}
    contact = asked.text("contactname")
    if contact is not None and "notificationmethod" not in names and not is_known(sight, "contact", contact):
        left_out.add("contactname")
    return repeated(asked, output, [name for name in names if name not in left_out], _KEYS)


Conditions = Callable[[Sight, Asked, Found], list[Condition]]


def _count(sight: Sight, asked: Asked, found: Found, output: Output, conditions: Conditions, selectors: Sequence[str]) -> Data:
    total = 0
    if sight.reader.attach_history():
        where, values = all_of(conditions(sight, asked, found))
        total = sight.rows(f"SELECT count(*) FROM {_TABLES} WHERE {where}", values)[0][0]
    return Data({"selectors": _selectors(sight, asked, output, selectors), "count": total})


def alert_count(sight: Sight, asked: Asked, found: Found, output: Output) -> Data:
    """How many alerts there were."""
    return _count(sight, asked, found, output, _alert_conditions, _ALERT_SELECTORS)


def notification_count(sight: Sight, asked: Asked, found: Found, output: Output) -> Data:
    """How many notifications there were."""
    return _count(sight, asked, found, output, _notification_conditions, _NOTIFICATION_SELECTORS)


def alert_list(sight: Sight, asked: Asked, found: Found, output: Output) -> Data:
    """Alerts, oldest first."""
    selectors = _selectors(sight, asked, output, ("start", "count", *_ALERT_SELECTORS))
    entries = _entries(sight, asked, output, shape(_ALERT_FIELDS, output, "o.poller"), _alert_conditions(sight, asked, found))
    return Data({"selectors": selectors}, "alertlist", entries, False)


def notification_list(sight: Sight, asked: Asked, found: Found, output: Output) -> Data:
    """Notifications, oldest first."""
    selectors = _selectors(sight, asked, output, ("start", "count", *_NOTIFICATION_SELECTORS))
    made = shape(_NOTIFICATION_FIELDS, output, "o.poller")
    entries = _entries(sight, asked, output, made, _notification_conditions(sight, asked, found))
    return Data({"selectors": selectors}, "notificationlist", entries, False)


def _entries(sight: Sight, asked: Asked, output: Output, made: Shape, conditions: Sequence[Condition]) -> Iterator[bytes]:
    if not sight.reader.attach_history():
        return
    where, values = all_of(conditions)
    found = sight.reader.connection.execute(
        f"SELECT o.poller, {made.columns} FROM {_TABLES} WHERE {where} ORDER BY e.at, e.seq LIMIT ? OFFSET ?",
        [*values, *limits(asked)],
    )
    for poller, *row in found:
        yield output.encode(_of_object(sight, poller, made.made(row)), 3)


def _of_object(sight: Sight, poller: int, entry: dict[str, Any]) -> dict[str, Any]:
    """A host's entry calls it `name`. With several pollers an entry says which it comes from."""
    described = dict(entry)
    if not described["description"]:
        described["name"] = described.pop("host_name")
        del described["description"]
    return described | ({"poller": sight.poller_name(poller)} if sight.is_many else {})


# --- the states of one object ---------------------------------------------------------------------------------------------------

_STATE_TYPES = (EntryType.ALERT, EntryType.CURRENT_STATE, EntryType.INITIAL_STATE)
_PSEUDO = ("Initial {0} Pseudo-State", "Final {0} Pseudo-State")


def state_changes(sight: Sight, asked: Asked, found: Found, output: Output) -> Data:
    """What the logs say of one object's state from `starttime` on, between the state before and the last one."""
    names = ("start", "count", "starttime", "endtime", "hostname", "servicedescription", "statetypes")
    return Data(
        {"selectors": repeated(asked, output, names)}, "statechangelist", list(_changes(sight, asked, found, output)), False
    )


def _changes(sight: Sight, asked: Asked, found: Found, output: Output) -> Iterator[bytes]:
    if not sight.reader.attach_history():
        return
    is_service = asked.text("objecttype") == "service"
    conditions = [_in_sight(sight), *_named(asked, found), (f"{_IS_SERVICE} = ?", [is_service])]
    conditions.append((f"e.type IN ({','.join(str(int(kind)) for kind in _STATE_TYPES)})", []))
    if (types := asked.mask("statetypes")) is not None:
        conditions.append((f"{_STATE_TYPE} & ?", [types]))
    start, end = asked.number("starttime"), asked.number("endtime") or asked.now
    where, values = all_of([*conditions, ("e.at <= ?", [end])])
    made = shape(_ALERT_FIELDS, output, "o.poller")
    rows = sight.rows(f"SELECT o.poller, e.at, {_STATE}, {made.columns} FROM {_TABLES} WHERE {where} ORDER BY e.at, e.seq", values)
    before = [row for row in rows if row[1] < start]
    within = rows[len(before) :]
    assumed = asked.text("assumedinitialservicestate" if is_service else "assumedinitialhoststate")
    initial = before[-1][2] if before else 0
    if assumed is not None:
        initial = ARCHIVE_STATE.get(assumed, initial)
    if within:
        yield _pseudo(sight, output, within[0], start, initial, _PSEUDO[0])
    for poller, _, _, *row in within[asked.start :][: asked.limit]:
        yield output.encode(_of_object(sight, poller, made.made(row)), 3)
    if rows:
        yield _pseudo(sight, output, rows[-1], end, rows[-1][2], _PSEUDO[1])


def _pseudo(sight: Sight, output: Output, like: Sequence[Any], at: int, state: int, said: str) -> bytes:
    poller, _, _, _, kind, host, service, *_ = like
    entry = {
        "timestamp": output.time(at, poller),
        "object_type": kind,
        "host_name": host,
        "description": service,
        "state_type": output.word(ARCHIVE_STATE_TYPE)(1),
        "state": output.word(ARCHIVE_STATE)(state),
        "plugin_output": said.format("Service" if service else "Host"),
    }
    if isinstance(kind, int):
        entry["object_type"] = output.word(ARCHIVE_OBJECT)(kind)
    return output.encode(_of_object(sight, poller, entry), 3)


ANSWERS: Mapping[str, Callable[[Sight, Asked, Found, Output], Data]] = {
    "alertcount": alert_count,
    "alertlist": alert_list,
    "notificationcount": notification_count,
    "notificationlist": notification_list,
    "statechangelist": state_changes,
    "availability": availability,
}

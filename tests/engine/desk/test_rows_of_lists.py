"""Lists of the configuration and of entries: within every scope, searches and orders find what a naive evaluator finds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.desk.entries import ENTRY_ROWS
from engine.journal.history import EntryRow, insert_entry
from engine.journal.store import Journal
from engine.model import CommandConfig, ContactConfig, ContactStatus, GroupConfig, ObjectCache, TimeperiodConfig
from engine.state.fields import seen_by
from engine.state.frames import Rows
from engine.state.lists import Listing, Source
from engine.state.mirror import Mirror
from engine.state.rights import ContactRights
from engine.state.scope import EVERYTHING, Scope
from engine.state.search import condition, order
from engine.state.sources import CHECK_COMMAND_ROWS, CONTACT_ROWS, GROUP_ROWS, TIMEPERIOD_ROWS
from engine.state.views import Reader
from tests.engine.state.rows import CountingMint, StatusFile, host_config, host_row, poller, scan, service_config, service_row
from tests.support.naive_search import Values, naive

NOW = 1_600_000_000.0
POLLERS = {1: "core1", 2: "core2"}
HOSTS = {
    1: (
        host_row("web1", state=1, plugin_output="down", check_period="24x7", check_command="ping!a", latency=0.5,
                 custom_variables='{"RACK":"A1"}'),
        host_row("web2", scheduled_downtime_depth=1, is_flapping=1, plugin_output="fine 100%"),
        host_row("db1", has_been_checked=0, check_period="nights"),
        host_row("lone", plugin_output="München", checks_enabled=1, custom_variables='{"RACK":"B_2"}'),
    ),
    2: (host_row("web1", plugin_output="two"), host_row("far", state=2, acknowledged=1)),
}  # fmt: skip
SERVICES = {
    1: (
        service_row("web1", "HTTP", state=2),
        service_row("web1", "Disk", state=1, acknowledged=1),
        service_row("web2", "HTTP", plugin_output="ok"),
        service_row("db1", "SQL", state=3),
        service_row("lone", "S", state=2, check_command="mail"),
        service_row("lone", "T", checks_enabled=1),
    ),
    2: (service_row("web1", "HTTP"), service_row("far", "Größe", state=1)),
}
CACHES = {
    1: ObjectCache(
        hosts=(
            host_config("web1", contacts=("ann",), contact_groups=("ops",)),
            host_config("web2"),
            host_config("db1", contact_groups=("dba",)),
        ),
        services=(service_config("lone", "S", contacts=("sven", "Dora")), service_config("db1", "SQL", contact_groups=("dba",))),
        groups=(
            GroupConfig("hostgroup", "web", "Web", (("web1", None), ("web2", None)), notes="n"),
            GroupConfig("hostgroup", "data", "Daten", (("db1", None), ("lone", None))),
            GroupConfig("hostgroup", "empty", "", ()),
            GroupConfig("servicegroup", "http", "", (("web1", "HTTP"), ("web2", "HTTP"))),
            GroupConfig("servicegroup", "odd", "Odd", (("lone", "S"), ("lone", "T"), ("db1", "SQL"))),
            GroupConfig("contactgroup", "ops", "Operators", (("ann", None), ("carl", None))),
            GroupConfig("contactgroup", "dba", "", (("Dora", None),)),
            GroupConfig("contactgroup", "idle", "", (("bob", None), ("ann", None))),
        ),
        contacts=(
            ContactConfig("ann", "Ann", "ann@x", 1, host_notification_period="24x7", custom_variables='{"ROOM":"1","DESK":"a"}'),
            ContactConfig("bob", "Bob", "", 0, host_notification_commands=("mail", "ping")),
            ContactConfig("carl", "größer", "", 1),
            ContactConfig("Dora", 'O\'Dora "?"', "d@x", 1),
            ContactConfig("sven", "", "", 1),
        ),
        timeperiods=(
            TimeperiodConfig("24x7", "always", (("monday", "00:00-24:00"), ("sunday", "00:00-24:00")), ()),
            TimeperiodConfig("nights", "", (("monday", "22:00-24:00"),), ("holidays", "24x7")),
            TimeperiodConfig("holidays", "Holidays", (), ()),
        ),
        commands=(CommandConfig("ping", "$USER1$/ping %", '{"TTL":"3"}'), CommandConfig("mail", "/bin/mail")),
    ),
    2: ObjectCache(
        hosts=(host_config("far", contacts=("ann",)),),
        groups=(
            GroupConfig("hostgroup", "web", "Web of two", (("web1", None),)),
            GroupConfig("servicegroup", "http", "Second", (("web1", "HTTP"), ("far", "Größe"))),
            GroupConfig("contactgroup", "ops", "", (("ann", None),)),
        ),
        contacts=(ContactConfig("ann", "Ann of two", "", 0),),
    ),
}
STATUS = ContactStatus("ann", 0, 1, "nights", "", NOW - 60, 0.0, 0, 0, 0, '{"ROOM":"12"}', 1)
ENTRIES = (
    EntryRow(11, "comment", 1, "web1", "", "ann", "Größe 100%", "seen", 1, NOW - 90, persistent=1, command_id="c", core_id=4),
    EntryRow(12, "comment", 1, "web1", "HTTP", "BOB", "a_b", "confirmed", 1, NOW - 80, persistent=0, reference="R1"),
    EntryRow(13, "comment", 1, "lone", "S", "sven", "Größe 100%", "seen", 0, NOW - 80, deleted_at=NOW - 5, deleted_by="ann"),
    EntryRow(14, "comment", 2, "web1", "", "ann", "'; --", "seen", 1, NOW - 80),
    EntryRow(15, "comment", 1, "gone", "", "ann", "", "confirmed", 0, 0.0),
    EntryRow(16, "comment", 1, "gone", "x", "ann", "refused", "accepted", 0, NOW),  # never stood: in no list
    EntryRow(17, "downtime", 1, "web2", "", "ann", "Umzug", "seen", 1, NOW - 70, NOW - 60, NOW + 60, 1, 0.0, 1, NOW - 59),
    EntryRow(18, "downtime", 2, "far", "Größe", "b\ufffd", "Umzug", "seen", 1, NOW - 70, NOW - 60, NOW + 60, 0, 30.0, 0),
    EntryRow(19, "downtime", 1, "lone", "S", "sven", "z", "accepted", 1, NOW, NOW + 5, NOW + 6, 1, 1.0, cancelled=1),
    EntryRow(20, "acknowledgement", 1, "web1", "", "ann", "on it", "seen", 1, NOW, sticky=1, notify=0, object_state=1),
    EntryRow(21, "acknowledgement", 1, "lone", "S", "sven", "on it", "seen", 1, NOW, end_time=NOW + 9, object_state=2),
)  # fmt: skip
SCOPES = {
    "everything": EVERYTHING,
    "core2": Scope(pollers=frozenset({2})),
    "nothing": Scope(pollers=frozenset()),
    "web": Scope(hostgroups=frozenset({"web"})),
    "web on core1": Scope(hostgroups=frozenset({"web"})).on(1),
    "sven": Scope(rights=ContactRights("sven")),
    "ann": Scope(rights=ContactRights("ann")),
    "Dora": Scope(rights=ContactRights("Dora")),
}
LISTS: dict[str, Source] = {
    "contact": CONTACT_ROWS, "timeperiod": TIMEPERIOD_ROWS, "command": CHECK_COMMAND_ROWS, **GROUP_ROWS,
    **dict.fromkeys(("comment", "downtime", "acknowledgement"), ENTRY_ROWS),
}  # fmt: skip
CASES = [(kind, scope) for kind in LISTS for scope in SCOPES]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    folder = tmp_path_factory.mktemp("lists")
    journal = Journal.open(folder)
    with journal.transaction() as connection:
        for entry in ENTRIES:
            insert_entry(connection, entry)
    mirror = Mirror.open(folder / "state.db", CountingMint())
    mirror.configure([poller(number) for number in POLLERS])
    for number in POLLERS:
        *frames, end = scan(StatusFile(hosts=HOSTS[number], services=SERVICES[number]), cache=CACHES[number], poller=number)
        mirror.apply([*frames, *([Rows(contacts=(STATUS,))] if number == 1 else []), end])
    opened = Reader.open(folder)
    yield opened
    opened.close()
    mirror.close()
    journal.close()


# --- who sees what, and what it is: by hand -------------------------------------------------------------------------------------


def _told(number: int, config: object, contact: str) -> bool:
    groups = {group.name: group.members for group in CACHES[number].groups if group.kind == "contactgroup"}
    named = config.contact_groups if config else ()
    return bool(config) and (contact in config.contacts or any((contact, None) in groups[name] for name in named))


def _config(number: int, host: str, service: str = "") -> object:
    if service:
        return next((one for one in CACHES[number].services if (one.host_name, one.description) == (host, service)), None)
    return next((one for one in CACHES[number].hosts if one.name == host), None)


def sees(scope: Scope, number: int, host: str, service: str = "") -> bool:
    if scope.pollers is not None and number not in scope.pollers:
        return False
    if scope.hostgroups is not None:
        groups = [group.members for group in CACHES[number].groups if group.name in scope.hostgroups and group.kind == "hostgroup"]
        if not any((host, None) in members for members in groups):
            return False
    if scope.rights is None:
        return True
    who = scope.rights.contact
    return _told(number, _config(number, host), who) or (bool(service) and _told(number, _config(number, host, service), who))


def _hosts(scope: Scope) -> list[tuple[int, object]]:
    return [(number, row) for number, rows in HOSTS.items() for row in rows if sees(scope, number, row.name)]


def _services(scope: Scope) -> list[tuple[int, object]]:
    return [(n, row) for n, rows in SERVICES.items() for row in rows if sees(scope, n, row.host_name, row.description)]


def _seen_configs(scope: Scope) -> list[tuple[int, object]]:
    hosts = [(n, _config(n, row.name)) for n, row in _hosts(scope)]
    return [*hosts, *((n, _config(n, row.host_name, row.description)) for n, row in _services(scope))]


def _used(scope: Scope, kind: str, number: int, name: str) -> bool:
    """Whether something within scope uses it."""
    if scope.pollers is not None and number not in scope.pollers:
        return False
    if scope.hostgroups is None and scope.rights is None:
        return True
    if kind == "contact":
        return any(n == number and _told(n, config, name) for n, config in _seen_configs(scope))
    if kind == "contactgroup":
        return any(n == number and config and name in config.contact_groups for n, config in _seen_configs(scope))
    rows = [row for n, row in (*_hosts(scope), *_services(scope)) if n == number]
    if kind == "timeperiod":
        return any(name in (row.check_period, row.notification_period) for row in rows)
    return any(row.check_command.split("!")[0] == name for row in rows)


def _of_poller(number: int) -> Values:
    return {"poller": [str(number), POLLERS[number]], "poller.id": number, "poller.name": POLLERS[number]}


def _contacts(scope: Scope) -> dict[object, Values]:
    rows: dict[object, Values] = {}
    for number, found in CACHES.items():
        for one in found.contacts:
            status = STATUS if (number, one.name) == (1, "ann") else None
            groups = [g.name for g in found.groups if g.kind == "contactgroup" and (one.name, None) in g.members]
            variables = json.loads(one.custom_variables) | (json.loads(status.custom_variables) if status else {})
            rows[one.name, number] = _of_poller(number) | {
                "name": one.name, "alias": one.alias, "email": one.email,
                "can_submit_commands": bool(one.can_submit_commands),
                "host_notifications_enabled": bool((status or one).host_notifications_enabled),
                "host_notification_period": (status and status.host_notification_period) or one.host_notification_period,
                "last_host_notification": status.last_host_notification if status else None,
                "last_service_notification": None,
                "host_notification_commands": list(one.host_notification_commands),
                "contactgroups": [name for name in groups if _used(scope, "contactgroup", number, name)],
                "_ROOM": variables.get("ROOM"), "_desk": variables.get("DESK"),
            }  # fmt: skip
    return {key: values for key, values in rows.items() if _used(scope, "contact", key[1], key[0])}


def _timeperiods(scope: Scope) -> dict[object, Values]:
    return {
        (one.name, number): _of_poller(number) | {
            "name": one.name, "alias": one.alias, "exclude": list(one.exclude), "ranges": [" ".join(pair) for pair in one.ranges],
            "ranges.day": [day for day, _ in one.ranges], "ranges.hours": [hours for _, hours in one.ranges],
        }
        for number, found in CACHES.items() for one in found.timeperiods if _used(scope, "timeperiod", number, one.name)
    }  # fmt: skip


def _commands(scope: Scope) -> dict[object, Values]:
    return {
        (one.name, number): _of_poller(number)
        | {"name": one.name, "line": one.line, "_ttl": json.loads(one.custom_variables).get("TTL")}
        for number, found in CACHES.items()
        for one in found.commands
        if _used(scope, "command", number, one.name)
    }


def _row(rows: dict[int, tuple[object, ...]], number: int, *names: str) -> object:
    return next((row for row in rows[number] if row[: len(names)] == names), None)


def _is_problem(row: object) -> bool:
    return bool(row.has_been_checked and row.state)


def _is_handled(row: object) -> bool:
    return bool(row.acknowledged or row.scheduled_downtime_depth)


def _counts(hosts: list[object], services: list[tuple[object, object]]) -> Values:
    bad = [(row, host) for row, host in services if _is_problem(row)]
    return {
        "hosts.total": len(hosts),
        "hosts.down": sum(_is_problem(row) and row.state == 1 for row in hosts),
        "hosts.pending": sum(not row.has_been_checked for row in hosts),
        "hosts.handled": sum(_is_problem(row) and _is_handled(row) for row in hosts),
        "hosts.checks_disabled": sum(not row.checks_enabled for row in hosts),
        "services.total": len(services),
        "services.critical": sum(row.state == 2 for row, _ in bad),
        "services.unhandled": sum(not (_is_handled(row) or _is_handled(host)) for row, host in bad),
        "services.hidden": sum(_is_problem(host) for _, host in bad),
    }


def _groups(kind: str, scope: Scope) -> dict[object, Values]:
    found: dict[object, Values] = {}
    for name in {group.name for cached in CACHES.values() for group in cached.groups if group.kind == kind}:
        parts = {n: g for n, cached in CACHES.items() for g in cached.groups if (g.kind, g.name) == (kind, name)}
        if kind == "contactgroup":
            parts = {n: group for n, group in parts.items() if _used(scope, kind, n, name)}
            members = [(n, member, "") for n, group in parts.items() for member, _ in group.members]
        else:
            members = [(n, h, s or "") for n, group in parts.items() for h, s in group.members if sees(scope, n, h, s or "")]
            is_limited = scope.hostgroups is not None or scope.rights is not None
            seen = {n for n, *_ in members} if is_limited else {n for n in parts if scope.pollers is None or n in scope.pollers}
            parts = {n: group for n, group in parts.items() if n in seen}
        if not parts:
            continue
        first = parts[min(parts)]
        values: Values = {
            "name": name, "alias": first.alias, "member_count": len(members),
            "pollers": [POLLERS[n] for n in parts], "poller": [word for n in parts for word in (str(n), POLLERS[n])],
        }  # fmt: skip
        if kind == "contactgroup":
            values["contact"] = [member for _, member, _ in members]
        else:
            values |= {"notes": first.notes, **_of_members(kind, scope, members, parts)}
        found[name] = values
    return found


def _of_members(kind: str, scope: Scope, members: list[tuple[int, str, str]], parts: dict[int, GroupConfig]) -> Values:
    of_group = [(n, h, s or "") for n, group in parts.items() for h, s in group.members]
    if kind == "hostgroup":
        hosts = [(n, _row(HOSTS, n, h)) for n, h, _ in members]
        services = [(n, row) for n, h, _ in of_group for m, row in _services(scope) if (m, row.host_name) == (n, h)]
        of_seen_hosts = [(n, row) for n, h, _ in members for row in SERVICES[n] if row.host_name == h]
    else:
        hosts = [(n, _row(HOSTS, n, h)) for n, h in sorted({(n, h) for n, h, _ in of_group if sees(scope, n, h)})]
        services = of_seen_hosts = [(n, _row(SERVICES, n, h, s)) for n, h, s in members]
    with_host = [(row, _row(HOSTS, n, row.host_name)) for n, row in services]
    beside = {row.name for _, row in hosts} | {row.host_name for _, row in of_seen_hosts}
    return {
        "host": sorted(beside),
        "host.plugin_output": [row.plugin_output for _, row in hosts],
        "host._RACK": [v for v in (json.loads(row.custom_variables).get("RACK") for _, row in hosts) if v],
        "service": [row.description for _, row in of_seen_hosts],
        "service.acknowledged": [bool(row.acknowledged) for _, row in of_seen_hosts],
    } | _counts([row for _, row in hosts], with_host)


def _entries(kind: str, scope: Scope) -> dict[object, Values]:
    found: dict[object, Values] = {}
    for one in ENTRIES:
        if one.kind != kind or one.id == 16 or not sees(scope, one.poller, one.host, one.service):
            continue
        host, service = _row(HOSTS, one.poller, one.host), _row(SERVICES, one.poller, one.host, one.service)
        seen_host = host if sees(scope, one.poller, one.host) else None
        cached = [g for g in CACHES[one.poller].groups if g.kind == "hostgroup" and (one.host, None) in g.members]
        found[one.id] = _of_poller(one.poller) | {
            "id": one.id, "host": one.host, "service": one.service or None, "author": one.author, "comment": one.comment,
            "proof": one.proof, "present": bool(one.present), "entry_time": one.entry_time or None, "start": one.start_time,
            "end": one.end_time, "fixed": _flag(one.fixed), "duration": one.duration, "persistent": _flag(one.persistent),
            "sticky": _flag(one.sticky), "cancelled": bool(one.cancelled), "deleted_by": one.deleted_by,
            "deleted_at": one.deleted_at, "core_id": one.core_id, "state": one.object_state, "reference": one.reference,
            "is_in_effect": _flag(one.is_in_effect), "actual_start": one.actual_start, "command_id": one.command_id,
            "hostgroup": [group.name for group in cached] if host else [],
            "host.has_been_checked": bool(host.has_been_checked) if host else None,
            "host.plugin_output": seen_host.plugin_output if seen_host else None,
            "host._RACK": json.loads(seen_host.custom_variables).get("RACK") if seen_host else None,
            "service.plugin_output": service.plugin_output if service else None,
        }  # fmt: skip
    return found


def _flag(value: int | None) -> bool | None:
    return None if value is None else bool(value)


@cache
def rows_of(kind: str, scope: str) -> dict[object, Values]:
    makers = {"contact": _contacts, "timeperiod": _timeperiods, "command": _commands}
    if kind in makers:
        return makers[kind](SCOPES[scope])
    return _groups(kind, SCOPES[scope]) if kind in GROUP_ROWS else _entries(kind, SCOPES[scope])


# --- the same as our lists have it ----------------------------------------------------------------------------------------------

_KEYS = {"contact": "x.name, x.poller", "timeperiod": "x.name, x.poller", "command": "x.name, x.poller"}


def found(
    reader: Reader, kind: str, scope: str, search: object = None, sort: str = "", limit: int = -1, offset: int = 0
) -> list[object]:
    """Keys in order."""
    source, limits = LISTS[kind], SCOPES[scope]
    table = seen_by(limits, source.table)
    own = [("e.kind = ?", [kind])] if source is ENTRY_ROWS else []
    asked = condition(table, json.dumps(search or {}), (), NOW)
    by = order(table, [(sort.removeprefix("-"), sort.startswith("-"))]) if sort else ""
    listing = Listing.within(limits, source, [*own, asked], by)
    key = "e.id" if source is ENTRY_ROWS else _KEYS.get(kind, "g.name")
    whole = listing.found(reader)
    text, count = listing.at(reader, (f"json_array({key})", ()), ",", whole)
    keys = [tuple(one) if len(one) > 1 else one[0] for one in json.loads(f"[{text}]")]
    assert count == len(whole) == listing.count(reader) == len(set(whole)), "each row once"
    if limit > 0:
        page, _ = listing.joined(reader, (f"json_array({key})", ()), ",", limit, offset)
        return [tuple(one) if len(one) > 1 else one[0] for one in json.loads(f"[{page}]")]
    return keys


@pytest.mark.parametrize(("kind", "scope"), CASES)
def test_a_caller_sees_what_is_within_scope_and_nothing_else(reader: Reader, kind: str, scope: str) -> None:
    assert set(found(reader, kind, scope)) == set(rows_of(kind, scope))


_TEXT = st.sampled_from([
    "ann", "ANN", "bob", "web%", "%1", "web1", "HTTP", "Größe", "größe%", "a_b", "a\\_b", "", "%", "core1", "2", "ops", "on it",
    "24x7", "monday", "monday 00:00-24:00", "mail", "A1", "12", "a", "München", "'; --", "' OR 1=1", "O'Dora \"?\"", "b\ufffd",
    "Umzug", "Web", "R1", "%100\\%", "seen", "x" * 300,
])  # fmt: skip
_EXPRESSION = st.sampled_from(["^ann$", "größe", "m.nday", "(web|far)", "^$", "\\d+", ".", "O'D", "[kK]"])
_OPERATORS = ("$eq", "$neq", "$in", "$ni")


def _tests(name: str, have: list[object]) -> st.SearchStrategy[dict[str, object]]:
    """Tests of a field that has these values."""
    flat = [one for value in have for one in (value if isinstance(value, list) else [value]) if one is not None]
    own = st.sampled_from(flat) if flat else st.just("x")
    if all(isinstance(one, bool) for one in flat) and flat:
        values: st.SearchStrategy[object] = st.booleans()
        operators: tuple[str, ...] = _OPERATORS
    elif all(isinstance(one, int | float) for one in flat) and flat:
        values = st.one_of(own, own.map(lambda one: one + 1))
        operators = (*_OPERATORS, "$lt", "$le", "$gt", "$ge")
    elif flat:
        values = st.one_of(own, _TEXT)
        operators = (*_OPERATORS, "$lt", "$le", "$gt", "$ge", "$lk", "$nk")
    else:
        return st.sampled_from([{name: None}, {name: {"$neq": None}}])
    several = st.tuples(st.sampled_from(("$in", "$ni")), st.lists(values, max_size=3))
    one = st.tuples(st.sampled_from(operators), values)
    expression = st.tuples(st.just("$rg"), _EXPRESSION) if "$lk" in operators else one
    null = st.sampled_from([("$eq", None), ("$neq", None)])
    return st.one_of(one, several, expression, null).map(lambda pair: {name: {pair[0]: pair[1]}})


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(sorted(LISTS)), st.sampled_from(sorted(SCOPES)))
def test_searches_find_what_a_naive_evaluator_finds(reader: Reader, data: st.DataObject, kind: str, scope: str) -> None:
    fields = rows_of(kind, "everything")
    tests = st.sampled_from(sorted(next(iter(fields.values())))).flatmap(
        lambda name: _tests(name, [values[name] for values in fields.values()])
    )
    joined = st.lists(tests, min_size=1, max_size=3)
    search = data.draw(st.one_of(tests, joined.map(lambda parts: {"$or": parts}), joined.map(lambda parts: {"$and": parts})))
    expected = {key for key, values in rows_of(kind, scope).items() if naive(values, search) is not False}
    assert set(found(reader, kind, scope, search)) == expected


@pytest.mark.parametrize("scope", ["everything", "web", "sven", "Dora"])
@pytest.mark.parametrize("kind", LISTS)
def test_every_value_is_found_where_it_stands(reader: Reader, kind: str, scope: str) -> None:
    """Also what stands where the caller does not see it, and so is not to be found."""
    rows, all_rows = rows_of(kind, scope), rows_of(kind, "everything").values()
    for name in next(iter(all_rows)):
        for value in {one for row in all_rows for one in (row[name] if isinstance(row[name], list) else [row[name]])}:
            expected = {key for key, values in rows.items() if naive(values, {name: value})}
            assert set(found(reader, kind, scope, {name: value})) == expected, (name, value)


def _key(value: object) -> object:
    """What a row is sorted by: the smallest of its values, letters of ASCII without case."""
    several = value if isinstance(value, list) else [] if value is None else [value]
    keys = [one.lower().encode() if isinstance(one, str) and one.isascii() else _folded(one) for one in several]
    return min(keys) if keys else None


def _folded(one: object) -> object:
    return "".join(c.lower() if c.isascii() else c for c in one).encode() if isinstance(one, str) else one


def _sorted_by(name: str, values: Values) -> object:
    """The poller by its name, though it is found by its number, too."""
    return values["poller.name"] if name == "poller" and "poller.name" in values else values[name]


@pytest.mark.parametrize(("kind", "scope"), CASES)
def test_every_field_sorts_with_no_value_last_and_pages_add_up(reader: Reader, kind: str, scope: str) -> None:
    rows = rows_of(kind, scope)
    tied = sorted(rows, reverse=LISTS[kind] is ENTRY_ROWS)
    assert found(reader, kind, scope) == tied
    for name in next(iter(rows.values()), {}):
        for descending in (False, True):
            keyed = {key: value for key in tied if (value := _key(_sorted_by(name, rows[key]))) is not None}
            values = sorted(set(keyed.values()), reverse=descending)
            some = [key for value in values for key in keyed if keyed[key] == value]  # ties stay as they are
            expected = [*some, *(key for key in tied if key not in keyed)]
            sort = f"-{name}" if descending else name
            assert found(reader, kind, scope, sort=sort) == expected, (name, descending)
            pages = [key for at in range(0, len(rows), 2) for key in found(reader, kind, scope, sort=sort, limit=2, offset=at)]
            assert pages == expected, (name, descending)


@pytest.mark.parametrize("kind", LISTS)
def test_every_field_can_be_searched_and_sorted_by(reader: Reader, kind: str) -> None:
    names = [*LISTS[kind].table.fields, *(f"{prefix}RACK" for one in LISTS[kind].table.variables for prefix in one.prefixes)]
    for scope in ("everything", "ann"):
        everything = found(reader, kind, scope)
        for name in names:
            assert found(reader, kind, scope, {"$or": [{name: None}, {name: {"$neq": None}}]}) == everything, name
            assert sorted(found(reader, kind, scope, sort=f"-{name}"), key=str) == sorted(everything, key=str), name

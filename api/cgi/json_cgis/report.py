"""archivejson.cgi `query=availability`: which objects, their entries, and the report written out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from api.cgi.json_cgis.availability import Entry, Of, Report, Spent, spent
from api.cgi.json_cgis.envelope import Data
from api.cgi.json_cgis.names import Found, Sight, is_known
from api.cgi.json_cgis.options import Asked
from api.cgi.json_cgis.output import Output
from api.cgi.json_cgis.selection import repeated
from api.cgi.json_cgis.timeranges import week
from api.cgi.json_cgis.words import CURRENT, OF_OPTIONS
from engine.formats.logentry import EntryType
from engine.state.scope import Condition, all_of

HOST_STATES, SERVICE_STATES = ("up", "down", "unreachable"), ("ok", "warning", "critical", "unknown")
_STATE_TYPES = (EntryType.ALERT, EntryType.CURRENT_STATE, EntryType.INITIAL_STATE)
_SELECTORS = ("starttime", "endtime", "hostname", "servicedescription", "hostgroup", "servicegroup", "timeperiod")
_STATE_SELECTORS = ("assumedinitialhoststate", "assumedinitialservicestate", "statetypes")

Object = tuple[int, str, str]  # poller, host, service or ""


def availability(sight: Sight, asked: Asked, found: Found, output: Output) -> Data:
    """How long hosts or services were in which state, alone or by group."""
    data: dict[str, object] = {"selectors": _selectors(asked, output)}
    kind = asked.text("availabilityobjecttype") or ""
    writing = _Writing(sight, asked, output, kind in ("services", "servicegroups"))
    if kind in ("hosts", "services"):
        return Data(data | _of_objects(writing, found))
    return Data(data | _of_groups(writing, kind))


def _selectors(asked: Asked, output: Output) -> dict[str, object]:
    kinds = OF_OPTIONS["availability_object"]
    kind = asked.text("availabilityobjecttype") or ""
    return {
        "availabilityobjecttype": output.word(kinds)(kinds[kind]),
        **repeated(asked, output, _SELECTORS),
        "assumeinitialstate": asked.flag("assumeinitialstate", True),
        "assumestateretention": asked.flag("assumestateretention", True),
        "assumestateduringnagiosdowntime": asked.flag("assumestatesduringnagiosdowntime", True),
        **repeated(asked, output, _STATE_SELECTORS),
    }


def _of_objects(writing: _Writing, found: Found) -> dict[str, object]:
    """All of them, those of a host or of a description, or the one named by both."""
    asked, host = writing.asked, found.hosts.get("hostname")
    description = asked.text("servicedescription") if writing.is_service else None
    conditions: list[Condition] = []
    if "hostname" in asked.values:
        conditions.append(("x.poller = ? AND x.host = ?", list(host) if host is not None else [0, ""]))
    if description is not None:
        conditions.append(("x.service = ?", [description]))
    reports = list(writing.reports(conditions))
    noun = "service" if writing.is_service else "host"
    is_one = "hostname" in asked.values and (not writing.is_service or description is not None)
    if is_one:
        return {noun: reports[0]} if reports else {}
    return {f"{noun}s": reports}


def _of_groups(writing: _Writing, kind: str) -> dict[str, object]:
    noun, sight = kind.removesuffix("s"), writing.sight
    wanted = writing.asked.text(noun)
    where, values = sight.on_pollers("g.poller")
    query = f"SELECT DISTINCT g.name FROM state.object_group g WHERE g.kind = ? AND {where}"
    known = sight.rows(f"{query} ORDER BY 1", [noun, *values])
    names = [name for (name,) in known if wanted in (None, name) and is_known(sight, noun, name)]
    groups = [_group(writing, noun, name) for name in names]
    if wanted is None and noun == "servicegroup":
        # The original calls services `hosts` here; both names stand for them.
        groups = [group | {"hosts": group["services"]} for group in groups]
    return {kind: groups} if wanted is None else {noun: groups[0]}


def _group(writing: _Writing, noun: str, name: str) -> dict[str, object]:
    members = "SELECT m.poller, m.host_name, m.service_description FROM state.group_member m WHERE m.kind = ? AND m.name = ?"
    reports = writing.reports([(f"(x.poller, x.host, x.service) IN ({members})", [noun, name])])
    return {"name": name, "services" if writing.is_service else "hosts": list(reports)}


@dataclass(slots=True)
class _Writing:
    """Everything reports share, and the reports written so far: an object may be in several groups."""

    sight: Sight
    asked: Asked
    output: Output
    is_service: bool
    _made: dict[Object, dict[str, object]] = field(default_factory=dict)
    _programs: dict[int, list[Entry]] = field(default_factory=dict)

    def reports(self, conditions: Sequence[Condition]) -> Iterator[dict[str, object]]:
        """The reports of these objects, by poller and name."""
        objects = list(self._objects(conditions))
        left = {key: present for key, present in objects if key not in self._made}
        if left:
            entries = self._entries(left)
            for key, present in left.items():
                report = self._report(key[0], present)
                counted = spent(sorted(entries.get(key, []) + self._program(key[0]), key=_order), report, present)
                self._made[key] = self._written(key, counted)
        return (self._made[key] for key, _ in objects)

    def _objects(self, conditions: Sequence[Condition]) -> Iterator[tuple[Object, int | None]]:
        """Objects and their present states."""
        if self.is_service:
            in_sight = self.sight.services("x.poller", "x.host", "x.service")
            table = "SELECT poller, host_name AS host, description AS service, state, has_been_checked FROM state.service"
        else:
            in_sight = self.sight.hosts("x.poller", "x.host")
            table = "SELECT poller, name AS host, '' AS service, state, has_been_checked FROM state.host"
        where, values = all_of([in_sight, *conditions])
        present = "iif(x.has_been_checked, x.state, NULL)"
        query = f"SELECT x.poller, x.host, x.service, {present} FROM ({table}) x WHERE {where} ORDER BY 1, 2, 3"
        for poller, host, service, state in self.sight.rows(query, values):
            yield (poller, host, service), state

    def _report(self, poller: int, present: int | None) -> Report:
        asked = self.asked
        option = "assumedinitialservicestate" if self.is_service else "assumedinitialhoststate"
        word = asked.text(option)
        assumed = None
        if word is not None and asked.flag("assumeinitialstate", True):
            states = SERVICE_STATES if self.is_service else HOST_STATES
            assumed = present if OF_OPTIONS["assumed_host_state"].get(word) == CURRENT else states.index(word)
        return Report(
            asked.number("starttime"),
            asked.number("endtime") or asked.now,
            asked.now,
            assumed,
            asked.flag("assumestatesduringnagiosdowntime", True),
            self._week(),
            self.output.wall(poller).info,
        )

    def _week(self) -> Any:
        name = self.asked.text("timeperiod")
        if name is None:
            return None
        where, values = self.sight.on_pollers("poller")
        query = f"SELECT ranges FROM state.timeperiod WHERE name = ? AND {where} ORDER BY poller LIMIT 1"
        return week((key, value) for key, value in orjson.loads(self.sight.rows(query, [name, *values])[0][0]))

    # --- entries ------------------------------------------------------------------------------------------------------------

    def _entries(self, objects: Mapping[Object, int | None]) -> dict[Object, list[Entry]]:
        """Of each object: what is in the window, and the last of each kind before it."""
        found: dict[Object, list[Entry]] = {}
        if not self.sight.reader.attach_history():
            return found
        for poller, host, service, *entry in self._rows(objects):
            key = (poller, host, service)
            if key in objects:
                found.setdefault(key, []).append(_entry(*entry))
        return found

    def _rows(self, objects: Mapping[Object, int | None]) -> Iterable[Any]:
        start, end = self.asked.number("starttime"), self.asked.number("endtime") or self.asked.now
        types = self.asked.mask("statetypes")
        kinds = ",".join(str(int(kind)) for kind in _STATE_TYPES)
        soft = "" if types is None else f" AND (e.state_type IS NULL OR iif(e.state_type = 0, 2, 1) & {int(types)})"
        of_state, of_downtime = f"e.type IN ({kinds}){soft}", f"e.type = {int(EntryType.DOWNTIME)}"
        where, values = self.sight.on_pollers("o.poller")
        which = f"{where} AND (o.service <> '') = ? AND o.host <> ''"
        own = [*values, self.is_service]
        if len({key[1] for key in objects}) == 1:
            which, own = f"{which} AND o.host = ?", [*own, next(iter(objects))[1]]
        columns = "o.poller, o.host, o.service, e.at, e.type, e.state, e.word, e.seq"
        tables = "history.entry e JOIN history.object o ON o.id = e.object"
        within = f"SELECT {columns} FROM {tables} WHERE e.at >= ? AND e.at <= ? AND ({of_state} OR {of_downtime}) AND {which}"
        last = (
            f"SELECT * FROM (SELECT {columns}, row_number() OVER (PARTITION BY e.object ORDER BY e.at DESC, e.seq DESC) AS place"
            f" FROM {tables} WHERE e.at < ? AND {{0}} AND {which}) WHERE place = 1"
        )
        before = [*self.sight.rows(last.format(of_state), [start, *own]), *self.sight.rows(last.format(of_downtime), [start, *own])]
        rows = [*before, *self.sight.rows(within, [start, end, *own])]
        return (row[:7] for row in sorted(rows, key=lambda row: (row[3], row[7])))

    def _program(self, poller: int) -> list[Entry]:
        """Starts and stops of that poller's core, the last one before the window with them."""
        if poller not in self._programs:
            end = self.asked.number("endtime") or self.asked.now
            query = (
                "SELECT e.at, e.word FROM history.entry e JOIN history.object o ON o.id = e.object"
                " WHERE o.poller = ? AND o.host = '' AND o.service = '' AND e.type = ? AND e.at <= ? ORDER BY e.at, e.seq"
            )
            rows = self.sight.rows(query, [poller, int(EntryType.PROGRAM), end]) if self.sight.reader.attach_history() else []
            self._programs[poller] = [Entry(at, Of.PROGRAM, int(word != "STOP")) for at, word in rows]
        return self._programs[poller]

    # --- written out ----------------------------------------------------------------------------------------------------------

    def _written(self, key: Object, counted: Counter[Spent]) -> dict[str, object]:
        poller, host, service = key
        span = self.output.span
        states = SERVICE_STATES if self.is_service else HOST_STATES
        written: dict[str, object] = {"host_name": host, "description": service} if self.is_service else {"name": host}
        if self.sight.is_many:
            written["poller"] = self.sight.poller_name(poller)
        for prefix, in_downtime in (("time", False), ("scheduled_time", True)):
            written |= {f"{prefix}_{word}": span(counted[Spent(state, in_downtime)]) for state, word in enumerate(states)}
        written["time_indeterminate_nodata"] = span(counted[Spent(None)])
        written["time_indeterminate_notrunning"] = span(counted[Spent(None, running=False)])
        return written


def _order(entry: Entry) -> tuple[int, bool]:
    """Within a second what is said of the object comes before what is said of the core."""
    return entry.at, entry.of is Of.PROGRAM


def _entry(at: int, kind: int, state: int | None, word: str) -> Entry:
    if kind == EntryType.DOWNTIME:
        return Entry(at, Of.DOWNTIME, int(word == "STARTED"))
    return Entry(at, Of.STATE, state or 0)

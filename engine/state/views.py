"""Every read of state.db: hosts, services, pollers, groups, and the core's own downtime and comment blocks.

Rules: whatever is read for somebody takes that caller's scope first, compiled into the SQL, so that what is out of scope is
unknown in rows, counts and near matches alike. Reads for the engine itself (proof, encoding) come last and take none.
A page is chosen from an index alone and only then joined with the wide rows: deep pages and counts read no plugin output.
One call sees one generation of each poller; several calls do so inside `snapshot()`. Keep that block short: an open reader
lets the write-ahead log grow.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, TypeVar

import orjson

from engine.errors import PollerError, SearchTooSlow
from engine.model import (
    CommentStatus,
    DowntimeStatus,
    HostConfig,
    HostStatus,
    HostView,
    ObjectKey,
    PollerView,
    ServiceConfig,
    ServiceStatus,
    ServiceView,
)
from engine.state.logindex import HISTORY_FILE, HISTORY_SCHEMA
from engine.state.patterns import FUNCTION, search
from engine.state.scope import Scope
from engine.state.tables import SCHEMA_VERSION, STATE_FILE, columns

T = TypeVar("T")
Condition = tuple[str, Sequence[object]]
_ANY: Condition = ("1", ())

_NEAR_RATIO = 0.6  # difflib's own "close match"
_NEAR_CANDIDATES = 50
_MOST_REMEMBERED = 64  # answers of one reader
_STEPS_BETWEEN_LOOKS = 100_000  # of SQLite's machine, for each second of a limit: each look waits for the interpreter

# All cores but Naemon write the time of the file itself into every block (cores.md 4.4); the mirror keeps such rows as they
# are when nothing else in them changed, so the generation's time is the truth about them.
_LAST_UPDATE = "iif(p.kind = 'naemon', {0}.last_update, p.created)"


def _status_columns(row: type[HostStatus] | type[ServiceStatus], alias: str) -> str:
    return columns(row, alias).replace(f"{alias}.last_update", _LAST_UPDATE.format(alias))


_HOST_SELECT = (
    f"SELECT h.id, h.poller, p.name, {_status_columns(HostStatus, 'h')}, {columns(HostConfig, 'c')}"
    " FROM ({chosen}) k CROSS JOIN state.host h ON h.rowid = k.rowid CROSS JOIN state.poller p ON p.number = h.poller"
    " LEFT JOIN state.host_config c ON c.poller = h.poller AND c.name = h.name ORDER BY {order}"
)
_BY_NAME = "h.poller, h.name"
_HOST_CONFIG_AT = 3 + len(HostStatus._fields)
_HOST_LISTS = slice(HostConfig._fields.index("parents"), HostConfig._fields.index("contact_groups") + 1)

_SERVICE_SELECT = (
    "SELECT s.id, s.poller, p.name, coalesce(h.id, 0), coalesce(hc.alias, s.host_name), coalesce(hc.display_name, s.host_name),"
    " coalesce(hc.address, ''), coalesce(h.state, 0), coalesce(h.has_been_checked, 0), coalesce(h.acknowledged, 0),"
    " coalesce(h.scheduled_downtime_depth, 0),"
    f" {_status_columns(ServiceStatus, 's')}, {columns(ServiceConfig, 'c')}"
    " FROM ({chosen}) k CROSS JOIN state.service s ON s.rowid = k.rowid CROSS JOIN state.poller p ON p.number = s.poller"
    " LEFT JOIN state.host h ON h.poller = s.poller AND h.name = s.host_name"
    " LEFT JOIN state.host_config hc ON hc.poller = s.poller AND hc.name = s.host_name"
    " LEFT JOIN state.service_config c ON c.poller = s.poller AND c.host_name = s.host_name AND c.description = s.description"
    " ORDER BY {order}"
)
_SERVICES_BY_NAME = "s.poller, s.host_name, s.description"
_SERVICE_STATUS_AT = 11
_SERVICE_CONFIG_AT = _SERVICE_STATUS_AT + len(ServiceStatus._fields)
_SERVICE_LISTS = slice(ServiceConfig._fields.index("contacts"), ServiceConfig._fields.index("contact_groups") + 1)

_POLLER_SELECT = (
    "SELECT number, name, kind, version, program_start, created, generation, read_at, clock_offset_s, status_update_interval_s,"
    " command_file_health, status_file_health, trim(status_file_detail || ' ' || command_file_detail) FROM state.poller p"
)

# A name on any poller, by the index that starts with the poller.
_ANY_POLLER = "{0}.poller IN (SELECT number FROM state.poller)"


class NotBrief(Exception):
    """What is asked takes longer than whoever shares this reader may wait: ask another."""


class Reader:
    """Reads state.db over one connection in which it is attached as `state` (and journal.db as `journal`).

    Not for two threads at once. `is_brief`: others wait for what is read, so what walks all names raises NotBrief.
    """

    is_brief = False

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        connection.create_function(FUNCTION, 2, search, deterministic=True)
        self.ahead: dict[object, Any] = {}  # what brief reads will ask for, looked up together, see engine/desk/resolve.py
        self._pollers: dict[Scope, tuple[PollerView, ...]] | None = None  # as one snapshot shows them
        self._file: tuple[Path, int] | None = None
        self._history: tuple[Path, int] | None = None
        self._remembered: tuple[int, dict[Hashable, Any]] = (0, {})
        self._kept: dict[Hashable, tuple[object, Any]] = {}

    @classmethod
    def open(cls, data: Path) -> Reader:
        """Open the databases of a data folder for reading. Raises PollerError while the engine has not made state.db."""
        state, journal = data / STATE_FILE, data / "journal.db"
        connection = sqlite3.connect("file::memory:", uri=True, isolation_level=None, check_same_thread=False, timeout=10)
        try:
            connection.execute("ATTACH ? AS state", (f"{state.absolute().as_uri()}?mode=rw",))
            (version,) = connection.execute("SELECT schema_version FROM state.meta").fetchone()
            if version != SCHEMA_VERSION:
                raise sqlite3.DatabaseError(f"schema version {version}, not {SCHEMA_VERSION}")
            if journal.exists():
                connection.execute("ATTACH ? AS journal", (f"{journal.absolute().as_uri()}?mode=rw",))
            connection.execute("PRAGMA query_only = ON")
            inode = state.stat().st_ino
        except (sqlite3.Error, OSError) as error:
            connection.close()
            raise PollerError(
                f"The mirror of the cores, {state}, cannot be read yet ({error}): the engine is not up. Start `signalbox serve`, "
                "or look at its log if it runs.",
                file=str(state),
            ) from error
        reader = cls(connection)
        reader._file = (state, inode)
        return reader

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def is_replaced(self) -> bool:
        """Whether other files stand at state.db's or history.db's path now (a damaged one was rebuilt): open a new reader then."""
        try:
            return any(path.stat().st_ino != inode for path, inode in filter(None, (self._file, self._history)))
        except OSError:
            return True

    def attach_history(self) -> bool:
        """Make history.db readable as `history`, also within a snapshot; False while there is none."""
        if self._history is None and self._file is not None:
            path = self._file[0].with_name(HISTORY_FILE)
            if not path.exists():
                return False
            self.connection.execute("ATTACH ? AS history", (f"{path.absolute().as_uri()}?mode=rw",))
            self._history = (path, path.stat().st_ino)
        if self._history is None:
            return False
        try:
            return bool(
                self.connection.execute("SELECT 1 FROM history.meta WHERE schema_version = ?", (HISTORY_SCHEMA,)).fetchone()
            )
        except sqlite3.OperationalError:  # it is being made
            return False

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads inside see the same generation of every poller."""
        if self.connection.in_transaction:
            yield
            return
        self.connection.execute("BEGIN")
        self._pollers = {}
        try:
            yield
        finally:
            self._pollers = None
            self.connection.execute("COMMIT")

    @contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """End the reads inside after some time, or a few hundredths of it later. Raises SearchTooSlow."""
        end = time.monotonic() + seconds
        self.connection.set_progress_handler(lambda: time.monotonic() > end, max(1, int(_STEPS_BETWEEN_LOOKS * seconds)))
        try:
            yield
        except sqlite3.OperationalError as error:
            if time.monotonic() <= end:
                raise
            message = f"This takes longer than {seconds:g} s to find: narrow the search, or ask for fewer rows."
            raise SearchTooSlow(message, limit_s=seconds) from error
        finally:
            self.connection.set_progress_handler(None, 0)

    @contextmanager
    def brief(self) -> Iterator[None]:
        """Others wait for the reads inside."""
        self.is_brief = True
        try:
            yield
        finally:
            self.is_brief = False
            self.ahead = {}

    def change(self) -> int:
        """A number that is another whenever anything in state.db is."""
        (number,) = self.connection.execute("SELECT number FROM state.change").fetchone()
        return int(number)

    def remembered(self, question: Hashable, ask: Callable[[], T]) -> T:
        """The answer to a question that many ask again and again: asked anew when anything in state.db is another."""
        number, answers = self.change(), self._remembered[1]
        if number != self._remembered[0] or len(answers) >= _MOST_REMEMBERED:
            answers = {}
            self._remembered = number, answers
        if question not in answers:
            answers[question] = ask()
        answer: T = answers[question]
        return answer

    def kept(self, question: Hashable, ask: Callable[[], T]) -> T:
        """The same of one whose answer is another only when objects come or go, or are configured otherwise."""
        order = self.connection.execute("SELECT number, configured FROM state.poller ORDER BY 1").fetchall()
        if question not in self._kept or self._kept[question][0] != order:
            self._kept[question] = order, ask()
        answer: T = self._kept[question][1]
        return answer

    def forget(self) -> None:
        """Ask anew what was remembered."""
        self._remembered = (0, {})

    # --- pollers ----------------------------------------------------------------------------------------------------------

    def pollers(self, scope: Scope) -> tuple[PollerView, ...]:
        """The pollers within scope, by number."""
        known = self._pollers.get(scope) if self._pollers is not None else None
        if known is not None:
            return known
        where, values = _poller_scope(scope)
        found = self.connection.execute(f"{_POLLER_SELECT} WHERE {where} ORDER BY number", values)
        views = tuple(PollerView._make(row) for row in found)
        if self._pollers is not None:
            self._pollers[scope] = views
        return views

    def found_pollers(self, scope: Scope, condition: Condition, order: str) -> tuple[PollerView, ...]:
        """The pollers within scope that a condition over the alias `p` leaves, in that order."""
        where, values = _all_of([_poller_scope(scope), condition])
        found = self.connection.execute(f"{_POLLER_SELECT} WHERE {where} ORDER BY {order}", values)
        return tuple(PollerView._make(row) for row in found)

    def poller(self, scope: Scope, number_or_name: int | str) -> PollerView | None:
        """One poller by number or by name; a text of digits that is no poller's name counts as a number."""
        views = self.pollers(scope)
        if isinstance(number_or_name, int):
            return next((view for view in views if view.number == number_or_name), None)
        wanted = str(number_or_name)
        by_name = (view for view in views if view.name == number_or_name)
        by_number = (view for view in views if str(view.number) == wanted)
        return next(by_name, None) or next(by_number, None)

    # --- hosts ------------------------------------------------------------------------------------------------------------

    def hosts(
        self,
        scope: Scope,
        *,
        limit: int = 100,
        offset: int = 0,
        order: str = _BY_NAME,
        search: Condition = _ANY,
    ) -> tuple[tuple[HostView, ...], int]:
        """One page of what a search finds of hosts, and how many that are in all. `order`: a list of search.order."""
        conditions = [scope.sql("h.poller", "h.name"), search]
        with self.snapshot():
            return self._host_views(conditions, order, limit, offset), self._count("state.host h", conditions)

    def host(self, scope: Scope, name: str, poller: int | None = None) -> tuple[HostView, ...]:
        """The host of that name on each poller that has it."""
        return self._host_views([scope.sql("h.poller", "h.name"), ("h.name = ?", [name]), _on_poller("h", poller)])

    def host_by_id(self, scope: Scope, id: int) -> HostView | None:
        """The host with that public id."""
        return next(iter(self._host_views([scope.sql("h.poller", "h.name"), ("h.id = ?", [id])])), None)

    def _host_views(
        self, conditions: Sequence[Condition], order: str = _BY_NAME, limit: int = -1, offset: int = 0
    ) -> tuple[HostView, ...]:
        where, values = _all_of(conditions)
        chosen = f"SELECT h.rowid FROM state.host h WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?"
        found = self.connection.execute(_HOST_SELECT.format(chosen=chosen, order=order), [*values, limit, offset])
        return tuple(_host_view(row) for row in found)

    # --- services ---------------------------------------------------------------------------------------------------------

    def services(
        self,
        scope: Scope,
        *,
        host_id: int | None = None,
        limit: int = 100,
        offset: int = 0,
        order: str = _SERVICES_BY_NAME,
        search: Condition = _ANY,
    ) -> tuple[tuple[ServiceView, ...], int]:
        """The same of services, of one host or of all."""
        conditions = [scope.sql("s.poller", "s.host_name", "s.description"), search]
        if host_id is not None:
            conditions.append(of_hosts([host_id]))
        with self.snapshot():
            return self._service_views(conditions, order, limit, offset), self._count("state.service s", conditions)

    def service(self, scope: Scope, host: str, description: str, poller: int | None = None) -> tuple[ServiceView, ...]:
        """The service of that name on each poller that has it."""
        named = ("s.host_name = ? AND s.description = ?", [host, description])
        return self._service_views([scope.sql("s.poller", "s.host_name", "s.description"), named, _on_poller("s", poller)])

    def service_by_id(self, scope: Scope, id: int) -> ServiceView | None:
        """The service with that public id."""
        return next(iter(self._service_views([scope.sql("s.poller", "s.host_name", "s.description"), ("s.id = ?", [id])])), None)

    def services_of_hosts(self, scope: Scope, host_ids: Sequence[int]) -> dict[int, tuple[ServiceView, ...]]:
        """The services of each of these hosts, by host id; an empty tuple for a host without any (or out of scope)."""
        found: dict[int, list[ServiceView]] = {id: [] for id in host_ids}
        for view in self._service_views([scope.sql("s.poller", "s.host_name", "s.description"), of_hosts(list(found))]):
            found[view.host_id].append(view)
        return {id: tuple(views) for id, views in found.items()}

    def _service_views(
        self, conditions: Sequence[Condition], order: str = _SERVICES_BY_NAME, limit: int = -1, offset: int = 0
    ) -> tuple[ServiceView, ...]:
        where, values = _all_of(conditions)
        chosen = f"SELECT s.rowid FROM state.service s WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?"
        found = self.connection.execute(_SERVICE_SELECT.format(chosen=chosen, order=order), [*values, limit, offset])
        return tuple(_service_view(row) for row in found)

    def _count(self, table: str, conditions: Sequence[Condition]) -> int:
        if all(sql == "1" for sql, _ in conditions):
            return self.count_all(is_service=table == "state.service s")
        where, values = _all_of(conditions)
        (count,) = self.connection.execute(f"SELECT count(*) FROM {table} WHERE {where}", values).fetchone()
        return int(count)

    def count_all(self, *, is_service: bool) -> int:
        """How many services, or hosts, there are on all pollers: from the totals the writer keeps."""
        query = "SELECT coalesce(sum(count), 0) FROM state.tally WHERE is_service = ?"
        return int(self.connection.execute(query, (int(is_service),)).fetchone()[0])

    # --- names ------------------------------------------------------------------------------------------------------------

    def near_hosts(self, scope: Scope, name: str, limit: int = 5) -> tuple[str, ...]:
        """Host names within scope that look like this one, best first. Raises NotBrief."""
        if self.is_brief:
            raise NotBrief
        where, values = scope.sql("h.poller", "h.name")
        pieces = sorted({name[at : at + 2].lower() for at in range(len(name) - 1)} or {name.lower()})[:40]
        score = " + ".join(["(instr(lower(h.name), ?) > 0)"] * len(pieces))
        found = self.connection.execute(
            f"SELECT DISTINCT h.name FROM state.host h WHERE {where} ORDER BY {score} DESC, abs(length(h.name) - ?) LIMIT ?",
            [*values, *pieces, len(name), _NEAR_CANDIDATES],
        )
        return _nearest(name, (candidate for (candidate,) in found), limit)

    def near_services(self, scope: Scope, host: str, description: str, limit: int = 5) -> tuple[str, ...]:
        """Descriptions of this host's services within scope that look like this one, best first."""
        seen = scope.sql("s.poller", "s.host_name", "s.description")
        where, values = _all_of([seen, ("s.host_name = ?", [host]), _on_poller("s", None)])
        found = self.connection.execute(f"SELECT DISTINCT s.description FROM state.service s WHERE {where}", values)
        return _nearest(description, (candidate for (candidate,) in found), limit)

    def host_groups_of(self, poller: int, host: str) -> tuple[str, ...]:
        """The hostgroups a host is a member of, by name."""
        found = self.connection.execute(
            "SELECT name FROM state.group_member WHERE poller = ? AND kind = 'hostgroup' AND host_name = ? ORDER BY name",
            (poller, host),
        )
        return tuple(name for (name,) in found)

    # --- for the engine itself: no scope ------------------------------------------------------------------------------------

    def object_row(self, poller: int, host: str, service: str | None) -> HostStatus | ServiceStatus | None:
        """The mirror's row of one host or service."""
        if service is None:
            query = f"SELECT {columns(HostStatus)} FROM state.host WHERE poller = ? AND name = ?"
            row = self.connection.execute(query, (poller, host)).fetchone()
            return None if row is None else HostStatus._make(row)
        query = f"SELECT {columns(ServiceStatus)} FROM state.service WHERE poller = ? AND host_name = ? AND description = ?"
        row = self.connection.execute(query, (poller, host, service)).fetchone()
        return None if row is None else ServiceStatus._make(row)

    def service_names(self, poller: int, host: str) -> tuple[str, ...]:
        """The descriptions of a host's services, sorted."""
        found = self.connection.execute(
            "SELECT description FROM state.service WHERE poller = ? AND host_name = ? ORDER BY description", (poller, host)
        )
        return tuple(description for (description,) in found)

    def poller_generation(self, poller: int) -> tuple[int, float, float]:
        """(generation, created, program_start) of the newest applied status file; zeros when there was none."""
        row = self.connection.execute(
            "SELECT generation, created, program_start FROM state.poller WHERE number = ?", (poller,)
        ).fetchone()
        return (0, 0.0, 0.0) if row is None else (int(row[0]), float(row[1]), float(row[2]))

    def downtime_blocks(self, poller: int) -> tuple[DowntimeStatus, ...]:
        """All downtimes that stand in the core."""
        found = self.connection.execute(f"SELECT {columns(DowntimeStatus)} FROM state.downtime WHERE poller = ?", (poller,))
        return tuple(DowntimeStatus._make(row) for row in found)

    def comment_blocks(self, poller: int) -> tuple[CommentStatus, ...]:
        """All comments that stand in the core."""
        found = self.connection.execute(f"SELECT {columns(CommentStatus)} FROM state.comment WHERE poller = ?", (poller,))
        return tuple(CommentStatus._make(row) for row in found)

    def comments_of(self, poller: int, host: str, service: str | None) -> tuple[CommentStatus, ...]:
        """The comments on one host or service, by the core's id."""
        found = self.connection.execute(
            f"SELECT {columns(CommentStatus)} FROM state.comment"
            " WHERE poller = ? AND host_name = ? AND service_description IS ? ORDER BY core_id",
            (poller, host, service),
        )
        return tuple(CommentStatus._make(row) for row in found)

    def acknowledged(self, poller: int) -> tuple[HostStatus | ServiceStatus, ...]:
        """The rows of all acknowledged hosts, then services."""
        where = "WHERE poller = ? AND acknowledged <> 0"
        hosts = self.connection.execute(f"SELECT {columns(HostStatus)} FROM state.host {where}", (poller,))
        services = self.connection.execute(f"SELECT {columns(ServiceStatus)} FROM state.service {where}", (poller,))
        return (*map(HostStatus._make, hosts), *map(ServiceStatus._make, services))

    def object_ids(self, poller: int, keys: Iterable[ObjectKey]) -> dict[ObjectKey, int]:
        """Public ids of those of these objects that exist."""
        ids: dict[ObjectKey, int] = {}
        for key in keys:
            if key.service is None:
                query, values = "SELECT id FROM state.host WHERE poller = ? AND name = ?", [poller, key.host]
            else:
                query = "SELECT id FROM state.service WHERE poller = ? AND host_name = ? AND description = ?"
                values = [poller, key.host, key.service]
            row = self.connection.execute(query, values).fetchone()
            if row is not None:
                ids[key] = int(row[0])
        return ids


def _all_of(conditions: Sequence[Condition]) -> tuple[str, list[object]]:
    return " AND ".join(sql for sql, _ in conditions), [value for _, values in conditions for value in values]


def _on_poller(alias: str, poller: int | None) -> Condition:
    return (_ANY_POLLER.format(alias), []) if poller is None else (f"{alias}.poller = ?", [poller])


def of_hosts(ids: Sequence[int]) -> Condition:
    """The services of these hosts, found from the hosts on (a row value IN would walk all services of the poller)."""
    join = "SELECT o.rowid FROM state.host g JOIN state.service o ON o.poller = g.poller AND o.host_name = g.name"
    return f"s.rowid IN ({join} WHERE g.id IN ({','.join('?' * len(ids))}))", list(ids)


def _poller_scope(scope: Scope) -> Condition:
    """A poller is seen by whoever may see it by number and, if limited to hostgroups, has one with members there."""
    conditions: list[Condition] = [Scope(pollers=scope.pollers).sql("p.number", "")]
    if scope.hostgroups is not None:
        names = sorted(scope.hostgroups)
        member = "SELECT gm.poller FROM state.group_member gm WHERE gm.kind = 'hostgroup' AND gm.name IN"
        conditions.append((f"p.number IN ({member} ({','.join('?' * len(names))}))", names))
    return _all_of(conditions)


def _nearest(wanted: str, candidates: Iterable[str], limit: int) -> tuple[str, ...]:
    """Names alike in spelling, or of which one contains the other."""
    target = wanted.casefold()
    scored = ((_likeness(candidate.casefold(), target), candidate) for candidate in candidates)
    return tuple(name for _, name in sorted((-likeness, name) for likeness, name in scored if likeness)[:limit])


def _likeness(name: str, target: str) -> float:
    """difflib's ratio, 0 for what is not alike. What the lengths alone say comes first: callers may ask for names of any length."""
    most = 2 * min(len(name), len(target)) / (len(name) + len(target))
    if target and (name in target or target in name):
        return most
    ratio = SequenceMatcher(None, name, target, autojunk=False).ratio() if most >= _NEAR_RATIO else 0.0
    return ratio if ratio >= _NEAR_RATIO else 0.0


def _names(text: str) -> tuple[str, ...]:
    return () if text == "[]" else tuple(orjson.loads(text))


def _host_view(row: Sequence[Any]) -> HostView:
    status = HostStatus._make(row[3:_HOST_CONFIG_AT])
    config = row[_HOST_CONFIG_AT:]
    if config[0] is None:
        return HostView(row[0], row[1], row[2], status, _host_without_config(status))
    parents, contacts, contact_groups = map(_names, config[_HOST_LISTS])
    known = HostConfig._make(config)._replace(parents=parents, contacts=contacts, contact_groups=contact_groups)
    return HostView(row[0], row[1], row[2], status, known)


def _service_view(row: Sequence[Any]) -> ServiceView:
    status = ServiceStatus._make(row[_SERVICE_STATUS_AT:_SERVICE_CONFIG_AT])
    config = row[_SERVICE_CONFIG_AT:]
    if config[0] is None:
        known = _service_without_config(status)
    else:
        contacts, contact_groups = map(_names, config[_SERVICE_LISTS])
        known = ServiceConfig._make(config)._replace(contacts=contacts, contact_groups=contact_groups)
    return ServiceView(row[0], row[1], row[2], status, known, *row[3:_SERVICE_STATUS_AT])


def _host_without_config(status: HostStatus) -> HostConfig:
    """What can be said of a host whose core writes no object cache (or has not yet): its status file's words."""
    name = status.name
    return HostConfig(name=name, alias=name, display_name=name, address="", parents=(), **_config_of(status))


def _service_without_config(status: ServiceStatus) -> ServiceConfig:
    """The same for a service."""
    host, description = status.host_name, status.description
    return ServiceConfig(host_name=host, description=description, display_name=description, **_config_of(status))


def _config_of(status: HostStatus | ServiceStatus) -> dict[str, Any]:
    """The fields that both kinds of object have."""
    return {
        "icon_image": "",
        "icon_image_alt": "",
        "notes": "",
        "notes_url": "",
        "action_url": "",
        "check_command": status.check_command,
        "check_period": status.check_period,
        "check_interval": status.check_interval,
        "notification_interval": 0.0,
        "notification_options": "",
        "notification_period": status.notification_period,
        "max_check_attempts": status.max_check_attempts,
        "contacts": (),
        "contact_groups": (),
        "custom_variables": status.custom_variables,
    }

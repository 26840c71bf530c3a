"""Events: rows of state.db written in the same transaction as the rows they are about, read by every API worker.

Rules: the sequence is the order of commits and is never used again; each event carries who may see it (poller, host, the
hostgroups the host was in then), so that scope holds later, too. What a step of a command's life is stands in the journal and
is not copied. The table is bounded: `prune` drops the oldest in steps that keep no reader waiting. Times (`at`) are the core's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import orjson

from engine.model import CommentStatus, DowntimeStatus, ObjectKey
from engine.state import former
from engine.state.changes import BlockChange, Change, Kind, Row, Standing

_COLUMNS = "kind, action, poller, host, service, hostgroups, state, at, said"
STICKY = 2  # acknowledgement_type
PRUNED_AT_ONCE = 1000  # rows; some milliseconds


class Draft(NamedTuple):
    """An event that is to be stored. `host` is "" for what is about the poller."""

    kind: Kind
    action: str
    host: str
    service: str | None
    state: int | None
    at: float
    said: Mapping[str, object]


class Event(NamedTuple):
    """One event as stored; `said` is a JSON object of what there is to say beyond the columns."""

    seq: int
    kind: str
    action: str
    poller: int
    host: str
    service: str | None
    hostgroups: tuple[str, ...]
    state: int | None
    at: float
    said: Mapping[str, object]
    user: str = ""  # who sent it, of a command


def of_object(change: Change, key: ObjectKey, row: Row, before: Standing, at: float, source: str, **more: object) -> Draft:
    """What changed of a host or service. `source` is "log" or "status_file"."""
    said: dict[str, object] = {"source": source, **more}
    if change.kind is Kind.STATE:
        said |= {
            "state_type": row.state_type, "checked": bool(row.has_been_checked), "attempt": row.current_attempt,
            "max_attempts": row.max_check_attempts, "output": row.plugin_output, "previous_state": before.state,
            "previous_state_type": before.state_type, "previously_checked": bool(before.has_been_checked),
        }  # fmt: skip
    elif change.kind is Kind.ACKNOWLEDGEMENT and change.action == "set":
        said["sticky"] = row.acknowledgement_type == STICKY
    state = row.state if change.kind is Kind.STATE else known_state(row)
    return Draft(change.kind, change.action, key.host, key.service, state, at, said)


def known_state(row: Row | Standing) -> int | None:
    """None before the first check: cores write 0 then, which would say UP or OK."""
    return row.state if row.has_been_checked else None


def of_block(change: BlockChange, state: int | None, at: float) -> Draft:
    """A downtime or comment that came or went."""
    block = change.block
    said: dict[str, object] = {"source": "status_file", "author": block.author, "comment": block.comment}
    if isinstance(block, DowntimeStatus):
        said |= {"start": block.start_time, "end": block.end_time, "fixed": bool(block.fixed), "duration_s": block.duration}
    elif isinstance(block, CommentStatus):
        said["persistent"] = bool(block.persistent)
    return Draft(change.kind, change.action, block.host_name, block.service_description, state, at, said)


class EventLog:
    """Stores events of one poller inside one transaction."""

    def __init__(self, connection: sqlite3.Connection, poller: int) -> None:
        self._connection = connection
        self._poller = poller
        self._groups: dict[str, str] = {}
        self._former: dict[str, str] = {}

    def keep_former_groups(self) -> None:
        """The configuration is about to be replaced: what is gone with it was in the groups it is in now."""
        found: dict[str, list[str]] = {}
        query = "SELECT host_name, name FROM group_member WHERE poller = ? AND kind = 'hostgroup' ORDER BY name"
        for host, name in self._connection.execute(query, (self._poller,)):
            found.setdefault(host, []).append(name)
        self._former = {host: orjson.dumps(names).decode() for host, names in found.items()}
        self._groups.clear()

    def append(self, drafts: Iterable[Draft]) -> None:
        """Store events in this order."""
        rows = [
            (str(draft.kind), draft.action, self._poller, draft.host, draft.service or "", self._visible_by(draft), draft.state,
             draft.at, orjson.dumps(dict(draft.said)).decode())
            for draft in drafts
        ]  # fmt: skip
        self._connection.executemany(
            f"INSERT INTO event ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )

    def _visible_by(self, draft: Draft) -> str:
        if draft.kind is Kind.OBJECT and draft.action == "removed" and draft.host in self._former:
            return self._former[draft.host]
        return self._groups_of(draft.host)

    def _groups_of(self, host: str) -> str:
        """The hostgroups of a host; of the poller itself ("") every one it has members in."""
        if host not in self._groups:
            query = "SELECT DISTINCT name FROM group_member WHERE poller = ? AND kind = 'hostgroup'"
            values: list[object] = [self._poller]
            if host:
                query, values = f"{query} AND host_name = ?", [*values, host]
            found = [name for (name,) in self._connection.execute(query, values)]
            self._groups[host] = orjson.dumps(sorted(found)).decode()
        return self._groups[host]


def events_after(connection: sqlite3.Connection, after: int, upto: int, limit: int) -> list[Event]:
    """Events with after < seq <= upto, in order, at most `limit`. The connection has state.db attached as `state`."""
    query = (
        "SELECT seq, kind, action, poller, host, service, hostgroups, state, at, said FROM state.event WHERE seq > ? AND seq <= ?"
    )
    rows = connection.execute(f"{query} ORDER BY seq LIMIT ?", (after, upto, limit))
    return [
        Event(seq, kind, action, poller, host, service or None, tuple(orjson.loads(groups)), state, at, orjson.loads(said))
        for seq, kind, action, poller, host, service, groups, state, at, said in rows
    ]


def bounds(connection: sqlite3.Connection) -> tuple[str, int, int]:
    """(incarnation of the file, oldest sequence number from which all that follows is there, newest)."""
    (incarnation,) = connection.execute("SELECT incarnation FROM state.meta").fetchone()
    oldest, newest = connection.execute("SELECT (SELECT min(seq) FROM state.event), (SELECT max(seq) FROM state.event)").fetchone()
    if newest is None:
        found = connection.execute("SELECT seq FROM state.sqlite_sequence WHERE name = 'event'").fetchone()
        newest = found[0] if found else 0
        oldest = newest + 1
    return incarnation, oldest - 1, newest


def prune(connection: sqlite3.Connection, keep: int) -> bool:
    """Drop the oldest events beyond `keep`, one step's worth. Returns whether there are more."""
    oldest, newest = connection.execute("SELECT (SELECT min(seq) FROM event), (SELECT max(seq) FROM event)").fetchone()
    if newest is None or newest - oldest < keep:
        return False
    upto = min(newest - keep, oldest + PRUNED_AT_ONCE - 1)
    connection.execute("DELETE FROM event WHERE seq <= ?", (upto,))
    former.forget(connection, upto + 1)
    return bool(upto < newest - keep)

"""What the journal forgets, and how large it is.

Theory of operation. Each kind of row is walked from its oldest on by a cursor of its own, a few rows per transaction: as many as
keep the writer's lock for about HOLD_S, measured; in between the lock is left alone for several times as long, so that accepting
and the lanes never wait for it. A walk ends at the first row that is young enough; what may not go yet is stepped over and met
again in the next walk.

Rules. Never forgotten: commands that are not through, entries that stand, what made these, and the audit of what is kept. Of a
forgotten command that an audit row leads to, `audit_command` keeps the bytes and the outcome. Times are epoch seconds by our clock.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from engine.clock import Clock
from engine.commands.lifecycle import State, is_final
from engine.config import Settings
from engine.errors import JournalError
from engine.journal.calls import prune_calls
from engine.journal.moves import forget_steps
from engine.journal.requests import prune_keys
from engine.journal.store import Journal

HOLD_S = 0.008  # of the writer's lock per step, its commit included
REST = 4  # times as long as a step held the lock, nothing is pruned
EVERY_S = 3600.0
DAY_S = 86400.0
_MOST = 200  # rows per step
_FREE_SHARE = 8  # a file is made smaller when more than this fraction of it is free; less will be needed again
_GROWTH_DAYS = 60

log = logging.getLogger(__name__)

# (connection, cursor, rows to look at) → rows that went, the next cursor or None at the end of the walk
Step = Callable[[sqlite3.Connection, int, int], tuple[int, int | None]]


@dataclass(slots=True)
class Retention:
    """See the module. `run` is a thread's body."""

    journal: Journal
    settings: Settings
    clock: Clock
    _stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Prune every hour until stopped."""
        while not self._stopping.is_set():
            try:
                gone = self.prune()
                if any(gone.values()):
                    log.info("forgotten in the journal: %s", ", ".join(f"{count} {name}" for name, count in gone.items() if count))
            except JournalError as error:
                log.error("nothing is forgotten in the journal for now: %s", error)
            self._stopping.wait(EVERY_S)

    def stop(self) -> None:
        """Let `run` and `prune` end after the present step."""
        self._stopping.set()

    def prune(self) -> dict[str, int]:
        """Walk over everything once; how many rows of each kind went. Raises JournalError."""
        with self.journal.transaction() as connection:
            _note_growth(connection, self.clock.now())
        return {name: self._walk(step) for name, step in self._steps()}

    def _steps(self) -> Iterator[tuple[str, Step]]:
        now, keep = self.clock.now(), self.settings
        yield "commands", lambda *at: _commands(*at, before=now - keep.keep_lives_s)
        yield "entries", lambda *at: _entries(*at, before=now - keep.keep_lives_s)
        yield "batches", lambda *at: _batches(*at, before=now - keep.keep_lives_s)
        yield "operations", lambda *at: _operations(*at, before=now - keep.keep_lives_s)
        yield "calls of results", lambda *at: _counted(prune_calls(at[0], now - keep.keep_calls_s, at[2]), at[2])
        yield "keys", lambda *at: _counted(prune_keys(at[0], now - keep.keep_keys_s, at[2]), at[2])
        yield "audit rows", lambda *at: _audit(*at, before=now - keep.keep_audit_s)
        yield "free pages", _free_pages

    def _walk(self, step: Step) -> int:
        total, rows = 0, 10
        cursor: int | None = 0
        while cursor is not None and not self._stopping.is_set():
            with self.journal.transaction() as connection:
                began = self.clock.monotonic()
                gone, cursor = step(connection, cursor, rows)
            held_s = self.clock.monotonic() - began
            total += gone
            rows = max(1, rows // 2) if held_s > HOLD_S else min(_MOST, rows * 2) if held_s < HOLD_S / 3 else rows
            if cursor is not None:
                self._stopping.wait(held_s * REST)
        return total


def _commands(connection: sqlite3.Connection, after: int, rows: int, *, before: float) -> tuple[int, int | None]:
    found = connection.execute(
        "SELECT c.seq, c.id, c.accepted_at, c.updated_at, c.state, c.watch_from IS NOT NULL,"
        " EXISTS (SELECT 1 FROM entry e WHERE e.command_id = c.id AND e.present = 1) FROM command c WHERE c.seq > ?"
        " ORDER BY c.seq LIMIT ?",
        (after, rows),
    ).fetchall()
    old = [row for row in found if row[2] < before]
    gone = [(row[1],) for row in old if row[3] < before and is_final(State(row[4]), bool(row[5])) and not row[6]]
    connection.executemany(_KEEP_OF_COMMAND, gone)
    forget_steps(connection, gone)
    connection.executemany("DELETE FROM command WHERE id = ?", gone)
    return len(gone), old[-1][0] if old and len(old) == len(found) else None


_KEEP_OF_COMMAND = """
INSERT OR IGNORE INTO audit_command
SELECT c.id, c.operation, c.name, c.poller, c.host, c.service, c.state, c.reason,
  coalesce((SELECT s.evidence FROM step s WHERE s.command_id = c.id AND s.evidence <> '' ORDER BY s.seq DESC LIMIT 1), ''),
  c.line, c.accepted_at, c.updated_at
FROM command c WHERE c.id = ?1 AND (EXISTS (SELECT 1 FROM audit a WHERE a.operation <> '' AND a.operation = c.operation)
  OR EXISTS (SELECT 1 FROM audit_link l WHERE l.command_id = ?1))"""


def _entries(connection: sqlite3.Connection, after: int, rows: int, *, before: float) -> tuple[int, int | None]:
    """Those that ended; their ids are of several pollers, so that they do not stand in the order of time."""
    found = connection.execute("SELECT id FROM entry WHERE id > ? ORDER BY id LIMIT ?", (after, rows)).fetchall()
    ended = "max(entry_time, coalesce(end_time, 0), coalesce(actual_end, 0), coalesce(deleted_at, 0))"
    gone = connection.executemany(f"DELETE FROM entry WHERE id = ? AND present = 0 AND {ended} < {float(before)!r}", found).rowcount
    return max(0, gone), found[-1][0] if found else None


def _batches(connection: sqlite3.Connection, after: int, rows: int, *, before: float) -> tuple[int, int | None]:
    found = connection.execute("SELECT seq, at, open FROM batch WHERE seq > ? ORDER BY seq LIMIT ?", (after, rows)).fetchall()
    old = [row for row in found if row[1] < before]
    gone = [(row[0],) for row in old if not row[2]]
    connection.executemany("DELETE FROM batch WHERE seq = ?", gone)
    return len(gone), old[-1][0] if old and len(old) == len(found) else None


def _operations(connection: sqlite3.Connection, _: int, rows: int, *, before: float) -> tuple[int, int | None]:
    """Those whose commands are gone. Their ids count up with time."""
    found = connection.execute(
        "SELECT o.id FROM operation o WHERE o.at < ? AND o.state IN ('complete', 'withdrawn')"
        " AND NOT EXISTS (SELECT 1 FROM command c WHERE c.operation = o.id)"
        " AND NOT EXISTS (SELECT 1 FROM result_call r WHERE r.operation = o.id) ORDER BY o.id LIMIT ?",
        (before, rows),
    ).fetchall()
    connection.executemany("DELETE FROM operation_joined WHERE operation = ?", found)
    connection.executemany("DELETE FROM operation WHERE id = ?", found)
    return _counted(len(found), rows)


def _audit(connection: sqlite3.Connection, after: int, rows: int, *, before: float) -> tuple[int, int | None]:
    """First the time from which it is kept, which the triggers hold everybody to; then what is older and leads to nothing kept."""
    connection.execute(
        "UPDATE meta SET value = ? WHERE key = 'audit_kept_since' AND CAST(value AS REAL) < ?", (repr(before), before)
    )
    found = connection.execute(
        "SELECT a.seq, a.operation, a.at, EXISTS (SELECT 1 FROM command c WHERE a.operation <> '' AND c.operation = a.operation)"
        " OR EXISTS (SELECT 1 FROM audit_link l JOIN command c ON c.id = l.command_id WHERE l.audit = a.seq)"
        " FROM audit a WHERE a.seq > ? ORDER BY a.seq LIMIT ?",
        (after, rows),
    ).fetchall()
    old = [row for row in found if row[2] < before]
    for seq, operation, _, is_needed in old:
        if not is_needed:
            _forget_audit(connection, seq, operation)
    return sum(not row[3] for row in old), old[-1][0] if old and len(old) == len(found) else None


def _forget_audit(connection: sqlite3.Connection, seq: int, operation: str) -> None:
    linked = connection.execute("SELECT command_id FROM audit_link WHERE audit = ?", (seq,)).fetchall()
    connection.execute("DELETE FROM audit WHERE seq = ?", (seq,))
    connection.execute("DELETE FROM audit_link WHERE audit = ?", (seq,))
    orphaned = (
        "NOT EXISTS (SELECT 1 FROM audit_link l WHERE l.command_id = audit_command.id)"
        " AND NOT EXISTS (SELECT 1 FROM audit a WHERE a.operation <> '' AND a.operation = audit_command.operation)"
    )
    connection.execute(f"DELETE FROM audit_command WHERE operation = ? AND {orphaned}", (operation,))
    connection.executemany(f"DELETE FROM audit_command WHERE id = ? AND {orphaned}", linked)


def _free_pages(connection: sqlite3.Connection, _: int, rows: int) -> tuple[int, int | None]:
    """Give free pages back to the file system. Only journals made or upgraded by this version can; others use them again."""
    pages, free, mode = _pragmas(connection, "page_count", "freelist_count", "auto_vacuum")
    if mode != _INCREMENTAL or free * _FREE_SHARE < pages:
        return 0, None
    some = min(rows, free)
    for _ in range(some):  # one at a time: Python steps a statement without columns only once, which frees one page
        connection.execute("PRAGMA incremental_vacuum(1)")
    return some, 0


_INCREMENTAL = 2


def _counted(gone: int, rows: int) -> tuple[int, int | None]:
    """For what is found anew each time: go on while as many went as were looked for."""
    return gone, 0 if gone >= rows else None


# --- how large it is ------------------------------------------------------------------------------------------------------------


class Size(msgspec.Struct, frozen=True):
    """How large a journal is. `free_bytes` of it will be used again; per day: of the last week, None while it is too young."""

    bytes: int
    free_bytes: int
    can_shrink: bool
    rows_per_day: float | None
    bytes_per_day: float | None
    oldest: dict[str, float | None]  # epoch seconds of the oldest row of each kind


def size_of(connection: sqlite3.Connection, now: float) -> Size:
    """Read from a journal of the newest schema; changes nothing."""
    page, pages, free, mode = _pragmas(connection, "page_size", "page_count", "freelist_count", "auto_vacuum")
    used, rows = (pages - free) * page, _rows_ever(connection)
    today = int(now // DAY_S)
    first = "SELECT day, bytes, rows FROM growth WHERE day >= ? AND day < ? ORDER BY day LIMIT 1"
    since = connection.execute(first, (today - 7, today)).fetchone()
    days = None if since is None else now / DAY_S - (since[0] + 1)
    is_known = days is not None and days >= 0.5
    rows_per_day, bytes_per_day = ((rows - since[2]) / days, (used - since[1]) / days) if is_known and days else (None, None)
    oldest = {
        "commands": "SELECT min(accepted_at) FROM (SELECT accepted_at FROM command ORDER BY seq LIMIT 1)",
        "calls of results": "SELECT min(accepted_at) FROM (SELECT accepted_at FROM result_call ORDER BY seq LIMIT 1)",
        "audit": "SELECT min(at) FROM audit",
        "keys": "SELECT min(at) FROM request_key",
    }
    found = {name: connection.execute(query).fetchone()[0] for name, query in oldest.items()}
    return Size(pages * page, free * page, mode == _INCREMENTAL, rows_per_day, bytes_per_day, found)


def _note_growth(connection: sqlite3.Connection, now: float) -> None:
    page, pages, free = _pragmas(connection, "page_size", "page_count", "freelist_count")
    today = int(now // DAY_S)
    connection.execute("INSERT OR REPLACE INTO growth VALUES (?, ?, ?)", (today, (pages - free) * page, _rows_ever(connection)))
    connection.execute("DELETE FROM growth WHERE day < ?", (today - _GROWTH_DAYS,))


def _pragmas(connection: sqlite3.Connection, *names: str) -> list[int]:
    return [int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in names]


def _rows_ever(connection: sqlite3.Connection) -> int:
    """Rows that were ever added to the tables that grow, pruned or not."""
    return int(connection.execute("SELECT coalesce(sum(seq), 0) FROM sqlite_sequence").fetchone()[0])

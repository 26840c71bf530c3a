"""state.db: the one writer of the mirror of all cores.

Theory of operation. One scan is one transaction, so readers see a generation whole or not at all; a scan that fails, or ends
before its End, leaves nothing behind but a health word. What a scan brings is gathered first and written when the scan is whole,
so that a slow scanner holds no lock; only a scan of very many changed rows (a core's first) is written as it comes. Between
generations the log lane changes single rows and marks them dirty: a generation of the line's own second or older does not touch
them, the first later one does. The file can be lost at any time (synchronous=OFF): it is rebuilt from the cores.

Thread-safe. Never call it inside a journal transaction: a scan with new objects mints ids in one of its own.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain, groupby
from pathlib import Path
from typing import cast

import msgspec
from msgspec.structs import replace

from engine.config import Poller
from engine.errors import JournalError
from engine.formats.corelog import StateEvent
from engine.model import CoreKind, ObjectKey
from engine.state import events
from engine.state.changes import NOTIFICATIONS, PASSIVE, Kind, after, diff, held_until, is_of_one_downtime, standing_of
from engine.state.events import Draft, EventLog, of_object
from engine.state.frames import Begin, End, Failed, Frame, Gone, Objects, Rows, Unchanged
from engine.state.generation import Diverged, GenerationWriter, Mint, Settle
from engine.state.tables import CONFIG_TABLES, HOST, SCHEMA, SCHEMA_VERSION, SERVICE, STATUS_TABLES, dirty_values, key_values
from engine.state.version import StateVersion

log = logging.getLogger(__name__)

_ROOM_BYTES = 3 << 20  # below SQLite's 4 MB at which the write-ahead log is begun anew
_GATHERED_ROWS = 20_000  # some 50 MB of Python objects at most wait for a scan's end
_STREAMED_ROWS = 1500  # a step's worth of rows: their ids are minted in a transaction of the journal, in ten milliseconds or so
_WAL_LIMIT_BYTES = 64 * 1024 * 1024


class Applied(msgspec.Struct, frozen=True):
    """What became of one scan. `health` is "fresh" or the word of the failure; `changed` = readers see other rows than before.

    `resync`: mirror and scanner lost each other. Close the scanner, so that the next scan is a first one.
    """

    poller: int
    generation: int
    created: float
    program_start: float
    version: str
    first: bool
    objects_reread: bool
    health: str
    detail: str
    changed: bool
    resync: bool = False


class _Abandoned(Exception):
    """Ends a scan's transaction without a generation."""

    def __init__(self, failed: Failed, resync: bool = False) -> None:
        super().__init__(failed.detail)
        self.failed = failed
        self.resync = resync


class Mirror:
    """Writes state.db. See the module. `told` is called after each commit that holds events."""

    def __init__(self, connection: sqlite3.Connection, mint: Mint, settle: Settle) -> None:
        self._connection = connection
        self._path = Path(connection.execute("PRAGMA database_list").fetchone()[2])
        self._inode = self._path.stat().st_ino
        self._version = StateVersion(self._path.parent)
        self._version.renew()
        self._mint = mint
        self._settle = settle
        self._lock = threading.RLock()
        self._has_news = False
        self.told: Callable[[], None] = lambda: None

    @classmethod
    def open(cls, path: Path, mint: Mint, settle: Settle = lambda poller: None) -> Mirror:
        """Open state.db, or make it anew when it is missing, damaged or of another schema."""
        connection = _connect(path)
        if connection is None:
            for suffix in ("", "-wal", "-shm"):  # readers notice the new file by its inode
                Path(f"{path}{suffix}").unlink(missing_ok=True)
            connection = _create(path)
        _make_room(connection)
        return cls(connection, mint, settle)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()
            self._version.close()

    def is_lost(self) -> bool:
        """Whether the file was removed, or another stands in its place: nobody reads what is written here any more."""
        try:
            return self._path.stat().st_ino != self._inode
        except OSError:
            return True

    def configure(self, pollers: Sequence[Poller]) -> None:
        """Set the pollers there are. Rows of others, and of one whose status file is now another, are dropped.

        Health starts as unknown: nothing was looked at yet.
        """
        upsert = (
            "INSERT INTO poller (number, name, kind, status_file, status_update_interval_s) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET name = excluded.name, kind = excluded.kind,"
            " status_update_interval_s = excluded.status_update_interval_s, command_file_health = 'unknown',"
            " command_file_detail = '', status_file_health = 'unknown', status_file_detail = ''"
        )
        with self._transaction():
            known = self._connection.execute("SELECT number, status_file FROM poller").fetchall()
            wanted = {(poller.number, str(poller.status_file)) for poller in pollers}
            for number, _ in set(known) - wanted:
                for table in (*STATUS_TABLES, *CONFIG_TABLES):
                    self._connection.execute(f"DELETE FROM {table} WHERE poller = ?", (number,))
                self._connection.execute("DELETE FROM poller WHERE number = ?", (number,))
            for poller in pollers:
                values = (poller.number, poller.name, str(poller.kind), str(poller.status_file), poller.status_update_interval_s)
                self._connection.execute(upsert, values)

    # --- scans ------------------------------------------------------------------------------------------------------------

    def apply(self, frames: Iterable[Frame]) -> Applied:
        """Take one scan over whole, or not at all. `frames` is read to its end unless the mirror cannot be written."""
        scan = iter(frames)
        head = next(scan, None)
        if not isinstance(head, Begin | Unchanged | Failed):
            raise ValueError(f"a scan does not start with {head}")
        try:
            with ExitStack() as transaction:
                return self._apply(head, scan, transaction)
        except _Abandoned as end:
            return self._without_generation(end.failed, end.resync)
        except JournalError as error:
            return replace(self._applied(head.poller, changed=False, resync=True), health="unknown", detail=str(error))

    def _apply(self, head: Begin | Unchanged | Failed, scan: Iterator[Frame], transaction: ExitStack) -> Applied:
        if not isinstance(head, Begin):
            deque(scan, maxlen=0)
            if isinstance(head, Failed):
                raise _Abandoned(head)
            return self._unchanged(head.poller)
        with self._lock:
            writer = GenerationWriter(self._connection, self._mint, self._settle, head)
        # Nobody sees anything of a poller before its first generation, so there is no reason to wait with it.
        gathered = _Gathered(_GATHERED_ROWS if writer.has_generation else _STREAMED_ROWS)
        end = self._gather(scan, writer, gathered, transaction)
        self._write(writer, gathered, transaction)
        return self._finish(writer, end)

    def _gather(self, scan: Iterator[Frame], writer: GenerationWriter, gathered: _Gathered, transaction: ExitStack) -> End:
        """Read a scan to its end, writing only what is too much to hold. Raises _Abandoned for a scan without End."""
        end: End | None = None
        failed = Failed(writer.poller, "unknown", "The scan broke off before its end; it is tried again.")
        for frame in scan:
            match frame:
                case Objects() | Rows() | Gone():
                    gathered.add(writer.admit(frame))
                    if gathered.is_full:
                        self._write(writer, gathered, transaction)
                case Failed():
                    failed = frame
                case End():
                    end = frame
                case _:
                    raise ValueError(f"{frame} within a scan")
        if end is None:
            raise _Abandoned(failed)
        return end

    def _write(self, writer: GenerationWriter, gathered: _Gathered, transaction: ExitStack) -> None:
        if not gathered.is_streaming:
            transaction.enter_context(self._transaction())
            writer.open()
        for frame in gathered.take():
            writer.write(frame)

    def _finish(self, writer: GenerationWriter, end: End) -> Applied:
        try:
            writer.finish(end)
        except Diverged as error:
            raise _Abandoned(Failed(writer.poller, "unknown", str(error)), resync=True) from error
        self._has_news = True
        return self._applied(writer.poller, changed=writer.changed, first=writer.begin.first, objects_reread=writer.objects_reread)

    def _unchanged(self, poller: int) -> Applied:
        with self._lock:
            changed = self._set_health(poller, "status_file", "fresh", "")
            return self._applied(poller, changed=changed)

    def _without_generation(self, failed: Failed, resync: bool) -> Applied:
        with self._lock:
            changed = self._set_health(failed.poller, "status_file", failed.health, failed.detail)
            return self._applied(failed.poller, changed=changed, resync=resync)

    def _applied(
        self, poller: int, *, changed: bool, first: bool = False, objects_reread: bool = False, resync: bool = False
    ) -> Applied:
        generation, created, program_start, version, health, detail = self._connection.execute(
            "SELECT generation, created, program_start, version, status_file_health, status_file_detail FROM poller"
            " WHERE number = ?",
            (poller,),
        ).fetchone()
        return Applied(
            poller=poller,
            generation=generation,
            created=created,
            program_start=program_start,
            version=version,
            first=first,
            objects_reread=objects_reread,
            health=health,
            detail=detail,
            changed=changed,
            resync=resync,
        )

    # --- the log lane -------------------------------------------------------------------------------------------------------

    def log_events(self, poller: int, lines: Sequence[StateEvent], position: str | None = None) -> None:
        """Change the rows these log lines are about and mark them dirty. Lines older than the generation say nothing new of states.

        `position`: the place in the log behind them, for `log_position`.
        """
        with self._transaction():
            row = self._connection.execute("SELECT created, kind FROM poller WHERE number = ?", (poller,)).fetchone()
            created, kind = (int(row[0]), CoreKind(row[1])) if row is not None else (0, CoreKind.NAGIOS)
            new = [line for line in lines if line.kind in NOTIFICATIONS or line.at >= created] if row is not None else []
            drafts = [draft for line in new if line.kind not in PASSIVE for draft in self._take_line(poller, kind, line, created)]
            self._mark_checked(poller, [line for line in new if line.kind in PASSIVE])
            if drafts:
                EventLog(self._connection, poller).append(drafts)
                self._has_news = True
            if row is not None and position is not None:
                self._connection.execute("INSERT OR REPLACE INTO log_position VALUES (?, ?)", (poller, position))

    def _take_line(self, poller: int, kind: CoreKind, line: StateEvent, created: int) -> list[Draft]:
        key = ObjectKey(poller, line.host, line.service)
        table = HOST if line.service is None else SERVICE
        found = self._connection.execute(table.select, key_values(key)).fetchone()
        if found is None:
            return []
        old = table.row._make(found)
        drafts = [_notified(line, old.state)] if line.kind in NOTIFICATIONS else []
        of_one_downtime = is_of_one_downtime(kind, line)
        if of_one_downtime and line.word != "STARTED" and self._may_never_have_begun(key, line):
            return drafts
        # Of a start in the file's own second the file may tell already: one downtime is more likely than two at once.
        row = after(old, line, of_one_downtime=of_one_downtime and (line.word != "STARTED" or line.at > created))
        if row is None:
            return drafts
        self._connection.execute(table.update, table.update_values(key, row))
        self._connection.execute(
            "INSERT INTO dirty VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)",
            (*dirty_values(key), held_until(line)),
        )
        before = standing_of(old)
        for change in diff(before, standing_of(row)):
            told = change._replace(action=line.word.lower()) if line.word in _ENDINGS else change
            drafts.append(of_object(told, key, row, before, float(line.at), "log"))
        return drafts

    def _may_never_have_begun(self, key: ObjectKey, line: StateEvent) -> bool:
        """Which downtime it is that ended the line does not say: may it be one that was not in effect?"""
        query = (
            "SELECT 1 FROM downtime WHERE poller = ? AND host_name = ? AND service_description IS ? AND NOT is_in_effect"
            " AND (? OR end_time <= ?) LIMIT 1"
        )
        return self._connection.execute(query, (*key, line.word == "CANCELLED", line.at)).fetchone() is not None

    def _mark_checked(self, poller: int, lines: Sequence[StateEvent]) -> None:
        """Checks that ran: their rows' `last_check`, and nothing to tell. They come by the thousand, so no row is read."""
        for table, is_service in ((HOST, False), (SERVICE, True)):
            keys = {ObjectKey(poller, line.host, line.service): line for line in lines if (line.service is not None) is is_service}
            checked = [(float(line.at), *key_values(key)) for key, line in keys.items()]
            self._connection.executemany(table.mark_checked, checked)
            self._connection.executemany(table.mark_dirty, ((held_until(line), *key_values(key)) for key, line in keys.items()))

    def log_position(self, poller: int) -> str | None:
        """How far this poller's log has been taken over; None when nothing is known."""
        with self._lock:
            found = self._connection.execute("SELECT position FROM log_position WHERE poller = ?", (poller,)).fetchone()
            return None if found is None else str(found[0])

    def dirty(self, poller: int) -> tuple[ObjectKey, ...]:
        """The objects whose blocks the next scan must send even if unchanged."""
        with self._lock:
            found = self._connection.execute("SELECT poller, host_name, description FROM dirty WHERE poller = ?", (poller,))
            return tuple(ObjectKey(number, host, service or None) for number, host, service in found)

    # --- health -------------------------------------------------------------------------------------------------------------

    def command_file_health(self, poller: int, word: str, detail: str) -> None:
        """Record what was last seen of the command file, if it is news."""
        self._set_health(poller, "command_file", word, detail)

    def _set_health(self, poller: int, file: str, word: str, detail: str) -> bool:
        """Returns whether it is news."""
        with self._lock:
            query = f"SELECT {file}_health, {file}_detail FROM poller WHERE number = ?"
            if self._connection.execute(query, (poller,)).fetchone() == (word, detail):
                return False
            with self._transaction():
                update = f"UPDATE poller SET {file}_health = ?, {file}_detail = ? WHERE number = ?"
                self._connection.execute(update, (word, detail, poller))
                self._tell_health(poller, file, word, detail)
            return True

    def tell_age(self, poller: int, word: str, detail: str) -> None:
        """Tell that a status file became "stale", or is "fresh" again. Readers judge the age of what they read themselves."""
        with self._transaction():
            self._tell_health(poller, "status_file", word, detail)

    def _tell_health(self, poller: int, file: str, word: str, detail: str) -> None:
        said = {"file": file, "health": word, "detail": detail}
        EventLog(self._connection, poller).append([Draft(Kind.POLLER, "health", "", None, None, time.time(), said)])
        self._has_news = True

    # --- events -------------------------------------------------------------------------------------------------------------

    def prune_events(self, keep: int) -> bool:
        """Drop events beyond the newest `keep`, a step's worth. Returns whether there are more to drop."""
        with self._transaction():
            return events.prune(self._connection, keep)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One write of state.db, whole or not at all. Raises JournalError when there is no room or no right to write."""
        with self._lock:
            try:
                self._has_news = False
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                self._connection.execute("UPDATE change SET number = number + 1")
                with self._version.changing():
                    self._connection.execute("COMMIT")
                if self._has_news:
                    self.told()
            except sqlite3.OperationalError as error:
                raise JournalError(
                    f"The mirror of the cores cannot be written: {error}. Check the folder's space and rights."
                ) from error
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")


class _Gathered:
    """Frames of a scan that wait to be written, at first as many as may be held, then a step's worth at a time."""

    def __init__(self, most_rows: int) -> None:
        self._frames: list[Objects | Rows | Gone] = []
        self._rows = 0
        self._most_rows = most_rows
        self.is_streaming = False

    def add(self, frame: Objects | Rows | Gone) -> None:
        self._frames.append(frame)
        if isinstance(frame, Rows):
            self._rows += sum(map(len, frame.kinds))

    @property
    def is_full(self) -> bool:
        return self._rows > self._most_rows

    def take(self) -> list[Objects | Rows | Gone]:
        """Hand the frames out, those of rows that follow one another as one."""
        taken, self._frames, self._rows = self._frames, [], 0
        self._most_rows, self.is_streaming = _STREAMED_ROWS, True
        joined: list[Objects | Rows | Gone] = []
        for is_rows, group in groupby(taken, lambda frame: isinstance(frame, Rows)):
            frames = list(group)
            joined += [_joined(cast("list[Rows]", frames))] if is_rows else frames
        return joined


def _joined(frames: Sequence[Rows]) -> Rows:
    kinds = zip(*(frame.kinds for frame in frames), strict=True)
    return Rows(*(tuple(chain.from_iterable(parts)) for parts in kinds))


_ENDINGS = ("CANCELLED", "DISABLED")  # what only the log knows of how a downtime or flapping ended


def _notified(line: StateEvent, state: int) -> Draft:
    said = {"source": "log", "contact": line.contact, "reason": line.word, "output": line.output}
    return Draft(Kind.NOTIFICATION, "sent", line.host, line.service, state, float(line.at), said)


def _make_room(connection: sqlite3.Connection) -> None:
    """Let the files hold some megabytes more than they need, so that the view goes on for as long when the disk is full."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE room (bytes BLOB)")
        connection.execute("INSERT INTO room VALUES (zeroblob(?))", (_ROOM_BYTES,))
        connection.execute("COMMIT")
        connection.execute("DROP TABLE room")
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    except sqlite3.OperationalError as error:
        log.warning("there is no room to spare for the mirror of the cores: %s", error)
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _connect(path: Path) -> sqlite3.Connection | None:
    """A connection to a sound state.db of our schema, else None."""
    if not path.exists() or not path.stat().st_size:  # where somebody still reads the former one, SQLite would wait for its locks
        return None
    connection = _open(path)
    try:
        (version,) = connection.execute("SELECT schema_version FROM meta").fetchone()
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if (version, verdict) == (SCHEMA_VERSION, "ok"):
            return connection
    except (sqlite3.DatabaseError, TypeError):
        pass
    connection.close()
    return None


def _create(path: Path) -> sqlite3.Connection:
    connection = _open(path)
    connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
    return connection


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        connection.execute("PRAGMA page_size = 8192")  # a row with its plugin output is about 1 KB
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA recursive_triggers = ON")  # a row that is replaced is counted as gone
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
        connection.execute("PRAGMA cache_size = -65536")
    except sqlite3.DatabaseError:
        pass  # not a database: whoever asks it a question is told so
    return connection

"""history.db: the cores' logs, current and archived, as an index. Its tables and the one writer.

Theory of operation. A log file is known by how it begins (its first bytes hold time stamps), not by its name or inode: renamed,
copied, truncated behind the copy or compressed, it is the same log, and reading goes on where it ended. What was read and how far
is committed together, so a line is there once, whatever kills us when. An entry's number is made of its file and its place in it.
The file can be lost: it is made again from the logs that are still there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.errors import JournalError
from engine.formats.logentry import LogEntry

HISTORY_FILE = "history.db"
HISTORY_SCHEMA = 1
HEAD_BYTES = 1024  # with a CURRENT STATE line or two in it: no two logs begin alike
_PLACE_BITS = 36  # an entry's number: 2^27 files of 64 GB
_DELETED_AT_ONCE = 5000
_WAL_LIMIT_BYTES = 64 * 1024 * 1024

SCHEMA = f"""
CREATE TABLE meta (schema_version INTEGER NOT NULL);
INSERT INTO meta VALUES ({HISTORY_SCHEMA});
-- Whose logs these are: another log file makes it another poller.
CREATE TABLE source (
  poller INTEGER PRIMARY KEY, log_file TEXT NOT NULL, known_bytes INTEGER NOT NULL DEFAULT 0, read_bytes INTEGER NOT NULL DEFAULT 0,
  looked_at REAL NOT NULL DEFAULT 0, oldest INTEGER, newest INTEGER);
-- `read_bytes` count what the file holds uncompressed; device to modified_ns say which file, as it was when last read to its end.
CREATE TABLE file (
  id INTEGER PRIMARY KEY, poller INTEGER NOT NULL, head BLOB NOT NULL, read_bytes INTEGER NOT NULL DEFAULT 0,
  device INTEGER NOT NULL DEFAULT 0, inode INTEGER NOT NULL DEFAULT 0, size INTEGER NOT NULL DEFAULT -1,
  modified_ns INTEGER NOT NULL DEFAULT 0);
CREATE INDEX file_poller ON file (poller);
CREATE TABLE object (id INTEGER PRIMARY KEY, poller INTEGER NOT NULL, host TEXT NOT NULL, service TEXT NOT NULL);
CREATE UNIQUE INDEX object_name ON object (poller, host, service);
CREATE INDEX object_host ON object (host, service);
CREATE TABLE entry (
  seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, type INTEGER NOT NULL, object INTEGER NOT NULL, state INTEGER, state_type INTEGER,
  attempt INTEGER, word TEXT NOT NULL, contact TEXT NOT NULL, command TEXT NOT NULL, text TEXT NOT NULL);
CREATE INDEX entry_at ON entry (at);
CREATE INDEX entry_object ON entry (object, at);
CREATE INDEX entry_type ON entry (type, at);
"""


@dataclass(slots=True)
class LogFile:
    """One log that was seen, under whatever name. `stamp`: device, inode, size, time of the file last read to its end."""

    id: int
    poller: int
    head: bytes
    read_bytes: int
    stamp: tuple[int, int, int, int]

    def begins_like(self, head: bytes) -> bool:
        """Is that the beginning of this log? Either may have grown since the other was seen."""
        return bool(head) and (head.startswith(self.head) or self.head.startswith(head))


class LogIndex:
    """Writes history.db. For one thread. Raises JournalError when it cannot be written."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._objects: dict[tuple[int, str, str], int] = {}

    @classmethod
    def open(cls, path: Path) -> LogIndex:
        """Open the index, or make it anew when it is missing, damaged or of another schema. Raises JournalError."""
        try:
            connection = _connect(path)
            if connection is None:
                remove_history(path)
                connection = _connect(path, create=True)
        except (sqlite3.Error, OSError) as error:
            raise JournalError(f"The history {path} cannot be opened: {error}. Check the folder's rights and space.") from error
        assert connection is not None
        return cls(connection)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def configure(self, sources: Iterable[tuple[int, str]]) -> None:
        """The pollers there are, as (number, log file); what is of others is dropped."""
        wanted = set(sources)
        known = set(self._connection.execute("SELECT poller, log_file FROM source"))
        with self._transaction():
            for number, _ in known - wanted:
                owned = "SELECT id FROM object WHERE poller = ?"
                self._connection.execute(f"DELETE FROM entry WHERE object IN ({owned})", (number,))
                for table in ("object", "file", "source"):
                    self._connection.execute(f"DELETE FROM {table} WHERE poller = ?", (number,))
            self._connection.executemany("INSERT INTO source (poller, log_file) VALUES (?, ?)", sorted(wanted - known))
        self._objects.clear()

    # --- files --------------------------------------------------------------------------------------------------------------

    def files(self, poller: int) -> list[LogFile]:
        """The logs that were seen of a poller, oldest first."""
        query = "SELECT id, poller, head, read_bytes, device, inode, size, modified_ns FROM file WHERE poller = ? ORDER BY id"
        found = self._connection.execute(query, (poller,))
        return [
            LogFile(id, number, head, read, (device, inode, size, modified_ns))
            for id, number, head, read, device, inode, size, modified_ns in found
        ]

    def new_file(self, poller: int, head: bytes) -> LogFile:
        """A log seen for the first time. Make the rows of several in the order in which they were written."""
        with self._transaction():
            id = self._connection.execute("INSERT INTO file (poller, head) VALUES (?, ?)", (poller, head)).lastrowid
        assert id is not None
        return LogFile(id, poller, head, 0, (0, 0, -1, 0))

    def add(self, file: LogFile, entries: Sequence[tuple[int, LogEntry]], read_bytes: int) -> None:
        """Store entries by their place in the file, and that it was read up to `read_bytes`; both or neither."""
        with self._transaction():
            rows = [
                ((file.id << _PLACE_BITS) + place, entry.at, int(entry.type), self._object(file.poller, *entry[2:4]), *entry[4:])
                for place, entry in entries
            ]
            self._connection.executemany("INSERT OR IGNORE INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            self._connection.execute("UPDATE file SET read_bytes = ?, head = ? WHERE id = ?", (read_bytes, file.head, file.id))
            if entries:
                times = [entry.at for _, entry in entries]
                ends = "oldest = min(coalesce(oldest, ?1), ?1), newest = max(coalesce(newest, ?2), ?2)"
                self._connection.execute(f"UPDATE source SET {ends} WHERE poller = ?3", (min(times), max(times), file.poller))
        file.read_bytes = read_bytes

    def read_to_end(self, file: LogFile, stamp: tuple[int, int, int, int]) -> None:
        """Nothing more is in the file as it is now."""
        file.stamp = stamp
        with self._transaction():
            set_ = "UPDATE file SET device = ?, inode = ?, size = ?, modified_ns = ? WHERE id = ?"
            self._connection.execute(set_, (*stamp, file.id))

    def progress(self, poller: int, known_bytes: int, read_bytes: int, looked_at: float) -> None:
        """How much there is of a poller's logs, and how much of it was read."""
        values = (known_bytes, read_bytes, looked_at, poller)
        with self._transaction():
            self._connection.execute("UPDATE source SET known_bytes = ?, read_bytes = ?, looked_at = ? WHERE poller = ?", values)

    def forget_before(self, at: float) -> Iterator[None]:
        """Delete entries older than `at`, some thousand at each step, then the logs last written before."""
        delete = "DELETE FROM entry WHERE seq IN (SELECT seq FROM entry WHERE at < ? ORDER BY at LIMIT ?)"
        while True:
            with self._transaction():
                count = self._connection.execute(delete, (at, _DELETED_AT_ONCE)).rowcount
            if count < _DELETED_AT_ONCE:
                break
            yield
        with self._transaction():
            self._connection.execute("UPDATE source SET oldest = max(oldest, ?)", (int(at),))
            self._connection.execute("DELETE FROM file WHERE size >= 0 AND modified_ns < ?", (int(at * 1e9),))

    def _object(self, poller: int, host: str, service: str) -> int:
        key = (poller, host, service)
        id = self._objects.get(key)
        if id is None:
            made = self._connection.execute("INSERT OR IGNORE INTO object (poller, host, service) VALUES (?, ?, ?)", key)
            if made.rowcount:
                id = made.lastrowid
            else:
                query = "SELECT id FROM object WHERE poller = ? AND host = ? AND service = ?"
                (id,) = self._connection.execute(query, key).fetchone()
            assert id is not None
            self._objects[key] = id
        return id

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise JournalError(f"The history cannot be written: {error}. Check the data folder's space and rights.") from error
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
                self._objects.clear()  # ids made within are gone


def remove_history(path: Path) -> None:
    """Away with it: it is made again from the logs."""
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _connect(path: Path, *, create: bool = False) -> sqlite3.Connection | None:
    """A connection to an index of our schema; None when there is none, or a damaged one."""
    if not create and not path.exists():
        return None  # an empty file made by looking would have to go again, from under whoever has opened it meanwhile
    connection = sqlite3.connect(path, isolation_level=None, timeout=10)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
        connection.execute("PRAGMA wal_autocheckpoint = 8000")  # pages: a checkpoint of a few goes back to the same ones soon
        connection.execute("PRAGMA cache_size = -32768")
        if create:
            connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
        if connection.execute("SELECT schema_version FROM meta").fetchone() == (HISTORY_SCHEMA,):
            return connection
    except sqlite3.OperationalError as error:
        connection.close()
        if "no such table" not in str(error):
            raise
        return None
    except sqlite3.DatabaseError:
        pass
    connection.close()
    return None

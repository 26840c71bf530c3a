"""journal.db: the one write path, and the rows of commands, steps and batches.

Theory of operation. Several processes write (API workers accept, the engine proves), so every write goes through
`Journal.transaction`: a thread lock, then `flock` on journal.turn (whose turn is next) and journal.lock (who writes), then
BEGIN IMMEDIATE … COMMIT with synchronous=FULL. With SQLite's own busy handler alone three writers starve each other, with one
lock file two of three still can. What the context manager has left is durable, and what a failed COMMIT left in the log is
overwritten there, see undone.py. Reads use whatever connection they like; WAL readers never wait. Nobody carries the write-ahead
log back into the file in a turn of their own, see checkpoints.py.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import orjson

from engine.commands.lifecycle import LATE, State, check_move
from engine.errors import JournalError
from engine.journal.accounts_version import AccountsVersion
from engine.journal.rows import insert_rows
from engine.journal.schema import is_newest, upgrade
from engine.journal.undone import Undone, is_unwritten, undo

JOURNAL_FILE = "journal.db"
LOCK_FILE = "journal.lock"
TURN_FILE = "journal.turn"
_LONGEST_LOG_PAGES = 16_000  # the writer who makes it longer carries it back: nobody else does
_STATEMENTS = 512  # kept prepared: those for many rows come in many lengths
_DOUBTFUL = (
    "It may come to be accepted all the same when Signalbox is started again before the journal can be written: check the disk,"
    " then look whether it was before you ask again."
)

log = logging.getLogger(__name__)


class CommandRow(NamedTuple):
    """One row of `command`. `service` is "" for a host; `arguments` is the meaning, by field name."""

    seq: int
    id: str
    operation: str
    name: str
    poller: int
    host: str
    service: str
    arguments: Mapping[str, object]
    state: State
    reason: str
    accepted_at: float
    updated_at: float
    deadline_at: float
    entry_id: int | None
    twin_key: str | None
    twin_start: float | None
    twin_end: float | None
    seen_state_change: float | None
    author: str
    user: str
    address: str
    token: str
    epoch: int | None
    line: bytes | None
    batch: str | None
    attempts: int
    executed_at: float | None  # log second of the mark that proved execution, core's clock
    watch_from: float | None  # absence counts only in generations created later than this, core's clock
    core_ids: tuple[int, ...]
    cause: str = ""  # why Signalbox asked for it by itself; names the command it follows from
    duplicates: int = 0  # how often its line was executed beyond the first time


class NewCommand(NamedTuple):
    """A command just accepted: the columns in which it differs from others. `arguments` is JSON. See CommandRow."""

    id: str
    operation: str
    name: str
    poller: int
    host: str
    service: str
    arguments: str
    accepted_at: float
    updated_at: float
    deadline_at: float
    entry_id: int | None
    twin_key: str | None
    twin_start: float | None
    twin_end: float | None
    seen_state_change: float | None
    author: str
    user: str
    address: str
    token: str
    state: str = str(State.ACCEPTED)


class BatchRow(msgspec.Struct, frozen=True):
    """One batch as written. `fifo` is device:inode, `position` the log's place before the write (tail.Position as JSON).

    It holds either commands or, as `results` says, passive results of one call (see calls.py): as many writes as that has parts.
    """

    token: str
    poller: int
    bytes: bytes
    command_ids: tuple[str, ...]
    fifo: str
    position: str
    program_start: float
    at: float = 0.0
    results: str = ""


COMMAND_COLUMNS = ", ".join(CommandRow._fields)
_ARGUMENTS, _STATE, _CORE_IDS = (CommandRow._fields.index(name) for name in ("arguments", "state", "core_ids"))
_STATES = {str(state): state for state in State}


def command_row(values: Sequence[object]) -> CommandRow:
    """One SELECT of COMMAND_COLUMNS as a value."""
    row: list[Any] = list(values)
    row[_ARGUMENTS] = orjson.loads(row[_ARGUMENTS])
    row[_STATE] = _STATES[row[_STATE]]
    row[_CORE_IDS] = tuple(orjson.loads(row[_CORE_IDS])) if row[_CORE_IDS] != "[]" else ()
    return CommandRow._make(row)


class Journal:
    """One process's way into journal.db. Thread-safe: `transaction` serialises writers of this and all other processes."""

    def __init__(self, data: Path) -> None:
        self.path = data / JOURNAL_FILE
        self._mutex = threading.RLock()
        self._is_full = True  # the connection's commits wait for the disk
        self._is_inside = False  # a transaction's block
        self._undone_last = Undone.ON_DISK
        self.held_s = 0.0  # for how long the last transaction kept others from writing
        try:
            self._lock, self._turn = (
                os.open(data / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660) for name in (LOCK_FILE, TURN_FILE)
            )
            self._accounts = AccountsVersion(data)
            self._connection = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False, timeout=10, cached_statements=_STATEMENTS
            )
            with self._mutex:
                self._prepare()
        except (OSError, sqlite3.Error) as error:
            raise JournalError(
                f"The journal {self.path} cannot be opened: {error}. Check the folder's rights and space."
            ) from error

    @classmethod
    def open(cls, data: Path) -> Journal:
        """Open (and on first use create) the journal of a data folder. Raises JournalError."""
        return cls(data)

    def close(self) -> None:
        """Close the connection and the lock file."""
        with self._mutex:
            self._connection.close()
            self._accounts.close()
            os.close(self._lock)
            os.close(self._turn)

    def accounts_version(self) -> int:
        """See `AccountsVersion`. Takes no time."""
        return self._accounts.number()

    @property
    def connection(self) -> sqlite3.Connection:
        """For reads by the thread that owns this journal."""
        return self._connection

    def synchronous(self) -> int:
        """`PRAGMA synchronous` of the live writer connection: 2 is FULL."""
        with self._mutex:
            return int(self._connection.execute("PRAGMA synchronous").fetchone()[0])

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Yield the writer connection; what was written is durable when the block has ended. Does not nest. Raises JournalError.

        `durable=False`: it is with the next of anybody that is and changes something; a machine that stops before that has lost it.
        """
        with self._mutex:
            if self._is_inside:
                raise RuntimeError("transactions of the journal do not nest")
            is_stored = is_doubtful = False
            self._is_inside = True
            try:
                with self._flock(), self._synchronous(durable):
                    began = time.perf_counter()
                    self._roll_back()  # what the last one could not
                    self._connection.execute("BEGIN IMMEDIATE")
                    try:
                        yield self._connection
                    except BaseException:
                        self._roll_back()
                        raise
                    try:
                        self._connection.execute("COMMIT")
                        is_stored, self._undone_last = True, Undone.ON_DISK
                    except sqlite3.Error as error:
                        is_doubtful = not is_unwritten(error)  # also if undoing fails
                        is_doubtful = not self._undone() and is_doubtful
                        raise
                    self._accounts.committed()
                    self.held_s = time.perf_counter() - began
            except (sqlite3.OperationalError, sqlite3.DatabaseError, OSError) as error:
                if is_stored:  # whoever was told otherwise would ask for it again
                    log.error("after a commit, which holds: %s", error)
                    return
                if isinstance(error, sqlite3.IntegrityError):
                    raise
                with suppress(sqlite3.Error):  # where it fails once more, the next one begins with it
                    self._roll_back()
                told = _DOUBTFUL if is_doubtful else "Nothing was accepted; check space and rights."
                raise JournalError(f"The journal {self.path} cannot be written: {error}. {told}") from error
            finally:
                self._is_inside = False

    def _undone(self) -> bool:
        """Whether what a COMMIT that failed left behind is gone. The turn to write is still ours."""
        self._roll_back()
        self._is_full = False  # what `undo` leaves behind
        how = undo(self._connection)
        if how is not self._undone_last:  # once for as long as the disk stays as it is
            self._undone_last = how
            if how is not Undone.ON_DISK:
                log.error("%s: %s", self.path, how)
        return how is not Undone.NOT

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Nobody writes meanwhile. For moments only. Raises OSError."""
        with self._mutex, self._flock():
            yield

    @contextmanager
    def _synchronous(self, durable: bool) -> Iterator[None]:
        if durable is not self._is_full:
            self._set_full(durable)
        try:
            yield
        finally:
            if not self._is_full:
                self._set_full(True)

    def _set_full(self, is_full: bool) -> None:
        """Whether commits wait for the disk. Fails before a durable transaction rather than leaving it less than that."""
        self._is_full = False
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if is_full else 'NORMAL'}")
        self._is_full = is_full

    def _roll_back(self) -> None:
        """Unless SQLite itself has, as it does when the disk is full."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    @contextmanager
    def _flock(self) -> Iterator[None]:
        """Whoever waits holds the turn, so that one who has just written cannot write again before them."""
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _prepare(self) -> None:
        """One that is as it should be is opened without a turn: whoever hangs in theirs keeps nobody from starting and reading."""
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute(f"PRAGMA wal_autocheckpoint={_LONGEST_LOG_PAGES}")
        if not is_newest(self._connection):
            with self._flock():
                self._make()
        self._accounts.watch(self._connection)

    def _make(self) -> None:
        if not self._connection.execute("PRAGMA page_count").fetchone()[0]:  # saying it writes, which a full disk does not let us
            self._connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # of a new journal; one that has tables stays as it is
        self._connection.execute("PRAGMA journal_mode=WAL")
        upgrade(self._connection, self.path)


# --- commands ---------------------------------------------------------------------------------------------------------------


_INSERT = f"INSERT INTO command ({COMMAND_COLUMNS}) VALUES (NULL{',?' * (len(CommandRow._fields) - 1)})"
_INTO_NEW = f"INSERT INTO command ({', '.join(NewCommand._fields)})"


def insert_command(connection: sqlite3.Connection, row: CommandRow) -> None:
    """Store a new command and its first step. `row.seq` is ignored: the database counts."""
    connection.execute(_INSERT, _insert_values(row))
    connection.execute("INSERT INTO step (command_id, state, at) VALUES (?, ?, ?)", (row.id, str(row.state), row.accepted_at))


def insert_new(connection: sqlite3.Connection, commands: Sequence[NewCommand]) -> None:
    """Store commands just accepted, in their order, each with its first step."""
    insert_rows(connection, _INTO_NEW, len(NewCommand._fields), commands)
    steps = [(command.id, command.state, command.accepted_at) for command in commands]
    insert_rows(connection, "INSERT INTO step (command_id, state, at)", 3, steps)


def _insert_values(row: CommandRow) -> list[object]:
    values: list[object] = list(row)
    values[_ARGUMENTS] = orjson.dumps(dict(row.arguments)).decode()
    values[_STATE] = str(row.state)
    values[_CORE_IDS] = orjson.dumps(list(row.core_ids)).decode()
    return values[1:]


def move(
    connection: sqlite3.Connection,
    command: CommandRow,
    state: State,
    at: float,
    *,
    evidence: str = "",
    reason: str = "",
    **columns: object,
) -> None:
    """Take one step of a command's life. `columns` are other columns of `command` to set with it.

    Raises ValueError when the lifecycle table does not allow it.
    """
    check_move(command.state, state)
    late = command.state in LATE
    sets = {"state": str(state), "reason": reason, "updated_at": at, **columns}
    assignments = ", ".join(f"{name} = ?" for name in sets)
    connection.execute(f"UPDATE command SET {assignments} WHERE id = ?", [*sets.values(), command.id])
    connection.execute(
        "INSERT INTO step (command_id, state, at, evidence, late) VALUES (?, ?, ?, ?, ?)",
        (command.id, str(state), at, evidence, late),
    )
    from engine.figures import command_moved  # not with the module: the command line opens journals, and counts nothing

    command_moved(command.poller, str(state), at - command.accepted_at)


def note(connection: sqlite3.Connection, command: CommandRow, at: float, evidence: str) -> None:
    """A step in which the command stays where it is: something new is known about it."""
    values = (command.id, str(command.state), at, evidence, command.state in LATE)
    connection.execute("INSERT INTO step (command_id, state, at, evidence, late) VALUES (?, ?, ?, ?, ?)", values)


def command_by_id(connection: sqlite3.Connection, command_id: str, schema: str = "main") -> CommandRow | None:
    """The command, or None."""
    found = connection.execute(f"SELECT {COMMAND_COLUMNS} FROM {schema}.command WHERE id = ?", (command_id,)).fetchone()
    return command_row(found) if found else None


def commands_in(connection: sqlite3.Connection, poller: int, states: frozenset[State], limit: int = 10000) -> list[CommandRow]:
    """A poller's commands in any of these states, oldest first."""
    marks = ",".join("?" * len(states))
    query = f"SELECT {COMMAND_COLUMNS} FROM command WHERE poller = ? AND state IN ({marks}) ORDER BY seq LIMIT ?"
    return [command_row(row) for row in connection.execute(query, [poller, *map(str, states), limit])]


_WAITING = "state IN ('accepted', 'held')"
# What is stored in slices is sent only when its last slice is in.
_SENDABLE = f"{_WAITING} AND operation NOT IN (SELECT o.id FROM operation o WHERE o.state IN ('incomplete', 'withdrawing'))"
_PAGE = 64  # rows: about what one write of 4096 bytes takes


def waiting_named(connection: sqlite3.Connection, poller: int, name: str) -> Iterator[CommandRow]:
    """A poller's commands of one name that may be written, oldest first, read page by page: no cursor stays open in between."""
    query = (
        f"SELECT {COMMAND_COLUMNS} FROM command INDEXED BY command_waiting"
        f" WHERE poller = ? AND name = ? AND seq > ? AND {_SENDABLE} ORDER BY seq LIMIT {_PAGE}"
    )
    after = 0
    while page := [command_row(row) for row in connection.execute(query, (poller, name, after)).fetchall()]:
        yield from page
        after = page[-1].seq
        if len(page) < _PAGE:
            return


def waiting_names(connection: sqlite3.Connection, poller: int) -> list[str]:
    """The names of a poller's commands that may be written, each found by one step into the index, however many wait."""
    smallest = f"SELECT min(name) FROM command INDEXED BY command_waiting WHERE poller = ?1 AND {_SENDABLE}"
    query = (
        f"WITH RECURSIVE found(name) AS ({smallest} UNION ALL"
        f" SELECT ({smallest} AND name > found.name) FROM found WHERE found.name IS NOT NULL)"
        " SELECT name FROM found WHERE name IS NOT NULL"
    )
    return [name for (name,) in connection.execute(query, (poller,))]


def newest_seq(connection: sqlite3.Connection) -> int:
    """The place of the command that was accepted last, 0 when there is none."""
    (newest,) = connection.execute("SELECT max(seq) FROM command").fetchone()
    return newest or 0


def is_waiting(connection: sqlite3.Connection, poller: int) -> bool:
    """Has the poller any command that may be written?"""
    query = f"SELECT 1 FROM command INDEXED BY command_waiting WHERE poller = ? AND {_SENDABLE} LIMIT 1"
    return connection.execute(query, (poller,)).fetchone() is not None


def has_waiting_before(connection: sqlite3.Connection, command: CommandRow, names: Collection[str]) -> bool:
    """Does an older unwritten command of one of these names wait for the same object?"""
    query = (
        "SELECT 1 FROM command INDEXED BY command_waiting_object WHERE poller = ? AND host = ? AND service = ? AND seq < ?"
        f" AND {_SENDABLE} AND name IN ({','.join('?' * len(names))}) LIMIT 1"
    )
    values = (command.poller, command.host, command.service, command.seq, *names)
    return connection.execute(query, values).fetchone() is not None


def overdue(connection: sqlite3.Connection, poller: int, now: float, limit: int) -> list[CommandRow]:
    """Unwritten commands whose time to live ran out."""
    query = (
        f"SELECT {COMMAND_COLUMNS} FROM command INDEXED BY command_waiting"
        f" WHERE poller = ? AND deadline_at <= ? AND {_WAITING} LIMIT ?"
    )
    return [command_row(row) for row in connection.execute(query, (poller, now, limit)).fetchall()]


def commands_watched(connection: sqlite3.Connection, poller: int, late_since: float) -> list[CommandRow]:
    """Written commands whose effect is not settled, oldest first: in flight, executed, or given up no earlier than `late_since`."""
    start = f"SELECT {COMMAND_COLUMNS} FROM command"
    queries: list[tuple[str, tuple[object, ...]]] = [
        (f"{start} INDEXED BY command_open WHERE poller = ? AND state IN ('writing', 'written')", (poller,)),
        (f"{start} INDEXED BY command_watched WHERE poller = ? AND state = 'processed' AND watch_from IS NOT NULL", (poller,)),
        (
            f"{start} INDEXED BY command_late WHERE poller = ? AND state IN ('unknown', 'no_effect') AND updated_at > ?",
            (poller, late_since),
        ),
    ]
    found = [command_row(row) for query, values in queries for row in connection.execute(query, values).fetchall()]
    return sorted(found, key=lambda command: command.seq)


# --- batches ----------------------------------------------------------------------------------------------------------------


def insert_batch(connection: sqlite3.Connection, batch: BatchRow, at: float) -> None:
    """Store a batch before its bytes are written."""
    connection.execute(
        "INSERT INTO batch (token, poller, bytes, command_ids, fifo, position, program_start, results, open, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?)",
        (
            batch.token,
            batch.poller,
            batch.bytes,
            orjson.dumps(list(batch.command_ids)).decode(),
            batch.fifo,
            batch.position,
            batch.program_start,
            batch.results,
            at,
        ),
    )


def update_results(connection: sqlite3.Connection, token: str, results: str) -> None:
    """A batch of results holds only these after all."""
    connection.execute("UPDATE batch SET results = ? WHERE token = ?", (results, token))


def close_batch(connection: sqlite3.Connection, token: str) -> None:
    """A batch is settled: every command of it was proven, disproven or taken back. Of results, the call keeps the bytes."""
    close_batches(connection, [token])


def close_batches(connection: sqlite3.Connection, tokens: Sequence[str]) -> None:
    """The same for many of them."""
    values = [(token,) for token in tokens]
    connection.executemany("DELETE FROM batch WHERE token = ? AND results <> ''", values)
    connection.executemany("UPDATE batch SET open = 0 WHERE token = ?", values)


def open_batches(connection: sqlite3.Connection, poller: int) -> list[BatchRow]:
    """A poller's unsettled batches, oldest first."""
    rows = connection.execute(
        "SELECT token, poller, bytes, command_ids, fifo, position, program_start, at, results FROM batch"
        " WHERE open = 1 AND poller = ? ORDER BY seq",
        (poller,),
    )
    return [BatchRow(token, number, data, tuple(orjson.loads(ids)), fifo, position, start, at, results)
            for token, number, data, ids, fifo, position, start, at, results in rows]  # fmt: skip


# --- how far a log was followed ---------------------------------------------------------------------------------------------


class Followed(msgspec.Struct, frozen=True):
    """How far a core's log was followed and what it said of the core's life; see the table."""

    position: str
    at: float
    program_start: float
    stopped: bool = False
    crashed_at: float = 0.0


def followed(connection: sqlite3.Connection, poller: int) -> Followed | None:
    """How far a poller's log was followed, None when it never was."""
    query = "SELECT position, at, program_start, stopped, crashed_at FROM followed WHERE poller = ?"
    found = connection.execute(query, (poller,)).fetchone()
    return None if found is None else Followed(found[0], found[1], found[2], bool(found[3]), found[4])


def save_followed(connection: sqlite3.Connection, poller: int, state: Followed) -> None:
    """Remember how far a poller's log was followed."""
    values = (poller, state.position, state.at, state.program_start, state.stopped, state.crashed_at)
    connection.execute("INSERT OR REPLACE INTO followed VALUES (?, ?, ?, ?, ?, ?)", values)

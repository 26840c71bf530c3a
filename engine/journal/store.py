"""journal.db: the one write path.

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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.errors import JournalError
from engine.journal.accounts_version import AccountsVersion
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


class Journal:
    """One process's way into journal.db. Thread-safe: `transaction` serialises writers of this and all other processes."""

    def __init__(self, data: Path) -> None:
        self.path = data / JOURNAL_FILE
        self._mutex = threading.RLock()
        self._is_full = True  # the connection's commits wait for the disk
        self._is_inside = False  # a transaction's block
        self._is_next = False  # ours is the turn to write next
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
    def next_in_line(self) -> Iterator[None]:
        """The next transaction of anybody is ours, inside the block: what goes into it can be made while another is written.

        For moments only, and for one transaction. Raises JournalError, not from inside the block.
        """
        with self._mutex:
            try:
                fcntl.flock(self._turn, fcntl.LOCK_EX)
            except OSError as error:
                raise JournalError(f"No turn to write {self.path} can be had: {error}. Nothing was accepted.") from error
            self._is_next = True
            try:
                yield
            finally:
                self._end_turn()

    def _end_turn(self) -> None:
        if self._is_next:
            self._is_next = False
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    @contextmanager
    def _flock(self) -> Iterator[None]:
        """Whoever waits holds the turn, so that one who has just written cannot write again before them."""
        if not self._is_next:
            fcntl.flock(self._turn, fcntl.LOCK_EX)
            self._is_next = True
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        finally:
            self._end_turn()
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

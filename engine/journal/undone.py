"""What a COMMIT that failed left in the write-ahead log is overwritten there, so that what was refused is never carried out.

Theory of operation. SQLite writes all of a transaction into the log, waits for the disk, and only then tells the other processes
how far the log counts. When the disk fails in between, the transaction counts for nobody, but stands in the log whole: whoever
opens the journal next with nobody else having it open (all were killed, the machine stopped) finds it there and takes it. The
next transaction is written over it from where the log counts, and each page's checksum goes on from the page before, so that one
page with something else in it is the end of all that stood behind. That transaction is made here, while nobody else can write:
first as durable as any; where that fails in waiting for the disk, it was written all the same, but that is not told, so it is
done once more without waiting.

**Source**: https://sqlite.org/fileformat2.html, 4.1 and 4.4; walFrames in SQLite's wal.c.
"""

from __future__ import annotations

import sqlite3
from enum import StrEnum


class Undone(StrEnum):
    """How far it is gone."""

    ON_DISK = "what was refused is overwritten"
    IN_MEMORY = "what was refused is overwritten, but not on the disk yet: it may come back if the machine stops right now"
    NOT = "what was refused could not be overwritten: it may come back if Signalbox starts anew before the journal can be written"


def is_unwritten(error: sqlite3.Error) -> bool:
    """Did a COMMIT fail in writing, and not in waiting for the disk? Its last page is not in the log then, which makes it count."""
    return getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)


def undo(connection: sqlite3.Connection) -> Undone:
    """Overwrite it. The connection has no open transaction, and the turn to write; its `synchronous` is anything afterwards."""
    for level, how in (("FULL", Undone.ON_DISK), ("OFF", Undone.IN_MEMORY)):
        try:
            connection.execute(f"PRAGMA synchronous = {level}")
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('undone', hex(randomblob(16)))")
        except sqlite3.Error:  # the caller is raising what led here, and says what this comes to
            continue
        return how
    return Undone.NOT

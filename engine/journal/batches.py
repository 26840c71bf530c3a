"""Batches, as rows of journal.db: which commands' bytes went into a command file together, and where the log stood before."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec
import orjson


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

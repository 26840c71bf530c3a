"""Passive results in the journal: one row per call and poller with counts and the failures, never a life of its own per result.

Every change of a call's counts is one step among those of commands, so that events tell of it; `evidence` are the counts as JSON.

Rules. A call's lines are kept as they are written (a passive result's line holds nothing that is known only later), compressed,
in the order of the caller. Counts say where each result stands and add up to `total`. A call is *open* while anything may still
happen to one of its results; the lane of its poller alone changes it then, but for who withdraws it before any of it is in a
batch, of which the lane learns in the transaction that would store its first one. Lines and failures go when the call is pruned.
"""

from __future__ import annotations

import sqlite3
import zlib
from array import array
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
import orjson
from msgspec.structs import asdict, fields, replace

from engine.commands.lifecycle import State
from engine.figures import result_call_ended, results_moved
from engine.journal.moves import forget_steps

_FASTEST = 1  # plugin output shrinks ten times at the lowest level


class Counts(msgspec.Struct, frozen=True):
    """How many results of a call stand where; `overtaken` are those of `expired` that something newer made pointless.

    `cancelled` were withdrawn before they were written.
    """

    accepted: int = 0
    written: int = 0
    processed: int = 0
    confirmed: int = 0
    refused: int = 0
    no_effect: int = 0
    expired: int = 0
    overtaken: int = 0
    unknown: int = 0
    cancelled: int = 0

    @property
    def failed(self) -> int:
        """Those that did not do what they were sent for, as far as is known."""
        return self.refused + self.no_effect + self.expired + self.unknown


class CallRow(msgspec.Struct, frozen=True):
    """One row of `result_call`. Times are ours, `executed_at` is the newest log second that proved one (core's clock).

    `after_command`: the newest command when it was accepted; later ones for the same objects are written behind it. `again` are
    results before `cursor` that wait once more, `doubtful` those that only the core's files can tell of.
    """

    seq: int
    id: str
    operation: str
    poller: int
    user: str
    address: str
    token: str
    accepted_at: float
    updated_at: float
    deadline_at: float
    after_command: int
    total: int
    cursor: int = 0
    again: tuple[int, ...] = ()
    doubtful: tuple[int, ...] = ()
    executed_at: float = 0.0
    reason: str = ""
    held: bool = False
    open: bool = True
    counts: Counts = msgspec.field(default_factory=Counts)

    @property
    def ended(self) -> int:
        """How many of its results nothing more will happen to."""
        return self.counts.confirmed + self.counts.failed if self.open else self.total

    @property
    def is_unwritten(self) -> bool:
        """Nothing of it ever went out, as far as its counts say: see `withdraw_call`."""
        return self.open and 0 < self.counts.accepted == self.total - self.counts.expired


class Failure(msgspec.Struct, frozen=True):
    """Results `first` to `last` of a call's lines ended as `state`; `words` are the core's or ours."""

    first: int
    last: int
    state: State
    words: str


class Payload(msgspec.Struct, frozen=True):
    """A call's lines and each one's place in the caller's list, compressed: made before the transaction that stores them."""

    lines: bytes
    places: bytes

    @classmethod
    def of(cls, lines: Sequence[bytes], places: Sequence[int]) -> Payload:
        """Each line ends with its newline."""
        agree = list(places) == list(range(len(lines)))
        return cls(
            zlib.compress(b"".join(lines), _FASTEST), b"" if agree else zlib.compress(array("I", places).tobytes(), _FASTEST)
        )


_COUNTS = tuple(one.name for one in fields(Counts))
_WORST_FIRST = (State.REFUSED, State.NO_EFFECT, State.EXPIRED, State.UNKNOWN)  # of calls that are over
_PLAIN = tuple(one.name for one in fields(CallRow) if one.name != "counts")
_COLUMNS = ", ".join((*_PLAIN, *_COUNTS))
_STORED = ("updated_at", "cursor", "again", "doubtful", "executed_at", "reason", "held", "open")


def _values(row: CallRow) -> dict[str, object]:
    values = {name: getattr(row, name) for name in _PLAIN} | {name: getattr(row.counts, name) for name in _COUNTS}
    return values | {"again": orjson.dumps(row.again).decode(), "doubtful": orjson.dumps(row.doubtful).decode()}


def _call_row(found: Sequence[object]) -> CallRow:
    values: dict[str, Any] = dict(zip((*_PLAIN, *_COUNTS), found, strict=True))
    counts = Counts(**{name: values.pop(name) for name in _COUNTS})
    for name in ("again", "doubtful"):
        values[name] = tuple(orjson.loads(str(values[name])))
    values |= {"held": bool(values["held"]), "open": bool(values["open"])}
    return CallRow(**values, counts=counts)


def state_of(counts: Counts, total: int, final: bool, held: bool) -> State:
    """One word for many results: the least that is true of all of them while under way, then what became of them."""
    if counts.accepted:
        return State.HELD if held else State.ACCEPTED if counts.accepted == total - counts.cancelled else State.WRITING
    if counts.written:
        return State.WRITTEN
    if counts.cancelled:
        return State.CANCELLED if counts.cancelled == total else State.PARTIAL
    if not final or not counts.failed:
        return State.CONFIRMED if counts.confirmed == total else State.PROCESSED
    if counts.failed < total:
        return State.PARTIAL
    return next(state for state in _WORST_FIRST if getattr(counts, str(state)))


def insert_call(connection: sqlite3.Connection, row: CallRow, payload: Payload) -> None:
    """Store an accepted call and its first step. `row.seq` and `row.after_command` are ignored: the database knows."""
    values = {name: value for name, value in _values(row).items() if name not in ("seq", "after_command")}
    connection.execute(
        f"INSERT INTO result_call (after_command, {', '.join(values)})"
        f" VALUES ((SELECT coalesce(max(seq), 0) FROM command), {','.join('?' * len(values))})",
        list(values.values()),
    )
    connection.execute("INSERT INTO result_lines VALUES (?, ?, ?)", (row.id, payload.lines, payload.places))
    _tell(connection, row, Counts())


def update_call(connection: sqlite3.Connection, row: CallRow, before: CallRow) -> None:
    """Store where a call's results stand now, and a step where that is something to tell. `before`: as it was stored last."""
    values = {name: value for name, value in _values(row).items() if name in _STORED + _COUNTS}
    connection.execute(
        f"UPDATE result_call SET {', '.join(f'{name} = ?' for name in values)} WHERE id = ?", [*values.values(), row.id]
    )
    if (row.counts, row.held, row.open) != (before.counts, before.held, before.open):
        _tell(connection, row, before.counts)


def _tell(connection: sqlite3.Connection, row: CallRow, before: Counts) -> None:
    state = state_of(row.counts, row.total, not row.open, row.held)
    connection.execute(
        "INSERT INTO step (command_id, state, at, evidence) VALUES (?, ?, ?, ?)",
        (row.id, str(state), row.updated_at, orjson.dumps(asdict(row.counts)).decode()),
    )
    results_moved(row.poller, asdict(row.counts), asdict(before))
    if not row.open:
        result_call_ended(row.poller, row.updated_at - row.accepted_at)


def insert_failures(connection: sqlite3.Connection, call: str, failures: Iterable[Failure]) -> None:
    """Store results that failed."""
    connection.executemany(
        "INSERT INTO result_failure VALUES (?, ?, ?, ?, ?)",
        [(call, one.first, one.last, str(one.state), one.words) for one in failures],
    )


def open_calls(connection: sqlite3.Connection, poller: int, after: int = 0) -> list[CallRow]:
    """A poller's calls that are not through, oldest first, from those behind `after` (a seq) on."""
    query = f"SELECT {_COLUMNS} FROM result_call WHERE poller = ? AND seq > ? AND open = 1 ORDER BY seq"
    return [_call_row(found) for found in connection.execute(query, (poller, after)).fetchall()]


def has_open_calls(connection: sqlite3.Connection, poller: int, after: int) -> bool:
    """Is there one behind `after`?"""
    query = "SELECT 1 FROM result_call WHERE poller = ? AND seq > ? AND open = 1 LIMIT 1"
    return connection.execute(query, (poller, after)).fetchone() is not None


def withdraw_call(connection: sqlite3.Connection, row: CallRow, by: str, at: float) -> bool:
    """End a call of which nothing is in a batch yet. False: something of it was written, or is about to be."""
    query = "SELECT 1 FROM batch WHERE poller = ? AND open = 1 AND results <> '' AND results ->> 'call' = ? LIMIT 1"
    if not row.is_unwritten or connection.execute(query, (row.poller, row.id)).fetchone() is not None:
        return False
    counts = replace(row.counts, accepted=0, cancelled=row.counts.accepted)
    ended = replace(row, counts=counts, open=False, held=False, again=(), updated_at=at, reason=f"withdrawn by {by}")
    update_call(connection, ended, row)
    return True


def withdrawn_among(connection: sqlite3.Connection, poller: int, known: Collection[str]) -> set[str]:
    """Those of these calls of a poller, open when they were read, that were withdrawn since."""
    if not known:
        return set()
    query = "SELECT id FROM result_call WHERE poller = ? AND open = 1"
    return set(known) - {str(one) for (one,) in connection.execute(query, (poller,))}


def results_in_progress(connection: sqlite3.Connection, poller: int) -> int:
    """How many results a poller's open calls hold in all."""
    (total,) = connection.execute(
        "SELECT coalesce(sum(total), 0) FROM result_call WHERE poller = ? AND open = 1", (poller,)
    ).fetchone()
    return int(total)


def calls_of(connection: sqlite3.Connection, operation: str, schema: str = "main") -> list[CallRow]:
    """The rows of one call, one per poller; `operation` may also be the id of one row."""
    query = f"SELECT {_COLUMNS} FROM {schema}.result_call WHERE operation = ? OR id = ? ORDER BY seq"
    return [_call_row(found) for found in connection.execute(query, (operation, operation)).fetchall()]


def text_of(connection: sqlite3.Connection, call: str, schema: str = "main") -> bytes:
    """A call's lines as they stand in its payload, each with its newline."""
    found = connection.execute(f"SELECT lines FROM {schema}.result_lines WHERE call = ?", (call,)).fetchone()
    return zlib.decompress(found[0]) if found else b""


def lines_of(connection: sqlite3.Connection, call: str, schema: str = "main") -> list[bytes]:
    """The same one by one."""
    return [line + b"\n" for line in text_of(connection, call, schema).split(b"\n")[:-1]]


def places_of(connection: sqlite3.Connection, call: str, schema: str = "main") -> Sequence[int] | None:
    """Each line's place in the caller's list; None where the two agree."""
    found = connection.execute(f"SELECT places FROM {schema}.result_lines WHERE call = ?", (call,)).fetchone()
    return array("I", zlib.decompress(found[0])) if found and found[0] else None


def failures_of(connection: sqlite3.Connection, call: str, schema: str = "main", limit: int = 2**31) -> list[Failure]:
    """What failed of a call, in its order."""
    query = f"SELECT first, last, state, words FROM {schema}.result_failure WHERE call = ? ORDER BY first LIMIT ?"
    return [Failure(first, last, State(state), words) for first, last, state, words in connection.execute(query, (call, limit))]


def prune_calls(connection: sqlite3.Connection, before: float, limit: int) -> int:
    """Forget calls that ended before that time, at most `limit` of them. Returns how many went.

    One with an Idempotency-Key keeps its counts, without lines and failures, for as long as the key is known.
    """
    keyed = "EXISTS (SELECT 1 FROM request_key k WHERE k.operation = r.operation)"
    found = connection.execute(
        f"SELECT r.id, {keyed} FROM result_call r WHERE r.open = 0 AND r.updated_at < ?"
        f" AND (NOT {keyed} OR EXISTS (SELECT 1 FROM result_lines l WHERE l.call = r.id)) ORDER BY r.updated_at LIMIT ?",
        (before, limit),
    ).fetchall()
    for table in ("result_lines", "result_failure"):
        connection.executemany(f"DELETE FROM {table} WHERE call = ?", [(call,) for call, _ in found])
    gone = [(call,) for call, is_keyed in found if not is_keyed]
    connection.executemany(_KEEP_OF_CALL, gone)
    forget_steps(connection, gone)
    connection.executemany("DELETE FROM result_call WHERE id = ?", gone)
    return len(found)


# A call as the audit shows it, while its row is there and afterwards.
AUDITED_CALL = """
SELECT id, operation, 'results' AS name, poller, '' AS host, '' AS service,
  CASE WHEN open THEN 'accepted'
    WHEN cancelled = total THEN 'cancelled'
    WHEN refused + no_effect + expired + unknown + cancelled = 0 THEN iif(confirmed = total, 'confirmed', 'processed')
    WHEN cancelled OR refused + no_effect + expired + unknown < total THEN 'partial' WHEN refused THEN 'refused'
    WHEN no_effect THEN 'no_effect' WHEN expired THEN 'expired' ELSE 'unknown' END AS state,
  printf('%d results: %d processed, %d confirmed, %d refused, %d without effect, %d expired, %d unknown, %d withdrawn',
    total, processed, confirmed, refused, no_effect, expired, unknown, cancelled) AS reason,
  '' AS evidence, NULL AS line, accepted_at, updated_at FROM {schema}.result_call"""
_KEEP_OF_CALL = f"INSERT OR IGNORE INTO audit_command SELECT * FROM ({AUDITED_CALL.format(schema='main')}) WHERE id = ?"

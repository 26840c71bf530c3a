"""Public ids: `poller * 2^32 + n`, counted per poller, stable over restarts, never given out twice.

Hosts and services are known by name: a name that comes back gets its own id back, another name never does. `_HOST_ID` and
`_SERVICE_ID` custom variables are honoured unless another object holds that id.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Mapping

import orjson

from engine.journal.store import Journal
from engine.model import ObjectKey

_SLICE = 2000  # identities per transaction, so that accepting commands never waits long for a cold start


def next_ids(connection: sqlite3.Connection, poller: int, kind: str, count: int) -> list[int]:
    """Mint `count` ids inside the caller's transaction. `kind` is "object" or "entry": two separate number spaces."""
    (last,) = connection.execute(
        "INSERT INTO counter VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n RETURNING n", (poller, kind, count)
    ).fetchone()
    return [poller * 2**32 + n for n in range(last - count + 1, last + 1)]


class Identities:
    """Mints ids of hosts and services for the mirror."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def mint(self, poller: int, preferred: Mapping[ObjectKey, int | None]) -> dict[ObjectKey, int]:
        """Return the public id of each object, existing or new. Values of `preferred` are ids the configuration asks for.

        Before anybody sees them, `settle`: waiting for the disk at each of a hundred steps is a cold start's longest wait.
        """
        keys = list(preferred)
        minted: dict[ObjectKey, int] = {}
        for start in range(0, len(keys), _SLICE):
            part = keys[start : start + _SLICE]
            with self._journal.transaction(durable=False) as connection:
                minted.update(_mint_slice(connection, poller, {key: preferred[key] for key in part}))
        return minted

    def settle(self, poller: int) -> None:
        """Make what was minted for a poller durable."""
        with self._journal.transaction() as connection:
            # It has to change a page: SQLite neither writes nor syncs a commit that changes nothing.
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('settled', ?)", (f"{poller} {os.urandom(8).hex()}",))


def _mint_slice(connection: sqlite3.Connection, poller: int, preferred: Mapping[ObjectKey, int | None]) -> dict[ObjectKey, int]:
    minted: dict[ObjectKey, int] = {}
    new: list[ObjectKey] = []
    all_known = _known(connection, poller, preferred)
    for key, wanted in preferred.items():
        known = all_known.get((key.host, key.service or ""))
        if wanted is not None and wanted != known and _is_free(connection, wanted):
            _store(connection, poller, {key: wanted})
            minted[key] = wanted
        elif known is not None:
            minted[key] = known
        else:
            new.append(key)
    given = dict(zip(new, _next_free(connection, poller, len(new)), strict=True))
    _store(connection, poller, given)
    return minted | given


def _store(connection: sqlite3.Connection, poller: int, given: Mapping[ObjectKey, int]) -> None:
    rows = [(poller, key.host, key.service or "", object_id) for key, object_id in given.items()]
    connection.executemany("INSERT OR REPLACE INTO identity VALUES (?, ?, ?, ?)", rows)


def _next_free(connection: sqlite3.Connection, poller: int, count: int) -> list[int]:
    """The next ids of our own that no configuration has asked for."""
    free: list[int] = []
    while len(free) < count:
        ids = next_ids(connection, poller, "object", count - len(free))
        taken = connection.execute("SELECT id FROM identity WHERE id BETWEEN ? AND ?", (ids[0], ids[-1]))
        free += sorted(set(ids).difference(number for (number,) in taken))
    return free


def _is_free(connection: sqlite3.Connection, object_id: int) -> bool:
    return connection.execute("SELECT 1 FROM identity WHERE id = ?", (object_id,)).fetchone() is None


def _known(connection: sqlite3.Connection, poller: int, keys: Iterable[ObjectKey]) -> dict[tuple[str, str], int]:
    """The ids of the hosts of these objects and of all their services, as far as they have any."""
    hosts = orjson.dumps(list({key.host for key in keys})).decode()
    found = connection.execute(
        "SELECT i.host, i.service, i.id FROM json_each(?) k CROSS JOIN identity i ON i.poller = ? AND i.host = k.value",
        (hosts, poller),
    )
    return {(host, service): int(number) for host, service, number in found}

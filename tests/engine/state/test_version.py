"""The number that says whether anything in state.db is another: who keeps what he read of it must never be told too late."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import JournalError
from engine.state.mirror import Mirror
from engine.state.version import FILE, StateVersion
from tests.engine.state.rows import CountingMint, StatusFile, host_row, poller, scan

NEWS = StatusFile(hosts=(host_row("web01"),))


@pytest.fixture
def version(mirror: Mirror, tmp_path: Path) -> Iterator[StateVersion]:
    """As another process sees it."""
    opened = StateVersion(tmp_path)
    yield opened
    opened.close()


def test_nobody_is_told_anything_where_nobody_counts(tmp_path: Path) -> None:
    """An API worker may open the file before the engine has written state.db: nothing it reads then may be kept."""
    version = StateVersion(tmp_path)
    assert version.number() is None
    Mirror.open(tmp_path / "state.db", CountingMint()).close()
    assert version.number() is not None
    version.close()


def test_every_commit_is_told(mirror: Mirror, version: StateVersion) -> None:
    """Whatever changes a row gives another number, be it a scan, a log line or a health word; what changes nothing gives none."""
    seen = [version.number()]

    def is_told() -> bool:
        seen.append(version.number())
        return seen[-1] is not None and seen[-1] not in seen[:-1]

    mirror.configure([poller(1), poller(2)])
    assert is_told()
    mirror.apply(scan(NEWS))
    assert is_told()
    mirror.command_file_health(1, "no_reader", "nobody reads it")
    assert is_told()
    mirror.command_file_health(1, "no_reader", "nobody reads it")
    assert version.number() == seen[-1]
    mirror.tell_age(1, "stale", "old")
    assert is_told()


def test_a_reader_of_the_new_rows_finds_another_number(
    mirror: Mirror, version: StateVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the COMMIT is under way there is no number: neither what stood before nor what comes may be kept under one."""
    before, during = version.number(), []
    connection = mirror._connection

    class Watched:
        """The connection, looked at when it commits."""

        in_transaction = property(lambda self: connection.in_transaction)

        def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
            if sql == "COMMIT":
                during.append(version.number())
            return connection.execute(sql, *values)

    monkeypatch.setattr(mirror, "_connection", Watched())
    mirror.configure([poller(1)])
    monkeypatch.undo()
    assert during == [None]
    assert version.number() not in (None, before)


def test_a_commit_that_fails_is_told_like_one_that_did_not(
    mirror: Mirror, version: StateVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing changed, but nobody may wait for a number for ever."""
    connection = mirror._connection

    class Full:
        """A connection whose disk is full."""

        in_transaction = property(lambda self: connection.in_transaction)

        def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
            if sql == "COMMIT":
                raise sqlite3.OperationalError("database or disk is full")
            return connection.execute(sql, *values)

    monkeypatch.setattr(mirror, "_connection", Full())
    with pytest.raises(JournalError):
        mirror.configure([poller(1)])
    monkeypatch.undo()
    assert version.number() is not None


def test_a_writer_that_died_while_it_committed_leaves_no_number(tmp_path: Path) -> None:
    """Nobody knows which rows there are then; whoever opens state.db next says it with a number of its own."""
    Mirror.open(tmp_path / "state.db", CountingMint()).close()
    version = StateVersion(tmp_path)
    before = version.number()
    words = (
        "import os, pathlib; from engine.state.version import StateVersion\n"
        f"with StateVersion(pathlib.Path({str(tmp_path)!r})).changing(): os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", words], check=False).returncode == 9
    assert version.number() is None
    Mirror.open(tmp_path / "state.db", CountingMint()).close()
    assert version.number() not in (None, before)
    version.close()


def test_a_file_made_anew_is_told(tmp_path: Path) -> None:
    """A damaged state.db is replaced by another one: what was read of the first is no more."""
    Mirror.open(tmp_path / "state.db", CountingMint()).close()
    version = StateVersion(tmp_path)
    before = version.number()
    (tmp_path / "state.db").write_bytes(b"no database" * 1000)
    Mirror.open(tmp_path / "state.db", CountingMint()).close()
    assert version.number() not in (None, before)
    version.close()


def test_without_room_for_the_number_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk must not keep the mirror from being opened: answers are not kept then, that is all."""

    def no_room(descriptor: int, offset: int, length: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", no_room)
    mirror = Mirror.open(tmp_path / "state.db", CountingMint())
    mirror.configure([poller(1)])
    mirror.close()
    monkeypatch.undo()
    assert (tmp_path / FILE).stat().st_size == 0
    version = StateVersion(tmp_path)
    assert version.number() is None
    version.close()

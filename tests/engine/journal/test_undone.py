"""A commit that the disk fails: what was refused must not stand in the journal after a kill or a power cut.

The disk's error is the kernel's answer to SQLite's own calls. A kill of everybody is a copy of the file and its log, which is what
they would leave; that the log of the present SQLite holds a refused commit whole without the mend is shown first.
"""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import JournalError
from engine.journal import store
from engine.journal.store import Journal
from engine.journal.undone import Undone
from tests.support.failing import fail, in_thread


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    (tmp_path / "data").mkdir()
    with closing(Journal.open(tmp_path / "data")) as opened:
        opened.connection.execute("CREATE TABLE kept (name TEXT, filling TEXT)")
        yield opened


def keep(journal: Journal, name: str, pages: int = 1) -> None:
    with journal.transaction() as connection:
        connection.execute("INSERT INTO kept VALUES (?, ?)", (name, name * 4096 * pages))


def refused(journal: Journal, name: str, pages: int = 1, calls: tuple[str, ...] = ("fsync", "fdatasync")) -> str:
    """What the caller is told of a transaction during which the disk fails."""

    def attempt() -> str:
        fail(errno.EIO, *calls)
        with pytest.raises(JournalError) as told:
            keep(journal, name, pages)
        return str(told.value)

    return in_thread(attempt)


def kept_after_a_kill(journal: Journal, to: Path) -> list[str]:
    """What a new life finds of what the files hold now."""
    to.mkdir()
    for name in ("journal.db", "journal.db-wal"):
        shutil.copy(journal.path.with_name(name), to / name)
    with closing(Journal.open(to)) as found:
        assert found.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [name for (name,) in found.connection.execute("SELECT name FROM kept ORDER BY rowid")]


def test_without_the_mend_a_refused_commit_comes_back(journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of what follows: if this fails, the others show nothing."""
    monkeypatch.setattr(store, "undo", lambda connection: Undone.ON_DISK)
    refused(journal, "b")
    assert kept_after_a_kill(journal, tmp_path / "copy") == ["b"]


@pytest.mark.parametrize("pages", [0, 1, 50])
def test_what_a_failed_commit_left_in_the_log_is_gone_at_once(journal: Journal, tmp_path: Path, pages: int) -> None:
    keep(journal, "a")
    assert "Nothing was accepted" in refused(journal, "b", pages)
    assert kept_after_a_kill(journal, tmp_path / "copy") == ["a"]
    keep(journal, "c")  # the disk is well again
    assert kept_after_a_kill(journal, tmp_path / "later") == ["a", "c"]
    assert journal.synchronous() == 2


def test_also_when_that_commit_began_the_log_anew(journal: Journal, tmp_path: Path) -> None:
    """Its first page stands at the beginning of the log then, behind a new head, for which SQLite waits as well."""
    keep(journal, "a")
    assert journal.connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()[0] == 0
    assert "Nothing was accepted" in refused(journal, "b")
    assert kept_after_a_kill(journal, tmp_path / "copy") == ["a"]


def test_other_processes_go_on_from_what_holds(journal: Journal, tmp_path: Path) -> None:
    """They know how far the log counts from shared memory, and write where the refused commit stood."""
    with closing(Journal.open(journal.path.parent)) as other:
        keep(journal, "a")
        refused(journal, "b", 20)
        assert [name for (name,) in other.connection.execute("SELECT name FROM kept")] == ["a"]
        keep(other, "c")
        keep(journal, "d")
    assert kept_after_a_kill(journal, tmp_path / "copy") == ["a", "c", "d"]


@pytest.mark.parametrize("pages", [1, 50])
def test_of_a_commit_that_could_not_be_written_nothing_was_accepted(journal: Journal, tmp_path: Path, pages: int) -> None:
    """No room, or a file system that became read-only: nothing can be written over it then, and nothing need be."""
    keep(journal, "a")
    assert "Nothing was accepted" in refused(journal, "b", pages, ("pwrite64",))
    assert kept_after_a_kill(journal, tmp_path / "copy") == ["a"]


class Stubborn:
    """A connection whose commits fail and leave the transaction open; then so many attempts to roll it back do."""

    def __init__(self, real: sqlite3.Connection, rollbacks: int) -> None:
        self.real, self.rollbacks = real, rollbacks

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)

    def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
        if sql == "COMMIT" or (sql == "ROLLBACK" and self.rollbacks > 0):
            self.rollbacks -= sql == "ROLLBACK"
            raise sqlite3.OperationalError("disk I/O error")
        return self.real.execute(sql, *values)


@pytest.mark.parametrize("rollbacks", [1, 2])
def test_a_rollback_that_fails_is_not_told_as_one_after_which_nothing_was_accepted(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rollbacks: int
) -> None:
    """What the commit left was not overwritten then: nobody can say what a new life will find."""
    keep(journal, "a")
    with monkeypatch.context() as patched:
        patched.setattr(journal, "_connection", Stubborn(journal.connection, rollbacks))
        with pytest.raises(JournalError, match="look whether it was") as told:
            keep(journal, "b")
    assert "Nothing was accepted" not in str(told.value)
    keep(journal, "c")
    assert kept_after_a_kill(journal, tmp_path / "copy") == ["a", "c"], "the next one is not held up by what that one left open"


def test_a_commit_that_cannot_be_undone_is_not_told_as_one_of_which_nothing_was_accepted(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A file system that became read-only with the error: nobody can say any more what a new life will find."""
    undo = store.undo

    def with_nothing_writable(connection: sqlite3.Connection) -> Undone:
        fail(errno.EROFS, "pwrite64")
        return undo(connection)

    monkeypatch.setattr(store, "undo", with_nothing_writable)
    told = refused(journal, "b")
    assert "Nothing was accepted" not in told
    assert "look whether it was" in told
    assert "could not be overwritten" in caplog.text
    keep(journal, "c")
    assert kept_after_a_kill(journal, tmp_path / "copy") == ["c"]

"""An old journal becomes a new one: nothing of it is lost, and a copy of it stays.

tests/golden/journal-1.sql is the dump of a journal written by the program that first shipped schema 1.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import JournalError
from engine.journal import schema
from engine.journal.audit import AuditRow, add_audit
from engine.journal.commands import command_by_id
from engine.journal.schema import NEWEST
from engine.journal.store import JOURNAL_FILE, Journal

GOLDEN = Path(__file__).parents[2] / "golden" / "journal-1.sql"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A data folder with a journal of schema 1."""
    with closing(sqlite3.connect(tmp_path / JOURNAL_FILE)) as connection:
        connection.executescript(GOLDEN.read_text("utf-8"))
    return tmp_path


def shape(connection: sqlite3.Connection) -> set[tuple[str, ...]]:
    """Every table's columns and every index's, as SQLite has them."""
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = {(table, *map(str, row[1:5])) for table in tables for row in connection.execute(f"PRAGMA table_info('{table}')")}
    return columns | {
        (name, table) for name, table in connection.execute("SELECT name, tbl_name FROM sqlite_master WHERE type = 'index'")
    }


def test_an_old_journal_is_brought_up_with_all_that_is_in_it(old: Path) -> None:
    with closing(Journal.open(old)) as journal:
        assert journal.connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone() == (str(NEWEST),)
        command = command_by_id(journal.connection, "c1")
        assert command is not None and command.arguments["comment"] == "déjà ; vu"
        assert journal.connection.execute("SELECT name, role FROM user").fetchall() == [("ann", "operator")]
        assert journal.connection.execute("SELECT comment, reference FROM entry").fetchall() == [("new disk", "")]
        assert journal.connection.execute("SELECT n FROM counter").fetchall() == [(1,)]


def test_it_is_then_the_same_as_a_new_one(old: Path, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    with closing(Journal.open(old)) as upgraded, closing(Journal.open(fresh)) as new:
        assert shape(upgraded.connection) == shape(new.connection)


def test_it_can_then_give_room_back_as_a_new_one_can(old: Path, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    for folder in (old, fresh):
        with closing(Journal.open(folder)) as journal:
            assert journal.connection.execute("PRAGMA auto_vacuum").fetchone() == (2,), "2 is INCREMENTAL"
            assert journal.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_audit_of_an_upgraded_journal_is_kept_too(old: Path) -> None:
    with closing(Journal.open(old)) as journal:
        with journal.transaction() as connection:
            add_audit(connection, AuditRow(1.0, "request", "ann"))
        with pytest.raises(sqlite3.IntegrityError, match="kept"), journal.transaction() as connection:
            connection.execute("DELETE FROM audit")


def test_a_copy_of_the_old_one_is_kept(old: Path) -> None:
    Journal.open(old).close()
    with closing(sqlite3.connect(old / f"{JOURNAL_FILE}.schema-1")) as copy:
        assert copy.execute("SELECT value FROM meta").fetchone() == ("1",)
        assert copy.execute("SELECT id FROM command").fetchall() == [("c1",)]


def test_a_new_one_needs_no_copy(tmp_path: Path) -> None:
    Journal.open(tmp_path).close()
    Journal.open(tmp_path).close()
    assert not list(tmp_path.glob("*.schema-*"))


def test_a_version_that_fails_half_way_leaves_the_old_one_whole(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = "ALTER TABLE entry ADD COLUMN half TEXT; ALTER TABLE nothing ADD COLUMN x TEXT;"
    monkeypatch.setattr(schema, "VERSIONS", (schema.VERSIONS[0], broken))
    with pytest.raises(JournalError):
        Journal.open(old)
    with closing(sqlite3.connect(old / JOURNAL_FILE)) as connection:
        assert connection.execute("SELECT value FROM meta").fetchone() == ("1",)
        assert ("entry", "half") not in {row[:2] for row in shape(connection)}

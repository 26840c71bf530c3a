"""The journal's write-ahead log is carried back beside the writers, and stays short however busy they are."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from engine.journal.checkpoints import GIVEN_BACK, PATIENCE_MS, SOME_PAGES, Checkpoints, frames_of
from engine.journal.store import Journal

PAGE_BYTES = 4096


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """The writers'."""
    with closing(Journal.open(tmp_path)) as opened:
        yield opened


@pytest.fixture
def checkpoints(journal: Journal, tmp_path: Path) -> Iterator[Checkpoints]:
    """The engine's, with a small measure of what is long."""
    with closing(Journal.open(tmp_path)) as opened:
        yield Checkpoints(opened, most_pages=2 * SOME_PAGES)


def write_pages(journal: Journal, count: int) -> None:
    """At least so many pages of the log, in one transaction."""
    with journal.transaction() as connection:
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('large', ?)", ("x" * (count * PAGE_BYTES),))


def log_of(journal: Journal) -> Path:
    return journal.path.with_name(f"{journal.path.name}-wal")


def frames_by_sqlite(journal: Journal) -> int:
    """How many pages SQLite itself says that the log holds."""
    with closing(sqlite3.connect(journal.path)) as other:
        return int(other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1])


def test_the_length_read_in_the_log_is_the_one_sqlite_knows(journal: Journal, checkpoints: Checkpoints) -> None:
    """Also when the log was begun anew and its old end still stands behind what counts."""
    write_pages(journal, 50)
    first = frames_of(log_of(journal))
    assert first[1] == frames_by_sqlite(journal)  # which carries all of it back
    write_pages(journal, 10)
    second = frames_of(log_of(journal))
    assert second[0] != first[0], "the log was not begun anew: this test shows nothing"
    assert 10 <= second[1] == frames_by_sqlite(journal) < first[1]


def test_a_short_log_is_left_alone_and_one_worth_it_is_carried_back(journal: Journal, checkpoints: Checkpoints) -> None:
    """Another writer begins the log anew then: it would keep what was carried back, and grow."""
    write_pages(journal, 10)
    checkpoints.look()
    salt, _ = frames_of(log_of(journal))
    write_pages(journal, SOME_PAGES)
    assert frames_of(log_of(journal))[0] == salt, "a few pages were carried back"
    checkpoints.look()
    write_pages(journal, 1)
    assert frames_of(log_of(journal))[0] != salt


def test_the_log_stays_short_though_somebody_writes_during_every_checkpoint(
    journal: Journal, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A passive checkpoint never gets to the end then: the one within a turn does."""
    carry, turn, in_turn = Checkpoints._carry, Journal.turn, []

    def carried(self: Checkpoints) -> int:
        pages = carry(self)
        if not in_turn:
            write_pages(journal, 5)
        return pages

    @contextmanager
    def noted(self: Journal) -> Iterator[None]:
        with turn(self):
            in_turn.append(True)
            yield
            in_turn.pop()

    monkeypatch.setattr(Checkpoints, "_carry", carried)
    monkeypatch.setattr(Journal, "turn", noted)
    for _ in range(12):
        write_pages(journal, SOME_PAGES)
        checkpoints.look()
    assert frames_of(log_of(journal))[1] < 4 * SOME_PAGES


class Readers:
    """Two who read by turns, so that there is always one."""

    def __init__(self, journal: Journal, stack: ExitStack) -> None:
        self.first, self.second = (
            stack.enter_context(closing(sqlite3.connect(journal.path, isolation_level=None, check_same_thread=False)))
            for _ in range(2)
        )
        self.waited = 0

    def begin(self, reader: sqlite3.Connection) -> None:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM meta").fetchone()

    def change(self) -> None:
        self.begin(self.second)
        self.first.execute("COMMIT")

    def change_when_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        patient = Checkpoints._patient

        @contextmanager
        def noted(self_: Checkpoints, milliseconds: int) -> Iterator[None]:
            self.waited += 1
            with patient(self_, milliseconds), ThreadPoolExecutor(1) as threads:
                changed = threads.submit(self.change)
                yield
                changed.result()

        monkeypatch.setattr(Checkpoints, "_patient", noted)


@pytest.mark.parametrize(("times", "is_begun_anew"), [(2, True), (1, False)])
def test_the_log_is_begun_anew_though_somebody_always_reads(
    journal: Journal, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch, times: int, is_begun_anew: bool
) -> None:
    """It would grow until the disk is full. A log that is only long waits for nobody."""
    monkeypatch.setattr("engine.journal.checkpoints.PATIENCE_MS", ((2, 10_000),))  # this is about what is waited for
    with ExitStack() as stack:
        readers = Readers(journal, stack)
        readers.change_when_waited_for(monkeypatch)
        write_pages(journal, times * checkpoints.most_pages)
        salt, _ = frames_of(log_of(journal))
        readers.begin(readers.first)
        checkpoints.look()
        write_pages(journal, 1)
        assert (frames_of(log_of(journal))[0] != salt) is is_begun_anew
        assert readers.waited == is_begun_anew
        assert checkpoints.journal.connection.execute("PRAGMA busy_timeout").fetchone() == (10_000,)


def test_a_much_too_long_log_is_given_back_to_the_file_system(journal: Journal, checkpoints: Checkpoints) -> None:
    checkpoints.most_pages = SOME_PAGES // GIVEN_BACK
    write_pages(journal, SOME_PAGES)
    checkpoints.look()
    assert log_of(journal).stat().st_size == 0
    write_pages(journal, 1)
    assert 1 <= frames_of(log_of(journal))[1] == frames_by_sqlite(journal)


def test_writers_are_not_stopped_again_and_again_for_one_who_reads_for_long(
    journal: Journal, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He is waited for again only when the log is half as long again, and not for long."""
    waited: list[int] = []
    patient = Checkpoints._patient

    def noted(self: Checkpoints, milliseconds: int) -> AbstractContextManager[None]:
        waited.append(milliseconds)
        return patient(self, milliseconds)

    monkeypatch.setattr(Checkpoints, "_patient", noted)
    with ExitStack() as stack:
        readers = Readers(journal, stack)
        readers.begin(readers.first)
        write_pages(journal, 2 * checkpoints.most_pages)
        for _ in range(5):
            write_pages(journal, 1)
            checkpoints.look()
        assert waited == [PATIENCE_MS[-1][1]]
        write_pages(journal, SOME_PAGES)
        checkpoints.look()
        assert len(waited) == 1  # it was in vain
        write_pages(journal, 2 * checkpoints.most_pages)
        checkpoints.look()
        assert len(waited) == 2
    assert sum(waited) < 2 * 30


def test_a_checkpoint_that_fails_is_told_once_and_tried_again(
    journal: Journal, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk must end neither the thread nor, with it, the engine."""

    def full() -> int:
        raise sqlite3.OperationalError("database or disk is full")

    write_pages(journal, SOME_PAGES)
    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "_carry", lambda self: full())
        checkpoints.look()
        checkpoints.look()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    checkpoints.look()
    salt, _ = frames_of(log_of(journal))
    write_pages(journal, 1)
    assert frames_of(log_of(journal))[0] != salt

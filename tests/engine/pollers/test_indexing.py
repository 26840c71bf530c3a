"""The logs' index: whatever is done to the files between two looks, every line is in it once."""

from __future__ import annotations

import gzip
import lzma
import os
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import Poller
from engine.model import CoreKind
from engine.pollers import indexing
from engine.pollers.indexing import PollerLogs
from engine.state import logindex
from engine.state.logindex import HISTORY_FILE, LogIndex
from tests.support import oracle

NOW = 1_800_000_000


class Rig:
    """A poller's log folder, the index, and everything that was ever written."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.archives = folder, folder / "archives"
        self.archives.mkdir()
        self.log = folder / "nagios.log"
        self.poller = Poller(1, "north", CoreKind.NAGIOS, folder / "cmd", folder / "dat", self.log, log_archive_path=self.archives)
        self.written: list[bytes] = []
        self.rotations = 0
        self.open()

    def open(self) -> None:
        self.index = LogIndex.open(self.folder / HISTORY_FILE)
        self.index.configure([(1, str(self.log))])
        self.logs = PollerLogs(self.index, self.poller, 400, lambda: float(NOW))

    def restart(self) -> None:
        self.logs.close()
        self.index.close()
        self.open()

    def write(self, count: int = 1) -> None:
        with self.log.open("ab") as log:
            for _ in range(count):
                number = len(self.written)
                line = b"[%d] SERVICE ALERT: h%d;s;CRITICAL;SOFT;1;out %d \xff\xfe" % (NOW - 1000 + self.rotations, number, number)
                self.written.append(line)
                log.write(line + b"\n")

    def rename(self) -> None:
        """As a core rotates. A new log begins with lines that bear the time of the rotation."""
        if self.log.exists():
            self.rotations += 1
            self.log.rename(self.archives / f"nagios-11-25-2026-{self.rotations:02}.log")

    def copytruncate(self) -> None:
        """As logrotate does when nobody is told."""
        if self.log.exists():
            self.rotations += 1
            shutil.copyfile(self.log, self.folder / f"nagios.log.{self.rotations}")
            os.truncate(self.log, 0)

    def compress(self) -> None:
        """As logrotate does with older pieces."""
        for path in [*self.archives.glob("*.log"), *self.folder.glob("nagios.log.[0-9]")][:1]:
            opener = (gzip.open, lzma.open)[self.rotations % 2]
            with opener(f"{path}{('.gz', '.xz')[self.rotations % 2]}", "wb") as packed:
                packed.write(path.read_bytes())
            path.unlink()

    def backup(self) -> None:
        """Somebody keeps a copy beside it: not a line more happened."""
        if self.log.exists():
            shutil.copyfile(self.log, self.folder / "nagios.log.bak")

    def look(self) -> None:
        self.logs.look()

    def step(self) -> None:
        self.logs.step()

    def read_all(self) -> None:
        self.logs.look()
        while self.logs.has_unread:
            self.logs.step()
            if not self.logs.has_unread:
                self.logs.look()

    def found(self) -> list[tuple[int, str]]:
        """(time, host) of every entry, oldest first, read as anybody would."""
        with sqlite3.connect(self.folder / HISTORY_FILE) as connection:
            query = "SELECT e.at, o.host FROM entry e JOIN object o ON o.id = e.object ORDER BY e.at, e.seq"
            found = connection.execute(query).fetchall()
        connection.close()
        return found

    def expected(self) -> list[tuple[int, str]]:
        return [(at, host) for at, _, host, _, _ in oracle.events(self.written)]


@contextmanager
def rig() -> Iterator[Rig]:
    with tempfile.TemporaryDirectory() as folder:
        made = Rig(Path(folder))
        try:
            yield made
        finally:
            made.logs.close()
            made.index.close()


STEPS = ("write", "write", "rename", "copytruncate", "compress", "backup", "look", "step", "read_all", "restart")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(STEPS), max_size=40), st.sampled_from((64, 1 << 20)))
def test_every_line_once_in_its_order(steps: list[str], chunk: int) -> None:
    """Rotations of all kinds, compression, copies, restarts and partial reads in any order; lines cut by chunks, too."""
    before, indexing.CHUNK = indexing.CHUNK, max(chunk, 512)
    try:
        with rig() as made:
            for step in steps:
                getattr(made, step)()
            made.read_all()
            assert made.found() == made.expected()
    finally:
        indexing.CHUNK = before


def test_lines_longer_than_a_chunk_are_stepped_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "CHUNK", 512)
    with rig() as made:
        made.write(3)
        with made.log.open("ab") as log:
            log.write(b"[1] " + b"x" * 5000 + b"\n")
        made.write(3)
        made.read_all()
        assert made.found() == made.expected()


def test_half_a_line_waits_for_its_end() -> None:
    with rig() as made:
        made.write(2)
        with made.log.open("ab") as log:
            log.write(b"[%d] HOST ALERT: half;DOWN;HARD;1;" % NOW)
        made.read_all()
        assert len(made.found()) == 2
        with made.log.open("ab") as log:
            log.write(b"whole\n")
        made.read_all()
        assert made.found()[-1] == (NOW, "half")


def test_a_damaged_archive_ends_nothing() -> None:
    """What can be read of it is read; the others are read whole."""
    with rig() as made:
        made.write(50)
        packed = gzip.compress(made.log.read_bytes() + random.Random(1).randbytes(100_000))
        made.log.unlink()
        (made.archives / "nagios-1.log.gz").write_bytes(packed[: len(packed) // 2])
        (made.archives / "nagios-2.log.gz").write_bytes(b"this is no archive")
        made.rotations += 1
        made.write(5)
        made.read_all()
        assert made.found()[-5:] == made.expected()[-5:]


def test_what_is_older_than_the_retention_is_not_kept() -> None:
    with rig() as made:
        old = NOW - 401 * 86400
        made.log.write_bytes(b"[%d] HOST ALERT: old;DOWN;HARD;1;x\n[%d] HOST ALERT: new;DOWN;HARD;1;x\n" % (old, NOW - 5))
        made.read_all()
        assert made.found() == [(NOW - 5, "new")]
        assert list(made.index.forget_before(NOW)) == []
        assert made.found() == []


def test_what_was_read_to_its_end_is_not_read_again_after_a_restart() -> None:
    """Hundreds of archives, each unpacked to its end to see that nothing follows, would keep the history busy for minutes."""
    with rig() as made:
        for _ in range(2):
            made.write(3)
            made.rename()
        made.compress()
        made.write(2)
        made.read_all()
        made.restart()
        made.look()
        assert {one.path for one in made.logs._unread} == {str(made.log)}


@pytest.mark.parametrize("begins", [NOW - 5, NOW - 9])
def test_logs_seen_for_the_first_time_are_told_in_the_order_of_their_beginnings_then_of_their_last_writing(begins: int) -> None:
    """What they say of the same second would be told in the order of their names, or of whoever copied them."""
    with rig() as made:
        first, second = made.archives / "nagios-2.log", made.archives / "nagios-1.log"
        alert = "[{}] HOST ALERT: {};DOWN;HARD;1;x\n".format
        first.write_text(alert(begins, "before") + alert(NOW - 5, "one"))
        second.write_text(alert(NOW - 5, "two"))
        for path, at in ((first, NOW - 2), (second, NOW - 1 if begins == NOW - 5 else NOW - 3)):
            os.utime(path, (at, at))
        made.read_all()
        assert [host for _, host in made.found()] == ["before", "one", "two"]


def test_a_damaged_or_foreign_index_is_made_again() -> None:
    with rig() as made:
        made.write(5)
        made.read_all()
        made.index.close()
        path = made.folder / HISTORY_FILE
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        path.write_bytes(b"no database at all" * 1000)
        made.open()
        made.read_all()
        assert made.found() == made.expected()


def test_a_first_start_makes_the_index_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made, removed and made again, the first one may have been opened in between by a reader, who would see nothing in it."""
    was_there: list[bool] = []
    monkeypatch.setattr(logindex, "remove_history", lambda path: was_there.append(path.exists()))
    LogIndex.open(tmp_path / HISTORY_FILE).close()
    LogIndex.open(tmp_path / HISTORY_FILE).close()
    assert not any(was_there)


def test_another_log_file_is_another_history() -> None:
    with rig() as made:
        made.write(5)
        made.read_all()
        made.index.configure([(1, "/elsewhere/nagios.log")])
        assert made.found() == []


def test_progress_is_told() -> None:
    with rig() as made:
        made.write(100)
        made.look()
        assert _progress(made) == (made.log.stat().st_size, 0)
        made.read_all()
        assert _progress(made) == (made.log.stat().st_size, made.log.stat().st_size)


def _progress(made: Rig) -> tuple[int, int]:
    with sqlite3.connect(made.folder / HISTORY_FILE) as connection:
        found = connection.execute("SELECT known_bytes, read_bytes FROM source").fetchone()
    connection.close()
    return tuple(found)

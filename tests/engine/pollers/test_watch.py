"""Pokes: for every way in which cores touch their files, only for the watched name, and not for our own reading."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.pollers.watch import FolderWatch
from tests.support.cores import PATIENCE_S


class Bell:
    """Counts pokes; `rings` waits for one."""

    def __init__(self) -> None:
        self._rung = threading.Semaphore(0)
        self.from_thread = ""

    def __call__(self) -> None:
        self.from_thread = threading.current_thread().name
        self._rung.release()

    def rings(self, within_s: float = PATIENCE_S) -> bool:
        return self._rung.acquire(timeout=within_s)

    def hush(self) -> int:
        """Take all rings there are; how many."""
        count = 0
        while self._rung.acquire(blocking=False):
            count += 1
        return count


@pytest.fixture
def watch() -> Iterator[FolderWatch]:
    made = FolderWatch()
    yield made
    made.close()


def replaced(path: Path) -> None:
    """As Nagios, Naemon and Icinga write: a temporary file beside it, then rename."""
    temporary = path.with_name("status.tmpXYZ")
    temporary.write_text("new")
    temporary.rename(path)


def moved_in(path: Path) -> None:
    """As Nagios writes when temp_file lies in another folder."""
    other = path.parent.parent / "elsewhere"
    other.mkdir(exist_ok=True)
    (other / "nagios.tmpABC").write_text("new")
    (other / "nagios.tmpABC").rename(path)


def in_place(path: Path) -> None:
    """As Centreon Engine writes."""
    with path.open("r+") as opened:
        opened.truncate()
        opened.write("new")


def appended(path: Path) -> None:
    with path.open("a") as opened:
        opened.write("[1] line\n")


@pytest.mark.parametrize("happens", [replaced, moved_in, in_place, appended, Path.unlink])
def test_every_way_of_writing_pokes(watch: FolderWatch, tmp_path: Path, happens: Callable[[Path], None]) -> None:
    folder = tmp_path / "core"
    folder.mkdir()
    status = folder / "status.dat"
    status.write_text("old")
    bell = Bell()
    watch.watch(status, bell)
    watch.start()
    happens(status)
    assert bell.rings()
    assert bell.from_thread != threading.current_thread().name


def test_a_rename_is_noticed_at_once(watch: FolderWatch, tmp_path: Path) -> None:
    bell = Bell()
    watch.watch(tmp_path / "status.dat", bell)
    watch.start()
    waits = []
    for _ in range(5):
        bell.hush()
        begun = time.monotonic()
        replaced(tmp_path / "status.dat")
        assert bell.rings()
        waits.append(time.monotonic() - begun)
    assert min(waits) < 0.3, waits


def test_other_names_and_our_own_reading_do_not_poke(watch: FolderWatch, tmp_path: Path) -> None:
    status, other = tmp_path / "status.dat", tmp_path / "nagios.log"
    status.write_text("old")
    bell, other_bell = Bell(), Bell()
    watch.watch(status, bell)
    watch.watch(other, other_bell)
    watch.start()
    for _ in range(20):
        assert status.read_text() == "old"
        (tmp_path / "status.dat.bak").write_text("x")
    # Events come in order: once the last one's poke is there, those before had their chance.
    appended(other)
    assert other_bell.rings()
    assert bell.hush() == 0
    replaced(status)
    assert bell.rings()


def test_one_change_pokes_one_listener_once_per_event(watch: FolderWatch, tmp_path: Path) -> None:
    """A rename from one watched name to another is one event for whoever awaits both."""
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("x")
    bell, last = Bell(), Bell()
    watch.watch(first, bell)
    watch.watch(second, bell)
    watch.watch(tmp_path / "last", last)
    watch.start()
    first.rename(second)
    appended(tmp_path / "last")
    assert last.rings()
    assert bell.hush() == 1


def test_a_missing_folder_is_no_error_and_hurts_no_other(
    watch: FolderWatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bell = Bell()
    watch.watch(tmp_path / "nowhere" / "status.dat", Bell())
    watch.watch(tmp_path / "status.dat", bell)
    watch.start()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert str(tmp_path / "nowhere") in caplog.text
    replaced(tmp_path / "status.dat")
    assert bell.rings()


def test_watching_after_the_start(watch: FolderWatch, tmp_path: Path) -> None:
    watch.start()
    bell = Bell()
    watch.watch(tmp_path / "status.dat", bell)
    replaced(tmp_path / "status.dat")
    assert bell.rings()


def test_closed_means_silent_and_closing_twice_is_nothing(watch: FolderWatch, tmp_path: Path) -> None:
    bell = Bell()
    watch.watch(tmp_path / "status.dat", bell)
    watch.start()
    watch.close()
    watch.close()
    replaced(tmp_path / "status.dat")
    assert not bell.rings(0.2)
    assert not [thread for thread in threading.enumerate() if "notify" in type(thread).__name__.lower()]


def test_closing_what_was_never_started() -> None:
    FolderWatch().close()

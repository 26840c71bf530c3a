"""The log tail against every way a log is rotated. The one law: each line once and in order, or `hole` says so in its place."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.pollers.tail import LogTail, Position
from tests.engine.pollers.rotations import tick


class Core:
    """Writes numbered lines into a log and rotates it the ways cores and logrotate do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "nagios.log"
        self.archives = folder / "archives"
        self.archives.mkdir(exist_ok=True)
        self.written: list[bytes] = []
        self.file = self.path.open("ab", buffering=0)
        self.pieces = 0

    def write(self, count: int = 1) -> None:
        for _ in range(count):
            line = b"[%d] EXTERNAL COMMAND: line %d" % (1795476292 + len(self.written) // 50, len(self.written))
            self.written.append(line)
            self.file.write(line + b"\n")

    def write_partly(self) -> None:
        """Half a line; the next `finish` ends it."""
        self.file.write(b"[1795476292] half")

    def finish(self) -> None:
        self.written.append(b"[1795476292] half a line")
        self.file.write(b" a line\n")

    def archive(self) -> None:
        """As Nagios does itself: rename into the archive, new file."""
        self._rename(self.archives / f"nagios-11-23-2026-{self.pieces:02}.log")

    def logrotate(self) -> None:
        """create: log.1 → log.2, log → log.1, and the core was told to reopen."""
        self._shift()
        self._rename(self.folder / "nagios.log.1")

    def _rename(self, to: Path) -> None:
        tick(self.folder)
        self.pieces += 1
        self.path.rename(to)
        self.file.close()
        self.file = self.path.open("ab", buffering=0)

    def copytruncate(self, lost: int = 0) -> None:
        """The core keeps its descriptor; `lost` lines come between copy and truncation. Empty logs are left alone (notifempty)."""
        if not self.path.stat().st_size:
            return
        tick(self.folder)
        self._shift()
        self.pieces += 1
        shutil.copyfile(self.path, self.folder / "nagios.log.1")
        self.write(lost)
        os.truncate(self.path, 0)
        tick(self.folder)

    def _shift(self) -> None:
        for number in range(8, 0, -1):
            old = self.folder / f"nagios.log.{number}"
            if old.exists():
                old.rename(self.folder / f"nagios.log.{number + 1}")

    def compress(self) -> None:
        for path in [*self.folder.glob("nagios.log.?"), *self.archives.glob("*.log")]:
            compressed = path.with_name(path.name + ".gz")
            found = path.stat()
            with gzip.open(compressed, "wb") as file:
                file.write(path.read_bytes())
            os.utime(compressed, ns=(found.st_atime_ns, found.st_mtime_ns))
            path.unlink()

    def close(self) -> None:
        self.file.close()


class Reader:
    """Collects lines, and where holes were."""

    def __init__(self, core: Core, position: Position | None = None, *, start: bool = True) -> None:
        self.tail = LogTail(core.path, core.archives)
        if start:
            self.tail.open(position)
        self.lines: list[bytes] = []
        self.holes: list[int] = []
        self.note()

    def note(self) -> None:
        if self.tail.hole:
            self.tail.hole = False
            self.holes.append(len(self.lines))

    def read_once(self) -> bool:
        lines = self.tail.read()
        self.note()
        self.lines += lines
        return bool(lines)

    def read(self) -> None:
        for _ in range(1000):
            if not self.read_once():
                return
        raise AssertionError("the tail gives lines without end")

    def reopen(self) -> None:
        """As after a crash of ours: all that is left is the recorded position."""
        found = self.tail.position()
        self.tail.close()
        self.tail = LogTail(self.tail.path, self.tail.archive_path)
        self.tail.open(Position.load(found.dump()) if found else None)
        self.note()


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    core = Core(tmp_path)
    core.write(3)
    yield core
    core.close()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_starts_at_the_end_and_gives_new_lines_once(core: Core) -> None:
    reader = Reader(core)
    reader.read()
    assert reader.lines == []
    core.write(2)
    reader.read()
    reader.read()
    assert reader.lines == core.written[3:]
    assert reader.holes == []


def test_half_a_line_waits_for_its_end(core: Core) -> None:
    reader = Reader(core)
    core.write_partly()
    reader.read()
    assert reader.lines == []
    core.finish()
    reader.read()
    assert reader.lines == [b"[1795476292] half a line"]


def test_half_a_line_at_the_start_is_given_whole(core: Core) -> None:
    core.write_partly()
    reader = Reader(core)
    core.finish()
    reader.read()
    assert reader.lines == [b"[1795476292] half a line"]


def test_a_log_that_does_not_exist_yet(tmp_path: Path) -> None:
    tail = LogTail(tmp_path / "nagios.log", tmp_path / "archives")
    tail.open(None)
    assert tail.read() == []
    assert tail.position() is None
    core = Core(tmp_path)
    core.write(2)
    assert tail.read() == core.written
    assert not tail.hole
    tail.close()
    core.close()


@pytest.mark.parametrize("rotate", ["archive", "logrotate"])
def test_five_renames_between_two_reads(core: Core, rotate: str) -> None:
    reader = Reader(core)
    for _ in range(5):
        core.write(4)
        getattr(core, rotate)()
    core.write(1)
    reader.read()
    assert reader.lines == core.written[3:]
    assert reader.holes == []


def test_lines_written_to_the_renamed_file_before_the_core_reopens(core: Core) -> None:
    reader = Reader(core)
    core.write(2)
    core.path.rename(core.folder / "nagios.log.1")
    reader.read()
    core.write(2)
    reader.read()
    core.path.touch()
    reader.read()
    core.write(2)
    reader.read()
    core.file.close()
    core.file = core.path.open("ab", buffering=0)
    core.write(2)
    reader.read()
    assert reader.lines == core.written[3:]
    assert reader.holes == []


def test_a_last_line_written_while_we_look_at_the_new_file(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read empty, then seen to be followed: in between the core may have written its last."""
    reader = Reader(core)
    old = os.open(core.path, os.O_WRONLY | os.O_APPEND)
    core.archive()
    last = b"[1795476292] EXTERNAL COMMAND: the last"
    core.write(1)

    def size(log: Any) -> int:
        monkeypatch.undo()
        os.write(old, last + b"\n")
        return int(log.size())

    monkeypatch.setattr("engine.pollers.tail._OpenLog.size", size)
    reader.read()
    os.close(old)
    assert reader.lines == [last, *core.written[3:]]


def test_a_piece_that_took_the_inode_of_one_that_was_read(core: Core) -> None:
    reader = Reader(core)
    core.archive()
    core.write(1)
    reader.read()
    (read,) = core.archives.iterdir()
    core.archive()
    core.write(2)
    read.write_bytes(core.path.read_bytes())
    core.path.unlink()
    core.file.close()
    core.file = core.path.open("ab", buffering=0)
    core.write(1)
    reader.read()
    assert reader.lines == core.written[3:]


def test_deleted_and_created_anew(core: Core) -> None:
    reader = Reader(core)
    core.write(2)
    reader.read()
    core.path.unlink()
    core.write(1)  # into the deleted file, which we still hold
    core.file.close()
    reader.read()
    core.file = core.path.open("ab", buffering=0)
    core.write(2)
    reader.read()
    assert reader.lines == core.written[3:]
    assert reader.holes == []


def test_copytruncate_reads_the_rest_from_the_copy_and_says_that_lines_may_be_lost_behind_it(core: Core) -> None:
    reader = Reader(core)
    core.write(2)
    reader.read()
    core.write(2)
    core.copytruncate(lost=1)
    core.write(2)
    reader.read()
    assert reader.lines == core.written[3:7] + core.written[8:]
    assert reader.holes == [4]


def test_copytruncate_with_all_read_and_none_lost(core: Core) -> None:
    reader = Reader(core)
    core.write(2)
    reader.read()
    core.copytruncate()
    reader.read()
    assert reader.holes == []  # nothing from behind the gap was given out yet
    core.write(9)
    reader.read()
    assert reader.lines == core.written[3:]
    assert reader.holes == [2]


@pytest.mark.parametrize("seen_behind_the_copy", [0, 1])
def test_a_log_seen_short_before_its_time_of_writing_says_so(core: Core, seen_behind_the_copy: int) -> None:
    """The kernel makes a file shorter, and notes the time behind that: whoever looks in between sees a copy younger than it."""
    reader = Reader(core)
    core.write(3)
    reader.read()
    noted = core.path.stat().st_mtime_ns
    tick(core.folder)
    shutil.copyfile(core.path, core.folder / "nagios.log.1")
    core.write(seen_behind_the_copy)
    reader.read()
    os.truncate(core.path, 0)
    os.utime(core.path, ns=(noted, noted))
    reader.read()
    tick(core.folder)
    core.write(2)
    reader.read()
    assert reader.lines == core.written[3:], "each once"


def test_copytruncate_of_a_log_that_is_longer_again_than_what_was_read(core: Core) -> None:
    reader = Reader(core)
    core.write(1)
    reader.read()
    core.copytruncate()
    core.write(50)
    reader.read()
    assert reader.lines == core.written[3:]
    assert reader.holes == [1]


def test_two_copytruncates_between_two_reads(core: Core) -> None:
    reader = Reader(core)
    for _ in range(2):
        core.write(3)
        core.copytruncate()
    core.write(3)
    reader.read()
    assert reader.lines == core.written[3:]
    assert reader.holes == [3, 6]


def test_an_empty_log_filled_and_truncated_unseen(core: Core) -> None:
    core.copytruncate()
    reader = Reader(core)
    reader.read()
    core.write(2)
    core.copytruncate()
    core.write(2)
    reader.read()
    assert reader.lines == core.written[3:]
    assert reader.holes


@pytest.mark.parametrize("seen", [0, 1])
def test_lines_of_a_log_found_empty_again_are_read_from_its_copy_at_once(core: Core, seen: int) -> None:
    """They would wait for the next line, and be lost when we start anew, or the copy is compressed, before it comes."""
    reader = Reader(core) if seen else None
    core.copytruncate()
    reader = reader or Reader(core)
    reader.read()
    core.write(2)
    core.copytruncate()
    reader.read()
    assert reader.lines == core.written[3:]
    core.compress()
    core.write(1)
    reader.read()
    assert reader.lines == core.written[3:]
    assert 2 in reader.holes


@pytest.mark.parametrize(
    "rotations", [["copytruncate"], ["copytruncate"] * 2, ["copytruncate", "archive"], ["archive", "copytruncate"]]
)
def test_a_log_empty_when_we_ended_and_when_we_begin_may_have_had_lines(core: Core, rotations: list[str]) -> None:
    """A command whose echo stood there would be taken for one that was not executed, and sent again."""
    core.copytruncate()
    reader = Reader(core)
    reader.read()
    for rotate in rotations:
        core.write(2)
        getattr(core, rotate)()
    reader.reopen()
    core.write(1)
    reader.read()
    assert reader.lines == core.written[3:]
    assert reader.holes[0] == 0


def test_a_log_that_stayed_empty_while_we_were_down_lacks_nothing(core: Core) -> None:
    core.copytruncate()
    reader = Reader(core)
    reader.read()
    reader.reopen()
    core.write(1)
    reader.read()
    assert reader.lines == core.written[3:]
    assert reader.holes == []


def test_a_log_truncated_and_filled_between_the_look_and_the_read(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the place where the next line was expected stand lines of the new file: they came twice, and the old ones' rest never."""
    reader = Reader(core)
    core.write(2)
    look = LogTail._has_begun_anew

    def looked(self: LogTail, log: Any) -> bool:
        found = look(self, log)
        monkeypatch.setattr(LogTail, "_has_begun_anew", look)
        core.copytruncate()
        core.write(20)
        return found

    monkeypatch.setattr(LogTail, "_has_begun_anew", looked)
    reader.read()
    assert reader.lines == core.written[3:]
    assert reader.holes == [2]


def test_truncated_without_a_copy_is_a_hole(core: Core) -> None:
    reader = Reader(core)
    core.write(2)
    os.truncate(core.path, 0)
    core.write(1)
    reader.read()
    assert reader.lines == core.written[5:]
    assert reader.holes == [0]


def test_a_copy_being_made_is_not_read_twice(core: Core) -> None:
    reader = Reader(core)
    core.write(2)
    shutil.copyfile(core.path, core.folder / "nagios.log.1")
    reader.read()
    core.write(1)
    reader.read()
    core.archive()
    core.write(1)
    reader.read()
    assert reader.lines == core.written[3:]


def test_a_piece_compressed_before_it_was_read_is_a_hole(core: Core) -> None:
    reader = Reader(core)
    core.write(1)
    reader.read()
    core.logrotate()
    core.write(2)
    core.logrotate()
    core.compress()
    core.write(1)
    reader.read()
    assert reader.lines == [core.written[3], core.written[6]]
    assert reader.holes == [1]


def test_compressing_what_was_read_is_none(core: Core) -> None:
    reader = Reader(core)
    for _ in range(3):
        core.write(1)
        reader.read()
        core.logrotate()
        core.compress()
        core.write(1)
        reader.read()
    assert reader.lines == core.written[3:]
    assert reader.holes == []


def test_neighbours_of_the_log_are_not_read(core: Core) -> None:
    reader = Reader(core)
    core.write(1)
    core.archive()
    for name in ("nagios.cfg", "nagios.debug", "nagios.lock", "nagios.tmpXYZ", "other.log.1"):
        (core.folder / name).write_bytes(b"[1795476292] EXTERNAL COMMAND: not ours\n")
    (core.folder / "nagios.log.d").mkdir()
    os.mkfifo(core.folder / "nagios.log.fifo")
    (core.folder / "nagios.log.link").symlink_to("nagios.debug")
    core.write(1)
    reader.read()
    assert reader.lines == core.written[3:]


def test_a_directory_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "nagios.log").mkdir()
    tail = LogTail(tmp_path / "nagios.log")
    tail.open(None)
    assert tail.read() == []


def test_many_archives_do_not_use_up_descriptors(core: Core) -> None:
    for number in range(300):
        (core.archives / f"nagios-01-01-2020-{number}.log").write_bytes(b"[1] old %d\n" % number)
    before = descriptors()
    reader = Reader(core)
    core.write(1)
    core.archive()
    core.write(1)
    reader.read()
    assert descriptors() == before + 1
    reader.tail.close()
    assert descriptors() == before
    assert reader.lines == core.written[3:]


def test_no_descriptor_is_left_after_rotations(core: Core) -> None:
    before = descriptors()
    reader = Reader(core)
    for _ in range(3):
        core.write(2)
        core.archive()
        core.write(2)
        core.copytruncate()
        core.write(2)
        core.logrotate()
        reader.read()
    reader.read()
    reader.tail.close()
    assert descriptors() == before


def test_a_line_longer_than_a_chunk_does_not_stop_it(core: Core) -> None:
    reader = Reader(core)
    core.file.write(b"x" * (1 << 20) * 2 + b"\n")
    core.write(1)
    for _ in range(5):
        reader.read()
    assert reader.lines[-1] == core.written[-1]


# --- taking a position up again ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rotations", [[], ["archive"], ["logrotate"], ["archive"] * 4, ["logrotate"] * 4, ["archive", "logrotate"]]
)
def test_a_position_is_found_again_after_renames(core: Core, rotations: list[str]) -> None:
    reader = Reader(core)
    core.write(3)
    reader.read()
    found = reader.tail.position()
    assert found is not None
    assert Position.load(found.dump()) == found
    reader.tail.close()
    for rotate in rotations:
        core.write(2)
        getattr(core, rotate)()
    core.write(2)
    again = Reader(core, found)
    again.read()
    assert again.lines == core.written[6:]
    assert again.holes == []


def test_a_position_in_a_copy(core: Core) -> None:
    reader = Reader(core)
    core.write(1)
    reader.read()
    found = reader.tail.position()
    core.write(2)
    core.copytruncate(lost=1)
    core.write(1)
    again = Reader(core, found)
    again.read()
    assert again.lines == core.written[4:6] + core.written[7:]
    assert again.holes == [2]


def test_a_position_whose_file_is_gone_is_a_hole(core: Core) -> None:
    reader = Reader(core)
    found = reader.tail.position()
    core.write(2)
    core.logrotate()
    core.compress()
    core.write(2)
    again = Reader(core, found)
    again.read()
    assert again.lines == core.written[5:]
    assert again.holes == [0]


def test_another_file_with_the_same_inode_is_not_taken_for_it(core: Core) -> None:
    found = Reader(core).tail.position()
    assert found is not None
    core.path.write_bytes(b"[9] other\n" * 50)  # same inode, longer, other beginning
    again = Reader(core, found)
    again.read()
    assert again.lines == [b"[9] other"] * 50
    assert again.holes == [0]


def test_a_position_in_an_empty_file_cannot_be_trusted_once_there_are_lines(tmp_path: Path) -> None:
    core = Core(tmp_path)
    found = Reader(core).tail.position()
    assert found is not None
    assert Reader(core, found).holes == []
    core.write(2)
    again = Reader(core, found)
    again.read()
    assert again.lines == core.written
    assert again.holes == [0]
    core.close()


def test_a_log_emptied_and_renamed_between_two_reads_brings_back_nothing_old(core: Core) -> None:
    """When it was emptied nobody knows: with any piece taken for younger, all archives there are would be read again."""
    reader = Reader(core)
    core.write(2)
    core.archive()
    core.write(2)
    reader.read()
    os.truncate(core.path, 0)
    core.logrotate()
    core.write(2)
    reader.tail.unread()
    reader.reopen()
    reader.read()
    assert reader.lines == core.written[3:]
    assert reader.holes == [4]


def test_no_position_recorded() -> None:
    assert Position.load("") is None


# --- all of it at random -----------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_every_line_once_and_in_order_or_a_hole_in_its_place(seed: int) -> None:
    """A copytruncate loses lines only where files are never renamed: a copy of a file we never saw looks like a renamed one."""
    rng = random.Random(seed)
    rotations = rng.choice([["archive", "logrotate"], ["copytruncate"], ["archive", "logrotate", "copytruncate"]])
    with tempfile.TemporaryDirectory() as folder:
        core = Core(Path(folder))
        core.write(rng.randint(0, 3))
        reader = Reader(core)
        done = len(core.written)
        story = []
        for _ in range(rng.randint(3, 25)):
            action = rng.choice(["write", "write", "read", "read", "once", "reopen", *rotations])
            story.append(action)
            match action:
                case "write":
                    core.write(rng.choice([1, 2, 40]))
                case "read":
                    reader.read()
                case "once":
                    reader.read_once()
                case "copytruncate":
                    core.copytruncate(rng.choice([0, 2]) if len(rotations) == 1 else 0)
                case "reopen":
                    reader.reopen()
                case _:
                    getattr(core, action)()
        core.write(1)
        reader.read()
        core.close()
        reader.tail.close()
        numbers = [int(line.rsplit(b" ", 1)[1]) for line in reader.lines]
        assert numbers == sorted(set(numbers)), (story, "out of order, or twice")
        expected = done
        for index, number in enumerate(numbers):
            if number != expected:
                assert index in reader.holes, (story, f"{expected} is missing before {number}, no hole said")
            expected = number + 1
        assert expected == len(core.written), story


def test_five_rotations_while_lines_are_written(tmp_path: Path) -> None:
    """A core of 4000 lines, with renames in between, and a reader that never rests."""
    core = Core(tmp_path)
    core.write(1)
    reader = Reader(core)

    def run() -> None:
        for _ in range(5):
            core.write(400)
            core.archive()
            core.write(400)
            core.logrotate()

    writer = threading.Thread(target=run)
    writer.start()
    while writer.is_alive():
        reader.read_once()
    writer.join()
    core.write(1)
    reader.read()
    core.close()
    assert reader.lines == core.written[1:]
    assert reader.holes == []

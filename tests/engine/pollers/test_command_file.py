"""The FIFO's edge: what is never created, never followed, never given half a line."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import CommandFileMissing, CommandFileNotWritable, NoReader, NotAFifo, PipeFull, PollerError
from engine.pollers.command_file import CommandFile, probe, room

LINE = b"[1795476292] ADD_HOST_COMMENT;h1;1;a;c1\n"


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "nagios.cmd"
    os.mkfifo(path)
    return path


@pytest.fixture
def reader(fifo: Path) -> Iterator[int]:
    descriptor = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    yield descriptor
    os.close(descriptor)


def contents(path: Path) -> bytes:
    return path.read_bytes()


def test_whole_lines_arrive(fifo: Path, reader: int) -> None:
    command_file = CommandFile.open(fifo)
    command_file.write(LINE + LINE)
    command_file.close()
    assert os.read(reader, 8192) == LINE + LINE
    assert probe(fifo) == ("reading", "")
    found = fifo.stat()
    assert command_file.identity == f"{found.st_dev}:{found.st_ino}"


def test_probing_writes_nothing(fifo: Path, reader: int) -> None:
    probe(fifo)
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)


def test_missing_is_never_created(tmp_path: Path) -> None:
    path = tmp_path / "nagios.cmd"
    with pytest.raises(CommandFileMissing, match="does not exist"):
        CommandFile.open(path)
    assert probe(path)[0] == "missing"
    assert probe(tmp_path / "none" / "nagios.cmd")[0] == "missing"
    assert list(tmp_path.iterdir()) == []


def test_below_a_file_is_missing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert probe(tmp_path / "file" / "nagios.cmd")[0] == "missing"


def test_a_regular_file_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "nagios.cmd"
    path.write_bytes(b"old")
    before = path.stat()
    with pytest.raises(NotAFifo, match="is not a FIFO"):
        CommandFile.open(path)
    assert contents(path) == b"old"
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert probe(path)[0] == "not_a_fifo"


def test_a_symlink_is_not_followed_even_to_a_fifo(fifo: Path, reader: int) -> None:
    link = fifo.with_name("link")
    link.symlink_to(fifo)
    with pytest.raises(NotAFifo):
        CommandFile.open(link)
    dangling = fifo.with_name("dangling")
    dangling.symlink_to(fifo.with_name("target"))
    with pytest.raises(NotAFifo):
        CommandFile.open(dangling)
    assert not fifo.with_name("target").exists()


def test_a_directory_a_device_and_a_socket(tmp_path: Path) -> None:
    assert probe(tmp_path)[0] == "not_a_fifo"
    assert probe(Path("/dev/null"))[0] == "not_a_fifo"


def test_nobody_reads(fifo: Path) -> None:
    with pytest.raises(NoReader, match="Nobody reads"):
        CommandFile.open(fifo)
    assert probe(fifo)[0] == "no_reader"


def test_the_reader_leaves_between_open_and_write(fifo: Path) -> None:
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    command_file = CommandFile.open(fifo)
    os.close(reader)
    with pytest.raises(NoReader):
        command_file.write(LINE)
    command_file.close()


def test_a_full_pipe_takes_all_or_nothing(fifo: Path, reader: int) -> None:
    """Room for less than the batch is no room: half a line would corrupt the next command of anybody."""
    capacity = fcntl.fcntl(reader, fcntl.F_GETPIPE_SZ)
    command_file = CommandFile.open(fifo)
    batch = LINE * (4096 // len(LINE))
    assert capacity % len(batch) != 0
    sent = 0
    with pytest.raises(PipeFull, match="is full"):
        while True:
            command_file.write(batch)
            sent += len(batch)
    command_file.close()
    got = b""
    while True:
        try:
            got += os.read(reader, 65536)
        except BlockingIOError:
            break
    assert len(got) == sent > capacity // 2
    assert got == batch * (sent // len(batch))


def test_the_room_is_what_its_reader_has_left(fifo: Path, reader: int) -> None:
    capacity = fcntl.fcntl(reader, fcntl.F_GETPIPE_SZ)
    assert room(fifo) == (capacity, capacity)
    command_file = CommandFile.open(fifo)
    command_file.write(LINE * 3)
    assert room(fifo) == command_file.room() == (capacity - 3 * len(LINE), capacity)
    os.read(reader, len(LINE))
    assert room(fifo) == (capacity - 2 * len(LINE), capacity)
    with pytest.raises(PipeFull):
        while True:
            command_file.write(LINE)
    assert room(fifo) == (0, capacity), "what is left is less than a page"
    command_file.close()
    assert room(fifo.with_name("none")).free >= 4096, "opening it tells more"


@pytest.mark.parametrize(
    "lines",
    [b"", b"\n", LINE[:-1], b" " + LINE, b"x" + LINE, b"[" + b"x" * 4096 + b"\n", LINE * 200],
    ids=["empty", "blank", "no newline", "leading blank", "garbage", "4098 bytes", "many"],
)
def test_what_is_no_atomic_write_of_whole_lines_is_not_written(fifo: Path, reader: int, lines: bytes) -> None:
    command_file = CommandFile.open(fifo)
    with pytest.raises(ValueError, match="whole lines"):
        command_file.write(lines)
    command_file.close()
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)


def test_lines_inside_must_begin_with_a_bracket_too(fifo: Path, reader: int) -> None:
    command_file = CommandFile.open(fifo)
    for lines in (LINE + b"garbage\n", LINE + b"\n", LINE + b"\n" + LINE):
        with pytest.raises(ValueError, match="whole lines"):
            command_file.write(lines)
    command_file.close()


def test_exactly_4096_bytes_are_written(fifo: Path, reader: int) -> None:
    command_file = CommandFile.open(fifo)
    line = b"[1] " + b"x" * (4096 - 5) + b"\n"
    assert len(line) == 4096
    command_file.write(line)
    command_file.close()
    assert os.read(reader, 8192) == line


def test_batches_of_several_writers_do_not_mix(fifo: Path, reader: int) -> None:
    def run(name: bytes) -> None:
        command_file = CommandFile.open(fifo)
        batch = b"".join(b"[1] %s;%d\n" % (name * 20, number) for number in range(60))
        done = 0
        while done < 30:
            try:
                command_file.write(batch)
                done += 1
            except PipeFull:
                continue
        command_file.close()

    writers = [threading.Thread(target=run, args=(name,)) for name in (b"A", b"B", b"C")]
    for writer in writers:
        writer.start()
    got = b""
    wanted = 3 * 30 * 60
    while got.count(b"\n") < wanted:
        writing = any(writer.is_alive() for writer in writers)
        try:
            got += os.read(reader, 65536)
        except BlockingIOError:
            assert writing, "lines are missing"
    for writer in writers:
        writer.join()
    lines = got.splitlines()
    for start in range(0, len(lines), 60):
        block = lines[start : start + 60]
        assert [line.rsplit(b";")[1] for line in block] == [b"%d" % number for number in range(60)]
        assert len({line.split(b";")[0] for line in block}) == 1


def test_rights_are_told_apart(fifo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root nothing is forbidden, so the kernel's answer is given here."""

    def refuse(*_: object) -> int:
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("engine.pollers.command_file.os.open", refuse)
    with pytest.raises(CommandFileNotWritable, match="command group"):
        CommandFile.open(fifo)
    assert probe(fifo)[0] == "not_writable"


def test_descriptors_are_closed_and_not_inherited(fifo: Path, reader: int) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    command_file = CommandFile.open(fifo)
    assert not os.get_inheritable(command_file.descriptor)
    assert os.get_blocking(command_file.descriptor) is False
    command_file.close()
    for path in (fifo, fifo.parent, fifo.with_name("none")):
        try:
            CommandFile.open(path).close()
        except PollerError:
            pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_fifo_made_anew_is_another(fifo: Path, reader: int) -> None:
    first = CommandFile.open(fifo)
    fifo.rename(fifo.with_name("old"))
    os.mkfifo(fifo)
    with pytest.raises(NoReader):
        CommandFile.open(fifo)
    again = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    second = CommandFile.open(fifo)
    assert first.identity != second.identity
    first.close()
    second.close()
    os.close(again)

"""Hints between processes: they come, they never block, and what dead processes left is no obstacle."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from engine.hints import ENGINE_SOCKET, listen, poke_engine, received, tell_desks


@pytest.fixture(params=["short", "long"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A socket's address ends at 108 bytes; data folders do not."""
    folder = tmp_path if request.param == "short" else tmp_path / ("x" * 100) / ("y" * 100)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_pokes_reach_the_engine(data: Path) -> None:
    with listen(data, ENGINE_SOCKET) as engine:
        assert received(engine) == []
        poke_engine(data, {3, 1})
        poke_engine(data, {2})
        assert received(engine) == ["1", "3", "2"]
        assert received(engine) == []


def test_news_reach_every_desk(data: Path) -> None:
    with listen(data, "desk-1-1.sock") as one, listen(data, "desk-1-2.sock") as two:
        tell_desks(data, ["a", "b"])
        assert received(one) == received(two) == ["a", "b"]


def test_many_ids_come_whole_in_several_datagrams(data: Path) -> None:
    ids = [f"{number:036}" for number in range(4000)]
    with listen(data, "desk-1-1.sock") as desk:
        tell_desks(data, ids)
        assert received(desk) == ids


def test_nobody_listens(data: Path) -> None:
    poke_engine(data, {1})
    tell_desks(data, ["a"])
    assert list(data.iterdir()) == []


def test_what_dead_processes_left(data: Path) -> None:
    """A dead desk's socket is removed, the engine's stays: it will be back under that name."""
    for name in ("desk-9-1.sock", ENGINE_SOCKET):
        listen(data, name).close()
    with listen(data, "desk-9-2.sock") as alive:
        tell_desks(data, ["a"])
        assert received(alive) == ["a"]
    poke_engine(data, {1})
    assert sorted(path.name for path in data.iterdir()) == ["desk-9-2.sock", ENGINE_SOCKET]
    with listen(data, ENGINE_SOCKET) as engine:
        poke_engine(data, {1})
        assert received(engine) == ["1"]


def test_a_listener_that_never_reads_does_not_hold_up_the_others(data: Path) -> None:
    with listen(data, "desk-1-1.sock") as deaf, listen(data, "desk-1-2.sock") as alive:
        for number in range(3000):
            tell_desks(data, [str(number)])
            assert received(alive) == [str(number)]
        heard = received(deaf)
        assert heard == [str(number) for number in range(len(heard))]
        assert len(heard) < 3000
        tell_desks(data, ["again"])
        assert received(deaf) == ["again"]


def test_other_files_are_left_alone(data: Path) -> None:
    (data / "journal.db").write_bytes(b"x")
    (data / "desk-notes.txt").write_bytes(b"x")
    (data / "desk-1.sock").write_bytes(b"not a socket")
    tell_desks(data, ["a"])
    assert sorted(path.name for path in data.iterdir()) in (
        ["desk-1.sock", "desk-notes.txt", "journal.db"],
        ["desk-notes.txt", "journal.db"],
    )


def test_strange_bytes_are_no_crash(data: Path) -> None:
    with listen(data, ENGINE_SOCKET) as engine, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        folder = os.open(data, os.O_PATH)
        for payload in (b"", b"\xff\xfe", b",,", b"7"):
            sender.sendto(payload, f"/proc/self/fd/{folder}/{ENGINE_SOCKET}")
        os.close(folder)
        words = received(engine)
        assert words[-1] == "7"
        assert "" not in words


def test_no_descriptor_is_left(data: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with listen(data, "desk-1-1.sock"):
        poke_engine(data, {1})
        tell_desks(data, ["a"])
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_no_descriptor_left_to_send_with(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was stored stands without its hint; the sender must live on."""

    def none_left(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    for module, name in ((socket, "socket"), (os, "open"), (os, "scandir")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, none_left)
            poke_engine(data, {1})
            tell_desks(data, ["c1"])

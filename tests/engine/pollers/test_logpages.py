"""Logs read from either end: the same lines, whatever their length and wherever the pieces are cut."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.config import Poller
from engine.model import CoreKind
from engine.pollers import logpages
from engine.pollers.logpages import archives_of, lines_of

LINES = st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line and b"\r" not in line), max_size=30)
POLLER = Poller(1, "north", CoreKind.NAGIOS, Path("cmd"), Path("status.dat"), Path("nagios.log"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(lines=LINES, piece=st.integers(1, 40), ends=st.booleans())
def test_backwards_is_forwards_turned(
    lines: list[bytes], piece: int, ends: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Times are given to every line, so that a line without one does not depend on the direction."""
    monkeypatch.setattr(logpages, "_PIECE_BYTES", piece)
    path = tmp_path / "nagios.log"
    path.write_bytes(b"\n".join(b"[%d] %s" % (at, line) for at, line in enumerate(lines)) + b"\n" * ends)
    forwards = list(lines_of(path, newest_first=False))
    assert forwards == [(at, b" " + line) for at, line in enumerate(lines)]
    assert list(lines_of(path, newest_first=True)) == forwards[::-1]


def test_any_bytes_are_lines(tmp_path: Path) -> None:
    """What is no line of a core is shown all the same, at the time of the one before it."""
    path = tmp_path / "nagios.log"
    path.write_bytes(b"[10] one\r\nnot a line\n[x] no\n\n[99999999999999999999999] late\n[11] end")
    found = list(lines_of(path, newest_first=False))
    assert found == [(10, b" one"), (10, b" not a line"), (10, b" [x] no"), (10, b" [99999999999999999999999] late"), (11, b" end")]
    assert list(lines_of(tmp_path / "none", newest_first=True)) == []


def test_archives_by_name_and_by_change(tmp_path: Path) -> None:
    """The core's name says when a piece ended, in its zone; others are as old as their last change; compressed ones count."""
    log = tmp_path / "nagios.log"
    log.write_bytes(b"")
    (tmp_path / "archives").mkdir()
    named = tmp_path / "archives" / "nagios-11-26-2026-00.log"
    named.write_bytes(b"[1] x\n")
    packed = tmp_path / "archives" / "nagios-11-25-2026-00.log.gz"
    packed.write_bytes(gzip.compress(b"[1] x\n[2] y\n"))
    (tmp_path / "archives" / "nagios-13-40-2026-00.log").write_bytes(b"")
    rotated = tmp_path / "nagios.log.1"
    rotated.write_bytes(b"[3] z\n")
    poller = replace(POLLER, log_file=log, log_archive_path=tmp_path / "archives", timezone="Europe/Berlin")
    midnight = 1_795_647_600  # 2026-11-26 00:00 in Berlin
    assert archives_of(poller) == {midnight: named, midnight - 86400: packed, int(rotated.stat().st_mtime): rotated}
    assert list(lines_of(packed, newest_first=True)) == [(2, b" y"), (1, b" x")]


def test_an_archive_is_whole_from_its_end_where_no_room_is_to_unpack_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device of the kernel's that is always full stands for the folder of temporary files."""
    packed = tmp_path / "nagios-11-25-2026-00.log.gz"
    packed.write_bytes(gzip.compress(b"".join(b"[%d] line\n" % number for number in range(1, 40_000))))
    monkeypatch.setattr(logpages.tempfile, "TemporaryFile", lambda: Path("/dev/full").open("r+b", buffering=0))  # noqa: SIM115
    newest_first = list(lines_of(packed, newest_first=True))
    assert len(newest_first) == 39_999
    assert newest_first == list(reversed(list(lines_of(packed, newest_first=False))))

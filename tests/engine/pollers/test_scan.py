"""Scans: what is said of a file that grows, changes, shrinks, breaks."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.config import Poller
from engine.formats.status import parse_head
from engine.model import CommentStatus, CoreKind, ObjectKey
from engine.pollers.scan import Scanner
from engine.pollers.scanner_process import ScannerProcess
from engine.state.frames import Begin, End, Failed, Frame, Gone, Objects, Rows, ScanRequest, Unchanged
from tests.engine.pollers.scan_scene import ASK, GOLDEN, Mirror, failure, golden, install, poller_in, sent, truth
from tests.support.cores import PATIENCE_S

Scan = Callable[[ScanRequest], Iterator[Frame]]


@pytest.fixture
def poller(tmp_path: Path) -> Poller:
    return poller_in(tmp_path)


@pytest.fixture(params=["in this process", "in its own"])
def scan(request: pytest.FixtureRequest, poller: Poller) -> Iterator[Scan]:
    """Both sides must say the same: the scanner itself, and through the pipe."""
    if request.param == "in this process":
        yield Scanner(poller).scan
        return
    process = ScannerProcess(poller)
    yield process.scan
    process.close()


# --- what a scan says -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["nagios-4.4.6", "icinga2-2.13.6"])
def test_generations_of_a_real_core(poller: Poller, scan: Scan, folder: str) -> None:
    mirror = Mirror()
    install(poller, golden("status-1.dat", folder))
    first = mirror.apply(scan(ASK))
    begin = first[0]
    assert isinstance(begin, Begin)
    assert (begin.first, begin.poller) == (True, 1)
    head = parse_head(golden("status-1.dat", folder))
    generation = begin.generation
    assert (generation.created, generation.program_start, generation.version) == (head.created, head.program_start, head.version)
    assert generation.program == head.program
    assert abs(generation.read_at - time.time()) < 60
    assert isinstance(first[1], Objects)
    assert len(first[1].cache.hosts) == 6
    assert mirror.rows == truth(golden("status-1.dat", folder))

    install(poller, golden("status-2.dat", folder))
    second = mirror.apply(scan(ASK))
    assert isinstance(second[0], Begin)
    assert not second[0].first
    assert not any(isinstance(frame, Objects) for frame in second)
    assert mirror.rows == truth(golden("status-2.dat", folder))
    assert ObjectKey(1, "C:\\ 90%") not in sent(second)

    install(poller, golden("status-3.dat", folder))
    third = mirror.apply(scan(ASK))
    assert [type(frame) for frame in third] == [Begin, End]

    install(poller, golden("status-1.dat", folder))
    back = mirror.apply(scan(ASK))
    assert any(isinstance(frame, Gone) and frame.downtimes and frame.comments for frame in back)
    assert mirror.rows == truth(golden("status-1.dat", folder))


def test_the_same_file_is_not_read_again(poller: Poller, scan: Scan) -> None:
    install(poller, golden("status-1.dat"))
    list(scan(ASK))
    assert list(scan(ASK)) == [Unchanged(1)]
    install(poller, golden("status-1.dat"))  # the same bytes in another file: the core has written
    assert [type(frame) for frame in scan(ASK)] == [Begin, End]


def test_dirty_rows_are_sent_although_nothing_changed(poller: Poller, scan: Scan) -> None:
    mirror = Mirror()
    install(poller, golden("status-2.dat"))
    mirror.apply(scan(ASK))
    dirty = (ObjectKey(1, "web01", "Disk /var"), ObjectKey(1, "a+b"), ObjectKey(1, "never heard of"))
    for _ in range(2):
        install(poller, golden("status-2.dat"))
        assert set(sent(mirror.apply(scan(ScanRequest(forget=dirty))))) == set(dirty[:2])
    assert list(scan(ASK)) == [Unchanged(1)]


def test_a_file_older_than_the_log_is_not_read_again_for_what_the_log_says(poller: Poller, scan: Scan) -> None:
    """It can say no more than it did: of a core that writes every minute each would be read through thirty times."""
    install(poller, golden("status-2.dat"))
    list(scan(ASK))
    assert list(scan(ScanRequest(forget=(ObjectKey(1, "a+b"),)))) == [Unchanged(1)]


def test_a_dirty_row_that_vanishes_is_gone(poller: Poller, scan: Scan) -> None:
    mirror = Mirror()
    install(poller, golden("status-2.dat"))
    mirror.apply(scan(ASK))
    without = restarted(without_block(golden("status-2.dat"), b"service_description=Disk /var\n\tmodified"), 9)
    install(poller, without)
    frames = mirror.apply(scan(ScanRequest(forget=(ObjectKey(1, "web01", "Disk /var"),))))
    assert [frame.objects for frame in frames if isinstance(frame, Gone)] == [(ObjectKey(1, "web01", "Disk /var"),)]
    assert mirror.rows == truth(without)


def restarted(raw: bytes, later_s: int) -> bytes:
    """The same from a core that was started that much later."""
    start = parse_head(raw).program["program_start"].encode()
    return raw.replace(b"program_start=" + start, b"program_start=%d" % (int(start) + later_s))


def without_block(raw: bytes, text: bytes) -> bytes:
    blocks = raw.split(b"\n\t}\n")
    kept = [block for block in blocks if text not in block]
    assert len(kept) == len(blocks) - 1
    return b"\n\t}\n".join(kept)


def test_many_generations_made_at_random(poller: Poller) -> None:
    """Blocks come, go, change and move; the mirror always holds what one parse of the whole file gives."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    randomly = random.Random(seed)
    head, *blocks = golden("status-2.dat").split(b"\n\t}\n")
    program, *blocks = blocks[:-1]
    scanner, mirror = Scanner(poller), Mirror()
    pool = list(blocks)
    starts, before = 0, set[ObjectKey]()
    for created in range(1795478400, 1795478460):
        present = [block for block in pool if randomly.random() < 0.8]
        present = [
            block.replace(b"current_notification_number=", b"current_notification_number=%d" % randomly.randrange(3))
            if randomly.random() < 0.2
            else block
            for block in present
        ]
        randomly.shuffle(present)
        raw = b"\n\t}\n".join([head, program, *present, b""]).replace(b"last_update=", b"last_update=%d\n\told_update=" % created)
        now = {key for key in truth(raw) if isinstance(key, ObjectKey)}
        starts, before = starts + bool(before - now), now  # only a start takes objects away
        install(poller, restarted(raw, starts).replace(b"created=", b"created=%d\n\told=" % created))
        forget = tuple(key for key in mirror.rows if isinstance(key, ObjectKey) and randomly.random() < 0.1)
        mirror.apply(scanner.scan(ScanRequest(forget=forget, reread_objects=randomly.random() < 0.1)))
        assert mirror.rows == truth(poller.status_file.read_bytes())


def test_two_blocks_of_one_name_are_one_row(poller: Poller, scan: Scan) -> None:
    mirror = Mirror()
    block = b"\nhoststatus {\n\thost_name=web01\n\tplugin_output=forged\n\t}\n"
    install(poller, golden("status-2.dat") + block)
    mirror.apply(scan(ASK))
    install(poller, golden("status-3.dat") + block)
    assert sent(mirror.apply(scan(ASK))) == []
    install(poller, golden("status-3.dat"))
    assert [type(frame) for frame in mirror.apply(scan(ASK))] == [Begin, End]


def test_many_rows_come_in_frames_of_bounded_size_and_chunks_lose_none(poller: Poller, scan: Scan) -> None:
    raw = golden("status-1.dat")
    (block,) = [part for part in raw.split(b"\n\t}\n") if b"service_description=Disk /var" in part]
    more = b"".join(block.replace(b"Disk /var", b"Disk %d" % number) + b"\n\t}\n" for number in range(2300))
    install(poller, raw + more)
    assert poller.status_file.stat().st_size > 2 * (1 << 20)
    mirror = Mirror()
    frames = mirror.apply(scan(ASK))
    assert len([frame for frame in frames if isinstance(frame, Rows)]) >= 5
    assert len(mirror.rows) == len(truth(raw)) + 2300


# --- the object cache -----------------------------------------------------------------------------------------------------------


def objects_in(frames: Iterable[Frame]) -> int:
    return sum(isinstance(frame, Objects) for frame in frames)


def test_the_object_cache_is_read_again_when_asked_when_it_changed_and_when_the_core_started(poller: Poller, scan: Scan) -> None:
    assert poller.object_cache_file is not None
    install(poller, golden("status-2.dat"))
    assert objects_in(scan(ASK)) == 1
    assert objects_in(scan(ScanRequest(reread_objects=True))) == 1
    poller.object_cache_file.write_bytes(golden("objects.cache", "icinga2-2.13.6"))
    assert objects_in(scan(ASK)) == 1  # although the status file is the same
    assert list(scan(ASK)) == [Unchanged(1)]
    install(poller, golden("status-3.dat"))
    assert objects_in(scan(ASK)) == 0
    start = parse_head(golden("status-3.dat")).program["program_start"].encode()
    install(poller, golden("status-3.dat").replace(b"program_start=" + start, b"program_start=1"))
    assert objects_in(scan(ASK)) == 1


@pytest.mark.parametrize("content", [b"", golden("objects.cache")[:5000], b"define nothing\n\t}\n", None])
def test_an_object_cache_that_cannot_be_had_stops_no_scan(poller: Poller, scan: Scan, content: bytes | None) -> None:
    assert poller.object_cache_file is not None
    poller.object_cache_file.unlink()
    if content is not None:
        poller.object_cache_file.write_bytes(content)
    install(poller, golden("status-1.dat"))
    mirror = Mirror()
    assert objects_in(mirror.apply(scan(ASK))) == 0
    assert mirror.rows == truth(golden("status-1.dat"))
    assert list(scan(ASK)) == [Unchanged(1)]  # not tried again and again
    poller.object_cache_file.write_bytes(golden("objects.cache"))
    assert objects_in(scan(ASK)) == 1


def test_a_core_that_writes_no_object_cache(poller: Poller) -> None:
    install(poller, golden("status-1.dat"))
    assert objects_in(Scanner(replace(poller, object_cache_file=None)).scan(ScanRequest(reread_objects=True))) == 0


# --- what goes wrong ------------------------------------------------------------------------------------------------------------


def test_a_missing_file(poller: Poller, scan: Scan) -> None:
    found = failure(scan(ASK))
    assert found.health == "missing"
    assert str(poller.status_file) in found.detail


def test_a_file_that_vanishes_for_a_moment_is_waited_for_and_one_that_stays_away_only_once(
    poller: Poller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Naemon takes it away at each reload: told at once, every reload would be an outage of the view."""
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            install(poller, golden("status-2.dat"))

    monkeypatch.setattr("engine.pollers.scan.time.sleep", nap)
    install(poller, golden("status-1.dat"))
    scanner, mirror = Scanner(poller), Mirror()
    mirror.apply(scanner.scan(ASK))
    poller.status_file.unlink()
    naps.clear()
    mirror.apply(scanner.scan(ASK))
    assert mirror.rows == truth(golden("status-2.dat")) and len(naps) in (3, 4)  # a nap may be for its inode, used again
    poller.status_file.unlink()
    assert failure(scanner.scan(ASK)).health == "missing"
    waited = len(naps)
    assert failure(scanner.scan(ASK)).health == "missing" and len(naps) == waited
    install(poller, golden("status-1.dat"))
    mirror.apply(scanner.scan(ASK))
    assert mirror.rows == truth(golden("status-1.dat"))


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/null")])
def test_something_else_in_its_place(poller: Poller, scan: Scan, make: Callable[[Path], None]) -> None:
    make(poller.status_file)
    assert failure(scan(ASK)).health == "unreadable"


def test_a_file_we_may_not_read(poller: Poller, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, flags: int) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    install(poller, golden("status-1.dat"))
    monkeypatch.setattr("engine.pollers.scan.os.open", refused)  # root would be let in
    found = failure(Scanner(poller).scan(ASK))
    assert found.health == "unreadable"
    assert "Permission denied" in found.detail


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (b"", "empty"),
        (b"garbage", "ends within a block"),
        (golden("status-1.dat")[:20000], "ends within a block"),
        (b"x\n\t}\n", "info and programstatus"),
        (golden("status-1.dat").replace(b"current_state=0", b"current_state=up"), "hoststatus of"),
    ],
)
def test_a_broken_file_changes_nothing_of_what_is_known(poller: Poller, scan: Scan, raw: bytes, word: str) -> None:
    mirror = Mirror()
    install(poller, golden("status-1.dat"))
    mirror.apply(scan(ASK))
    install(poller, raw)
    found = failure(scan(ASK))
    assert (found.health, word in found.detail) == ("broken", True), found.detail
    install(poller, golden("status-2.dat"))
    frames = mirror.apply(scan(ASK))
    assert isinstance(frames[0], Begin)
    assert not frames[0].first
    assert mirror.rows == truth(golden("status-2.dat"))


def test_a_file_written_in_place_while_it_is_read(poller: Poller) -> None:
    """As Centreon Engine writes, or a core whose temp_file lies on another file system."""
    raw = golden("status-1.dat")
    poller.status_file.write_bytes(raw)
    scanner, mirror = Scanner(poller), Mirror()
    frames = scanner.scan(ASK)
    assert isinstance(next(frames), Begin)
    poller.status_file.write_bytes(golden("status-2.dat"))
    assert failure(frames).health == "broken"
    assert isinstance(mirror.apply(scanner.scan(ASK))[0], Begin)
    assert mirror.rows == truth(golden("status-2.dat"))


def test_a_file_that_is_whole_again_in_a_moment(poller: Poller) -> None:
    install(poller, golden("status-1.dat")[:100])
    script = "import sys, time; time.sleep(0.1); open(sys.argv[1], 'wb').write(open(sys.argv[2], 'rb').read())"
    source = GOLDEN / "nagios-4.4.6" / "status-1.dat"
    with subprocess.Popen([sys.executable, "-S", "-c", script, str(poller.status_file), str(source)]) as writer:
        deadline = time.monotonic() + PATIENCE_S
        frames = list(Scanner(poller).scan(ASK))
        while isinstance(frames[-1], Failed) and time.monotonic() < deadline:
            frames = list(Scanner(poller).scan(ASK))
        assert isinstance(frames[-1], End)
    assert writer.returncode == 0


def test_a_part_of_a_rewritten_file_that_ends_behind_a_block_takes_nothing_away(poller: Poller) -> None:
    """Half of it was copied, the rest hangs: no core loses an object without being started again."""
    raw = golden("status-1.dat")
    poller.status_file.write_bytes(raw)
    scanner, mirror = Scanner(poller), Mirror()
    mirror.apply(scanner.scan(ASK))
    half = raw[: raw.rindex(b"servicestatus {")]
    poller.status_file.write_bytes(half)
    assert failure(scanner.scan(ASK)).health == "broken"
    assert mirror.rows == truth(raw)
    poller.status_file.write_bytes(restarted(half, 9))
    mirror.apply(scanner.scan(ASK))
    assert mirror.rows == truth(restarted(half, 9))


@pytest.mark.parametrize("is_rewritten", [False, True], ids=["renamed", "rewritten in place"])
def test_a_file_without_objects_it_had_is_believed_only_when_the_next_ones_say_the_same(poller: Poller, is_rewritten: bool) -> None:
    """A half file that ends behind a block: nothing of it vanishes, unless the core means it."""
    raw = golden("status-1.dat")
    half = raw[: raw.rindex(b"servicestatus {")]
    other = half[: half.rindex(b"servicestatus {")]
    torn = half + b"servicestatus {\n\thost_name=to"

    def put(content: bytes, number: int) -> bytes:
        made = content.replace(b"created=", b"created=%d\n\told=" % (1795478400 + number), 1)
        if is_rewritten:
            poller.status_file.write_bytes(made)
        else:
            install(poller, made)
        return made

    shown = put(raw, 0)
    scanner, mirror = Scanner(poller), Mirror()
    mirror.apply(scanner.scan(ASK))
    for number, content in enumerate((half, half, raw, half, half, other, half, half, torn, half, half), 1):
        made = put(content, number)
        for _ in range(3):  # looked at again, it is still the same one file
            frames = list(scanner.scan(ASK))
            if content != raw:
                assert failure(frames).health == "broken"
            else:
                mirror.apply(frames)
                shown = made
        assert mirror.rows == truth(shown)
    meant = put(half, 12)
    mirror.apply(scanner.scan(ASK))
    assert mirror.rows == truth(meant)


def test_a_file_still_growing_in_place_is_waited_for(poller: Poller) -> None:
    """Each write ends behind a block, so only that it does not stay tells that it is a part."""
    raw = golden("status-1.dat")
    blocks = [block + b"\n\t}\n" for block in raw.split(b"\n\t}\n")[:-1]]
    script = (
        "import sys, time\nout = open(sys.argv[1], 'wb', buffering=0)\n"
        "blocks = open(sys.argv[2], 'rb').read().split(b'\\n\\t}\\n')[:-1]\n"
        "for block in blocks:\n    out.write(block + b'\\n\\t}\\n')\n    time.sleep(0.01)\nout.write(b'\\n')"
    )
    source = GOLDEN / "nagios-4.4.6" / "status-1.dat"
    poller.status_file.write_bytes(b"".join(blocks[:3]))
    with subprocess.Popen([sys.executable, "-S", "-c", script, str(poller.status_file), str(source)]):
        deadline = time.monotonic() + PATIENCE_S
        frames = list(Scanner(poller).scan(ASK))
        while not isinstance(frames[-1], End) and time.monotonic() < deadline:
            frames = list(Scanner(poller).scan(ASK))
    mirror = Mirror()
    mirror.apply(frames)
    assert mirror.rows == truth(raw)


# --- Centreon Engine: comments that name their object by numbers ---------------------------------------------------------------


def comments(mirror: Mirror) -> set[tuple[str, str | None, str]]:
    return {(row.host_name, row.service_description, row.comment) for row in mirror.rows.values() if isinstance(row, CommentStatus)}


def test_comments_by_number_are_of_the_objects_whose_variables_say_so(poller: Poller) -> None:
    poller = replace(poller, kind=CoreKind.CENTREON, object_cache_file=None)
    raw = golden("status-1.dat", "centreon-engine-23.04")
    poller.status_file.write_bytes(raw)
    scanner, mirror = Scanner(poller), Mirror()
    mirror.apply(scanner.scan(ASK))
    expected = {
        ("web01", None, "we know; really"),
        ("web01", None, "}"),
        ("web01", "Disk /var", "hoststatus {"),
    }
    assert comments(mirror) == expected
    # An unknown number becomes known: nothing of the comment itself changed.
    known = raw.replace(b"_HOST_ID=0;13", b"_HOST_ID=0;99").replace(b"_SERVICE_ID=0;103", b"_SERVICE_ID=0;1")
    poller.status_file.write_bytes(known)
    mirror.apply(scanner.scan(ASK))
    assert comments(mirror) == expected | {("a,b", "PING", "of a host that is not there")}


def test_numbers_given_to_other_objects_at_a_start_move_their_comments(poller: Poller) -> None:
    poller = replace(poller, kind=CoreKind.CENTREON, object_cache_file=None)
    raw = golden("status-1.dat", "centreon-engine-23.04")
    poller.status_file.write_bytes(raw)
    scanner, mirror = Scanner(poller), Mirror()
    mirror.apply(scanner.scan(ASK))
    swapped = raw.replace(b"_HOST_ID=0;12", b"_HOST_ID=0;0").replace(b"_HOST_ID=0;11", b"_HOST_ID=0;12")
    poller.status_file.write_bytes(swapped.replace(b"program_start=1795392000", b"program_start=1795392009"))
    mirror.apply(scanner.scan(ASK))
    assert comments(mirror) == {("gate", None, "we know; really"), ("gate", None, "}")}


# --- the budget -----------------------------------------------------------------------------------------------------------------


@pytest.mark.core
def test_a_rescan_of_new_times_only_keeps_to_its_budget() -> None:
    """At most three times what md5sum takes; the full size is `python contrib/bench/scan.py`."""
    root = GOLDEN.parents[1]
    bench = [sys.executable, str(root / "contrib" / "bench" / "scan.py"), "--services", "5000", "--rounds", "5", "--interval", "1"]
    done = subprocess.run(bench, cwd=root, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "250 hosts, 5000 services" in done.stdout

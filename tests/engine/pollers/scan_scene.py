"""A poller whose status file is what a test puts there, and what a mirror makes of the frames of its scans."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from engine.config import Poller
from engine.formats.status import blocks_of, cut, parse_head, parse_row
from engine.model import CommentStatus, ContactStatus, CoreKind, DowntimeStatus, HostStatus, ObjectKey, ServiceStatus
from engine.state.frames import ROWS_PER_FRAME, Begin, End, Failed, Frame, Gone, Objects, Rows, ScanRequest, Unchanged

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
Row = HostStatus | ServiceStatus | ContactStatus | DowntimeStatus | CommentStatus
ASK = ScanRequest()


def poller_in(folder: Path) -> Poller:
    """Its object cache is a real core's; a status file is still to be put there."""
    cache = folder / "objects.cache"
    cache.write_bytes(golden("objects.cache"))
    return Poller(1, "one", CoreKind.NAGIOS, folder / "cmd", folder / "status.dat", folder / "log", cache)


def install(poller: Poller, raw: bytes) -> None:
    """As cores write: a temporary file, then rename."""
    temporary = poller.status_file.with_name("status.tmp")
    temporary.write_bytes(raw)
    temporary.rename(poller.status_file)


def golden(name: str, folder: str = "nagios-4.4.6") -> bytes:
    return (GOLDEN / folder / name).read_bytes()


class Mirror:
    """What a mirror would hold: rows by name, without the times of writing and the hashes."""

    def __init__(self) -> None:
        self.rows: dict[object, Row] = {}

    def apply(self, frames: Iterable[Frame]) -> list[Frame]:
        """Take a whole scan; its frames. Asserts their order and size."""
        found = list(frames)
        if isinstance(found[-1], Unchanged | Failed):
            return found
        kinds = [type(frame) for frame in found]
        order = [Begin, Objects, Rows, Gone, End]
        assert kinds == sorted(kinds, key=order.index)
        assert [kinds.count(kind) for kind in (Begin, End)] == [1, 1]
        assert kinds.count(Objects) <= 1
        begin, end = found[0], found[-1]
        assert isinstance(begin, Begin)
        assert isinstance(end, End)
        if begin.first:
            self.rows = {}
        for frame in found:
            if isinstance(frame, Rows):
                rows = [*frame.hosts, *frame.services, *frame.downtimes, *frame.comments, *frame.contacts]
                assert 0 < len(rows) <= ROWS_PER_FRAME
                self.rows.update((name_of(row), plain(row)) for row in rows)
            if isinstance(frame, Gone):
                for name in [
                    *frame.objects,
                    *((DowntimeStatus, *d) for d in frame.downtimes),
                    *((CommentStatus, *c) for c in frame.comments),
                    *((ContactStatus, name) for name in frame.contacts),
                ]:
                    del self.rows[name]  # KeyError: said to be gone without having been there
        assert end.hosts == sum(isinstance(row, HostStatus) for row in self.rows.values())
        assert end.services == sum(isinstance(row, ServiceStatus) for row in self.rows.values())
        return found


def name_of(row: Row) -> object:
    match row:
        case HostStatus():
            return ObjectKey(1, row.name)
        case ServiceStatus():
            return ObjectKey(1, row.host_name, row.description)
        case ContactStatus():
            return type(row), row.name
        case DowntimeStatus() | CommentStatus():
            return type(row), row.service_description is not None, row.core_id


def plain(row: Row) -> Row:
    return (
        row._replace(block_hash=0, last_update=0.0) if isinstance(row, HostStatus | ServiceStatus) else row._replace(block_hash=0)
    )


def truth(raw: bytes) -> dict[object, Row]:
    """All rows of a file, parsed at once."""
    head = parse_head(raw)
    rows = (parse_row(block, 0, head.created) for block in blocks_of(cut(raw)[0], head.created_text))
    return {name_of(row): plain(row) for row in rows if row is not None}


def sent(frames: Iterable[Frame]) -> list[object]:
    """Names of all rows in the frames."""
    rows = [row for f in frames if isinstance(f, Rows) for row in (*f.hosts, *f.services, *f.downtimes, *f.comments, *f.contacts)]
    return [name_of(row) for row in rows]


def failure(frames: Iterable[Frame]) -> Failed:
    last = list(frames)[-1]
    assert isinstance(last, Failed)
    assert last.poller == 1
    return last

"""Blocks read at once: always what reading them line by line gives, whatever came before them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import FormatError
from engine.formats.layout import MOST_LAYOUTS, RowReader
from engine.formats.status import ObjectIds, StatusRow, blocks_of, cut, parse_head, parse_row
from engine.model import ServiceStatus

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
FILES = sorted(GOLDEN.glob("*/status-*.dat"))


def recorded(path: Path) -> tuple[list[bytes], float]:
    raw = path.read_bytes()
    head = parse_head(raw)
    return blocks_of(cut(raw)[0], head.created_text), head.created


def told(read: RowReader | None, block: bytes, created: float) -> StatusRow | str | None:
    """The row, or the words of the error."""
    try:
        return parse_row(block, 7, created, ObjectIds()) if read is None else read.row(block, 7, created, ObjectIds())
    except FormatError as error:
        return str(error)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_recorded_block_gives_the_row_that_reading_it_by_the_line_gives(path: Path) -> None:
    blocks, created = recorded(path)
    reader = RowReader()
    for block in blocks * 2:  # the second time every layout is known
        assert told(reader, block, created) == told(None, block, created)


def lines_of(path: Path, word: bytes) -> list[bytes]:
    return next(block for block in recorded(path)[0] if block.strip().startswith(word)).split(b"\n\t")


NAGIOS = next(path for path in FILES if path.parent.name == "nagios-4.4.6")
LINES = {word: lines_of(NAGIOS, word) for word in (b"hoststatus", b"servicestatus")}
VALUES = st.one_of(st.binary(max_size=12), st.sampled_from([b"", b"1", b"-1", b"nan", b"1e400", b"}", b"a=b", b"a\\nb", b"\n\t}"]))


@st.composite
def blocks(draw: st.DrawFn) -> bytes:
    """A real block some of whose lines are gone, doubled, moved, given another value or custom variables."""
    head, *lines = draw(st.sampled_from(list(LINES.values())))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["drop", "double", "move", "value", "variable", "text"])):
            case "drop":
                del lines[at]
            case "double":
                lines.append(lines[at])
            case "move":
                lines.append(lines.pop(at))
            case "value":
                lines[at] = lines[at].split(b"=")[0] + b"=" + draw(VALUES)
            case "variable":
                lines.append(b"_" + draw(st.sampled_from([b"RACK", b"", b"host_name"])) + b"=" + draw(VALUES))
            case "text":
                lines.append(draw(VALUES))
    return b"\n\t".join([head, *lines])


@given(st.lists(blocks(), min_size=1, max_size=6))
def test_no_block_is_read_otherwise_for_what_was_read_before_it(read: list[bytes]) -> None:
    reader = RowReader()
    for block in (b"\n\t".join(LINES[b"servicestatus"]), *read, *read):
        assert told(reader, block, 100.0) == told(None, block, 100.0)


def test_a_core_whose_blocks_are_all_of_other_keys_costs_no_expression_for_each() -> None:
    reader = RowReader()
    head, *lines = LINES[b"servicestatus"]
    for number in range(3 * MOST_LAYOUTS):
        block = b"\n\t".join([head, *lines, b"key%d=1" % number])
        assert isinstance(reader.row(block, 7, 100.0), ServiceStatus)
    assert len(reader._layouts) == MOST_LAYOUTS

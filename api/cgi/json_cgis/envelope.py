"""An answer put together: what every one of them begins with, then its data, long lists piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec
import orjson

from api.cgi.json_cgis.options import Code
from api.cgi.json_cgis.output import Output

_PIECE_BYTES = 1 << 16


class Data(msgspec.Struct, frozen=True):
    """What is under `data`: members, then perhaps one long list under `name`, of encoded entries.

    Entries of an object (`is_keyed`) are `"key":value`, made by `member`.
    """

    members: Mapping[str, object] = msgspec.field(default_factory=dict)
    name: str = ""
    entries: Iterable[bytes] = ()
    is_keyed: bool = True


class Result(msgspec.Struct, frozen=True):
    """The head of an answer; times in seconds. `updated` None: no data stands behind it."""

    cgi: str
    user: str | None
    query: str
    now: int
    program_start: float
    updated: float | None
    code: Code = Code.SUCCESS
    message: str = ""

    def written(self, output: Output) -> dict[str, object]:
        """As it stands in the answer."""
        found: dict[str, object] = {"query_time": output.time(self.now), "cgi": self.cgi}
        if self.user is not None:
            found["user"] = self.user
        if self.query:
            found |= {"query": self.query, "query_status": "released"}
        found["program_start"] = output.time(self.program_start)
        if self.updated is not None:
            found["last_data_update"] = output.time(self.updated)
        return found | {"type_code": int(self.code), "type_text": self.code.text, "message": self.message}


def member(output: Output, key: str, value: object, depth: int = 3) -> bytes:
    """One member of a list that is an object."""
    return orjson.dumps(key) + (b": " if output.whitespace else b":") + output.encode(value, depth)


def answer(output: Output, result: Result, data: Data | bytes) -> Iterator[bytes]:
    """The whole document. `data` as bytes is encoded already."""
    pad = [b"\n" + b"  " * depth if output.whitespace else b"" for depth in range(4)]
    colon = b": " if output.whitespace else b":"
    head = output.encode(result.written(output), 1)
    yield b"".join(
        (b"{", pad[1], b'"format_version"', colon, b"0,", pad[1], b'"result"', colon, head, b",", pad[1], b'"data"', colon)
    )
    if isinstance(data, bytes):
        yield (output.encode(orjson.loads(data), 1) if output.whitespace else data) + pad[0] + b"}\n"
        return
    yield b"{" + b",".join([pad[2] + member(output, key, value, 2) for key, value in data.members.items()])
    if data.name:
        brackets = (b"{", b"}") if data.is_keyed else (b"[", b"]")
        yield (b"," if data.members else b"") + pad[2] + orjson.dumps(data.name) + colon + brackets[0]
        yield from _joined(data.entries, pad[3])
        yield pad[2] + brackets[1]
    yield pad[1] + b"}" + pad[0] + b"}\n"


def _joined(entries: Iterable[bytes], pad: bytes) -> Iterator[bytes]:
    """Entries with commas between them, in pieces of some size."""
    held: list[bytes] = []
    size = 0
    between = pad
    for entry in entries:
        held += (between, entry)
        size += len(entry)
        between = b"," + pad
        if size >= _PIECE_BYTES:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)

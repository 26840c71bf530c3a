"""Lists of state: which rows, in which order, which of their members, how fresh, and in what form.

Rules: a list is read and encoded in a reader's thread in one read transaction; that never waits for a client: a page is one body,
everything goes into a spool that is sent while it grows. Items are written by SQLite (`members.py`). Everything is of one
generation, so it is one read transaction, of LONGEST_READ_S at the most. The ETag is that of state.db's
change (of rows of the journal: what is shown of them), the question, and who asks; ages move without it, so it is a weak one.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import chain, groupby, islice, repeat
from operator import itemgetter
from typing import Annotated, ClassVar, TypeVar

import msgspec
from starlette.responses import Response

from api.native.forms import Form, is_known, with_gaps
from api.native.members import Expression, Fresh, Member, item_of
from api.native.operation import Answer, Call, poller_number
from api.native.pollers import View, fresh_views
from api.native.requests import MOST_ROWS, FreshQuery, doc
from api.render import JSON, NDJSON, Spool, encode_json, encoded_response, spooled_response
from engine.errors import InvalidField, InvalidSearch
from engine.state.fields import Table, seen_by
from engine.state.lists import ALL, Listing, Source, merged
from engine.state.scope import Scope
from engine.state.search import Condition, condition, order
from engine.state.views import Reader

T = TypeVar("T")
Piece = tuple[str, int]  # items as one text, and how many they are

ROWS_OF_FIRST_PIECE = 500  # some milliseconds, and some hundred KB at most: so that something is there soon
ROWS_PER_PIECE = 4000  # of all others: each costs the loop a turn, and the thread that reads its hold of the interpreter
MOST_SORT_KEYS = 10
SHORT_PAGE = 50  # rows up to its end: half a millisecond
LONGEST_PAGE_S = 2.0  # the write-ahead log grows as long as anybody reads
LONGEST_READ_S = 10.0  # everything, with every member, of the largest networks


class ListQuery(FreshQuery, frozen=True, kw_only=True):
    """Which rows, in which order and form. `plain` are the parameters that are fields of the rows."""

    tables: ClassVar[tuple[Table, ...]] = ()

    search: Annotated[str, doc('JSON, e.g. `{"$and": [{"host.name": {"$lk": "web%"}}, {"state": {"$in": ["DOWN", 2]}}]}`')] = ""
    sort: Annotated[str, doc("fields, separated by commas; `-` in front: descending")] = ""
    limit: Annotated[int, doc("rows per answer; 0: all, streamed", ge=0, le=MOST_ROWS)] = 100
    offset: Annotated[int, doc("rows left out before the first", ge=0, le=2**31)] = 0
    page: Annotated[int, doc("instead of `offset`: the how manieth `limit` rows", ge=1, le=2**31)] | None = None
    fields: Annotated[str, doc("members of an item that are wanted, separated by commas; absent: all")] = ""
    plain: Annotated[tuple[tuple[str, str], ...], doc("any field of the search language: `state=DOWN&_RACK=A1`")] = ()

    @classmethod
    def takes(cls, name: str) -> bool:
        """Whether a parameter is a field that can be searched by."""
        bare = name.removesuffix("_older_than").removesuffix("_newer_than")
        return bool(cls.tables) and all(table.field(name) or table.field(bare) for table in cls.tables)

    def is_counted(self, call: Call) -> bool:
        """Whether the number of rows is known without counting, and an index has them in their order."""
        return False

    @property
    def first(self) -> int:
        """Rows before the first one wanted. Raises InvalidField."""
        if self.page is None:
            return self.offset
        if self.offset:
            raise InvalidField("page and offset say the same twice: leave one out.", field="page")
        return (self.page - 1) * self.limit


class Section(msgspec.Struct, frozen=True):
    """Rows of one kind with their members. A list is one section after another.

    `beside`: members that are read for so many rows at once, by the rows' numbers; `late` are their names.
    """

    listing: Listing
    members: Mapping[str, Member]
    late: frozenset[str] = frozenset()
    beside: Callable[[Reader, Sequence[int]], Mapping[str, Member]] | None = None


class Chosen(msgspec.Struct, frozen=True):
    """What a list consists of: its sections, and how many rows that is.

    `keys`: the ORDER BY expressions of each section, and how they are ordered, where sections are to be merged by them.
    """

    sections: Sequence[Section]
    count: Callable[[Reader], int]
    keys: tuple[Sequence[Sequence[str]], Sequence[str]] | None = None


Choose = Callable[[Reader, int | None], Chosen]


async def rows_answer(
    call: Call,
    query: ListQuery,
    source: Source,
    members: Callable[[Scope], Mapping[str, Member]],
    names: Sequence[str],
    *conditions: Condition,
) -> Answer:
    """A list of one kind of rows. `members`: those of an item, for a caller of that scope."""

    def choose(reader: Reader, poller: int | None) -> Chosen:
        listing = listing_of(call, query, source, poller, *conditions)
        return Chosen([Section(listing, members(call.caller.scope.on(poller)))], listing.count)

    return await list_answer(call, query, choose, names)


async def list_answer(call: Call, query: ListQuery, choose: Choose, names: Sequence[str], *, is_dear: bool = False) -> Answer:
    """One list. `names`: the members of an item; `choose` says what it consists of, given the poller's number.

    `is_dear`: a page of it takes long to read although nothing is searched or sorted, which must not end it.
    """
    wanted, first = _wanted(query, names), query.first
    lines = _prefers_lines(call.headers.get("accept", ""))
    spool = Spool() if lines or not query.limit else None

    is_short = spool is None and query.is_counted(call) and query.limit + first <= SHORT_PAGE
    is_kept = is_short and call.is_kept

    def reading(reader: Reader) -> _Reading:
        return _Reading(call, query, wanted, first, lines, reader, spool, is_kept)

    def work(reader: Reader) -> Response | None:
        with reader.limited(LONGEST_PAGE_S if query.limit and not is_dear else LONGEST_READ_S):
            return reading(reader).answer(choose)

    if is_kept:
        return Answer(None, form=await call.desk.find(call.caller, lambda reader: reading(reader).form(choose), short=True))
    if spool is None:
        return Answer(None, response=await call.desk.find(call.caller, work, short=is_short))
    return Answer(None, response=await spooled_response(spool, call.desk.find(call.caller, work)))


def listing_of(call: Call, query: ListQuery, source: Source, poller: int | None, *conditions: Condition) -> Listing:
    """What search, plain fields and sort leave of a kind of rows. Raises InvalidSearch."""
    scope = call.caller.scope.on(poller)
    by = order(seen_by(scope, source.table), sort_keys(query)) if query.sort else ""
    return Listing.within(scope, source, [*conditions, *asked(call, query, source.table, poller)], by)


def asked(call: Call, query: ListQuery, table: Table, poller: int | None = None) -> list[Condition]:
    """What search and plain fields ask of one kind of row. Raises InvalidSearch."""
    if not (query.search or query.plain):
        return []
    return [condition(seen_by(call.caller.scope.on(poller), table), query.search, query.plain, call.clock.now())]


def sort_keys(query: ListQuery) -> list[tuple[str, bool]]:
    """(field, descending) of each key. Raises InvalidSearch."""
    words = query.sort.split(",") if query.sort else []
    if len(words) > MOST_SORT_KEYS:
        raise InvalidSearch(f"sort holds more than {MOST_SORT_KEYS} fields: leave some out.", field="sort", limit=MOST_SORT_KEYS)
    return [(word.strip().removeprefix("-"), word.strip().startswith("-")) for word in words]


def _wanted(query: ListQuery, names: Sequence[str]) -> list[str]:
    """The members asked for. Raises InvalidSearch."""
    if not query.fields:
        return list(names)
    wanted = list(dict.fromkeys(word.strip() for word in query.fields.split(",")))
    unknown = next((word for word in wanted if word not in names), None)
    if unknown is not None:
        near = difflib.get_close_matches(unknown[:100], names, n=3)
        remedy = f"perhaps {' or '.join(near)}?" if near else f"there are {', '.join(names)}."
        raise InvalidSearch(f"fields: an item has no member {unknown!r}: {remedy}", field=unknown, near=near)
    return wanted


def _prefers_lines(accept: str) -> bool:
    return NDJSON in accept.lower()


class _Reading(msgspec.Struct, frozen=True):
    """One list on its way out of the reader, within its read transaction."""

    call: Call
    query: ListQuery
    wanted: Sequence[str]
    first: int
    lines: bool
    reader: Reader
    spool: Spool | None
    is_kept: bool

    def answer(self, choose: Choose) -> Response | None:
        """The answer; None: it goes into the spool."""
        poller = poller_number(self.reader, self.call.caller, self.query.poller)
        fresh = fresh_views(self.reader, self.call, self.query, poller)
        chosen = choose(self.reader, poller)
        source = chosen.sections[0].listing.source
        found = self._found(chosen) if source.written else None
        headers = self._headers(fresh, self._written(chosen, found) if found is not None else "")
        if is_known(headers.get("ETag", ""), self.call.headers.get("if-none-match", "")):
            return Response(status_code=304, headers=headers)
        found = self._found(chosen) if found is None else found
        total = len(found) if found is not None else chosen.count(self.reader)
        if self.lines:
            headers |= {"Signalbox-Total": str(total), "Signalbox-Views": _ascii(list(fresh.values()))}
        media_type = NDJSON if self.lines else JSON
        items = self._items(chosen, fresh, found)
        pieces = self._lines(items) if self.lines else self._document(items, fresh, total)
        if self.spool is None:
            return encoded_response(200, b"".join(pieces), headers, media_type)
        self.spool.fill(pieces, headers | {"Content-Type": media_type})
        return None

    def form(self, choose: Choose) -> Form:
        """A short page that is to be kept."""
        poller = poller_number(self.reader, self.call.caller, self.query.poller)
        fresh, chosen = fresh_views(self.reader, self.call, self.query, poller), choose(self.reader, poller)
        written = b"".join(self._document(self._items(chosen, fresh, None), fresh, chosen.count(self.reader)))
        return Form.of(written, fresh, self.reader.pollers(self.call.caller.scope), self._headers(fresh))

    def _written(self, chosen: Chosen, found: Sequence[int]) -> str:
        """What is shown of rows that change without state.db."""
        (section,) = chosen.sections
        digest = blake2b(str(len(found)).encode(), digest_size=12)
        for text, _ in self._at(section.listing, lambda piece: (section.listing.source.written, ()), self._page(found)):
            digest.update(text.encode("utf-8", "backslashreplace"))
        return digest.hexdigest()

    def _headers(self, fresh: Fresh, written: str = "") -> dict[str, str]:
        tag = self._tag(fresh, written)
        return {"Cache-Control": "private, no-cache", "Vary": "Authorization, Accept"} | ({"ETag": tag} if tag is not None else {})

    def _tag(self, fresh: Fresh, written: str) -> str | None:
        """What changes whenever the answer does; None when it changes with time alone."""
        query, caller = self.query, self.call.caller
        now, search, plain = self.call.clock.now(), query.search, query.plain
        if (search or plain) and any(
            condition(table, search, plain, now) != condition(table, search, plain, now + 1) for table in query.tables
        ):
            return None
        health = [(view.poller, view.stale, view.health) for view in fresh.values()]
        limits = sorted(caller.scope.pollers or ()), sorted(caller.scope.hostgroups or ())
        scope = (*limits, caller.scope == type(caller.scope)(), caller.scope.rights)
        about = (
            type(query).__name__,
            query,
            sorted(self.call.names.items()),
            self.lines,
            scope,
            health,
            self.reader.change(),
            written,
        )
        return f'W/"{blake2b(repr(about).encode("utf-8", "backslashreplace"), digest_size=12).hexdigest()}"'

    # --- rows to bytes --------------------------------------------------------------------------------------------------------

    @property
    def _between(self) -> str:
        return "\n" if self.lines else ","

    def _document(self, pieces: Iterator[Piece], fresh: Fresh, total: int) -> Iterator[bytes]:
        head = {"total": total, "limit": self.query.limit, "offset": self.first, "views": list(fresh.values())}
        yield (with_gaps(head, fresh) if self.is_kept else encode_json(head))[:-1] + b',"items":['
        between = b""
        for items, _ in pieces:
            yield between + items.encode()
            between = b","
        yield b"]}"

    def _lines(self, pieces: Iterator[Piece]) -> Iterator[bytes]:
        for items, _ in pieces:
            yield items.encode() + b"\n"

    def _found(self, chosen: Chosen) -> list[int] | None:
        """What a search or a scope left, row by row, where it might be dear to look twice; None where counting is cheap."""
        listing, query = chosen.sections[0].listing, self.query
        if len(chosen.sections) > 1:
            return None
        if listing.source.is_walked and not (query.search or query.plain or (not query.limit and not listing.is_everything)):
            return None
        return listing.found(self.reader)

    def _page(self, found: Sequence[int]) -> Iterator[int]:
        return iter(found[self.first :][: self.query.limit or None])

    def _items(self, chosen: Chosen, fresh: Fresh, found: list[int] | None) -> Iterator[Piece]:
        """Items by the piece."""
        if found is not None:
            section = chosen.sections[0]
            return self._at(section.listing, lambda piece: self._item(section, fresh, piece), self._page(found))
        return self._in_turn(chosen, fresh) if chosen.keys is None else self._merged(chosen, fresh)

    def _in_turn(self, chosen: Chosen, fresh: Fresh) -> Iterator[Piece]:
        left, skip = self.query.limit or ALL, self.first
        for at, section in enumerate(chosen.sections):
            if left == 0:
                return
            is_last = at == len(chosen.sections) - 1
            seen = 0
            for piece in self._of_section(section, fresh, left, skip):
                seen += piece[1]
                yield piece
            left = left - seen if left != ALL else ALL
            if skip and not is_last:
                skip = max(0, skip - section.listing.count(self.reader)) if not seen else 0

    def _merged(self, chosen: Chosen, fresh: Fresh) -> Iterator[Piece]:
        assert chosen.keys is not None
        listings = [section.listing for section in chosen.sections]
        written = [self._item(section, fresh) for section in chosen.sections]
        found = merged(self.reader, listings, *chosen.keys, self.query.limit or ALL, self.first)
        for at, group in groupby(found, key=itemgetter(0)):
            yield from self._at(listings[at], _always(written[at]), (rowid for _, rowid in group))

    def _at(self, listing: Listing, item: Callable[[Sequence[int]], Expression], rowids: Iterator[int]) -> Iterator[Piece]:
        for piece in _pieces(rowids):
            yield listing.at(self.reader, item(piece), self._between, piece)

    def _of_section(self, section: Section, fresh: Fresh, limit: int, offset: int) -> Iterator[Piece]:
        item = self._item(section, fresh)
        if ALL != limit <= ROWS_OF_FIRST_PIECE:
            piece = section.listing.joined(self.reader, item, self._between, limit, offset)
            if piece[1]:
                yield piece
            return
        if limit == ALL and not offset and section.listing.is_everything:
            yield from section.listing.pieces(self.reader, item, self._between, _sizes())
            return
        for items in _pieces(section.listing.rows(self.reader, item, limit, offset)):
            yield self._between.join(items), len(items)

    def _item(self, section: Section, fresh: Fresh, rowids: Sequence[int] = ()) -> Expression:
        members = section.members
        if section.beside is not None and not section.late.isdisjoint(self.wanted):
            members = {**members, **section.beside(self.reader, rowids)}
        return item_of(members, self.wanted, fresh, self.call.clock.now(), with_gaps=self.is_kept)


def _always(item: Expression) -> Callable[[Sequence[int]], Expression]:
    """The same for whichever rows."""
    return lambda rowids: item


def _sizes() -> Iterator[int]:
    """The rows of one piece after another."""
    return chain([ROWS_OF_FIRST_PIECE], repeat(ROWS_PER_PIECE))


def _pieces(rows: Iterator[T]) -> Iterator[list[T]]:
    for size in _sizes():
        if not (piece := list(islice(rows, size))):
            return
        yield piece


def _ascii(views: Sequence[View]) -> str:
    return json.dumps(msgspec.to_builtins(views), separators=(",", ":"))

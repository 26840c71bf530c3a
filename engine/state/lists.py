"""Lists: what a condition finds of rows of one kind, hosts say, in an order, a page of it or all.

Rules: a page is chosen from an index alone and only then joined with the wide rows; all of it is read in index order, row by row,
so that the first is there at once. Whoever asks gives the caller's scope as the first condition.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from operator import itemgetter

import msgspec
import orjson

from engine.state.fields import HOSTS, SERVICES, Table
from engine.state.scope import Scope
from engine.state.search import Condition, Kind
from engine.state.views import Reader

ALL = -1
_FIRST = itemgetter(0)


class Source(msgspec.Struct, frozen=True):
    """The rows that a kind of list is made of.

    `rows`: their table and its alias; `joins`: what may stand beside a row, by its alias; `seen`: which rows a scope holds.
    `is_walked`: an index has them in the order of `table.tie`. `written`: of rows that change without state.db, all that may.
    """

    rows: str
    table: Table
    seen: Callable[[Scope], Condition]
    joins: tuple[tuple[str, str], ...] = ()
    is_walked: bool = False
    written: str = ""

    @property
    def row(self) -> str:
        """The number of a row."""
        return f"{self.rows.rpartition(' ')[2]}.rowid"


HOST_ROWS = Source(
    "state.host h",
    HOSTS,
    lambda scope: scope.sql("h.poller", "h.name"),
    (
        ("p", "CROSS JOIN state.poller p ON p.number = h.poller"),
        ("c", "LEFT JOIN state.host_config c ON c.poller = h.poller AND c.name = h.name"),
    ),
    is_walked=True,
)
SERVICE_ROWS = Source(
    "state.service s",
    SERVICES,
    lambda scope: scope.sql("s.poller", "s.host_name", "s.description"),
    (
        ("p", "CROSS JOIN state.poller p ON p.number = s.poller"),
        ("h", "LEFT JOIN state.host h ON h.poller = s.poller AND h.name = s.host_name"),
        (
            "c",
            "LEFT JOIN state.service_config c"
            " ON c.poller = s.poller AND c.host_name = s.host_name AND c.description = s.description",
        ),
    ),
    is_walked=True,
)
OBJECT_ROWS: dict[Kind, Source] = {"host": HOST_ROWS, "service": SERVICE_ROWS}


class Listing(msgspec.Struct, frozen=True):
    """What is to be found, in which order: a list of search.order, or "" for that of its kind."""

    source: Source
    conditions: Sequence[Condition]
    order: str = ""

    @classmethod
    def within(cls, scope: Scope, source: Source, conditions: Sequence[Condition], order: str = "") -> Listing:
        """One of what is within scope."""
        return cls(source, (source.seen(scope), *conditions), order)

    def narrowed(self, *conditions: Condition) -> Listing:
        """What further conditions leave of it."""
        return Listing(self.source, (*self.conditions, *conditions), self.order)

    def count(self, reader: Reader) -> int:
        """How many there are."""
        where, values = self._where()
        (count,) = reader.connection.execute(f"SELECT count(*) FROM {self.source.rows} WHERE {where}", values).fetchone()
        return int(count)

    def counted_by(self, reader: Reader, value: str) -> dict[int, int]:
        """How many there are of each value of an expression."""
        where, values = self._where()
        query = f"SELECT {value}, count(*) FROM {self.source.rows} WHERE {where} GROUP BY 1"
        return dict(reader.connection.execute(query, values))

    def rows(self, reader: Reader, item: Condition, limit: int = ALL, offset: int = 0) -> Iterator[str]:
        """What an expression makes of each row, over the aliases `h` or `s`, `c` its configuration, `p` its poller and, of a
        service, `h` its host."""
        where, values = self._where()
        source, order = self.source.rows, self._order
        chosen, own = item
        if limit == ALL and not offset and not self.order:
            whole = f"SELECT {chosen} FROM {source} {self._joins(chosen)} WHERE {where} ORDER BY {order}"
            return map(_FIRST, reader.connection.execute(whole, [*own, *values]))
        query, values = self._page(item, limit, offset)
        return map(_FIRST, reader.connection.execute(query, values))

    def joined(self, reader: Reader, item: Condition, between: str, limit: int, offset: int = 0) -> tuple[str, int]:
        """The same of a page, as one text, and how many rows that is.

        Each row that Python takes from SQLite gives the interpreter's lock away and waits for it again.
        """
        query, values = self._page((f"{item[0]} AS item", item[1]), limit, offset)
        text, count = reader.connection.execute(
            f"SELECT group_concat(item, ?), count(*) FROM ({query})", [between, *values]
        ).fetchone()
        return text or "", count

    @property
    def is_everything(self) -> bool:
        """Whether nothing limits it, in the order of the index."""
        return self.source.is_walked and not self.order and all(sql == "1" for sql, _ in self.conditions)

    def pieces(self, reader: Reader, item: Condition, between: str, sizes: Iterable[int]) -> Iterator[tuple[str, int]]:
        """The same of all rows, one text after another of at most so many rows each, for what is everything."""
        source, keys, (chosen, own) = self.source.rows, self._order, item
        rows = f"SELECT {chosen} AS item FROM {source} {self._joins(chosen)}"
        for where, values in self.ranges(reader, sizes):
            joined = f"SELECT group_concat(item, ?), count(*) FROM ({rows} WHERE {where} ORDER BY {keys})"
            yield reader.connection.execute(joined, [between, *own, *values]).fetchone()

    def ranges(self, reader: Reader, sizes: Iterable[int]) -> Iterator[Condition]:
        """All rows from key to key of the index, which are looked up in it alone; none of these conditions finds nothing.

        They are whole hosts as far as that can be: SQLite compares no row of those with the end, a tenth of a long list's time.
        """
        names = self.source.table.tie
        keys, marks, rest = ", ".join(names), ", ".join("?" * len(names)), ("",) * (len(names) - 2)
        look = f"SELECT {keys} FROM {self.source.rows}"
        begin = reader.connection.execute(f"{look} ORDER BY {keys} LIMIT 1").fetchone()
        for size in sizes if begin else ():
            beyond = f"{look} WHERE ({keys}) >= ({marks}) ORDER BY {keys} LIMIT 1 OFFSET ?"
            end = reader.connection.execute(beyond, [*begin, size]).fetchone()
            if not end:
                yield f"({keys}) >= ({marks})", begin
                return
            if end[:2] != begin[:2]:
                end = (*end[:2], *rest)
            if end[0] == begin[0] and begin[2:] == end[2:] == rest:
                yield f"{names[0]} = ? AND {names[1]} >= ? AND {names[1]} < ?", (*begin[:2], end[1])
            else:
                yield f"({keys}) >= ({marks}) AND ({keys}) < ({marks})", (*begin, *end)
            begin = end

    def _page(self, item: Condition, limit: int, offset: int) -> Condition:
        """The statement of a page's rows; CROSS JOIN keeps SQLite from turning the loops around, so they come in its order."""
        where, values = self._where()
        source, row, order, (chosen, own) = self.source.rows, self.source.row, self._order, item
        page = f"SELECT {row} FROM {source} WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?"
        joined = f"({page}) k CROSS JOIN {source} ON {row} = k.rowid {self._joins(chosen)}"
        return f"SELECT {chosen} FROM {joined}", [*own, *values, limit, offset]

    def found(self, reader: Reader) -> list[int]:
        """The numbers of all its rows, in order: one pass where counting and reading a page would be two."""
        where, values = self._where()
        query = f"SELECT {self.source.row} AS number FROM {self.source.rows} WHERE {where} ORDER BY {self._order}"
        (numbers,) = reader.connection.execute(f"SELECT json_group_array(number) FROM ({query})", values).fetchone()
        found: list[int] = orjson.loads(numbers)
        return found

    def at(self, reader: Reader, item: Condition, between: str, rowids: Sequence[int]) -> tuple[str, int]:
        """What an expression, as of `rows`, makes of the rows of these numbers, in their order: one text as of `joined`."""
        chosen, own = item
        joined = f"json_each(?) k CROSS JOIN {self.source.rows} ON {self.source.row} = k.value {self._joins(chosen)}"
        query = f"SELECT group_concat(item, ?), count(*) FROM (SELECT {chosen} AS item FROM {joined})"
        text, count = reader.connection.execute(query, [between, *own, str(list(rowids))]).fetchone()
        return text or "", count

    def selected(self, columns: Sequence[str]) -> Condition:
        """A SELECT of these columns, for a statement of more than one kind."""
        where, values = self._where()
        return f"SELECT {', '.join(columns)} FROM {self.source.rows} WHERE {where}", values

    @property
    def _order(self) -> str:
        return self.order or ", ".join(self.source.table.tie)

    def _where(self) -> Condition:
        return (
            " AND ".join(f"({sql})" for sql, _ in self.conditions if sql != "1") or "1",
            [value for _, values in self.conditions for value in values],
        )

    def _joins(self, columns: str) -> str:
        return _joins(self.source.joins, columns)


@lru_cache(maxsize=256)
def _joins(joins: tuple[tuple[str, str], ...], columns: str) -> str:
    return " ".join(join for alias, join in joins if re.search(rf"\b{alias}\.", columns))


def merged(
    reader: Reader,
    listings: Sequence[Listing],
    keys: Sequence[Sequence[str]],
    orders: Sequence[str],
    limit: int = ALL,
    offset: int = 0,
) -> Iterator[tuple[int, int]]:
    """(which listing, rowid) of the rows of several as one list. `keys`: what each sorts by; `orders`: how, e.g. `DESC`."""
    parts: list[str] = []
    values: list[object] = []
    for at, listing in enumerate(listings):
        named = [f"{key} AS k{number}" for number, key in enumerate(keys[at])]
        sql, own = listing.selected([str(at), listing.source.row, *named])
        parts.append(sql)
        values += own
    # Each part is read in its own order and only as far as the page goes; sorted twice, deep pages took twice as long.
    by = ", ".join(f"k{number} {order}" for number, order in enumerate(orders))
    query = f"{' UNION ALL '.join(parts)} ORDER BY {by} LIMIT ? OFFSET ?"
    return ((row[0], row[1]) for row in reader.connection.execute(query, [*values, limit, offset]))

"""Blocks of hosts and services read at once: those that one core writes have the same keys in the same order.

What belongs here: a faster way to what `status.parse_row` makes of a block, never another answer (a test compares them). Pure
but for what it remembers.

Theory of operation. The keys of the first block of a kind become one expression with a group per wanted value. A block that fits it
whole, up to its custom variables, has just these keys; any other (an older core's, one with a newline in a value, one that names
no object) is left to `parse_row`, after its keys became an expression of their own, if there are not MOST_LAYOUTS yet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

import msgspec

from engine.errors import FormatError
from engine.formats.status import (
    HOST_FIELDS,
    OTHER_NAMES,
    SERVICE_FIELDS,
    ObjectIds,
    StatusRow,
    custom_variables_of,
    parse_row,
    time_of,
)
from engine.formats.text import text_of
from engine.model import HostStatus, ServiceStatus

MOST_LAYOUTS = 8  # one takes some milliseconds to make; a core has two

_KINDS: dict[str, type[HostStatus] | type[ServiceStatus]] = {"hoststatus": HostStatus, "servicestatus": ServiceStatus}
_FIELDS = {HostStatus: HOST_FIELDS, ServiceStatus: SERVICE_FIELDS}
_NAMES = {HostStatus: ("host_name",), ServiceStatus: ("host_name", "service_description")}
_Values = tuple[str, ...]


class _Layout(msgspec.Struct, frozen=True):
    """One sequence of keys: how a block of it is recognised, and how its values become a row's."""

    kind: type[HostStatus] | type[ServiceStatus]
    match: Callable[[str], re.Match[str] | None]
    names: Callable[[_Values], _Values]
    converts: Sequence[tuple[Callable[[str], object], Callable[[_Values], _Values]]]
    absent: tuple[object, ...]
    order: Callable[[Sequence[object]], tuple[object, ...]]

    def row(self, values: _Values, raw: bytes, block_hash: int, created: float) -> StatusRow:
        """Raises FormatError, and ValueError for what is better read line by line."""
        if not all(self.names(values)):
            raise ValueError("no name")
        found: list[object] = []
        for convert, pick in self.converts:
            found += map(convert, pick(values))
        found += self.absent
        found.append(time_of(repr(created)))
        variables = dict([line.split("=", 1) for line in values[-1].split("\n\t")[1:]])
        return self.kind._make((*self.order(found), custom_variables_of(variables, raw), block_hash))


def _layout_of(block: str) -> _Layout | None:
    """The layout of this block and those like it; None for one that is no host's or service's, or an odd one's."""
    head, *lines = block.split("\n\t")
    word = head.strip("\n").removesuffix(" {")
    kind = _KINDS.get(word)
    keys = [line.partition("=")[0] for line in lines]
    own = [key for key in keys if not key.startswith("_")]
    if kind is None or own != keys[: len(own)] or not all("=" in line for line in lines):
        return None
    # Without check_type more must be known of a check than its values (see `status.parse_row`).
    if not {"check_type", *_NAMES[kind]} <= set(own):
        return None
    return _made(kind, word, own)


def _made(kind: type[HostStatus] | type[ServiceStatus], word: str, keys: Sequence[str]) -> _Layout:
    place = {key: at for at, key in enumerate(keys)}  # of a repeated key the last
    for other, name in OTHER_NAMES:
        if other in place:
            place.setdefault(name, place[other])
    fields = _FIELDS[kind]
    wanted = sorted({place[one.key] for one in fields if one.key in place})
    group = {at: number for number, at in enumerate(wanted)}
    lines = "".join(rf"\n\t{re.escape(key)}={'(.*+)' if at in group else '.*+'}" for at, key in enumerate(keys))
    expression = re.compile(rf"\n*{word} \{{{lines}((?:\n\t_[^\n]*+)*+)")

    by_convert: dict[Callable[[str], object], list[str]] = {}
    for one in fields:
        if one.key in place:
            by_convert.setdefault(one.convert, []).append(one.key)
    known = [key for keys_ in by_convert.values() for key in (*keys_, keys_[0])]
    missing = [one for one in fields if one.key not in place and one.key != "last_update"]
    slots = {key: at for at, key in reversed(list(enumerate([*known, *(one.key for one in missing), "last_update"])))}
    return _Layout(
        kind,
        expression.fullmatch,
        _picked(group[place[name]] for name in _NAMES[kind]),
        [(convert, _picked(group[place[key]] for key in keys_)) for convert, keys_ in by_convert.items()],
        tuple(one.absent for one in missing),
        itemgetter(*(slots[one.key] for one in fields)),
    )


def _picked(places: Iterable[int]) -> Callable[[_Values], _Values]:
    """These values, and the first once more: of a single place itemgetter would give no tuple."""
    first, *more = places
    return itemgetter(first, *more, first)


@dataclass(slots=True)
class RowReader:
    """Rows of blocks, as `parse_row` makes them."""

    _layouts: list[_Layout] = field(default_factory=list)

    def row(self, raw: bytes, block_hash: int, created: float, ids: ObjectIds | None = None) -> StatusRow | None:
        """See `parse_row`. Raises FormatError."""
        block = text_of(raw)
        for at, layout in enumerate(self._layouts):
            found = layout.match(block)
            if found is not None:
                if at:
                    self._layouts.insert(0, self._layouts.pop(at))
                try:
                    return layout.row(found.groups(), raw, block_hash, created)
                except (FormatError, ValueError):  # said better, or left out, by the slow way
                    return parse_row(raw, block_hash, created, ids)
        if len(self._layouts) < MOST_LAYOUTS:
            learned = _layout_of(block)
            if learned is not None:
                self._layouts.append(learned)
        return parse_row(raw, block_hash, created, ids)

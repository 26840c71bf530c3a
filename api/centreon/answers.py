"""The paging every list shares, and a list's body."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence

import msgspec
from starlette.datastructures import QueryParams
from starlette.responses import Response

from api.render import encode_json, encoded_response
from engine.errors import InvalidField

FEW = 50  # rows; some 20 µs each
_INTEGER = re.compile(r"-?[0-9]{1,10}")
LARGEST = 2**31 - 1  # of limit and page; the original knows no maximum, SQLite's integers do


class Paging(msgspec.Struct, frozen=True):
    """One page of a list. A limit of 0 asks for the total only."""

    page: int = 1
    limit: int = 10

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.limit


def parse_page(query: QueryParams) -> Paging:
    """The page asked for. Raises InvalidField."""
    return Paging(_whole_number(query, "page", 1, least=1), _whole_number(query, "limit", 10, least=0))


def is_true(query: QueryParams, name: str) -> bool:
    """A switch in the query is on when it says `true`, in lower case; anything else is off, as in the original."""
    return query.get(name) == "true"


async def list_answer(rows: int, encode: Callable[[], bytes]) -> Response:
    """A list's answer."""
    return body_answer(await list_body(rows, encode))


async def list_body(rows: int, encode: Callable[[], bytes]) -> bytes:
    """Its body. That of many rows takes more than the loop's time to make: a thread makes it."""
    return encode() if rows <= FEW else await asyncio.to_thread(encode)


def body_answer(body: bytes) -> Response:
    """A list's body as an answer."""
    return encoded_response(200, body, {"Cache-Control": "no-store"})


def encoded_page(rows: Sequence[object], paging: Paging, total: int, echo: Mapping[str, object] | None = None) -> bytes:
    """A list's body: the rows and `meta`, which is flat in every version but the oldest. `echo`: the search and order asked for."""
    meta = {"page": paging.page, "limit": paging.limit, "search": {}, "sort_by": {}, **(echo or {}), "total": total}
    return encode_json({"result": rows, "meta": meta})


def _whole_number(query: QueryParams, name: str, default: int, least: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not _INTEGER.fullmatch(text):
        raise InvalidField(f'The parameter "{name}" must be an integer', field=name)
    number = int(text)
    if not least <= number <= LARGEST:
        raise InvalidField(f'The parameter "{name}" must be between {least} and {LARGEST}', field=name)
    return number

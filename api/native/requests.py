"""Bytes of a query or a body → values of the operation's own model, or an error that names the field.

Rules: what is not acted on is refused, never dropped: unknown fields, unknown and repeated parameters, keys said twice. Models
are msgspec structs; the same structs become the request half of /openapi.json. An explicit null is the same as an absent field.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec

from api.errors import MalformedRequest
from engine.errors import InvalidField, InvalidSearch

BODY_LIMIT_BYTES = 1 << 20
LARGE_BODY_BYTES = 1 << 15  # decoding more than this takes milliseconds: it belongs in a thread
MOST_TARGETS = 500
MOST_ROWS = 1000
PLAIN = "plain"
_SHORT_QUERY_BYTES = 32
_MOST_QUERIES = 1000

Q = TypeVar("Q")
B = TypeVar("B")


def doc(text: str, **limits: Any) -> Any:
    """A field's description in /openapi.json, and its limits."""
    return msgspec.Meta(description=text, **limits)


Name = Annotated[str, doc("exact name", min_length=1)]
Limit = Annotated[int, doc("rows per answer", ge=1, le=MOST_ROWS)]
Offset = Annotated[int, doc("rows left out before the first", ge=0, le=2**31)]
OfHost = Annotated[str, doc("of this host and its services", min_length=1)]
OfService = Annotated[str, doc("of this service; needs `host`", min_length=1)]
PollerWord = Annotated[str, doc("name or number of a poller", min_length=1)]
Time = Annotated[
    str | int | float, doc("RFC 3339 with its offset, epoch seconds, or relative to now: `now`, `+2h`, `-5m`, `+1d12h`")
]
Span = Annotated[str | int | float, doc("seconds, or text like `90m`, `2h`, `1d12h`")]
Author = Annotated[str, doc("on whose behalf; admins only. Default: the author of your account", min_length=1)]
Reference = Annotated[
    str, doc("a change number, say: kept with what is made, which can be listed and deleted by it", min_length=1, max_length=200)
]
Force = Annotated[bool, doc("make it again where the same stands or is under way, instead of joining that")]
Comment = Annotated[str, doc("why; becomes the comment in the core")]


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every body."""


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every query."""


class NoQuery(Query, frozen=True, kw_only=True):
    """No parameters at all."""


class PollerQuery(Query, frozen=True, kw_only=True):
    """Which poller, where a name stands on several."""

    poller: Annotated[str, doc("name or number of the poller, where the host stands on several", min_length=1)] = ""


class FreshQuery(PollerQuery, frozen=True, kw_only=True):
    """How old what is shown may be."""

    max_age: Annotated[float, doc("seconds; older views are refused with 503, or marked, see `older`", ge=0)] | None = None
    older: Annotated[Literal["refuse", "mark"], doc("`mark`: rows older than `max_age` are answered, `stale: true`")] = "refuse"


class Paging(PollerQuery, frozen=True, kw_only=True):
    """Which part of a list."""

    limit: Limit = 100
    offset: Offset = 0


class ViewPaging(FreshQuery, frozen=True, kw_only=True):
    """Which part of a list of what stands in cores' files."""

    limit: Limit = 100
    offset: Offset = 0


class WaitQuery(Query, frozen=True, kw_only=True):
    """How long to wait."""

    wait: (
        Annotated[
            float,
            doc(
                "seconds to wait for the last state, at most 60 (also `Prefer: wait=S`); absent: a short wait for `processed`", ge=0
            ),
        ]
        | None
    ) = None


class TargetBody(Body, frozen=True, kw_only=True):
    """A host, one of its services, or several of them."""

    host: Annotated[str, doc("name of the host", min_length=1)]
    service: Annotated[str, doc("description of one service; absent: the host itself", min_length=1)] | None = None
    services: Annotated[list[Name], doc("descriptions of several services", min_length=1, max_length=MOST_TARGETS)] | None = None
    poller: Annotated[str | int, doc("name or number of the poller, where the host stands on several")] | None = None


def refuse_service_alone(host: str, service: str) -> None:
    """Descriptions repeat from host to host. Raises InvalidField."""
    if service and not host:
        raise InvalidField("service needs host: a description alone names no service.", field="host")


# --- query ----------------------------------------------------------------------------------------------------------------


def decode_query(raw: bytes, model: type[Q]) -> Q:
    """The query string as the operation's model. Raises InvalidField, MalformedRequest.

    A model with `plain` takes parameters of other names, too: those its `takes` knows.
    """
    known: Q | None = _queries.get((raw, model))
    if known is None:
        known = _read_query(raw, model)
        if len(raw) <= _SHORT_QUERY_BYTES and len(_queries) < _MOST_QUERIES:
            _queries[raw, model] = known
    return known


_queries: dict[tuple[bytes, object], Any] = {}  # models are frozen, and few short queries are sent over and over


def _read_query(raw: bytes, model: type[Q]) -> Q:
    pairs: dict[str, Any] = {}
    plain: list[tuple[str, str]] = []
    known: tuple[str, ...] = model.__struct_encode_fields__  # type: ignore[attr-defined]
    takes: Callable[[str], bool] = getattr(model, "takes", lambda name: False)
    for part in raw.split(b"&") if raw else ():
        name, _, value = part.partition(b"=")
        key = decode_text(name.replace(b"+", b" "), "the query")
        text = decode_text(value.replace(b"+", b" "), key)
        if key not in known and takes(key):
            plain.append((key, text))
            continue
        if key in pairs:
            raise InvalidField(f"{key} is given twice: say it once.", field=key)
        pairs[key] = text
    _refuse_unknown(pairs, model, "parameter")
    return _convert(pairs | ({PLAIN: plain} if plain else {}), model, strict=False)


def decode_text(raw: bytes, where: str) -> str:
    """Percent-decoded UTF-8, once. Raises MalformedRequest."""
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise MalformedRequest(f"{where} is not UTF-8 after percent-decoding: encode names as UTF-8.", where=where) from None


# --- body -----------------------------------------------------------------------------------------------------------------


def decode_body(raw: bytes, model: type[B]) -> B:
    """The body as the operation's model. Raises InvalidField, MalformedRequest."""
    value = _parse_json(raw)
    if not isinstance(value, dict):
        raise MalformedRequest("The body must be one JSON object, like the example in /openapi.json.")
    if _SURROGATE.search(raw):
        _refuse_surrogates(value, "")
    _refuse_unknown(value, model, "field")
    return _convert(value, model, strict=True)


_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def _parse_json(raw: bytes) -> object:
    if not raw.strip():
        raise MalformedRequest("The body is empty: send one JSON object.")
    try:
        return _DECODER.decode(raw.decode())
    except UnicodeDecodeError as error:
        raise MalformedRequest(f"The body is not UTF-8 at byte {error.start}.", byte=error.start) from None
    except json.JSONDecodeError as error:
        raise MalformedRequest(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.",
            line=error.lineno,
            column=error.colno,
        ) from None
    except (RecursionError, ValueError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else "it holds a number that JSON or we cannot hold"
        raise MalformedRequest(f"The body is not acceptable JSON: {why}.") from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise InvalidField(f"{twice} is given twice in one object: say it once.", field=twice)
    return members


def _no_constant(word: str) -> object:
    raise ValueError(word)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)


def _refuse_surrogates(value: object, place: str) -> None:
    """No file, database or core can hold half of a UTF-16 pair."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidField(f"{place} holds half of a UTF-16 pair: remove it.", field=place) from None
    elif isinstance(value, dict):
        for name, member in value.items():
            _refuse_surrogates(name, "a field's name")
            _refuse_surrogates(member, f"{place}.{name}" if place else name)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            _refuse_surrogates(member, f"{place}[{index}]")


# --- both -----------------------------------------------------------------------------------------------------------------


def _refuse_unknown(given: dict[str, Any], model: type[Any], noun: str) -> None:
    if given.keys() <= set(model.__struct_encode_fields__) and PLAIN not in given:
        return
    known = [name for name in model.__struct_encode_fields__ if name != PLAIN]
    unknown = [name for name in given if name not in known]
    fields: list[str] = sorted({name for table in getattr(model, "tables", ()) for name in table.fields})
    near = difflib.get_close_matches(unknown[0][:100], [*known, *fields], n=1)
    remedy = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}." if known else "there is none here."
    # Where any field of the objects may stand, what is none is a search that cannot be understood.
    noun, error = (f"{noun} or field", InvalidSearch) if fields else (noun, InvalidField)
    raise error(
        f"{', '.join(unknown)}: no such {noun}, and nothing is dropped silently; {remedy}",
        field=unknown[0],
        fields=unknown,
        known=known,
    )


def _convert(given: dict[str, Any], model: type[Q], *, strict: bool) -> Q:
    try:
        return msgspec.convert(given, model, strict=strict)
    except msgspec.ValidationError as error:
        field = _field_of(str(error))
        sentence = str(error).split(" - at ")[0].replace("`", "")
        raise InvalidField(f"{field}: {sentence[0].lower()}{sentence[1:]}." if field else f"{sentence}.", field=field) from None


def _field_of(message: str) -> str:
    """The path of the field a validation message speaks of, e.g. `results[0].host`."""
    place = re.search(r" - at `\$\.?([^`]*)`$", message)
    named = re.search(r"(?:required|unknown) field `([^`]*)`", message)
    return ".".join(part for part in (place[1] if place else "", named[1] if named else "") if part)

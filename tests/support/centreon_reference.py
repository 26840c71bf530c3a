"""The reference of Centreon's REST API as data (tests/golden/centreon-reference.json), and what is wrong with an answer by it.

A type is `integer`, `number`, `string`, `boolean`, `date-time`, `object`, a schema's name, or one of these in brackets, a list of
it; with `?` it may be null. `answer` is what the operation gives (a list: the rows of `result`), `switches` what a query parameter
set to true makes of it. What the document folds away, and what servers of that version send where it errs (`deviations`), is
from their source.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent.parent / "golden" / "centreon-reference.json"
LATER_FILE = FILE.with_name("centreon-later.json")
Schema = dict[str, str]

_PLAIN: dict[str, tuple[type, ...]] = {
    "integer": (int,), "number": (int, float), "string": (str,), "boolean": (bool,), "object": (dict,),
}  # fmt: skip
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")


@cache
def reference() -> dict[str, Any]:
    """The data, read once."""
    found: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return found


@cache
def later() -> dict[str, Any]:
    """What the versions after the reference added: paths that are read and what they answer, and fields of answers that were."""
    found: dict[str, Any] = json.loads(LATER_FILE.read_text("utf-8"))
    return found


def operations() -> dict[str, dict[str, Any]]:
    """Every operation by `METHOD /path`."""
    return {f"{operation['method']} {operation['path']}": operation for operation in reference()["operations"]}


def schema(name: str) -> Schema:
    """A schema: field → type."""
    found: Schema = (reference()["schemas"] | later()["schemas"])[name]
    return found


def wrong(value: object, type: str, at: str = "") -> list[str]:
    """What is wrong with a value of an answer that should be of that type, by where it stands; [] for nothing."""
    bare = type.removesuffix("?")
    if value is None:
        return [] if bare != type else [f"{at} is null"]
    if bare.startswith("["):
        if not isinstance(value, list):
            return [f"{at} is no list"]
        return [word for number, one in enumerate(value) for word in wrong(one, bare[1:-1], f"{at}[{number}]")]
    if bare == "date-time":
        return [] if isinstance(value, str) and _is_date(value) else [f"{at} is {value!r}, no date-time"]
    if bare in _PLAIN:
        is_right = isinstance(value, _PLAIN[bare]) and (bare == "boolean" or not isinstance(value, bool))
        return [] if is_right else [f"{at} is {value!r}, not {bare}"]
    if not isinstance(value, dict):
        return [f"{at} is {value!r}, not {bare}"]
    return [
        word
        for name, field in schema(bare).items()
        for word in (wrong(value[name], field, f"{at}.{name}") if name in value else [f"{at}.{name} is missing"])
    ]


def _is_date(text: str) -> bool:
    try:
        return bool(_DATE.fullmatch(text)) and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False

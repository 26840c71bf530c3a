"""What a search of the language finds, said as plainly as possible: the operators as Python says them, over one row's values."""

from __future__ import annotations

import re
from collections.abc import Callable

Values = dict[str, object]  # a list: several values; None: none

_WORDS = {
    "UP": 0,
    "OK": 0,
    "DOWN": 1,
    "WARNING": 1,
    "CRITICAL": 2,
    "UNREACHABLE": 2,
    "UNKNOWN": 3,
    "PENDING": 4,
    "SOFT": 0,
    "HARD": 1,
}


def _same(have: object, wanted: object) -> bool:
    if isinstance(have, str):
        # Letter by letter: a sharp s is no double one.
        return re.fullmatch(re.escape(str(wanted).rstrip(" ")), have.rstrip(" "), re.IGNORECASE) is not None
    if isinstance(wanted, str):
        wanted = _WORDS.get(wanted.upper(), wanted)
        if wanted in ("true", "false"):
            wanted = wanted == "true"
        elif isinstance(wanted, str):
            wanted = float(wanted)
    return have == wanted


def _like(have: object, pattern: str) -> bool:
    parts = re.findall(r"\\.|\\\Z|.", pattern, re.DOTALL)
    made = "".join({"%": ".*", "_": "."}.get(part, re.escape(part[-1])) for part in parts)
    return re.fullmatch(made, str(have), re.DOTALL | re.IGNORECASE) is not None


def _fold(text: str) -> bytes:
    return re.sub(r"[A-Z]", lambda found: found[0].lower(), text).encode()


def _ordered(have: object, wanted: object) -> tuple[object, object]:
    if isinstance(have, str):
        return _fold(have), _fold(str(wanted))
    return have, _WORDS[wanted.upper()] if isinstance(wanted, str) and wanted.upper() in _WORDS else float(str(wanted))


_NAIVE: dict[str, Callable[[object, object], bool]] = {
    "$eq": _same,
    "$in": lambda have, wanted: any(_same(have, one) for one in (wanted if isinstance(wanted, list) else [wanted])),
    "$lk": lambda have, wanted: _like(have, str(wanted)),
    "$rg": lambda have, wanted: re.search(str(wanted), str(have), re.IGNORECASE) is not None,
    "$lt": lambda have, wanted: _ordered(have, wanted)[0] < _ordered(have, wanted)[1],  # type: ignore[operator]
    "$le": lambda have, wanted: _ordered(have, wanted)[0] <= _ordered(have, wanted)[1],  # type: ignore[operator]
    "$gt": lambda have, wanted: _ordered(have, wanted)[0] > _ordered(have, wanted)[1],  # type: ignore[operator]
    "$ge": lambda have, wanted: _ordered(have, wanted)[0] >= _ordered(have, wanted)[1],  # type: ignore[operator]
}
_NEGATED = {"$neq": "$eq", "$nk": "$lk", "$ni": "$in"}


def passes(values: Values, name: str, operator: str, wanted: object) -> bool:
    have = values[name]
    several = have if isinstance(have, list) else [] if have is None else [have]
    if wanted is None:
        return bool(several) is (operator == "$neq")
    if operator == "$ni" and wanted == []:
        return True
    if operator in _NEGATED:
        if have is None:
            return False
        return not any(_NAIVE[_NEGATED[operator]](one, wanted) for one in several)
    return any(_NAIVE[operator](one, wanted) for one in several)


def naive(values: Values, search: dict[str, object], joiner: str = "$and") -> bool | None:
    """None: nothing was asked."""
    results: list[bool] = []
    for name, value in search.items():
        if name in ("$and", "$or"):
            elements: list[dict[str, object]] = value if isinstance(value, list) else [value]  # type: ignore[list-item]
            inner = [r for r in (naive(values, element, name) for element in elements) if r is not None]
            if inner:
                results.append(all(inner) if name == "$and" else any(inner))
        elif isinstance(value, dict):
            results.append(all(passes(values, name, operator, operand) for operator, operand in value.items()))
        else:
            results.append(passes(values, name, "$eq", value))
    return None if not results else all(results) if joiner == "$and" else any(results)

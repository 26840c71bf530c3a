"""The search language: text → a condition in SQL with its parameters. Pure.

The grammar is Centreon's: `{"$and": [{"host.name": {"$lk": "web%"}}, {"state": {"$in": ["DOWN", 2]}}]}`; plain `field=value` pairs
stand beside it. Rules:

- Several members of an object are joined by the aggregator around them: inside `$or` they are alternatives, too.
- Texts are compared without case, trailing blanks aside. `$lk` is LIKE over the whole value: `%` any run, `_` one character,
  backslash escapes. `$rg` is a regular expression anywhere in the value (patterns.py).
- `null` with `$eq` and `$neq`: has no value, has one. No other test passes where there is no value.
- What is not understood is refused; nothing is dropped or guessed.
- No character of the text ever becomes SQL: values are parameters, names come from the tables of fields.py.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.errors import InvalidSearch
from engine.state.fields import HOSTS, SERVICES, Field, Table, Type
from engine.state.operands import Operand

Condition = tuple[str, Sequence[object]]
Kind = Literal["host", "service"]
Plain = Sequence[tuple[str, str]]

TABLES: dict[Kind, Table] = {"host": HOSTS, "service": SERVICES}

LONGEST_BYTES = 32 * 1024
DEEPEST = 20
MOST_TESTS = 200
MOST_VALUES = 5000

_AGGREGATORS = {"$and": " AND ", "$or": " OR "}
_NEGATIONS = {"$neq": "$eq", "$nk": "$lk", "$ni": "$in"}
OPERATORS = ("$eq", "$neq", "$lt", "$le", "$gt", "$ge", "$lk", "$nk", "$in", "$ni", "$rg")
_OLDER, _NEWER = "_older_than", "_newer_than"


def where(kind: Kind, search: str | bytes | None, plain: Plain, now: float) -> Condition:
    """The condition over the aliases of views.py (`h` for hosts, `s` for services). `now`: epoch seconds. Raises InvalidSearch."""
    return condition(TABLES[kind], search, plain, now)


def condition(table: Table, search: str | bytes | None, plain: Plain, now: float) -> Condition:
    """The same over any table of fields. A plain field given several times: any of its values."""
    compiler = _Compiler(table, now)
    parts = [compiler.joined(parse(search), " AND ", 0), *compiler.plain(plain)]
    return _joined(parts, " AND ") or ("1", [])


def order(table: Table, keys: Sequence[tuple[str, bool]]) -> str:
    """ORDER BY's list for these (field, descending) keys, then what makes it total. No value sorts last. Raises InvalidSearch."""
    return ", ".join([*(" ".join(order_key(table, *key)) for key in keys), *table.tie])


def order_key(table: Table, name: str, descending: bool) -> tuple[str, str]:
    """What is sorted by, and how. Raises InvalidSearch."""
    field = known_field(table, name)
    collation = "COLLATE NOCASE " if field.type is Type.TEXT else ""
    return field.sort_value(), f"{collation}{'DESC' if descending else 'ASC'} NULLS LAST"


def known_field(table: Table, name: str) -> Field:
    """The field of that name. Raises InvalidSearch, which names what it may have been meant to be."""
    field = table.field(name)
    if field is None:
        near = difflib.get_close_matches(name[:100], table.fields, n=3)
        perhaps = f"perhaps {' or '.join(near)}?" if near else f"known are {', '.join(sorted(table.fields))} and custom variables."
        raise InvalidSearch(f"There is no field {name!r} to search by: {perhaps}", field=name, near=near)
    return field


# --- reading the text -------------------------------------------------------------------------------------------------------


def parse(search: str | bytes | None) -> dict[str, object]:
    """The search as an object; {} for none. Raises InvalidSearch, with the position of what is no JSON."""
    if search is None or not search.strip():
        return {}
    if len(search) > LONGEST_BYTES:
        raise InvalidSearch(f"The search is longer than {LONGEST_BYTES} bytes: shorten it.", limit=LONGEST_BYTES)
    value = _json(search)
    if not isinstance(value, dict):
        raise InvalidSearch('The search must be a JSON object, such as {"host.name": "web1"}.')
    return value


def normalised(search: Mapping[str, object]) -> dict[str, object]:
    """A search as Centreon echoes it: under one aggregator; {} for none."""
    if not search or (len(search) == 1 and next(iter(search)) in _AGGREGATORS):
        return dict(search)
    return {"$and": dict(search)}


def _json(search: str | bytes) -> object:
    try:
        text = search.decode() if isinstance(search, bytes) else search
        text.encode()
        return json.loads(text, object_pairs_hook=_members, parse_constant=_no_constant)
    except UnicodeError as error:
        raise InvalidSearch(f"The search is not UTF-8 at position {error.start}.", position=error.start) from None  # type: ignore[attr-defined]
    except json.JSONDecodeError as error:
        raise InvalidSearch(f"The search is not JSON: {error.msg} at position {error.pos}.", position=error.pos) from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        raise InvalidSearch("The search holds a number that cannot be held here: write a smaller one.") from None


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for name, value in pairs:
        if name in members:
            raise InvalidSearch(f"{name} is given twice in one object: put each into an object of a list.", field=name)
        members[name] = value
    return members


def _no_constant(word: str) -> object:
    raise ValueError(word)


def _too_deep() -> InvalidSearch:
    return InvalidSearch(f"The search is nested more than {DEEPEST} deep: flatten it.", limit=DEEPEST)


# --- from values to SQL -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Compiler:
    """Compiles one search, counting what it holds."""

    table: Table
    now: float
    tests: int = 0
    values: int = 0

    def joined(self, members: Mapping[str, object], joiner: str, depth: int) -> Condition | None:
        """The members of an object, joined by the aggregator around it; None for none."""
        if depth > DEEPEST:
            raise _too_deep()
        return _joined([self._member(name, value, joiner, depth) for name, value in members.items()], joiner)

    def plain(self, pairs: Plain) -> list[Condition | None]:
        """The `field=value` pairs, each field by itself."""
        by_name: dict[str, list[str]] = {}
        for name, value in pairs:
            by_name.setdefault(name, []).append(value)
        return [self._plain(name, values) for name, values in by_name.items()]

    def _plain(self, name: str, values: Sequence[str]) -> Condition:
        for suffix, operator in ((_OLDER, "$lt"), (_NEWER, "$gt")):
            if name.endswith(suffix) and self.table.field(name) is None:
                self._refuse_ages_of(name, name.removesuffix(suffix))
                field, ages = name.removesuffix(suffix), [f"-{value.removeprefix('-')}" for value in values]
                joined = _joined([self._test(field, operator, age) for age in ages], " OR ")
                assert joined is not None
                return joined
        return self._test(name, "$in", list(values))

    def _refuse_ages_of(self, name: str, of: str) -> None:
        if known_field(self.table, of).type is not Type.TIME:
            raise InvalidSearch(f"{name}: {of} is no time, so it has no age.", field=of)

    def _member(self, name: str, value: object, joiner: str, depth: int) -> Condition | None:
        if name in _AGGREGATORS:
            return self._aggregate(name, value, depth)
        if name.startswith("$"):
            raise InvalidSearch(f"{name} stands where a field, $and or $or must.", operator=name)
        if not isinstance(value, dict):
            return self._test(name, "$eq", value)
        if not value:
            raise InvalidSearch(f"{name}: the object holds no operator; known are {', '.join(OPERATORS)}.", field=name)
        return _joined([self._test(name, operator, operand) for operator, operand in value.items()], " AND ")

    def _aggregate(self, name: str, value: object, depth: int) -> Condition | None:
        joiner = _AGGREGATORS[name]
        given = value if isinstance(value, list) else [value]
        elements = [element for element in given if isinstance(element, dict)]
        if len(elements) < len(given):
            raise InvalidSearch(f"{name} takes an object or a list of objects.", operator=name)
        return _joined([self.joined(element, joiner, depth + 1) for element in elements], joiner)

    def _test(self, name: str, operator: str, value: object) -> Condition:
        self._count(value)
        field = known_field(self.table, name)
        if operator not in OPERATORS:
            raise InvalidSearch(
                f"{name}: there is no operator {operator!r}; known are {', '.join(OPERATORS)}.", field=name, operator=operator
            )
        negated, operator_asked = operator in _NEGATIONS, operator
        operator = _NEGATIONS.get(operator, operator)
        if value is None:
            if operator != "$eq":
                message = f'{name}: The value "null" is only supported by the operators $eq and $neq.'
                raise InvalidSearch(message, field=name, operator=operator_asked)
            has_one = _through(field, f"({field.sql}) IS NOT NULL", negated=False)
            return has_one if negated else f"(NOT {has_one})", []
        if value == [] and operator == "$in":
            return "1" if negated else "0", []
        sql, values = Operand(name, operator_asked, field, self.now).test(operator, value)
        return _through(field, sql, negated), values

    def _count(self, value: object) -> None:
        self.tests += 1
        self.values += len(value) if isinstance(value, list) else 1
        if self.tests > MOST_TESTS or self.values > MOST_VALUES:
            raise InvalidSearch(
                f"The search holds more than {MOST_TESTS} tests or {MOST_VALUES} values: split it.",
                limit=MOST_TESTS if self.tests > MOST_TESTS else MOST_VALUES,
            )


def _joined(parts: Sequence[Condition | None], joiner: str) -> Condition | None:
    found = [part for part in parts if part is not None]
    if not found:
        return None
    values = [value for _, values in found for value in values]
    return (found[0][0] if len(found) == 1 else f"({joiner.join(sql for sql, _ in found)})"), values


def _through(field: Field, test: str, negated: bool) -> str:
    """The test as one on the object itself. Negated, it holds for none of the values a link leads to."""
    to_many = next((at for at, link in enumerate(field.links) if link.to_many), None)
    if negated and to_many is None:
        test = f"NOT ({test})"
    for at in reversed(range(len(field.links))):
        test = field.links[at].holding(f"({test})")
        if negated and at == to_many:
            test = f"NOT {test}"
    return f"({test})"

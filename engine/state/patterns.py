"""Patterns of the search language over one text: LIKE and regular expressions, both in time linear in the text. Pure.

Rules: expressions are RE2's (no look-around, no back-references), case-insensitive and unanchored, as Centreon's `$rg`.
SQLite's own LIKE knows only the case of ASCII letters and backtracks at every `%`; what is beyond that becomes an expression, too.
A literal that every match must hold lets SQLite throw most rows out before Python is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import re2

from engine.errors import InvalidSearch

FUNCTION = "re2_search"
LONGEST_PATTERN = 1000
_MEMORY_BYTES = 8 << 20  # RE2's own default, for the compiled expression and its automaton
_SMALL_PROGRAM = 2000  # instructions; a larger one may outgrow the automaton, which a Set answers with "no match"
_MOST_WILDCARDS = 3  # SQLite's LIKE takes up to length^n steps for n of them
_SHORTEST_LITERAL = 3
_FOLDED_BEYOND_ASCII = "kKsS"  # case-insensitively, the Kelvin sign is a k and the long s an s


def checked(pattern: str, field: str) -> str:
    """The pattern, if RE2 takes it. Raises InvalidSearch."""
    if len(pattern) > LONGEST_PATTERN:
        raise InvalidSearch(
            f"{field}: the regular expression is longer than {LONGEST_PATTERN} characters: shorten it.", field=field, operator="$rg"
        )
    try:
        matcher(pattern)
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        raise InvalidSearch(
            f"{field}: {pattern!r} is not a regular expression we take ({reason}): RE2 syntax, no look-around, no back-references.",
            field=field,
            operator="$rg",
            value=pattern,
        ) from None
    return pattern


@lru_cache(maxsize=256)
def matcher(pattern: str) -> Callable[[bytes], object]:
    """Something true of a UTF-8 text that holds a match. Raises re2.error."""
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.never_capture = True
    options.max_mem = _MEMORY_BYTES
    compiled = re2.compile(pattern, options)
    if compiled.programsize > _SMALL_PROGRAM:
        return lambda text: compiled.search(text.decode("utf-8", "replace"))
    # One expression in a Set: it answers yes or no, twice as fast as a search that also says where.
    alone = re2.Set.SearchSet(options)
    alone.Add(pattern.encode())
    alone.Compile()
    return alone.Match  # type: ignore[no-any-return]


def search(pattern: str, text: bytes | None) -> bool | None:
    """The SQL function FUNCTION; NULL is neither a match nor none."""
    if text is None:
        return None
    return True if matcher(pattern)(text) else False  # noqa: SIM210  half the time of bool(), a hundred thousand times


def exactly(texts: list[str]) -> str:
    """The expression of these texts, whole, trailing blanks aside."""
    return rf"\A(?:{'|'.join(map(re2.escape, texts))}) *\z"


def is_simple_like(pattern: str) -> bool:
    """Whether SQLite's LIKE does it right and fast."""
    return pattern.isascii() and len(re.findall(r"%+", pattern)) <= _MOST_WILDCARDS


def whole_escapes(pattern: str) -> str:
    r"""A LIKE pattern whose last backslash, if it escapes nothing, is one itself (`a\` is `a\\`)."""
    backslashes = len(pattern) - len(pattern.rstrip("\\"))
    return pattern + "\\" if backslashes % 2 else pattern


def like_as_expression(pattern: str) -> str:
    """A LIKE pattern (with whole escapes) as an expression."""
    parts = re.findall(r"\\.|%+|_|[^\\%_]+", pattern, re.DOTALL)
    return r"(?s)\A" + "".join(_expression_of(part) for part in parts) + r"\z"


def _expression_of(part: str) -> str:
    if part[0] == "%":
        return ".*"
    if part == "_":
        return "."
    return str(re2.escape(part[1:] if part[0] == "\\" else part))


def needed_like(pattern: str) -> str | None:
    """A LIKE pattern that every text with a match satisfies; None when no literal of some length can be told."""
    literal = max(_literals(pattern), key=len, default="")
    if len(literal) < _SHORTEST_LITERAL:
        return None
    escaped = "".join("_" if char in _FOLDED_BEYOND_ASCII else f"\\{char}" if char in "\\%_" else char for char in literal)
    return f"%{escaped}%" if escaped.strip("_") else None


_TOKEN = re.compile(
    r"(?P<escape>\\[^A-Za-z0-9])|(?P<special>\\[A-Za-z0-9])|(?P<class>\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\])"
    r"|(?P<open>\()|(?P<close>\))|(?P<quantifier>\*|\?|\{|\+)|(?P<or>\|)|(?P<other>[.^$\}]|[^\x20-\x7e])|(?P<char>.)",
    re.DOTALL,
)


def _literals(pattern: str) -> list[str]:
    """Runs of characters at the top level that every match holds; [] when in doubt."""
    if "\\Q" in pattern or "\\p" in pattern or "\\P" in pattern or "\\x" in pattern:
        return []
    runs, depth, end = [""], 0, 0
    for token in _TOKEN.finditer(pattern):
        if token.start() != end:
            return []
        end = token.end()
        kind, text = token.lastgroup, token[0]
        depth += {"open": 1, "close": -1}.get(kind or "", 0)
        if depth:
            continue
        if kind == "or":
            return []
        if kind == "char" or kind == "escape":
            runs[-1] += text[-1] if text.isascii() else ""
        elif kind == "quantifier":
            if text == "{":
                return []
            # `ab*`: no b is needed. `ab+`: one is, but what follows need not stand beside it.
            runs[-1] = runs[-1] if text == "+" else runs[-1][:-1]
            runs.append("")
        else:
            runs.append("")
    return runs if end == len(pattern) else []

"""A query string as values, read as the originals read it, and the mistakes in it as they tell them. Pure.

Options are read in the order in which they stand; the first wrong one ends the reading. Then comes what a query lacks; of several
things that it lacks the last is told (the originals print all under one key, of which every JSON reader keeps the last).
`+` is a blank, also in front of a number: `endtime=+0` means now, as its writer meant it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import IntEnum
from urllib.parse import unquote_to_bytes

import msgspec

from api.cgi.json_cgis.surface import Option, Surface
from api.cgi.json_cgis.words import Words

Value = str | int | bool | frozenset[str]

_INTEGER = re.compile(r"\s*([+-]?\d+)")
_TIME = re.compile(r"([ +-]?)\s*(-?\d+)?")
_LARGEST = 2**31 - 1
_MOST_OPTIONS = 256
_IGNORED = ("NagFormId", "nagFormId", "")  # the pair against foreign forms; an empty name
_TIMED_LISTS = {
    "hostlist": "hosttimefield", "servicelist": "servicetimefield", "commentlist": "commenttimefield",
    "downtimelist": "downtimetimefield",
}  # fmt: skip


class Code(IntEnum):
    """type_code of an answer, and its type_text."""

    SUCCESS = 0
    MEMORY = 1
    FILE = 2
    INVALID = 3
    MISSING = 4
    VALUE_MISSING = 5
    VALUE_INVALID = 6
    IGNORED = 7

    @property
    def text(self) -> str:
        return _CODE_TEXTS[self]


_CODE_TEXTS = (
    "Success", "Unable to Allocate Memory", "Unable to Open File for Reading", "Option Invalid", "Option Missing",
    "Option Value Missing", "Option Value Invalid", "Option Ignored",
)  # fmt: skip


class Mistake(Exception):
    """What is wrong with a question. `query`: what was known of it by then."""

    def __init__(self, code: Code, message: str, query: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.query = code, message, query


class Asked(msgspec.Struct, frozen=True):
    """One question: the query and its options as values. What was not said is absent."""

    surface: Surface
    query: str
    now: int
    values: Mapping[str, Value] = msgspec.field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """A name, None when it was not given."""
        found = self.values.get(name)
        return found if isinstance(found, str) else None

    def number(self, name: str, absent: int = 0) -> int:
        """A number or a second."""
        found = self.values.get(name, absent)
        assert isinstance(found, int)
        return found

    def flag(self, name: str, absent: bool = False) -> bool:
        """A boolean."""
        return bool(self.values.get(name, absent))

    def words(self, name: str) -> frozenset[str] | None:
        """The words of a list, None when it was not given."""
        found = self.values.get(name)
        return found if isinstance(found, frozenset) else None

    def mask(self, name: str) -> int | None:
        """The same as a bit mask."""
        words = self.words(name)
        return None if words is None else sum(self.surface.options[name].values[word] for word in words)

    @property
    def start(self) -> int:
        return max(0, self.number("start"))

    @property
    def limit(self) -> int | None:
        """How many entries at most; None: all."""
        count = self.number("count")
        return count if count > 0 else None


def parse_options(surface: Surface, raw: bytes, now: int) -> Asked:
    """The question in a query string or in a form's body. Raises Mistake."""
    query, values = "", dict[str, Value]()
    for name, text in _pairs(raw):
        if name in _IGNORED:
            continue
        option = surface.options.get(name)
        if option is None:
            raise Mistake(Code.INVALID, f"Invalid option: '{name}'.", query)
        value = _value(option, text, surface.queries, now, query)
        if name == "query":
            query = str(value)
        else:
            values[name] = value
    asked = Asked(surface, query, now, values)
    if not query:
        raise Mistake(Code.MISSING, "No query was named: the data tells which there are.")
    return asked


def _pairs(raw: bytes) -> Sequence[tuple[str, str]]:
    """Names and values, decoded after they were told apart."""
    pieces = [piece.partition(b"=") for piece in raw.replace(b"+", b" ").split(b"&") if piece][:_MOST_OPTIONS]
    return [(_decoded(name), _decoded(value)) for name, _, value in pieces]


def _decoded(raw: bytes) -> str:
    return unquote_to_bytes(raw).decode("utf-8", "replace").replace("\0", "")


def _value(option: Option, text: str, queries: Mapping[str, str], now: int, query: str) -> Value:
    name = option.name
    words: Words = dict.fromkeys(queries, 0) if name == "query" else option.values
    match option.type:
        case "enumeration":
            if text not in words:
                raise Mistake(Code.VALUE_INVALID, f"The {name} option value '{text}' is invalid.", query)
            return text
        case "list":
            listed = [word for word in text.split(" ") if word]
            wrong = next((word for word in listed if word not in words), None)
            if wrong is not None:
                raise Mistake(Code.VALUE_INVALID, f"The {name} option value '{wrong}' is invalid.", query)
            return frozenset(listed)
        case "boolean":
            if text not in ("true", "false"):
                raise Mistake(Code.VALUE_INVALID, f"Value for {name} option must be 'true' or 'false'.", query)
            return text == "true"
        case "integer" | "nagios:statusjson/commentlist" | "nagios:statusjson/downtimelist":
            number = _integer(text)
            if name == "count" and number == 0:
                message = "The count option value is invalid. It must be an integer greater than zero"
                raise Mistake(Code.VALUE_INVALID, message, query)
            return number
        case "time":
            return _time(text, now)
        case _:
            return text


def _integer(text: str) -> int:
    """As C's atoi reads it: what is no number is 0."""
    found = _INTEGER.match(text)
    return int(found[1]) if found and len(found[1]) < 19 else 0


def _time(text: str, now: int) -> int:
    """Seconds since 1970; relative to now behind a sign."""
    found = _TIME.match(text)
    sign, digits = (found[1], found[2]) if found else ("", None)
    number = int(digits) if digits and len(digits) < 16 else 0
    return now - number if sign == "-" else now + number if sign else number


# --- what a query needs -----------------------------------------------------------------------------------------------------------


def lacks(asked: Asked) -> list[Mistake]:
    """What is missing for the query, in the originals' order and words."""
    found = [text for name, text in _NEEDED.get(asked.query, ()) if name not in asked.values]
    mistakes = [Mistake(Code.MISSING, text, asked.query) for text in found]
    if asked.surface.name == "archivejson.cgi":
        return mistakes + _archive_lacks(asked) if asked.query != "help" else mistakes
    field_name = _TIMED_LISTS.get(asked.query)
    is_timed = asked.number("starttime") > 0 or asked.number("endtime") > 0
    if asked.surface.name == "statusjson.cgi" and field_name and is_timed and field_name not in asked.values:
        text = "Start and/or end time supplied, but time field specified."
        mistakes.append(Mistake(Code.MISSING, text, asked.query))
    return mistakes


def _archive_lacks(asked: Asked) -> list[Mistake]:
    texts = []
    if not asked.number("starttime") and not asked.number("endtime"):
        texts.append("Start and/or end time must be supplied.")
    if asked.query in _OF_OBJECTS and asked.mask("objecttypes") == 0:
        texts.append("At least one object type must be supplied.")
    if asked.query == "availability" and "availabilityobjecttype" not in asked.values:
        texts.append("Availability object type must be supplied.")
    if asked.query == "statechangelist":
        if "objecttype" not in asked.values:
            texts.append("Object type must be supplied.")
        if "hostname" not in asked.values:
            texts.append("Host name must be supplied.")
        if asked.text("objecttype") == "service" and "servicedescription" not in asked.values:
            texts.append("Service description must be supplied.")
    return [Mistake(Code.MISSING, text, asked.query) for text in texts]


_OF_OBJECTS = ("alertcount", "alertlist", "notificationcount", "notificationlist")


def _needs(noun: str, option: str, said: str) -> tuple[tuple[str, str], ...]:
    return ((option, f"{noun} information requested, but no {said} specified."),)


_NEEDED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "host": _needs("Host", "hostname", "host name"),
    "service": (*_needs("Service", "hostname", "host name"), *_needs("Service", "servicedescription", "service description")),
    "comment": _needs("Comment", "commentid", "id"),
    "downtime": _needs("Downtime", "downtimeid", "id"),
    "hostgroup": _needs("Hostgroup", "hostgroup", "hostgroup name"),
    "servicegroup": _needs("Service group", "servicegroup", "service group name"),
    "contact": _needs("Contact", "contactname", "contact name"),
    "contactgroup": _needs("Contactgroup", "contactgroup", "contactgroup name"),
    "timeperiod": _needs("Timeperiod", "timeperiod", "timeperiod name"),
    "command": _needs("Command", "command", "command name"),
}


def ignored(asked: Asked) -> str:
    """The original's remark on selectors of an object type that was not asked for; "" without any."""
    objects = asked.words("objecttypes")
    if asked.surface.name != "archivejson.cgi" or objects is None:
        return ""
    remark = ""
    for kinds in (("hoststates", "servicestates"), ("hostnotificationtypes", "servicenotificationtypes")):
        for name, kind in zip(kinds, ("host", "service"), strict=True):
            if kind not in objects and _is_narrower(asked, name):
                what = "states" if name.endswith("states") else "notification types"
                remark = f"The requested {kind} {what} were ignored because {kind} objects were not selected."
                break
    return remark


def _is_narrower(asked: Asked, name: str) -> bool:
    mask = asked.mask(name)
    return mask is not None and mask != sum(asked.surface.options[name].values.values())

"""The reference of Centreon's REST API as a person reads it, the text of its rendered page → its operations as data.

Types of fields in samples are told from their values, whose form JSON gives. What the page folds away is not in it.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

_CALL = re.compile(r"(get|post|put|patch|delete) (/\S*)")
_KEY = re.compile(r"  • ([a-z_.]+)")
_MEMBER = re.compile(r'  • "(\w+)":\s*(.*?),?')
_NAME = re.compile(r"[a-z_]+")
_TYPE = re.compile(r"(integer|boolean|string|object)( <[\w-]+>)?( >= (\d+))?")
_STATUS = re.compile(r"[1-5]\d\d")
_DATE = re.compile(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"')
_PATH, _QUERY, _BODY = "path Parameters", "query Parameters", "Request Body schema: application/json"
_ANSWERS = "Responses"


def parse_document(text: str) -> list[dict[str, Any]]:
    """Each operation in the document's order."""
    lines = text.split("\n")
    calls = [at for at, line in enumerate(lines) if _CALL.fullmatch(line)]
    # Between two calls stand the samples of the first, then what is said of the second.
    edges = [(last, _end_of_samples(lines, last, at), at) for last, at in pairwise([0, *calls])]
    samples = [lines[at:end] for at, end in zip(calls, [*(edge[1] for edge in edges[1:]), len(lines)], strict=True)]
    return [_operation(lines[end:at], shown) for (_, end, at), shown in zip(edges, samples, strict=True)]


def _end_of_samples(lines: list[str], start: int, end: int) -> int:
    return max((at + 1 for at in range(start, end) if lines[at] == "}"), default=start)


def _operation(said: list[str], shown: list[str]) -> dict[str, Any]:
    method, path = shown[0].split(" ")
    query = _fields(said, _QUERY)
    return {
        "method": method.upper(),
        "path": path,
        "search_keys": [found[1] for line in said if (found := _KEY.fullmatch(line))],
        "path_parameters": {name: about["type"] for name, about in _fields(said, _PATH).items()},
        "query_parameters": query,
        "body": {name: about["type"] for name, about in _fields(said, _BODY).items()},
        "statuses": [int(line) for line in said if _STATUS.fullmatch(line)],
        "request": _sample(shown, "Request samples"),
        "response": _sample(shown, "Response samples"),
    }


def _fields(said: list[str], heading: str) -> dict[str, dict[str, Any]]:
    """What stands under a heading: paragraphs of a name, its type, and what else is told of it; others are sentences."""
    if heading not in said:
        return {}
    start = said.index(heading) + 1
    end = min(at for at in range(start, len(said)) if said[at] in (_PATH, _QUERY, _BODY, _ANSWERS))
    found = {}
    for paragraph in "\n".join(said[start:end]).strip().split("\n\n"):
        name, *about = [line for line in paragraph.split("\n") if line != "required"]
        type = _TYPE.fullmatch(about[0]) if about and _NAME.fullmatch(name) else None
        if type:
            default = next((line.removeprefix("Default: ") for line in about if line.startswith("Default: ")), None)
            found[name] = {"type": type[1] if type[2] != " <date-time>" else "date-time"}
            found[name] |= {"minimum": int(type[4])} if type[4] else {}
            found[name] |= {"default": json.loads(default)} if default else {}
    return found


def _sample(shown: list[str], heading: str) -> dict[str, str]:
    """The fields of a sample and their types; {} where there is none."""
    if heading not in shown:
        return {}
    lines = shown[shown.index(heading) :]
    lines = lines[: lines.index("}")]
    found = {}
    for at, line in enumerate(lines):
        member = _MEMBER.fullmatch(line)
        if member:
            found[member[1]] = _type(member[2] or lines[at + 1].strip())
    return found


def _type(value: str) -> str:
    if value in "[{":
        return {"[": "array", "{": "object"}[value]
    if _DATE.fullmatch(value):
        return "date-time"
    return {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "NoneType": "null"}[
        type(json.loads(value)).__name__
    ]

"""What can be asked of the three CGIs: queries and options, read from `surface.json`; and the answer to `query=help`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
import orjson

from api.cgi.json_cgis.words import OF_OPTIONS, Words

POLLER = "poller"  # ours: the originals know of one core only


class Option(msgspec.Struct, frozen=True):
    """One option of a CGI. `values`: the words it may hold, empty where any text may stand."""

    name: str
    label: str
    type: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    depends_on: str
    values: Words
    description: str

    def help(self, queries: Mapping[str, str]) -> dict[str, object]:
        """Its description for programs that build forms from it."""
        described: dict[str, object] = {
            "label": self.label,
            "type": "integer" if self.type == "time" else self.type,
            "required": self.required,
            "optional": self.optional,
            "depends_on": self.depends_on,
            "description": self.description,
        }
        values = queries if self.name == "query" else {word: word for word in self.values}
        if values:
            described["valid_values"] = {word: {"description": text} for word, text in values.items()}
        return described


class Surface(msgspec.Struct, frozen=True):
    """One CGI: `name` as in its path and in its answers."""

    name: str
    queries: Mapping[str, str]
    options: Mapping[str, Option]

    @property
    def help(self) -> dict[str, object]:
        """The data of `query=help`, and of every answer that tells a mistake."""
        return {"options": {name: option.help(self.queries) for name, option in self.options.items()}}


@cache
def surfaces() -> Mapping[str, Surface]:
    """The three CGIs by file name."""
    raw = orjson.loads((files(__package__) / "surface.json").read_bytes())
    return {f"{name}.cgi": _surface(f"{name}.cgi", described) for name, described in raw.items()}


@cache
def help_bytes(cgi: str) -> bytes:
    """The data of `query=help` as JSON."""
    return orjson.dumps(surfaces()[cgi].help)


def _surface(name: str, described: Mapping[str, Any]) -> Surface:
    queries: dict[str, str] = described["queries"]
    options = {option: _option(option, values) for option, values in described["options"].items()}
    options[POLLER] = Option(POLLER, "Poller", "string", (), ("all",), "", {}, "only what this poller's core knows")
    return Surface(name, queries, options)


def _option(name: str, values: Mapping[str, str]) -> Option:
    return Option(
        name,
        values["label"],
        values["type"],
        tuple(values.get("required", "").split()),
        tuple(values.get("optional", "").split()),
        values.get("depends_on", ""),
        OF_OPTIONS[values["values"]] if "values" in values else {},
        values["description"],
    )

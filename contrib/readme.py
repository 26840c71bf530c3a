"""The README's tables, contrib/commands.md and contrib/json-cgis.md, made from what they describe.

`python contrib/readme.py` writes them.

tests/test_readme.py compares.

A table stands between `<!-- name -->` and `<!-- end of name -->`.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

from api.cgi.json_cgis.surface import Surface, surfaces
from api.errors import TABLE
from engine.commands.catalogue import ROWS, Effect, Field, FieldType, Members, Row, Subject
from engine.config import Settings
from engine.model import CoreKind

README = Path(__file__).resolve().parent.parent / "README.md"

COMMANDS = README.parent / "contrib" / "commands.md"
JSON_CGIS = README.parent / "contrib" / "json-cgis.md"

EFFECTS = {
    Effect.ENTRY_CREATED: "its blocks stand in the status file, with our text, window and time, under new ids",
    Effect.ENTRY_GONE: "the block is gone from a later status file",
    Effect.ACKNOWLEDGED: "the object is acknowledged, and our acknowledgement comment stands there",
    Effect.NOT_ACKNOWLEDGED: "the object is no longer acknowledged in a later status file",
    Effect.CHECKED: "scheduled for that time in the status file, or checked since",
    Effect.RESULT_SEEN: "`last_check` is the result's time",
    Effect.SHOWN: "a later status file shows the value asked for, on every member",
    Effect.PROGRAM: "a later status file's programstatus block shows the value asked for",
    Effect.COMMENTS_GONE: "no older comment of the object stands in a later status file",
    Effect.DOWNTIMES_GONE: "no older downtime that was chosen stands in a later status file",
    Effect.LOGGED: "the core's log says so",
    Effect.UNSEEN: "never: nothing shows it, `processed` is its end",
}


def settings_table() -> str:
    """One row per setting: name, default, reason."""
    rows = []
    for field in dataclasses.fields(Settings):
        default = field.default
        shown = (
            ""
            if default is None
            else "[" + ", ".join(f'"{item}"' for item in default) + "]"
            if isinstance(default, tuple)
            else f'"{default}"'
            if isinstance(default, str)
            else f"{default:g}"
        )
        unit = f" {field.metadata['unit']}" if field.metadata["unit"] else ""
        rows.append((f"`{field.name}`", f"`{shown}`{unit}" if shown else "none", field.metadata["doc"]))
    return _table(("setting", "default", "what for"), rows)


def commands_table() -> str:
    """One row per kind of effect, with the commands that have it."""
    rows = []
    for effect, words in EFFECTS.items():
        names = [row.name for row in ROWS if row.effect is effect]
        shown = ", ".join(f"`{name}`" for name in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        rows.append((words, str(len(names)), shown))
    return _table(("`confirmed` when", "commands", "for instance"), rows)


def commands_page() -> str:
    """The reference page: every external command with all that its row says."""
    parts = [PAGE_HEAD.format(count=len(ROWS))]
    for subject in Subject:
        parts.append(f"\n## For a {subject.value}\n" if subject is not Subject.GLOBAL else "\n## For a core as a whole\n")
        parts += [_command(row) for row in ROWS if row.subject is subject]
    return "".join(parts)


PAGE_HEAD = """\
# External commands

All {count}, made from the catalogue (`engine/commands/catalogue.py`) by `python contrib/readme.py`. Send any of them with
`POST /v1/commands {{"command": NAME, "arguments": {{…}}}}`; `GET /v1/commands/catalogue` answers the same as this page, as JSON.
Times are written as everywhere in the API. *Dangerous* ones are refused unless the setting `dangerous_commands` names them and you
are an admin; so is every `_NAME` of an event-broker module.
"""


def json_cgis_page() -> str:
    """The page on the JSON CGIs: what can be asked, and what is not as in the originals."""
    parts = [JSON_CGIS_HEAD]
    for name, surface in surfaces().items():
        rows = [(f"`{query}`", words, _options_of(surface, query)) for query, words in surface.queries.items()]
        parts.append(f"\n## {name}\n\n{_table(('query', 'answer', 'options besides those of all'), rows)}")
    differences = [(entry["what"], entry["original"], entry["ours"], entry["reason"]) for entry in DIFFERENCES]
    return "".join([*parts, DIFFERENCES_HEAD, _table(("what", "the original", "ours", "why"), differences)])


def _options_of(surface: Surface, query: str) -> str:
    known = (option for option in surface.options.values() if query in (*option.required, *option.optional))
    return ", ".join(f"**`{option.name}`**" if query in option.required else f"`{option.name}`" for option in known)


DIFFERENCES = json.loads(files("api.cgi.json_cgis").joinpath("differences.json").read_text("utf-8"))
JSON_CGIS_HEAD = """\
# statusjson.cgi, objectjson.cgi, archivejson.cgi

What can be asked, made from `api/cgi/json_cgis/surface.json` by `python contrib/readme.py`; `query=help` answers the
same as JSON, with the values an option may have. Options in bold must be given.
Every query takes `formatoptions`, `dateformat` and `poller`.
"""
DIFFERENCES_HEAD = """
## What is not as in the originals

Everything else is compared with Nagios 4.4.6's, question by question, at every build.

"""


def _command(row: Row) -> str:
    lines = [f"\n### {row.name}\n", row.doc]
    if row.fields:
        lines.append("")
        lines.append(_table(("argument", "type", "default", "what for"), [_argument(field) for field in row.fields]).rstrip("\n"))
    facts = [
        ("Known to", ", ".join(_known(row, kind) for kind in CoreKind if kind in row.kinds)),
        ("Acts on", row.on.value.replace("_", " ") if row.on not in (Members.ITSELF, Members.NOBODY) else ""),
        ("Confirmed when", EFFECTS[row.effect] + _signs(row)),
        ("Absence counts after", f"{row.effect_deadline_s:g} s of the core's time"),
        ("Held at most", _held(row)),
        ("Repeating it", "changes nothing more" if row.idempotent else "does it again"),
        ("Dangerous", row.danger),
        *((f"On {kind}", "goes out as one command per member, the core does nothing for the group") for kind in row.expanded_in),
        *((f"On {kind}", why) for kind, why in {**row.useless_in, **row.unseen_in}.items() if kind in row.kinds),
    ]
    return "\n".join([*lines, "", *(f"- {name}: {words}" for name, words in facts if words), ""])


def _argument(field: Field) -> tuple[str, ...]:
    left_out = "may be left out" if field.optional else "your account's" if field.type is FieldType.AUTHOR else "must be given"
    default = left_out if field.default is None else f"`{str(field.default).lower()}`"
    return f"`{field.name}`", field.type.value, default, field.doc


def _known(row: Row, kind: CoreKind) -> str:
    since, until = (".".join(map(str, versions.get(kind, ()))) for versions in (row.since, row.until))
    return str(kind) + (f" from {since}" if since else "") + (f" before {until}" if until else "")


def _signs(row: Row) -> str:
    keys = ", ".join(f"`{sign.key}`" for sign in row.signs)
    return f" ({keys})" if keys else ": " + " or ".join(f"`{text}`" for text in row.log) if row.log else ""


def errors_table() -> str:
    """One row per error a client of the native API can meet."""
    rows = []
    for kind, (status, _) in sorted(TABLE.items(), key=lambda item: (item[1][0], item[0].code)):
        words = re.sub(r"\s+", " ", (kind.__doc__ or "").replace('`facts["', "`").replace('"]`', "`")).strip()
        rows.append((f"`{kind.code}`", str(status), words))
    return _table(("code", "status", "meaning"), rows)


TABLES: dict[str, Callable[[], str]] = {"settings": settings_table, "commands": commands_table, "errors": errors_table}


def with_tables(text: str) -> str:
    """The README with every table made anew."""
    for name, make in TABLES.items():
        between = re.compile(f"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        text = between.sub(lambda found, make=make: found[1] + make() + found[2], text)  # type: ignore[misc]
    return text


def _held(row: Row) -> str:
    if row.ttl is None:
        return "until its window ends"
    return f"`{row.ttl}`"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text("utf-8")), encoding="utf-8")
    COMMANDS.write_text(commands_page(), encoding="utf-8")
    JSON_CGIS.write_text(json_cgis_page(), encoding="utf-8")

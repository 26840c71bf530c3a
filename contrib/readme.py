"""The README's tables, made from what they describe: `python contrib/readme.py` writes them, tests/test_readme.py compares.

A table stands between `<!-- name -->` and `<!-- end of name -->`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

from api.errors import TABLE
from engine.commands.catalogue import ROWS, Effect, Row
from engine.config import Settings

README = Path(__file__).resolve().parent.parent / "README.md"

EFFECTS = {
    Effect.ENTRY_CREATED: "its blocks stand in the status file, with our text, window and time, under new ids",
    Effect.ENTRY_GONE: "the block is gone from a later status file",
    Effect.ACKNOWLEDGED: "the object is acknowledged, and our acknowledgement comment stands there",
    Effect.NOT_ACKNOWLEDGED: "the object is no longer acknowledged in a later status file",
    Effect.CHECKED: "forced for that time in the status file, or checked since",
    Effect.RESULT_SEEN: "`last_check` is the result's time",
}


def settings_table() -> str:
    """One row per setting: name, default, reason."""
    rows = []
    for field in dataclasses.fields(Settings):
        default = field.default
        shown = "" if default is None else "[]" if default == () else f'"{default}"' if isinstance(default, str) else f"{default:g}"
        unit = f" {field.metadata['unit']}" if field.metadata["unit"] else ""
        rows.append((f"`{field.name}`", f"`{shown}`{unit}" if shown else "none", field.metadata["doc"]))
    return _table(("setting", "default", "what for"), rows)


def commands_table() -> str:
    """One row per external command."""
    return _table(
        ("external command", "`confirmed` when", "held at most"),
        [(f"`{row.name}`", EFFECTS[row.effect], _held(row)) for row in ROWS],
    )


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


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text("utf-8")), encoding="utf-8")

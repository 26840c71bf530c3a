"""Which names may stand in the setting `dangerous_commands`. Pure.

What is dangerous, and why, stands in the catalogue. Signalbox's own marks are nobody's to send and nobody's to allow.
"""

from __future__ import annotations

import difflib

from engine.commands.catalogue import CATALOGUE, is_ours, row_of

DANGEROUS = tuple(sorted(name for name, row in CATALOGUE.items() if row.danger))


def mistake_in(name: str) -> str:
    """Why this name cannot stand in `dangerous_commands`, and what to do; "" when it can."""
    row = row_of(name)
    if row is not None and row.danger:
        return ""
    if row is not None:
        return f"{name} is not dangerous, operators may send it anyway: leave it out"
    if is_ours(name):
        return f"{name} is a mark of Signalbox's own, which nobody may send: leave it out"
    near = difflib.get_close_matches(name.upper(), DANGEROUS, n=3, cutoff=0.8)
    remedy = f"did you mean {' or '.join(near)}?" if near else "contrib/commands.md and GET /v1/commands/catalogue list them"
    return f"{name!r} is no external command: {remedy}"

"""How bytes of a core's files become text.

What belongs here: the one decision about decoding, so that the same bytes give the same name wherever they come from (status
file, object cache, log). Cores copy what was submitted byte by byte, so anything may stand in their files.
"""

from __future__ import annotations


def text_of(raw: bytes) -> str:
    """Text that every database and every JSON encoder takes: UTF-8, with U+FFFD for each byte that is not.

    Lone surrogates (`surrogateescape`) would keep the bytes but can be stored neither in SQLite nor in JSON.
    """
    return raw.decode("utf-8", "replace")

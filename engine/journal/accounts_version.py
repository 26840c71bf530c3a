"""Whether users or tokens changed, for those who remember what they read of them.

Theory of operation. A number in a file of the data folder (`engine/mapped.py`). Whoever commits a change that takes something away
(temporary triggers of its connection notice) raises it after the COMMIT, still holding the journal's lock. A process that dies
between the two leaves it as it was: so what is remembered is remembered for a second at most.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from engine.mapped import MappedNumber

FILE = "journal.accounts"
_FUNCTION = "accounts_changed"
_NOTICED = {
    "token_gone": "DELETE ON token",
    "token_changed": "UPDATE OF user_id, fingerprint, expires_at, idle_s, verbs, pollers ON token",
    "user_gone": "DELETE ON user",
    "user_changed": "UPDATE OF name, role, author, scope, password_hash ON user",
}


class AccountsVersion:
    """See the module. Belongs to one `Journal`."""

    def __init__(self, data: Path) -> None:
        self._mapped = MappedNumber(data / FILE)
        self._is_changed = False

    def close(self) -> None:
        """Let go of the file."""
        self._mapped.close()

    def number(self) -> int:
        """Another one than before: something was taken away from somebody."""
        return self._mapped.get()

    def watch(self, connection: sqlite3.Connection) -> None:
        """Notice what that connection changes."""
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.create_function(_FUNCTION, 0, self._noticed)
        for name, change in _NOTICED.items():
            connection.execute(f"CREATE TEMP TRIGGER {name} AFTER {change} BEGIN SELECT {_FUNCTION}(); END")

    def committed(self) -> None:
        """A transaction of that connection is durable, and nobody else writes yet."""
        if self._is_changed:
            self._is_changed = False
            self._mapped.set(self.number() + 1)

    def _noticed(self) -> None:
        self._is_changed = True

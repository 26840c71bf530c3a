"""Requests without a valid token, for the audit: counted by address, not written one by one, for they cost a stranger nothing.

What was counted is stored a minute after the first of it, when the next one comes or the worker stops; a worker that is killed
loses up to that much. Beyond MOST_ADDRESSES different ones they count as one.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass, field

from engine.errors import JournalError, NotAuthenticated
from engine.journal.audit import UNAUTHENTICATED, AuditRow, add_audit
from engine.journal.store import Journal

STORE_EVERY_S = 60.0
MOST_ADDRESSES = 200
OTHERS = "others"

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Strangers:
    """See the module. Thread-safe."""

    journal: Journal
    _counts: Counter[str] = field(default_factory=Counter)
    _since: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, address: str, now: float) -> None:
        """One more request from that address."""
        with self._lock:
            if not self._counts:
                self._since = now
            known = address in self._counts or len(self._counts) < MOST_ADDRESSES
            self._counts[address if known else OTHERS] += 1
            due = not 0 <= now - self._since < STORE_EVERY_S
        if due:
            self.store(now)

    def store(self, now: float) -> None:
        """Put what was counted into the audit; when that cannot be stored it is kept for the next time."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            with self.journal.transaction() as connection:
                for address, count in counts.items():
                    row = AuditRow(now, UNAUTHENTICATED, "", address=address, count=count, status=401, code=NotAuthenticated.code)
                    add_audit(connection, row)
        except JournalError as error:
            log.warning("%d requests without a valid token are not in the audit yet: %s", counts.total(), error)
            with self._lock:
                self._counts.update(counts)
                self._since = now

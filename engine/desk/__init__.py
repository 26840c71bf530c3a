"""The front door: what every dialect asks of the engine, and nothing else.

A dialect translates its paths and words into these calls and the values that come back into its own shapes. A desk lives in an
API worker; it reads state.db and journal.db, writes accepted commands into journal.db and pokes the engine process.
Every call takes the caller, whose scope bounds what can be seen or touched.

A command's way over the desk: `asked` (may this caller?) → `Resolver` (which object on which poller?) → an `Order` per external
command (what is known to fail is refused) → `Accept` inside a shared transaction (twins, ids, rows) → receipts. The other
modules hold one of these steps each.

The class is one to its callers and written in layers, a subject in each module; none overrides anything of another: `opened.py`
(databases, threads, snapshots), `reading.py` (what is shown), `ordering.py` (from orders to receipts), and on these `nouns.py`,
`any_command.py`, `for_many.py`, `result_calls.py` (what is asked).
"""

from __future__ import annotations

from engine.desk.any_command import AnyCommand, Wanted
from engine.desk.audience import Which, Wording
from engine.desk.audit import Audited, AuditedCommand, AuditFilter
from engine.desk.for_many import ForMany
from engine.desk.items import Item, ItemDone
from engine.desk.result_calls import ResultCalls
from engine.desk.results import ResultCall
from engine.desk.values import (
    Caller,
    CheckResult,
    Entry,
    EntryFilter,
    Life,
    OperationView,
    Page,
    Receipt,
    Recorded,
    Request,
    Step,
    Target,
)

__all__ = [
    "AuditFilter",
    "Audited",
    "AuditedCommand",
    "Caller",
    "CheckResult",
    "Desk",
    "Entry",
    "EntryFilter",
    "Item",
    "ItemDone",
    "Life",
    "OperationView",
    "Page",
    "Receipt",
    "Recorded",
    "Request",
    "ResultCall",
    "Step",
    "Target",
    "Wanted",
    "Which",
    "Wording",
]


class Desk(AnyCommand, ForMany, ResultCalls):
    """See the module. All methods but `open` raise CallerError subclasses for what the caller got wrong."""

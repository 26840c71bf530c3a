"""Whether contacts were told of an acknowledgement that others set: of all a core's files only its log says so.

Ours know it from the journal. Where the log tells nothing, either, nobody is known to have been told: false, as in the original.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from api.centreon.place import Visit
from engine.desk import Entry
from engine.formats.logentry import EntryType
from engine.state.history import HistoryFilter, history
from engine.state.scope import Scope
from engine.state.views import Reader

_COMMANDS = ("ACKNOWLEDGE_HOST_PROBLEM", "ACKNOWLEDGE_SVC_PROBLEM")
_NEAR_S = 2  # a core writes the comment in the second it logs the command, or the next one
_MOST_NEAR = 20  # commands on one object within these seconds


async def with_notified(visit: Visit, entries: Sequence[Entry]) -> Sequence[Entry]:
    """The same entries; of acknowledgements `notify` is known."""
    if all(entry.notify is not None or entry.kind != "acknowledgement" for entry in entries):
        return entries
    scope = visit.caller.scope
    return await visit.desk.read(lambda reader: [_with_notified(reader, scope, entry) for entry in entries])


def _with_notified(reader: Reader, scope: Scope, entry: Entry) -> Entry:
    if entry.notify is not None or entry.kind != "acknowledgement":
        return entry
    which = HistoryFilter(
        poller=entry.poller,
        host=entry.host,
        service=entry.service or "",
        types=(EntryType.EXTERNAL_COMMAND,),
        since=entry.entry_time - _NEAR_S,
        until=entry.entry_time + _NEAR_S,
    )
    lines, _ = history(reader, scope, which, _MOST_NEAR)
    asked = [line.text for line in lines if line.command.startswith(_COMMANDS)]
    return replace(entry, notify=any(_notifies(text, entry) for text in asked))


def _notifies(text: str, entry: Entry) -> bool:
    """Of `host[;service];sticky;notify;persistent;…;author;comment`: is it this one, and are contacts told?"""
    fields = text.split(";")
    flag = 2 if entry.service is None else 3
    return len(fields) > flag and fields[flag] == "1" and text.endswith(f";{entry.author};{entry.comment}")

"""Do the journal's claims and the cores' own files agree? An independent judge: it reads journal.db as any tool would, the cores'
files by the tests' oracle, and imports nothing of engine or api (import-linter proves it).

What it holds them to, once everything has come to rest:

- whatever was accepted is in the journal, and its life has ended;
- what the journal calls present stands in the core under the id it names, with the same object, author and text; and the other way
  round: nothing stands in a core that the journal does not show;
- a line of ours made one thing: a second one only where the journal told of it and why it was left alone;
- what was refused, given up, withdrawn or lost stands nowhere; what is confirmed stands, unless its window ended, somebody's
  deletion is in the core's log, or it was not to be kept over a restart;
- what a confirmed deletion took away is gone; flags of acknowledgements and switches are as the newest confirmed command says.
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import oracle
from tests.support.cores import Core

Row = dict[str, Any]
Target = tuple[str, str, str]  # host, service, text

MARGIN_S = 5  # a window that ends about now may be seen either way
OPEN = ("accepted", "held", "writing", "written")
NOWHERE = ("refused", "expired", "cancelled", "no_effect", "lost_by_core")
_DELETED = re.compile(rb"DEL_(?:HOST|SVC)_(DOWNTIME|COMMENT);(\d+)")


@dataclass(frozen=True, slots=True)
class Claims:
    """What journal.db says of one poller."""

    commands: Sequence[Row]
    entries: Sequence[Row]
    calls: Sequence[Row]  # of results by the thousand
    told: Mapping[str, str]  # command → all its evidence

    @classmethod
    def read(cls, journal: Path, poller: int) -> Claims:
        with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True, timeout=10)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("BEGIN")
            commands = [dict(row) for row in connection.execute("SELECT * FROM command WHERE poller = ? ORDER BY seq", (poller,))]
            entries = [dict(row) for row in connection.execute("SELECT * FROM entry WHERE poller = ? ORDER BY id", (poller,))]
            calls = [dict(row) for row in connection.execute("SELECT * FROM result_call WHERE poller = ?", (poller,))]
            told: dict[str, str] = {}
            for command_id, evidence in connection.execute("SELECT command_id, evidence FROM step ORDER BY seq"):
                told[command_id] = told.get(command_id, "") + "\n" + evidence
        for command in commands:
            command["arguments"] = json.loads(command["arguments"])
        return cls(commands, entries, calls, told)

    def counts(self) -> str:
        """How many lives came to which end, and what was not proven: neither is wrong by itself."""
        ends = Counter(command["state"] for command in self.commands)
        odd = [_life(self, command) for command in self.commands if command["state"] in ("unknown", "no_effect", "partial")]
        return "\n".join([f"{dict(ends)}, {sum(one['duplicates'] for one in self.commands)} duplicates", *odd])


def disagreements(journal: Path, poller: int, core: Core, accepted: Mapping[str, str], deadline_s: float) -> list[str]:
    """What does not agree and does not come to agree within the time: files and journal are written one after the other."""
    end = time.monotonic() + deadline_s
    while True:
        found = list(_disagreements(Claims.read(journal, poller), core, accepted))
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.5)


def _disagreements(claims: Claims, core: Core, accepted: Mapping[str, str]) -> Iterator[str]:
    yield from _lives(claims, accepted)
    downtimes = [block for block in oracle.downtimes(core.status_file) if float(block["end_time"]) > time.time() + MARGIN_S]
    comments = [block for block in oracle.comments(core.status_file) if block["entry_type"] == "1"]
    for kind, blocks, key in (("downtime", downtimes, "comment"), ("comment", comments, "comment_data")):
        yield from _standing(claims, kind, blocks, key)
        yield from second_ones(claims, kind, blocks, key)
    yield from _made(claims, core)
    yield from _flags(claims, core)


def _lives(claims: Claims, accepted: Mapping[str, str]) -> Iterator[str]:
    known = {command["id"] for command in claims.commands} | {call["id"] for call in claims.calls}
    for command_id, words in accepted.items():
        if command_id not in known:
            yield f"accepted and missing from the journal: {command_id} {words}"
    for command in claims.commands:
        if command["state"] in OPEN or (command["state"] == "processed" and command["watch_from"] is not None):
            yield f"its life has not ended: {_life(claims, command)}"
    for call in claims.calls:
        ended = sum(call[end] for end in ("processed", "confirmed", "refused", "no_effect", "expired", "unknown", "cancelled"))
        if call["accepted"] or call["written"] or ended != call["total"]:
            yield f"a call of results is not through: {call}"


def _life(claims: Claims, command: Row) -> str:
    short = {key: command[key] for key in ("id", "name", "host", "service", "state", "reason", "entry_id", "epoch", "cause")}
    return f"{short} {command['arguments']} {claims.told.get(command['id'], '')!r}"


# --- what stands ------------------------------------------------------------------------------------------------------------


def _standing(claims: Claims, kind: str, blocks: Sequence[oracle.Block], key: str) -> Iterator[str]:
    ends = time.time() + MARGIN_S
    present = [one for one in claims.entries if one["kind"] == kind and one["present"] and (one["end_time"] or ends + 1) > ends]
    states = {command["id"]: command["state"] for command in claims.commands}
    in_core = {int(block[f"{kind}_id"]): (block["host_name"], block["service_description"], block[key]) for block in blocks}
    in_journal = {one["core_id"]: (one["host"], one["service"], one["comment"]) for one in present if one["core_id"] is not None}
    for core_id in sorted(set(in_core) | set(in_journal)):
        if in_core.get(core_id) != in_journal.get(core_id):
            words = f"the core shows {in_core.get(core_id)}, the journal {in_journal.get(core_id)}"
            about = [one for one in claims.entries if one["core_id"] == core_id and one["kind"] == kind]
            yield f"{kind} {core_id}: {words} {[_entry(claims, one) for one in about]}"
    for one in present:
        if one["core_id"] is None and states.get(one["command_id"]) != "unknown":
            yield f"called present, never seen, and nobody looks for it: {_entry(claims, one)}"


def _entry(claims: Claims, entry: Row) -> str:
    command = next((one for one in claims.commands if one["id"] == entry["command_id"]), None)
    return f"{entry} of {_life(claims, command) if command else None}"


def second_ones(claims: Claims, kind: str, blocks: Sequence[oracle.Block], key: str) -> Iterator[str]:
    """Of one line there is one thing, or the journal told of the other and why it was left alone."""
    ours: dict[str, list[Row]] = {}  # a host's downtime with its services' is two commands of one text
    for command in claims.commands:
        ours.setdefault(str(command["arguments"].get("comment", "")), []).append(command)
    counts: Counter[Target] = Counter()
    for block in blocks:
        told = "".join(claims.told.get(command["id"], "") for command in ours.get(block[key], ()))
        if block[key] in ours and f"{kind}_id={block[f'{kind}_id']} equals" not in told:
            counts[block["host_name"], block["service_description"], block[key]] += 1
    for target, count in counts.items():
        if count > 1:
            twice = [block for block in blocks if (block["host_name"], block["service_description"], block[key]) == target]
            yield f"{count} times the same {kind}: {twice} of {[_life(claims, command) for command in ours[target[2]]]}"


# --- what is claimed of each command ----------------------------------------------------------------------------------------


def _made(claims: Claims, core: Core) -> Iterator[str]:
    gone = _deleted_by_log(core)
    deleting = {command["entry_id"] for command in claims.commands if command["name"].startswith("DEL_")}
    entries: dict[str, list[Row]] = {}
    for entry in claims.entries:
        entries.setdefault(str(entry["command_id"]), []).append(entry)
    by_id = {entry["id"]: entry for entry in claims.entries}
    for command in claims.commands:
        made = entries.get(command["id"], [])
        if command["state"] in NOWHERE and any(entry["present"] for entry in made):
            yield f"{command['state']}, and called present: {_life(claims, command)}"
        if command["state"] == "confirmed":
            for entry in made:
                if entry["kind"] != "acknowledgement" and not _is_explained(command, entry, gone, deleting):
                    yield f"confirmed, gone, and nothing explains it: {_entry(claims, entry)}"
            deleted = by_id.get(command["entry_id"]) if command["name"].startswith("DEL_") else None
            if deleted is not None and deleted["present"]:
                yield f"its deletion is confirmed, and it stands: {_life(claims, command)} {_entry(claims, deleted)}"


def _is_explained(command: Row, entry: Row, gone: set[tuple[str, int]], deleting: set[int]) -> bool:
    if entry["present"] or (entry["end_time"] is not None and entry["end_time"] <= time.time() + MARGIN_S):
        return True
    if entry["kind"] == "comment" and not command["arguments"].get("persistent"):
        return True
    return entry["id"] in deleting or (entry["kind"], entry["core_id"]) in gone


def _deleted_by_log(core: Core) -> set[tuple[str, int]]:
    """(kind, core id) of every deletion the core read, whoever asked for it, and be it an old line executed again."""
    lines = oracle.command_lines([*oracle.logs_of(core.folder)] if core.kind == "nagios" else [core.main_log])
    found = [match for line in lines if (match := _DELETED.match(line))]
    return {(match[1].decode().lower(), int(match[2])) for match in found}


def _flags(claims: Claims, core: Core) -> Iterator[str]:
    acknowledged = {(one["host"], one["service"]) for one in claims.entries if one["kind"] == "acknowledgement" and one["present"]}
    for kind, keys in oracle.blocks(core.status_file):
        if kind in ("hoststatus", "servicestatus"):
            target = (keys["host_name"], keys.get("service_description", ""))
            if (keys["problem_has_been_acknowledged"] == "1") != (target in acknowledged):
                about = [
                    one for one in claims.entries if one["kind"] == "acknowledgement" and (one["host"], one["service"]) == target
                ]
                flag = keys["problem_has_been_acknowledged"]
                yield f"{target} acknowledged={flag}: {[_entry(claims, one) for one in about[-2:]]}"
    newest = {
        command["host"]: command
        for command in claims.commands
        if command["name"].endswith("ABLE_HOST_NOTIFICATIONS") and command["state"] not in ("refused", "expired", "cancelled")
    }
    for host, command in newest.items():
        wanted = str(int(command["name"].startswith("ENABLE")))
        shown = oracle.status_of(core.status_file, host)["notifications_enabled"]
        if command["state"] == "confirmed" and not command["overruled"] and shown != wanted:
            yield f"notifications of {host} are {shown}: {_life(claims, command)}"

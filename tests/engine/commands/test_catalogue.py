"""The table of commands against the list of arguments in the cores' own documentation."""

from __future__ import annotations

from dataclasses import fields

import pytest

from engine.commands.catalogue import CATALOGUE, ROWS, Effect, FieldType, Recheck, Row
from engine.config import Settings
from engine.model import CoreKind

WINDOW = "start end fixed trigger duration author comment"
# Arguments in the order Nagios documents them: https://assets.nagios.com/downloads/nagioscore/docs/externalcmds/
DOCUMENTED = {
    "SCHEDULE_HOST_DOWNTIME": f"host {WINDOW}",
    "SCHEDULE_SVC_DOWNTIME": f"host service {WINDOW}",
    "SCHEDULE_HOST_SVC_DOWNTIME": f"host {WINDOW}",
    "DEL_HOST_DOWNTIME": "entry",
    "DEL_SVC_DOWNTIME": "entry",
    "ACKNOWLEDGE_HOST_PROBLEM": "host sticky notify persistent author comment",
    "ACKNOWLEDGE_SVC_PROBLEM": "host service sticky notify persistent author comment",
    "REMOVE_HOST_ACKNOWLEDGEMENT": "host",
    "REMOVE_SVC_ACKNOWLEDGEMENT": "host service",
    "ADD_HOST_COMMENT": "host persistent author comment",
    "ADD_SVC_COMMENT": "host service persistent author comment",
    "DEL_HOST_COMMENT": "entry",
    "DEL_SVC_COMMENT": "entry",
    "SCHEDULE_FORCED_HOST_CHECK": "host at",
    "SCHEDULE_FORCED_SVC_CHECK": "host service at",
    "PROCESS_HOST_CHECK_RESULT": "host return_code output",
    "PROCESS_SERVICE_CHECK_RESULT": "host service return_code output",
}


def test_rows_are_the_documented_commands() -> None:
    assert {row.name: " ".join(field.name for field in row.fields) for row in ROWS} == DOCUMENTED
    assert len(CATALOGUE) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_row_is_sound(row: Row) -> None:
    types = [field.type for field in row.fields]
    for free in (FieldType.TEXT, FieldType.OUTPUT):
        assert free not in types[:-1], "free text may hold the separator: only the last field can take it"
    assert row.kinds == frozenset(CoreKind)
    assert row.is_service == ("SVC" in row.name.replace("HOST_SVC", "") or "SERVICE" in row.name) or types == [FieldType.ENTRY]
    if row.effect in (Effect.ENTRY_CREATED, Effect.ENTRY_GONE, Effect.ACKNOWLEDGED, Effect.NOT_ACKNOWLEDGED):
        assert row.entry_kind is not None
    if row.effect is Effect.ENTRY_GONE:
        assert types == [FieldType.ENTRY]
    if row.ttl is None:
        assert row.recheck is Recheck.NOT_ENDED, "without a time to live of its own, the window's end must bound it"
    else:
        assert row.ttl in {setting.name for setting in fields(Settings)}


def test_only_what_can_be_repeated_without_harm_is_idempotent() -> None:
    idempotent = {row.name for row in ROWS if row.idempotent}
    assert idempotent == {name for name in DOCUMENTED if name.startswith(("DEL_", "REMOVE_", "SCHEDULE_FORCED_"))}
    assert {row.name for row in ROWS if not row.resend_when_absent} == {"ACKNOWLEDGE_HOST_PROBLEM", "ACKNOWLEDGE_SVC_PROBLEM"}
    assert {row.name for row in ROWS if row.bulk} == {"PROCESS_HOST_CHECK_RESULT", "PROCESS_SERVICE_CHECK_RESULT"}
    assert {row.name for row in ROWS if row.members} == {"SCHEDULE_HOST_SVC_DOWNTIME"}

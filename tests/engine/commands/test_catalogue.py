"""The table of commands against an independent transcription of the notes on the cores: names, arguments, who knows them."""

from __future__ import annotations

from dataclasses import fields

import pytest

from engine.commands.catalogue import (
    CATALOGUE,
    ROWS,
    SWITCHES,
    Effect,
    FieldType,
    Members,
    Recheck,
    Row,
    Subject,
    known_row,
    row_of,
)
from engine.commands.row import OBJECTS, FromField, version_of
from engine.commands.wire import MARK_PREFIX
from engine.config import Settings
from engine.model import ContactStatus, CoreKind, HostStatus, ServiceStatus
from tests.engine.commands.documented import COUNTS, DANGEROUS, DOCUMENTED

T = FieldType
LETTERS = {
    "H": {T.HOST}, "S": {T.SERVICE}, "HG": {T.HOSTGROUP}, "SG": {T.SERVICEGROUP}, "C": {T.CONTACT}, "CG": {T.CONTACTGROUP},
    "TP": {T.TIMEPERIOD}, "T": {T.TIME}, "B": {T.BOOL}, "Y": {T.STICKY}, "I": {T.CODE, T.UINT}, "U": {T.UINT, T.TRIGGER, T.SPAN},
    "F": {T.NUMBER}, "E": {T.ENTRY}, "V": {T.VARIABLE}, "W": {T.WORD}, "P": {T.PATH}, "A": {T.AUTHOR}, "X": {T.TEXT},
    "O": {T.OUTPUT},
}  # fmt: skip


def test_rows_are_the_documented_commands() -> None:
    assert len(DOCUMENTED) == len(ROWS) == len(CATALOGUE) == 182
    assert set(CATALOGUE) == set(DOCUMENTED)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_arguments_are_the_documented_ones_in_order(name: str) -> None:
    row, letters = CATALOGUE[name], DOCUMENTED[name]
    assert len(row.fields) == len(letters)
    for field, letter in zip(row.fields, letters, strict=True):
        assert field.type in LETTERS[letter.removesuffix("?")]
        assert field.optional == letter.endswith("?")
        assert field.doc


@pytest.mark.parametrize(("kind", "version"), COUNTS)
def test_each_core_knows_as_many_as_its_source_has(kind: str, version: str) -> None:
    assert sum(row.is_known_to(CoreKind(kind), version) for row in ROWS) == COUNTS[kind, version]


def test_versions() -> None:
    assert version_of("r2.13.6-1") == (2, 13, 6)
    assert version_of("4.4.6") < version_of("4.10") < version_of("5")
    assert version_of("") == version_of("unknown") == ()
    clear = CATALOGUE["CLEAR_HOST_FLAPPING_STATE"]
    assert [clear.is_known_to(CoreKind.NAGIOS, version) for version in ("4.3.4", "4.4.0", "")] == [False, True, True]
    assert not clear.is_known_to(CoreKind.NAEMON, "1.5")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_row_is_sound(row: Row) -> None:
    types = [field.type for field in row.fields]
    for free in (T.TEXT, T.OUTPUT):
        assert free not in types[:-1], "free text may hold the separator: only the last field can take it"
    assert row.doc
    assert row.ttl is not None or row.recheck is Recheck.NOT_ENDED, "without a time to live, the window's end must bound it"
    assert row.ttl is None or row.ttl in {setting.name for setting in fields(Settings)}
    if row.effect in (Effect.ENTRY_CREATED, Effect.ENTRY_GONE, Effect.ACKNOWLEDGED, Effect.NOT_ACKNOWLEDGED):
        assert row.entry_kind is not None
    if row.subject not in OBJECTS and row.subject is not Subject.GLOBAL:
        assert types[0].value == row.subject.value
    assert bool(row.signs) == (row.effect in (Effect.SHOWN, Effect.PROGRAM))
    assert bool(row.log) == (row.effect is Effect.LOGGED)
    names = {field.name for field in row.fields}
    for sign in row.signs:
        assert not isinstance(sign.value, FromField) or sign.value.name in names
        assert row.effect is Effect.PROGRAM or sign.key in _columns(row)
    assert set(row.since) <= row.kinds | {CoreKind.NAGIOS}
    assert set(row.until) <= row.kinds
    assert row.effect_deadline_s >= 2


def _columns(row: Row) -> set[str]:
    if row.subject in (Subject.CONTACT, Subject.CONTACTGROUP):
        return set(ContactStatus._fields)
    return set(HostStatus._fields) & set(ServiceStatus._fields)


def test_exactly_the_dangerous_set_is_dangerous() -> None:
    assert {row.name for row in ROWS if row.danger} == DANGEROUS


def test_only_what_can_be_repeated_without_harm_is_idempotent() -> None:
    makes = ("ADD_", "ACKNOWLEDGE_", "SEND_", "SHUTDOWN_", "RESTART_")
    words = ("_DOWNTIME", "_CHECK_RESULT")
    others = {"READ_STATE_INFORMATION", "SYNC_STATE_INFORMATION", "FLUSH_PENDING_COMMANDS", "PROCESS_FILE", "LOG"}
    once = {name for name in DOCUMENTED if name.startswith(makes) or (name.endswith(words) and not name.startswith("DEL_"))}
    assert {row.name for row in ROWS if not row.idempotent} == once | others
    assert {row.name for row in ROWS if row.bulk} == {"PROCESS_HOST_CHECK_RESULT", "PROCESS_SERVICE_CHECK_RESULT"}
    risky = {row.name for row in ROWS if not row.resend_when_absent}
    assert {name for name in once | others if name.startswith(makes[1:]) or name in others} == risky


def test_hostgroup_switches_do_nothing_on_centreon() -> None:
    inert = {row.name for row in ROWS if row.expanded_in == {CoreKind.CENTREON} and row.subject is Subject.HOSTGROUP}
    assert inert == {name for name in DOCUMENTED if "_HOSTGROUP_" in name and name.startswith(("ENABLE_", "DISABLE_"))}


def test_members_follow_from_the_name() -> None:
    for row in ROWS:
        if "GROUP_SVC_" in row.name or "GROUP_PASSIVE_SVC" in row.name:
            assert row.on in (Members.SERVICES, Members.CONTACTS), row.name
        if "AND_PROPAGATE" in row.name or "HOST_AND_CHILD" in row.name:
            assert row.on is Members.HOST_AND_CHILDREN


def test_what_can_be_switched_has_a_command_each_way() -> None:
    group = {f"{whose}.{column}" for whose in ("hosts", "services") for column in (
        "checks_enabled", "accept_passive_checks", "notifications_enabled")}  # fmt: skip
    assert set(SWITCHES[Subject.HOSTGROUP]) == set(SWITCHES[Subject.SERVICEGROUP]) == group
    assert set(SWITCHES[Subject.GLOBAL]) >= {
        "enable_notifications", "enable_event_handlers", "enable_flap_detection", "process_performance_data",
        "check_service_freshness", "check_host_freshness", "execute_service_checks", "execute_host_checks",
        "accept_passive_service_checks", "accept_passive_host_checks", "obsess_over_services", "obsess_over_hosts",
    }  # fmt: skip
    for subject in SWITCHES:
        for feature, rows in SWITCHES[subject].items():
            assert {wanted: row.signs[0].value for wanted, row in rows.items()} == {True: 1, False: 0}, feature


def test_features_of_hosts_and_services_have_a_command_each_way() -> None:
    for subject in OBJECTS:
        assert set(SWITCHES[subject]) == {
            "checks_enabled", "accept_passive_checks", "notifications_enabled", "event_handler_enabled", "flap_detection_enabled",
            "obsess",
        }  # fmt: skip
        for column, rows in SWITCHES[subject].items():
            assert {wanted: row.signs[0].value for wanted, row in rows.items()} == {True: 1, False: 0}
            assert all(row.subject is subject and row.signs[0].key == column for row in rows.values())


def test_custom_commands_are_dangerous_and_never_our_marks() -> None:
    custom = row_of("_PROCESS_IT")
    assert custom is not None
    assert custom.danger
    assert custom.effect is Effect.UNSEEN
    assert row_of(f"{MARK_PREFIX}E12") is None
    assert row_of("_lower") is None
    assert row_of("NO_SUCH_COMMAND") is None
    with pytest.raises(KeyError):
        known_row("NO_SUCH_COMMAND")

"""Rows of the catalogue: what is switched on and off, of hosts, services, groups, contacts and whole cores."""

from __future__ import annotations

from typing import Any

from engine.commands.parts import BLIND, CENTREON, ICINGA1, NAGIOS, NOT_ICINGA2, Rows, both, program_row, row
from engine.commands.row import ALL, Effect, Field, FieldType, Members, Row, Sign, Subject

# (what is switched in the names of commands for hosts, for services, the mirror's column, what it is)
_FEATURES = (
    ("{}_HOST_CHECK", "{}_SVC_CHECK", "checks_enabled", "active checks"),
    ("{}_PASSIVE_HOST_CHECKS", "{}_PASSIVE_SVC_CHECKS", "accept_passive_checks", "passive checks"),
    ("{}_HOST_NOTIFICATIONS", "{}_SVC_NOTIFICATIONS", "notifications_enabled", "notifications"),
    ("{}_HOST_EVENT_HANDLER", "{}_SVC_EVENT_HANDLER", "event_handler_enabled", "the event handler"),
    ("{}_HOST_FLAP_DETECTION", "{}_SVC_FLAP_DETECTION", "flap_detection_enabled", "flap detection"),
)
# Features that can be switched for a whole group: (end of the name for hosts, for services, column, what it is).
_GROUP_FEATURES = (
    ("HOST_CHECKS", "SVC_CHECKS", "checks_enabled", "active checks"),
    ("PASSIVE_HOST_CHECKS", "PASSIVE_SVC_CHECKS", "accept_passive_checks", "passive checks"),
    ("HOST_NOTIFICATIONS", "SVC_NOTIFICATIONS", "notifications_enabled", "notifications"),
)
_ON_OFF = (("ENABLE", 1, "on"), ("DISABLE", 0, "off"))
_START_STOP = (("START", 1, "on"), ("STOP", 0, "off"))


def _switch(name: str, subject: Subject, column: str, value: int, doc: str, on: Members = Members.ITSELF, **rest: Any) -> Row:
    return row(name, subject, Effect.SHOWN, signs=(Sign(column, value),), on=on, doc=doc, **rest)


def object_switches() -> Rows:
    """Features of one host or service, or of what hangs on it."""
    for host, service, column, what in _FEATURES:
        for verb, value, word in _ON_OFF:
            yield _switch(host.format(verb), Subject.HOST, column, value, f"Switch {what} of the host {word}.")
            yield _switch(service.format(verb), Subject.SERVICE, column, value, f"Switch {what} of the service {word}.")
    for verb, value, word in _START_STOP:
        doc = f"Switch obsession (the core's command after each check) {word}."
        yield _switch(f"{verb}_OBSESSING_OVER_HOST", Subject.HOST, "obsess", value, doc, kinds=NOT_ICINGA2)
        yield _switch(f"{verb}_OBSESSING_OVER_SVC", Subject.SERVICE, "obsess", value, doc, kinds=NOT_ICINGA2)
    for verb, value, word in _ON_OFF:
        for feature, column, what in (
            ("CHECKS", "checks_enabled", "active checks"),
            ("NOTIFICATIONS", "notifications_enabled", "notifications"),
        ):
            doc = f"Switch {what} of the host's services {word}."
            yield _switch(f"{verb}_HOST_SVC_{feature}", Subject.HOST, column, value, doc, Members.SERVICES)
        doc = f"Switch notifications of everything below the host, services included, {word}."
        yield _switch(
            f"{verb}_ALL_NOTIFICATIONS_BEYOND_HOST", Subject.HOST, "notifications_enabled", value, doc,
            Members.CHILDREN_AND_SERVICES, kinds=NOT_ICINGA2,
        )  # fmt: skip
        doc = f"Switch notifications of the host and of the hosts below it {word}."
        yield _switch(
            f"{verb}_HOST_AND_CHILD_NOTIFICATIONS", Subject.HOST, "notifications_enabled", value, doc,
            Members.HOST_AND_CHILDREN, kinds=NOT_ICINGA2,
        )  # fmt: skip
    yield from both(
        "CLEAR_HOST_FLAPPING_STATE", "CLEAR_SVC_FLAPPING_STATE", Effect.SHOWN,
        signs=(Sign("is_flapping", 0),), kinds=frozenset({NAGIOS}), since={NAGIOS: (4, 4)},
        doc="Forget that the object is flapping.",
    )  # fmt: skip


def group_switches() -> Rows:
    """Features of a group's members, and of contacts."""
    for subject in (Subject.HOSTGROUP, Subject.SERVICEGROUP):
        # **Source**: Centreon Engine walks an empty range of hosts for every switch of a hostgroup.
        expanded = frozenset({CENTREON}) if subject is Subject.HOSTGROUP else frozenset()
        for host, service, column, what in _GROUP_FEATURES:
            for verb, value, word in _ON_OFF:
                for end, on, whose in ((host, Members.HOSTS, "hosts"), (service, Members.SERVICES, "services")):
                    name = f"{verb}_{subject.name}_{end}"
                    doc = f"Switch {what} of the {subject.value}'s {whose} {word}."
                    yield _switch(name, subject, column, value, doc, on, expanded_in=expanded)
    for subject, on in ((Subject.CONTACT, Members.ITSELF), (Subject.CONTACTGROUP, Members.CONTACTS)):
        for verb, value, word in _ON_OFF:
            for end, column, whose in (
                ("HOST", "host_notifications_enabled", "hosts"),
                ("SVC", "service_notifications_enabled", "services"),
            ):
                doc = f"Switch notifications about {whose} to the {subject.value} {word}."
                yield _switch(f"{verb}_{subject.name}_{end}_NOTIFICATIONS", subject, column, value, doc, on, kinds=NOT_ICINGA2)


# (start of the name when switched on, when switched off, the rest, key in programstatus, kinds, what it is)
_PROGRAM_FEATURES = (
    ("ENABLE", "DISABLE", "NOTIFICATIONS", "enable_notifications", ALL, "notifications"),
    ("ENABLE", "DISABLE", "EVENT_HANDLERS", "enable_event_handlers", ALL, "event handlers"),
    ("ENABLE", "DISABLE", "FLAP_DETECTION", "enable_flap_detection", ALL, "flap detection"),
    ("ENABLE", "DISABLE", "PERFORMANCE_DATA", "process_performance_data", ALL, "performance data"),
    ("ENABLE", "DISABLE", "SERVICE_FRESHNESS_CHECKS", "check_service_freshness", NOT_ICINGA2, "freshness checks of services"),
    ("ENABLE", "DISABLE", "HOST_FRESHNESS_CHECKS", "check_host_freshness", NOT_ICINGA2, "freshness checks of hosts"),
    ("START", "STOP", "EXECUTING_SVC_CHECKS", "active_service_checks_enabled", ALL, "active checks of services"),
    ("START", "STOP", "EXECUTING_HOST_CHECKS", "active_host_checks_enabled", ALL, "active checks of hosts"),
    ("START", "STOP", "ACCEPTING_PASSIVE_SVC_CHECKS", "passive_service_checks_enabled", NOT_ICINGA2, "passive checks of services"),
    ("START", "STOP", "ACCEPTING_PASSIVE_HOST_CHECKS", "passive_host_checks_enabled", NOT_ICINGA2, "passive checks of hosts"),
    ("START", "STOP", "OBSESSING_OVER_SVC_CHECKS", "obsess_over_services", NOT_ICINGA2, "obsession over services"),
    ("START", "STOP", "OBSESSING_OVER_HOST_CHECKS", "obsess_over_hosts", NOT_ICINGA2, "obsession over hosts"),
)  # fmt: skip


def program_switches() -> Rows:
    """Features of a whole core."""
    for start, stop, rest, key, kinds, what in _PROGRAM_FEATURES:
        yield program_row(f"{start}_{rest}", key, 1, kinds=kinds, doc=f"Switch {what} on, on the whole core.")
        danger = BLIND if stop == "STOP" or rest == "NOTIFICATIONS" else ""
        yield program_row(f"{stop}_{rest}", key, 0, kinds=kinds, danger=danger, doc=f"Switch {what} off, on the whole core.")
    modes = frozenset({NAGIOS, ICINGA1, CENTREON})
    yield program_row(
        "ENTER_STANDBY_MODE", "enable_notifications", 0, kinds=modes, danger=BLIND, doc="Another name of DISABLE_NOTIFICATIONS."
    )
    yield program_row("ENTER_ACTIVE_MODE", "enable_notifications", 1, kinds=modes, doc="Another name of ENABLE_NOTIFICATIONS.")
    yield program_row(
        "DISABLE_NOTIFICATIONS_EXPIRE_TIME", "enable_notifications", 0,
        Field("schedule_time", FieldType.TIME, "not used by the core", "now"),
        Field("expire", FieldType.TIME, "when they are switched on again"),
        kinds=frozenset({ICINGA1}), danger=BLIND, doc="Switch notifications off until a time.",
    )  # fmt: skip
    for verb, value, word in _ON_OFF:
        yield program_row(
            f"{verb}_FAILURE_PREDICTION", "enable_failure_prediction", value,
            kinds=frozenset({NAGIOS, ICINGA1, CENTREON}), until={NAGIOS: (4,)},
            unseen_in={CENTREON: "Centreon Engine takes it and does nothing"}, doc=f"Switch failure prediction {word}.",
        )  # fmt: skip

"""A past for the core of tests/support/cgi_core.py: two days of logs, and objects, comments and downtimes in every state."""

from __future__ import annotations

import time
from contextlib import closing

from engine.state.history import indexes
from engine.state.scope import EVERYTHING
from engine.state.views import Reader
from tests.support import oracle
from tests.support.box import Box
from tests.support.cgi_core import CgiCore
from tests.support.cores import until, wait_for_generation

_DAY = 86400


def write_past(core: CgiCore) -> None:
    """Two days of logs, one of them with a stop of the core in it."""
    objects = [(host.name, service.description) for host in core.hosts for service in host.services]
    current = [f"CURRENT HOST STATE: {host.name};UP;HARD;1;fine" for host in core.hosts]
    current += [f"CURRENT SERVICE STATE: {host};{service};OK;HARD;1;fine" for host, service in objects]
    begin = [(_DAY - 1, line) for line in current]
    core.archive(1, [(_DAY, "Nagios 4.4.6 starting... (PID=7)"), *begin, *PAST[0], (3600, "Caught SIGTERM, shutting down..."),
                     (3600, "Successfully shutdown... (PID=7)")])  # fmt: skip
    core.archive(0, [(_DAY - 600, "Nagios 4.4.6 starting... (PID=8)"), *begin, *PAST[1]])


PAST: tuple[list[tuple[int, str]], ...] = (
    [
        (80000, "HOST ALERT: web01;DOWN;SOFT;1;no answer"),
        (79000, "HOST ALERT: web01;DOWN;HARD;3;no answer; really"),
        (78990, "HOST NOTIFICATION: bob;web01;DOWN;tell;no answer"),
        (78900, "SERVICE ALERT: web01;HTTP;CRITICAL;HARD;3;refused"),
        (78800, "SERVICE NOTIFICATION: bob;web01;HTTP;CRITICAL;tell;refused"),
        (78000, "HOST ALERT: web03;UNREACHABLE;HARD;1;behind web01"),
        (77000, "HOST DOWNTIME ALERT: web01;STARTED; Host has entered a period of scheduled downtime"),
        (70000, "HOST DOWNTIME ALERT: web01;STOPPED; Host has exited from a period of scheduled downtime"),
        (69000, "HOST ALERT: web01;UP;HARD;1;back"),
        (69000, "HOST NOTIFICATION: bob;web01;UP;tell-louder;back"),
        (68000, "SERVICE ALERT: web01;HTTP;OK;HARD;3;answers"),
        (67000, "SERVICE ALERT: web02;Disk /var;WARNING;SOFT;1;8% free"),
        (66000, "SERVICE ALERT: web02;Disk /var;UNKNOWN;HARD;3;who knows"),
        (65000, "SERVICE NOTIFICATION: ann;web02;Disk /var;CUSTOM (UNKNOWN);tell;who knows;ann;look at it"),
        (64000, "SERVICE NOTIFICATION: ann;web02;Disk /var;ACKNOWLEDGEMENT (UNKNOWN);tell;who knows;ann;on it"),
        (63000, "SERVICE NOTIFICATION: carl;web02;Load;FLAPPINGSTART (OK);tell;flaps"),
        (62000, "HOST NOTIFICATION: carl;db01;ACKNOWLEDGEMENT (DOWN);tell;gone;carl;seen"),
        (61000, "HOST NOTIFICATION: carl;db01;FLAPPINGSTOP (UP);tell;calm"),
        (60000, "SERVICE DOWNTIME ALERT: db01;Disk /var;STARTED; Service has entered a period of scheduled downtime"),
    ],
    [
        (50000, "SERVICE ALERT: db01;PostgreSQL;CRITICAL;HARD;1;too many connections"),
        (49000, "SERVICE NOTIFICATION: ann;db01;PostgreSQL;WARNING;tell;slow"),
        (48000, "SERVICE NOTIFICATION: ann;db01;PostgreSQL;UNKNOWN;tell;lost"),
        (47000, "SERVICE NOTIFICATION: ann;db01;PostgreSQL;OK;tell;well"),
        (46000, "SERVICE DOWNTIME ALERT: db01;Disk /var;CANCELLED; Scheduled downtime for service has been cancelled."),
        (40000, "HOST ALERT: a&b %7;DOWN;HARD;1;100% gone"),
        (30000, "HOST ALERT: a&b %7;UP;HARD;1;100% back"),
        (20000, "SERVICE ALERT: a&b %7;Load;WARNING;HARD;1;high"),
    ],
)


def make_history(core: CgiCore) -> None:
    """Bring objects into states, and comments and downtimes of every kind onto them."""
    now = int(time.time())
    for host, service, code, output in _STATES:
        core.set_state(host, service, code, output)
    until(lambda: _has(core, "web01", "Disk /var", 2), "the states are there")
    core.send(
        "ACKNOWLEDGE_HOST_PROBLEM;web02;2;1;1;ann;on it",
        "ACKNOWLEDGE_SVC_PROBLEM;web01;Disk /var;1;0;0;bob;disk was ordered",
        "ADD_HOST_COMMENT;gateway;1;ann;persistent one",
        "ADD_SVC_COMMENT;web01;HTTP;0;bob;one that goes",
        f"SCHEDULE_HOST_DOWNTIME;db01;{now - 10};{now + 7200};1;0;7200;ann;fixed and running",
        f"SCHEDULE_HOST_DOWNTIME;web03;{now + 3600};{now + 7200};0;0;600;bob;flexible one",
        f"SCHEDULE_SVC_DOWNTIME;web01;Load;{now + 3600};{now + 9000};1;1;5400;carl;triggered by the first",
        "DISABLE_SVC_NOTIFICATIONS;web02;HTTP",
        "DISABLE_PASSIVE_SVC_CHECKS;web02;Load",
        "SEND_CUSTOM_HOST_NOTIFICATION;web01;2;ann;hello all",
    )
    until(lambda: b"triggered by the first" in core.status_file.read_bytes(), "the downtimes are there")
    wait_for_generation(core)


_STATES = (
    ("gateway", "", 0, "PING OK|rta=1ms"),
    ("web01", "", 0, "fine"),
    ("web02", "", 1, 'down & "out" <b>'),
    ("web03", "", 1, "nobody knows"),
    ("gateway", "PING", 0, "OK"),
    ("gateway", "Uplink", 1, "slow|speed=3;5;9"),
    ("web01", "HTTP", 0, "200"),
    ("web01", "Disk /var", 2, "full\\nvery full\\nC:\\\\temp|used=99%"),
    ("web02", "HTTP", 3, "no idea"),
    ("db01", "PostgreSQL", 2, "down"),
    ("a&b %7", "Load", 1, "100%s of %d"),
)


def _has(core: CgiCore, host: str, service: str, state: int) -> bool:
    try:
        row = oracle.status_of(core.status_file, host, service)
    except (OSError, KeyError):
        return False
    return row.get("has_been_checked") == "1" and row.get("current_state") == str(state)


def wait_until_read(core: CgiCore, box: Box) -> None:
    created = oracle.created(core.status_file)
    paths = [core.log_file, *(core.folder / "archives").iterdir()]

    sizes = sum(path.stat().st_size for path in paths)
    seen: list[object] = []

    def is_read() -> bool:
        # A reader of each look's own: the index's file is made anew when it is not whole.
        with closing(Reader.open(box.data)) as reader:
            view = reader.pollers(EVERYTHING)[0]
            known = indexes(reader, EVERYTHING)
        seen[:] = [view.created, created, known, sizes]
        return view.created == created and bool(known) and known[0].read_bytes == known[0].known_bytes == sizes

    try:
        until(is_read, "everything the core wrote is read")
    except TimeoutError as error:
        raise AssertionError(f"{error}: {seen}") from None

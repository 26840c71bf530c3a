"""Every external command that Nagios 4.4.6 and Icinga 2.13 know is sent to a real core and proven, both cores side by side.

Each is expected to end `confirmed`; `processed` is allowed only for the names listed in every_command.py, a reason each. What is
switched is read in the core's own status file, too.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.engine.commands.documented import DANGEROUS, DOCUMENTED
from tests.support import cores, oracle
from tests.support.box import Box, boxed, command_ids, parallel
from tests.support.cores import Core
from tests.system.every_command import (
    CHILD_SERVICE,
    OTHER_SERVICE,
    PROCESSED_IS_ENOUGH,
    SERVICE,
    SPECIAL,
    EveryIcinga2,
    EveryNagios,
    Unit,
    expected_switch,
    is_off,
    is_on,
    units_of,
)

pytestmark = pytest.mark.core

# One after the other: each needs the core that the one before leaves behind.
LAST = ("READ_STATE_INFORMATION", "RESTART_PROGRAM", "RESTART_PROCESS", "SHUTDOWN_PROGRAM", "SHUTDOWN_PROCESS")
VERSIONS = {"nagios": [4, 4, 6], "icinga2": [2, 13, 6]}
FLAPS = 14  # changes of state that make an object flap


@dataclass
class Site:
    """Both cores, Signalbox in front of them, and how each command ended."""

    cores: tuple[Core, ...]
    box: Box
    units: dict[str, Unit]
    rows: list[dict[str, Any]] = field(default_factory=list)
    ended: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def jobs(self, which: Callable[[dict[str, Any]], bool]) -> list[tuple[Core, dict[str, Any]]]:
        """Every core with each of the commands it knows that are meant."""
        return [(core, row) for core in self.cores for row in self.rows if _knows(core, row) and which(row)]


@pytest.fixture(scope="module")
def every() -> Iterator[Site]:
    cores.require_cores()
    units = units_of(DOCUMENTED)
    distinct = tuple(dict.fromkeys(units.values()))
    hosts = [host for unit in distinct for host in unit.hosts()]
    allowed = "dangerous_commands = [" + ", ".join(f'"{name}"' for name in sorted(DANGEROUS)) + "]"
    with cores.core_folder() as folder:
        nagios, icinga2 = EveryNagios(folder / "nagios", hosts), EveryIcinga2(folder / "icinga2", hosts)
        nagios.units = icinga2.units = distinct
        with cores.running(nagios, icinga2), boxed(folder, nagios, icinga2, settings=allowed) as box:
            yield Site((nagios, icinga2), box, units, box.api.get("/v1/commands/catalogue").json()["items"])


@pytest.mark.parametrize("name", ["DEL_DOWNTIME_BY_HOST_NAME", "DEL_DOWNTIME_BY_START_TIME_COMMENT"])
def test_what_is_gone_already_is_gone(every: Site, name: str) -> None:
    """Nagios prints an error where nothing was to be deleted: what was asked for holds all the same."""
    arguments = {"comment": "nobody's"} | ({"host": every.cores[0].hosts[0].name} if "HOST" in name else {})
    body = {"command": name, "arguments": arguments, "poller": "nagios"}
    answer = every.box.api.post("/v1/commands", json=body, params={"wait": 10})
    assert (answer.status_code, answer.json()["state"]) == (200, "confirmed"), answer.text
    (command,) = answer.json()["commands"]
    steps = every.box.life(command["command_id"])["steps"]
    assert any("rror" in step["evidence"] for step in steps), steps
    assert "no such downtime" in command["detail"]


def test_a_variable_that_an_object_has_not_got_is_refused_with_those_it_has(every: Site) -> None:
    """A Nagios drops such a command without a word, an Icinga 2 makes the variable: told by what each core itself shows."""
    unit = every.units["ADD_HOST_COMMENT"]
    nagios, icinga2 = every.cores
    subjects: list[tuple[str, dict[str, Any]]] = [
        ("CHANGE_CUSTOM_HOST_VAR", {"host": unit.host}),
        ("CHANGE_CUSTOM_SVC_VAR", {"host": unit.host, "service": SERVICE}),
        ("CHANGE_CUSTOM_CONTACT_VAR", {"contact": unit.contact}),
    ]

    def ask(core: Core, name: str, where: dict[str, Any], variable: str) -> Any:
        body = {"command": name, "arguments": where | {"variable": variable, "value": "somebody"}, "poller": core.folder.name}
        return every.box.api.post("/v1/commands", json=body, params={"wait": 20})

    for name, where in subjects:
        refused = ask(nagios, name, where, "NOSUCH").json()
        assert (refused["status"], refused["field"]) == (422, "variable") and "OWNER" in refused["known"], refused
        taken = ask(nagios, name, where, "owner").json()
        assert taken["state"] == "confirmed", taken
    (shown,) = icinga2.folder.rglob("objects.cache")
    made = ask(icinga2, *subjects[0], "NOSUCH").json()
    assert made["state"] == "processed", made
    cores.until(lambda: "_NOSUCH\tsomebody" in shown.read_text("utf-8"), "Icinga 2 made the variable")
    nagios.send(f"CHANGE_CUSTOM_HOST_VAR;{unit.host};NOSUCH;somebody", f"ADD_HOST_COMMENT;{unit.host};1;joe;behind it")
    cores.until(lambda: bool(oracle.comments(nagios.status_file, "behind it")), "Nagios read past it")
    assert "_NOSUCH" not in oracle.status_of(nagios.status_file, unit.host)


def test_every_command_the_cores_know_is_proven(every: Site, tell: Callable[[str], None]) -> None:
    """A row of the catalogue would be wrong about its arguments, its members or its proof."""
    prepared = every.jobs(lambda row: row["command"] not in LAST)
    _prepare(every, prepared)
    on_core = {row["command"] for row in every.rows if row["effect"] == "program"}
    _send(every, [job for job in prepared if _is(job, on_core, is_off)])
    _send(every, [job for job in prepared if _is(job, on_core, is_on)])
    _send(every, [job for job in prepared if _is(job, on_core, lambda name: not is_off(name) and not is_on(name))])
    _send(every, [job for job in prepared if job[1]["command"] not in on_core and not is_on(job[1]["command"])])
    _read_switches(every, prepared, is_off, "0")
    _send(every, [job for job in prepared if job[1]["command"] not in on_core and is_on(job[1]["command"])])
    _read_switches(every, prepared, is_on, "1")
    _read_deletions(every)
    for name in LAST:
        _end_with(every, name)
    _judge(every, tell)


def _knows(core: Core, row: dict[str, Any]) -> bool:
    since, until = row["since"].get(core.kind), row["until"].get(core.kind)
    numbers = VERSIONS[core.kind]
    reached = [version is not None and [int(part) for part in version.split(".")] <= numbers for version in (since, until)]
    return core.kind in row["known_to"] and (since is None or reached[0]) and not reached[1]


def _is(job: tuple[Core, dict[str, Any]], names: set[str], which: Callable[[str], bool]) -> bool:
    return job[1]["command"] in names and which(job[1]["command"])


def _judge(every: Site, tell: Callable[[str], None]) -> None:
    by_name = {row["command"]: row for row in every.rows}
    wrong = {key: end for key, end in every.ended.items() if not _is_expected(key[0], by_name[key[1]], end[0])}
    for core in every.cores:
        ends = {name: end for (kind, name), end in every.ended.items() if kind == core.kind}
        assert set(ends) == {row["command"] for row in every.rows if _knows(core, row)}
        enough = sorted(name for kind, name in PROCESSED_IS_ENOUGH if kind == core.kind)
        tell(f"{core.kind} {core.version()}: {len(ends)} commands sent")
        for effect in sorted({by_name[name]["effect"] for name in ends}):
            counts = Counter(end[0] for name, end in ends.items() if by_name[name]["effect"] == effect)
            tell(f"  {effect:18} " + ", ".join(f"{count} {state}" for state, count in sorted(counts.items())))
        tell(f"  `processed` is all there is to know of {len(enough)}: {', '.join(enough)}")
        refused = sorted(name for name, end in ends.items() if end[0] == "unsupported_command")
        tell(f"  refused up front because the core would refuse: {', '.join(refused) or 'none'}")
    assert not wrong, "\n".join(f"{kind} {name}: {end}" for (kind, name), end in wrong.items())


def _is_expected(kind: str, row: dict[str, Any], state: str) -> bool:
    if kind in row["useless_in"]:
        return state == "unsupported_command"
    return state == ("processed" if (kind, row["command"]) in PROCESSED_IS_ENOUGH else "confirmed")


# --- sending ------------------------------------------------------------------------------------------------------------------


def _send(every: Site, jobs: Sequence[tuple[Core, dict[str, Any]]]) -> None:
    """Send these side by side and wait for what became of each."""

    def post(job: tuple[Core, dict[str, Any]]) -> tuple[str, str] | str:
        core, row = job
        answer = every.box.api.post("/v1/commands", json=_order(every, core, row), params={"wait": 0})
        if answer.status_code >= 400:
            return str(answer.json()["code"]), answer.text
        (command_id,) = command_ids(answer)
        return command_id

    answers = parallel(post, jobs)
    lives = every.box.wait_final([answer for answer in answers if isinstance(answer, str)])
    for (core, row), answer in zip(jobs, answers, strict=True):
        life = lives[answer] if isinstance(answer, str) else None
        end = answer if life is None else (life["state"], f"{life['reason']} {life['steps'][-1]['evidence']}")
        every.ended[core.kind, row["command"]] = end


def _order(every: Site, core: Core, row: dict[str, Any]) -> dict[str, Any]:
    arguments = {
        argument["name"]: value
        for argument in row["arguments"]
        if (value := _value(every, core, row, argument)) is not None and core.kind in argument["known_to"]
    }
    return {"command": row["command"], "arguments": arguments, "poller": core.folder.name}


def _value(every: Site, core: Core, row: dict[str, Any], argument: dict[str, Any]) -> Any:
    name, kind, command = argument["name"], argument["type"], row["command"]
    unit = every.units[command]
    if name in SPECIAL.get(command, {}):
        return SPECIAL[command][name]
    if kind == "entry":
        return _made[core.kind, command]
    if row["effect"] == "downtimes_gone":
        # Icinga 2 would delete every downtime of the host, whatever the comment.
        chosen = {"host": unit.host, "hostgroup": unit.hostgroup, "comment": _to_be_gone(command)}
        return None if name == "comment" and core.kind == "icinga2" else chosen.get(name)
    if (named := unit.named(name)) is not None:
        return named
    values = {
        "timeperiod": "workhours", "variable": "OWNER", "uint": 3, "number": 4, "code": 1, "sticky": True, "output": "out|a=1",
    }  # fmt: skip
    if name == "path":
        return str(_command_file(core, unit))
    if name in ("end", "expire"):
        return int(time.time()) + 7200
    if name == "at" and command.startswith("DELAY"):
        return int(time.time()) + 3600
    if name in ("comment", "value", "text"):
        return f"for {command}"
    return values.get(kind) if argument["required"] else None


def _command_file(core: Core, unit: Unit) -> Path:
    path = core.folder / "commands.txt"
    path.write_text(f"[{int(time.time())}] ENABLE_HOST_NOTIFICATIONS;{unit.host}\n", encoding="ascii")
    path.chmod(0o644)
    return path


# --- what must be so before -----------------------------------------------------------------------------------------------------

_made: dict[tuple[str, str], int] = {}  # the public id of what a command is to delete


def _to_be_gone(command: str) -> str:
    return f"to be gone by {command}"


def _prepare(every: Site, jobs: Sequence[tuple[Core, dict[str, Any]]]) -> None:
    """What must be so for the commands to do anything."""
    problems = [job for job in jobs if job[1]["effect"] in ("acknowledged", "not_acknowledged")]
    for core, row in jobs:
        unit, service = every.units[row["command"]], SERVICE if "SVC" in row["command"] else ""
        if (core, row) in problems:
            core.set_state(unit.host, service, 1, "told")
        if row["command"].startswith("SEND_CUSTOM"):
            core.set_state(unit.host, service, 0, "Icinga 2 tells nobody of an object that was never checked")
        if "FLAPPING" in row["command"]:
            for number in range(FLAPS):
                core.set_state(unit.host, service, number % 2, "to and fro")
        # Icinga 2 loses forced checks of a host's services now and then where active checks are off.
        if row["effect"] == "checked" and ("FORCED" not in row["command"] or "HOST_SVC" in row["command"]):
            core.send(f"ENABLE_HOST_CHECK;{unit.host}", f"ENABLE_HOST_SVC_CHECKS;{unit.host}")
    for core, row in jobs:
        unit, service = every.units[row["command"]], SERVICE if "SVC" in row["command"] else ""
        if (core, row) in problems:
            cores.wait_for_state(core, unit.host, service, 1)
        if "FLAPPING" in row["command"]:
            status = partial(oracle.status_of, core.status_file, unit.host, service)
            cores.until(lambda: status().get("is_flapping") == "1", f"{unit.host} flaps")  # noqa: B023
    cores.wait_for_generation(*every.cores)
    parallel(lambda job: _made_before(every, *job), jobs)


def _made_before(every: Site, core: Core, row: dict[str, Any]) -> None:
    """The downtime, comment or acknowledgement that a command is to delete."""
    command = row["command"]
    where = {"host": every.units[command].host, "poller": core.folder.name} | ({"service": SERVICE} if "SVC" in command else {})
    noun, body = {
        ("entry_gone", True): ("downtimes", {"start": "now", "duration": 3600, "comment": command}),
        ("entry_gone", False): ("comments", {"comment": command}),
        ("downtimes_gone", True): ("downtimes", {"start": "now", "duration": 3600, "comment": _to_be_gone(command)}),
        ("comments_gone", False): ("comments", {"comment": f"before {command}"}),
        ("not_acknowledged", False): ("acknowledgements", {"comment": "to be taken back"}),
    }.get((row["effect"], "DOWNTIME" in command), ("", {}))
    if noun:
        answer = every.box.api.post(f"/v1/{noun}", json=where | body, params={"wait": 20})
        assert answer.status_code == 201, answer.text
        _made[core.kind, command] = int(answer.json()["id"])
        (life,) = every.box.wait_final(command_ids(answer)).values()
        assert life["state"] == "confirmed", life


# --- what the core's own file says ----------------------------------------------------------------------------------------------


def _read_switches(every: Site, jobs: Sequence[tuple[Core, dict[str, Any]]], which: Callable[[str], bool], value: str) -> None:
    """Each object that the names say is switched must show it."""
    counted = 0
    for core in every.cores:
        shown = {
            (keys.get("host_name"), keys.get("service_description", "")): keys
            for kind, keys in oracle.blocks(core.status_file)
            if kind in ("hoststatus", "servicestatus")
        }
        for _, row in [job for job in jobs if job[0] is core and which(job[1]["command"])]:
            expected = expected_switch(row["command"], every.units[row["command"]])
            for place in expected[1] if expected is not None else ():
                assert expected is not None
                assert shown[place][expected[0]] == value, f"{core.kind} {row['command']}: {place} {expected[0]}"
                counted += 1
    assert counted > 50, "the switches of both cores were looked at"


def _read_deletions(every: Site) -> None:
    """What went by a command of ours is told to have gone by its caller, also where it was one of many."""
    for (kind, command), entry_id in _made.items():
        noun = "downtimes" if "DOWNTIME" in command else "acknowledgements" if "ACKNOW" in command else "comments"
        entry = every.box.api.get(f"/v1/{noun}/{entry_id}").json()
        assert (entry["present"], entry["deleted_by"]) == (False, "admin"), (kind, command, entry)


# --- the end ------------------------------------------------------------------------------------------------------------------


def _end_with(every: Site, name: str) -> None:
    """Restart or end the cores that know the command, and bring back what it ended."""
    jobs = every.jobs(lambda row: row["command"] == name)
    started = {core.kind: oracle.program_start(core.status_file) for core, _ in jobs}
    # Starts are told in whole seconds: the next one has to be another.
    cores.until(lambda: all(time.time() >= int(second) + 1 for second in started.values()), "another second")
    _send(every, jobs)
    for core, _ in jobs:
        if name.startswith("SHUTDOWN"):
            assert core.process is not None
            core.process.wait(cores.PATIENCE_S)
            core.process = None
            core.wait_gone()
            core.start()
    for core, _ in jobs:
        if name.startswith("SHUTDOWN"):
            core.wait_ready()
        if name != "READ_STATE_INFORMATION":
            before = started[core.kind]
            cores.until(lambda: oracle.program_start(core.status_file) > before, f"{core.kind} started by {name}")  # noqa: B023


def test_contacts_are_told_and_checks_are_made(every: Site) -> None:
    """A notification would reach nobody or lose its words at a semicolon; checks would be made of other objects, or not at all."""
    unit = every.units["DEL_HOST_COMMENT"]
    for core in every.cores:
        for service in (SERVICE, OTHER_SERVICE):
            core.set_state(unit.host, service, 0, "Icinga 2 tells nobody of an object that was never checked")
        cores.wait_for_state(core, unit.host, OTHER_SERVICE, 0)

    def told(core: Core) -> None:
        body = {"host": unit.host, "service": SERVICE, "comment": "until; noon", "forced": True, "poller": core.folder.name}
        answer = every.box.api.post("/v1/notifications", json=body, params={"wait": 20})
        assert answer.json()["state"] == "confirmed", answer.text
        stored = b"until, noon" if core.kind == "nagios" else b"until; noon"
        lines = [line for line in core.log_file.read_bytes().splitlines() if b"SERVICE NOTIFICATION" in line and stored in line]
        assert any(unit.contact.encode() in line and unit.host.encode() in line for line in lines)

    def checked(core: Core) -> None:
        where = {"host": unit.host, "poller": core.folder.name}
        answer = every.box.api.post("/v1/checks", json=where | {"service": SERVICE, "forced": False}, params={"wait": 20})
        assert (answer.status_code, answer.json()["code"]) == (409, "not_possible"), "active checks are off"
        answer = every.box.api.post("/v1/checks", json=where | {"with_services": True}, params={"wait": 30})
        assert answer.status_code == 200, answer.text
        assert {one["state"] for one in answer.json()["commands"]} == {"confirmed"}
        for service in ("", SERVICE, OTHER_SERVICE):
            assert oracle.status_of(core.status_file, unit.host, service)["plugin_output"] == "fine", "what the check answers"

    parallel(told, every.cores)
    parallel(checked, every.cores)


def test_features_are_switched_by_patch(every: Site) -> None:
    """A switch by its noun would do something else than the command of the catalogue."""
    unit, nagios = every.units["ADD_HOST_COMMENT"], every.cores[0]
    group = {"hosts": {"notifications_enabled": False}, "services": {"accept_passive_checks": False}}
    patches = [
        (f"/v1/hosts/{unit.child}", {"notifications_enabled": False, "flap_detection_enabled": False}),
        (f"/v1/hosts/{unit.child}/services/{CHILD_SERVICE}", {"obsess": False}),
        (f"/v1/hostgroups/{unit.hostgroup}", group),
        (f"/v1/servicegroups/{every.units['ADD_SVC_COMMENT'].servicegroup}", group),
        ("/v1/pollers/nagios", {"enable_notifications": False, "execute_host_checks": False, "process_performance_data": True}),
    ]

    def patch(path: str, body: dict[str, Any]) -> None:
        where = {} if "pollers" in path else {"poller": "nagios"}
        answer = every.box.api.patch(path, json=body, params={"wait": 20} | where)
        assert answer.status_code == 200, answer.text
        assert {one["state"] for one in answer.json()["commands"]} == {"confirmed"}

    parallel(lambda job: patch(*job), patches)
    shown = [
        (unit.child, "", "notifications_enabled"),
        (unit.child, "", "flap_detection_enabled"),
        (unit.child, CHILD_SERVICE, "obsess"),
    ]
    for one in (unit, every.units["ADD_SVC_COMMENT"]):
        shown += [(host, "", "notifications_enabled") for host in (one.host, one.sibling)]
        shown += [(host, SERVICE, "passive_checks_enabled") for host in (one.host, one.sibling)]
    for host, service, key in shown:
        assert oracle.status_of(nagios.status_file, host, service)[key] == "0", (host, service, key)
    (program,) = [keys for kind, keys in oracle.blocks(nagios.status_file) if kind == "programstatus"]
    assert (program["enable_notifications"], program["active_host_checks_enabled"]) == ("0", "0")
    assert program["process_performance_data"] == "1"

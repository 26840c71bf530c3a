"""Every external command that Nagios 4.4.6 and Icinga 2.13 know is sent to a real core and proven (issue 3, point 1).

Each is expected to end `confirmed`; `processed` is allowed only for the names listed in every_command.py, a reason each.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import cores
from tests.support.box import Box, boxed
from tests.support.cores import Core
from tests.system.every_command import (
    CHILD,
    HOST,
    HOSTS,
    PARAMETERS,
    PROCESSED_IS_ENOUGH,
    SERVICE,
    SPECIAL,
    EveryIcinga2,
    EveryNagios,
)

pytestmark = pytest.mark.core

LAST = ("READ_STATE_INFORMATION", "RESTART_PROGRAM", "RESTART_PROCESS", "SHUTDOWN_PROGRAM", "SHUTDOWN_PROCESS")
DOWNTIME_OF = {
    "DEL_DOWNTIME_BY_HOST_NAME": HOST,
    "DEL_DOWNTIME_BY_HOSTGROUP_NAME": HOST,
    "DEL_DOWNTIME_BY_START_TIME_COMMENT": HOST,
}


@pytest.fixture(params=[EveryNagios, EveryIcinga2])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Core, Box]]:
    with cores.core_folder() as folder:
        core = request.param(folder / "core", HOSTS)
        catalogue = [row.strip() for row in _all_names()]
        allowed = "dangerous_commands = [" + ", ".join(f'"{name}"' for name in catalogue) + "]"
        with cores.running(core), boxed(folder, core, settings=allowed) as box:
            yield core, box


def _all_names() -> list[str]:
    from tests.engine.commands.documented import DOCUMENTED

    return sorted(DOCUMENTED)


def test_every_command_the_core_knows_is_proven(pair: tuple[Core, Box], tell: Callable[[str], None]) -> None:
    core, box = pair
    rows = box.api.get("/v1/commands/catalogue").json()["items"]
    known = [row for row in rows if core.kind in row["known_to"] and _has(row, core)]
    ended: dict[str, tuple[str, str]] = {}
    for row in [row for row in known if row["command"] not in LAST]:
        _prepare(core, box, row)
        answer = box.api.post("/v1/commands", json=_order(core, box, row), params={"wait": 20})
        ended[row["command"]] = _end(answer)
    for name in [name for name in LAST if name in {row["command"] for row in known}]:
        answer = box.api.post("/v1/commands", json={"command": name}, params={"wait": 30})
        ended[name] = _end(answer)
        if name.startswith("SHUTDOWN"):
            assert core.process is not None
            core.process.wait(20)
            core.process = None
            core.wait_gone()
            cores.restart(core)
        cores.wait_for_generation(core, 20)
    assert len(ended) == len(known)
    wrong = {name: end for name, end in ended.items() if not _is_expected(core.kind, name, end[0], known)}
    assert not wrong, "\n".join(f"{name}: {end}" for name, end in wrong.items())
    enough = [name for kind, name in PROCESSED_IS_ENOUGH if kind == core.kind]
    counts = Counter(state for state, _ in ended.values())
    tell(f"{core.kind}: {len(ended)} commands: {dict(counts)}; processed is enough for {len(enough)} of them")


def _has(row: dict[str, Any], core: Core) -> bool:
    """Nagios 4.4.6 lies between; both versions are held to those of the notes."""
    since, until = row["since"].get(core.kind), row["until"].get(core.kind)
    numbers = [4, 4, 6] if core.kind == "nagios" else [2, 13, 6]
    after = since is None or [int(part) for part in since.split(".")] <= numbers
    return after and not (until is not None and [int(part) for part in until.split(".")] <= numbers)


def _is_expected(kind: str, name: str, state: str, known: list[dict[str, Any]]) -> bool:
    row = next(row for row in known if row["command"] == name)
    if kind in row["useless_in"]:
        return state == "unsupported_command"
    return state == ("processed" if (kind, name) in PROCESSED_IS_ENOUGH else "confirmed")


def _end(answer: Any) -> tuple[str, str]:
    told = answer.json()
    return told.get("state") or told.get("code"), f"{answer.status_code} {told.get('detail')}"


def _order(core: Core, box: Box, row: dict[str, Any]) -> dict[str, Any]:
    arguments = {
        argument["name"]: value
        for argument in row["arguments"]
        if (value := _value(core, box, row, argument)) is not None and core.kind in argument["known_to"]
    }
    return {"command": row["command"], "arguments": arguments}


def _value(core: Core, box: Box, row: dict[str, Any], argument: dict[str, Any]) -> Any:
    name, kind, command = argument["name"], argument["type"], row["command"]
    if name in SPECIAL.get(command, {}):
        return SPECIAL[command][name]
    if kind == "entry":
        return _made(box, command)
    if row["effect"] == "downtimes_gone":
        return {"comment": "to be gone", "host": HOST, "hostgroup": "web"}.get(name)
    if name in ("host", "service") and row["effect"] in ("acknowledged", "not_acknowledged"):
        return {"host": HOST, "service": SERVICE}[name]
    if name in PARAMETERS:
        return PARAMETERS[name]
    values = {
        "timeperiod": "workhours", "variable": "OWNER", "uint": 3, "number": 4, "code": 1, "sticky": True, "output": "out|a=1",
    }  # fmt: skip
    if name == "path":
        return str(_command_file(core))
    if name in ("end", "expire"):
        return int(time.time()) + 7200
    if name == "at" and command.startswith("DELAY"):
        return int(time.time()) + 3600
    if name in ("comment", "value", "text"):
        return f"for {command}"
    return values.get(kind) if argument["required"] else None


def _command_file(core: Core) -> Path:
    path = core.folder / "commands.txt"
    path.write_text(f"[{int(time.time())}] ENABLE_HOST_NOTIFICATIONS;{HOST}\n", encoding="ascii")
    path.chmod(0o644)
    return path


def _prepare(core: Core, box: Box, row: dict[str, Any]) -> None:
    """What must be so for the command to do anything."""
    command, service = row["command"], {"service": SERVICE} if "SVC" in row["command"] else {}
    if row["effect"] == "acknowledged":
        box.api.request("DELETE", "/v1/acknowledgements", params={"host": HOST, **service})
        name = SERVICE if service else ""
        for state in (0, 1):
            core.set_state(HOST, name, state, "told")
            cores.wait_for_state(core, HOST, name, state)
        path = f"/v1/hosts/{HOST}" + (f"/services/{SERVICE}" if service else "")
        cores.until(lambda: box.api.get(path).json()["state_name"] in ("DOWN", "WARNING"), 10, "Signalbox sees the problem")
    if row["effect"] == "downtimes_gone":
        assert box.downtime(HOST, "to be gone", wait=10).status_code == 201
    if row["effect"] == "comments_gone":
        box.api.post("/v1/comments", json={"host": HOST, **service, "comment": f"before {command}"}, params={"wait": 10})
    if row["effect"] in ("checked", "shown"):
        switch = {"command": "ENABLE_HOST_SVC_CHECKS", "arguments": {"host": HOST}}
        if row["effect"] == "checked" and "FORCED" not in command:
            box.api.post("/v1/commands", json=switch, params={"wait": 10})
            box.api.patch(f"/v1/hosts/{HOST}", json={"checks_enabled": True}, params={"wait": 10})


def _made(box: Box, command: str) -> int:
    """The public id of something the command can delete."""
    where = {"host": HOST} | ({"service": SERVICE} if "SVC" in command else {})
    if "DOWNTIME" in command:
        answer = box.api.post(
            "/v1/downtimes", json={**where, "start": "now", "duration": 3600, "comment": command}, params={"wait": 10}
        )
    else:
        answer = box.api.post("/v1/comments", json={**where, "comment": command}, params={"wait": 10})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def test_features_are_switched_by_patch(pair: tuple[Core, Box]) -> None:
    _, box = pair
    for path in (f"/v1/hosts/{HOST}", f"/v1/hosts/{CHILD}", f"/v1/hosts/{HOST}/services/{SERVICE}"):
        for wanted in (False, True):
            answer = box.api.patch(path, json={"notifications_enabled": wanted}, params={"wait": 10})
            assert answer.status_code == 200, answer.text
            assert answer.json()["state"] == "confirmed"
            assert box.api.get(path).json()["notifications_enabled"] is wanted

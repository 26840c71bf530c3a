"""What a core loses in a crash is told, and asked again where the configuration says so, and only what is still true is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import cores, oracle
from tests.support.box import Box, boxed, command_ids
from tests.support.cores import Core, Host, Icinga2Core, NagiosCore, Service, until

pytestmark = pytest.mark.core

HOSTS = [Host(f"h{number}", (Service("HTTP"),), ("some",) if number < 2 else ()) for number in range(6)]
AGAIN = 'reapply_lost = ["downtime", "acknowledgement", "comment", "deletion", "switch"]'
BIG = Host("big", tuple(Service(f"s{number}") for number in range(1001)), contacts=("ann", "bob"))
PEOPLE = "\ndefine contactgroup {\n  contactgroup_name people\n  alias people\n  members ann,bob\n}\n"
WIDE = 'dangerous_commands = ["DEL_DOWNTIME_BY_HOST_NAME", "DEL_DOWNTIME_BY_HOSTGROUP_NAME"]'


class CoreOfPeople(NagiosCore):
    """Its contacts are a group, once it has the big host that knows them."""

    def configuration(self) -> dict[Path, str]:
        made, path = super().configuration(), self.folder / "objects.cfg"
        return made | {path: made[path] + (PEOPLE if BIG in self.hosts else "")}


@pytest.fixture(scope="module")
def told(_cores_are_there: None) -> Iterator[tuple[Core, Box]]:
    """A Nagios 4 that saves what it keeps when it ends and never before; nothing is asked again."""
    with cores.core_folder() as folder:
        core = NagiosCore(folder / "core", HOSTS)
        with cores.running(core), boxed(folder, core) as box:
            yield core, box


@pytest.fixture(scope="module")
def again(_cores_are_there: None) -> Iterator[tuple[Core, Box]]:
    """Another one; everything is asked again."""
    with cores.core_folder() as folder:
        core = CoreOfPeople(folder / "core", HOSTS)
        with cores.running(core), boxed(folder, core, settings=f"{AGAIN}\n{WIDE}") as box:
            yield core, box


def _made(box: Box, answer: httpx.Response) -> dict[str, Any]:
    (life,) = _all_made(box, answer)
    return life


def _all_made(box: Box, *answers: httpx.Response) -> list[dict[str, Any]]:
    """What was asked for at once is seen by the same status file."""
    assert all(answer.is_success for answer in answers), [answer.text for answer in answers]
    ids = [command_id for answer in answers for command_id in command_ids(answer)]
    lives = box.wait_final(ids)
    assert {life["state"] for life in lives.values()} == {"confirmed"}, lives
    return [lives[command_id] for command_id in ids]


def _crash(core: Core, box: Box) -> None:
    """kill -9 and a new start. Program starts are whole seconds: not within the second of the former one."""
    before = oracle.program_start(core.status_file)
    cores.kill(core)
    until(lambda: time.time() >= int(before) + 2, "another second")
    cores.restart(core)
    until(lambda: _poller(box)["program_start"] is not None and _view_is_new(core, box), "the new run is seen")


def _poller(box: Box) -> dict[str, Any]:
    (poller,) = box.api.get("/v1/pollers").json()["items"]
    return dict(poller)


def _view_is_new(core: Core, box: Box) -> bool:
    return bool(_poller(box)["generation"]) and oracle.created(core.status_file) > oracle.program_start(core.status_file) + 1


def _wait_state(box: Box, life: dict[str, Any], state: str) -> dict[str, Any]:
    until(lambda: box.life(life["id"])["state"] == state, f"{life['command']} is {state}")
    return box.life(life["id"])


def _asked_again(box: Box, life: dict[str, Any]) -> list[dict[str, Any]]:
    items = box.api.get("/v1/commands", params={"limit": 200}).json()["items"]
    return [one for one in items if life["id"] in one["cause"]]


def _sent(box: Box, command: str, **arguments: object) -> httpx.Response:
    return box.api.post("/v1/commands", json={"command": command, "arguments": arguments}, params={"wait": 0})


def _problem(core: Core, box: Box, host: str) -> None:
    core.set_state(host, "HTTP", 2, "trouble")
    until(lambda: box.api.get(f"/v1/hosts/{host}/services/HTTP").json()["state"] == 2, "the view shows the problem")


def _down(box: Box, host: str, comment: str, **fields: Any) -> httpx.Response:
    return box.downtime(host, comment, wait=0, **fields)


def _commented(box: Box, host: str, comment: str, *, persistent: bool = True) -> httpx.Response:
    return box.api.post("/v1/comments", json={"host": host, "comment": comment, "persistent": persistent}, params={"wait": 0})


def _acknowledged(box: Box, host: str, comment: str) -> httpx.Response:
    body = {"host": host, "service": "HTTP", "comment": comment, "sticky": True, "notify": False}
    return box.api.post("/v1/acknowledgements", json=body, params={"wait": 0})


def _switched(box: Box, host: str) -> httpx.Response:
    return box.api.patch(f"/v1/hosts/{host}", json={"notifications_enabled": False}, params={"wait": 0})


def _deleted(box: Box, downtime: dict[str, Any]) -> httpx.Response:
    return box.api.delete(f"/v1/downtimes/{downtime['entry_id']}", params={"wait": 0})


def test_what_a_crash_took_is_lost_by_core(told: tuple[Core, Box]) -> None:
    core, box = told
    _problem(core, box, "h1")
    saved = _made(box, box.downtime("h0", "saved in time"))
    core.stop()
    cores.restart(core)
    until(lambda: _view_is_new(core, box), "a status file after the orderly restart")
    *lost, deleted, brief, reversed_by_others = _all_made(
        box,
        _down(box, "h1", "lost", services=["HTTP"]),
        _commented(box, "h1", "kept?"),
        _acknowledged(box, "h1", "on it"),
        _switched(box, "h2"),
        _deleted(box, saved),
        _commented(box, "h3", "brief", persistent=False),
        _switched(box, "h4"),
    )
    core.send("ENABLE_HOST_NOTIFICATIONS;h4")
    until(lambda: oracle.status_of(core.status_file, "h4")["notifications_enabled"] == "1", "the core switched it")
    _crash(core, box)
    for life in lost:
        now = _wait_state(box, life, "lost_by_core")
        assert "after a crash" in now["steps"][-1]["evidence"] or "notifications_enabled" in now["steps"][-1]["evidence"], now
        assert now["steps"][-1]["state"] == "lost_by_core" and now["final"] and "crashed" in now["reason"]
        assert _asked_again(box, life) == []
    assert not box.api.get(f"/v1/downtimes/{lost[0]['entry_id']}").json()["present"]
    _wait_state(box, deleted, "lost_by_core")
    entry = box.api.get(f"/v1/downtimes/{saved['entry_id']}").json()
    assert entry["present"] and not entry["cancelled"], "it stands again, under its own id"
    assert box.life(saved["id"])["state"] == "confirmed"
    assert box.life(brief["id"])["state"] == "confirmed", "no core keeps such a comment over a restart"
    theirs = box.life(reversed_by_others["id"])
    assert theirs["state"] == "confirmed" and "another program has set it since" in theirs["steps"][-1]["evidence"]
    repeat = box.downtime("h1", "lost", services=["HTTP"])
    assert not repeat.json()["joined"], "a repeat is no twin of what is lost"


def test_what_a_crash_took_is_asked_again_once(again: tuple[Core, Box]) -> None:
    core, box = again
    _problem(core, box, "h1")
    _problem(core, box, "h2")
    standing, *_ = _all_made(
        box,
        _down(box, "h0", "to be deleted"),
        *(_down(box, "h5", f"to be deleted with others {number}") for number in range(2)),
        *(_commented(box, "h3", f"one of all {number}") for number in range(2)),
    )
    core.stop()
    cores.restart(core)
    until(lambda: _view_is_new(core, box), "a status file after the orderly restart")
    *lost, wide, every, ended = _all_made(
        box,
        _down(box, "h1", "window ahead"),
        _acknowledged(box, "h1", "the same problem"),
        _switched(box, "h3"),
        _deleted(box, standing),
        _sent(box, "DEL_DOWNTIME_BY_HOST_NAME", host="h5"),
        _sent(box, "DEL_ALL_HOST_COMMENTS", host="h3"),
        _down(box, "h4", "window ends", duration=6),
    )
    cores.kill(core)
    end = float(ended["arguments"]["end"])
    until(lambda: time.time() > end + 1, "the window ended while the core was down")
    cores.restart(core)
    for life in lost:
        _wait_state(box, life, "lost_by_core")
        until(lambda life=life: len(_asked_again(box, life)) == 1, "asked again once")  # type: ignore[misc]
        (new,) = _asked_again(box, life)
        assert box.wait_final([new["id"]])[new["id"]]["state"] == "confirmed", box.life(new["id"])
        assert new["user"] == "Signalbox itself" and new["author"] in (life["author"], "Signalbox itself")
        (row,) = box.api.get("/v1/audit", params={"command": new["id"]}).json()["items"]
        assert row["user"] == "Signalbox itself" and new["cause"] in str(row), row
        operation = box.api.get(f"/v1/operations/{row['operation']}").json()["progress"]
        assert (operation["user"], operation["commands"]) == ("Signalbox itself", 1), operation
    for life in (wide, every):
        _wait_state(box, life, "lost_by_core")
        until(lambda life=life: len(_asked_again(box, life)) == 2, "each of the two that are back is deleted again")  # type: ignore[misc]
        box.wait_final([one["id"] for one in _asked_again(box, life)])
    cores.wait_for_generation(core)
    assert not [one for one in oracle.downtimes(core.status_file) if "with others" in one["comment"]]
    assert not [one for one in oracle.comments(core.status_file) if "one of all" in one["comment_data"]]
    assert len(oracle.downtimes(core.status_file, "window ahead")) == 1
    assert oracle.downtimes(core.status_file, "to be deleted") == []
    assert oracle.status_of(core.status_file, "h1", "HTTP")["problem_has_been_acknowledged"] == "1"
    assert oracle.status_of(core.status_file, "h3")["notifications_enabled"] == "0"
    assert box.life(ended["id"])["state"] == "confirmed" and _asked_again(box, ended) == []


def test_a_deletion_of_all_that_a_killed_core_never_read_spares_what_came_later(told: tuple[Core, Box]) -> None:
    """Sent again whole it would take others' later comments: those of that time are deleted by their ids."""
    core, box = told
    _all_made(box, *(_commented(box, "h5", f"of that time {number}") for number in range(2)))
    core.stop()
    cores.restart(core)
    until(lambda: _view_is_new(core, box), "a status file after the orderly restart")
    cores.freeze(core)
    body = {"command": "DEL_ALL_HOST_COMMENTS", "arguments": {"host": "h5"}}
    (every,) = command_ids(box.api.post("/v1/commands", json=body, params={"wait": 0}))
    until(lambda: box.life(every)["state"] == "written", "it stands on the command file")
    written = time.time()
    cores.kill(core)
    cores.restart(core)
    until(lambda: time.time() > written + 1.5, "another second than the line's")
    core.send("ADD_HOST_COMMENT;h5;1;eve;came later")
    life = box.wait_final([every])[every]
    assert life["state"] == "confirmed", life
    until(lambda: oracle.comments(core.status_file, "came later"), "the core shows what came later")
    left = [one["comment_data"] for one in oracle.comments(core.status_file) if one["host_name"] == "h5"]
    assert left == ["came later"]
    assert oracle.command_lines([core.log_file])[b"DEL_ALL_HOST_COMMENTS;h5"] == 0
    asked = [one for one in box.api.get("/v1/commands", params={"limit": 200}).json()["items"] if every in one["cause"]]
    assert [one["command"] for one in asked] == ["DEL_HOST_COMMENT"] * 2


def test_a_deletion_by_hostgroup_that_a_crash_took_is_for_the_members_it_was_accepted_for(again: tuple[Core, Box]) -> None:
    """One was executed and lost, one never read; meanwhile the group has lost a host and got another."""
    core, box = again
    words, hosts = ("executed", "unread"), ("h0", "h1", "h2")
    _all_made(box, *(_down(box, host, f"{word} of a group") for word in words for host in hosts))
    core.stop()
    cores.restart(core)
    until(lambda: _view_is_new(core, box), "they are saved")
    group = {"hostgroup": "some"}
    executed = _made(box, _sent(box, "DEL_DOWNTIME_BY_HOSTGROUP_NAME", **group, comment="executed of a group"))
    cores.freeze(core)
    body = {"command": "DEL_DOWNTIME_BY_HOSTGROUP_NAME", "arguments": {**group, "comment": "unread of a group"}}
    (unread,) = command_ids(box.api.post("/v1/commands", json=body, params={"wait": 0}))
    until(lambda: box.life(unread)["state"] == "written", "it stands on the command file")
    written = time.time()
    cores.kill(core)
    core.hosts = [Host(one.name, one.services, ("some",) if one.name in ("h0", "h2") else ()) for one in HOSTS]
    core.write_config()
    until(lambda: time.time() > written + 1.5, "another second than the line's")
    cores.restart(core)
    assert box.wait_final([unread])[unread]["state"] == "confirmed", box.life(unread)
    _wait_state(box, executed, "lost_by_core")
    until(lambda: len(_asked_again(box, executed)) == 2, "the two that are back are deleted again")
    box.wait_final([one["id"] for one in _asked_again(box, executed)])
    cores.wait_for_generation(core)
    left = [(one["host_name"], one["comment"]) for one in oracle.downtimes(core.status_file) if "of a group" in one["comment"]]
    assert sorted(left) == [("h2", "executed of a group"), ("h2", "unread of a group")], (
        "another host's, whatever group it is in now"
    )


def test_a_switch_that_a_crash_took_is_for_whom_it_was_meant_as_far_as_no_later_word_was_said(again: tuple[Core, Box]) -> None:
    """What a later command says, and who came into a group since, is not lost, nor is it switched by what is asked again."""
    core, box = again

    def restart(*group: str, crashed: bool = False) -> None:
        core.hosts = [*(Host(one.name, one.services, ("some",) if one.name in group else ()) for one in HOSTS), BIG]
        core.write_config()
        if crashed:
            before = oracle.program_start(core.status_file)
            until(lambda: time.time() >= int(before) + 2, "another second")
        cores.restart(core)
        until(lambda: _view_is_new(core, box), "the new run is seen")

    def off(key: str) -> list[str]:
        cores.wait_for_generation(core)
        return [host for host in sorted(oracle.hosts(core.status_file)) if oracle.status_of(core.status_file, host)[key] == "0"]

    core.stop()
    restart("h0", "h1")
    group = _made(box, _sent(box, "DISABLE_HOSTGROUP_HOST_NOTIFICATIONS", hostgroup="some"))
    back = _made(box, _sent(box, "ENABLE_HOST_NOTIFICATIONS", host="h1"))
    is_off = off("notifications_enabled")
    core.stop()
    restart("h0", "h1", "h2")
    passive, services, delayed, alone, many, people = _all_made(
        box,
        _sent(box, "DISABLE_HOSTGROUP_PASSIVE_HOST_CHECKS", hostgroup="some"),
        _sent(box, "DISABLE_HOST_SVC_NOTIFICATIONS", host="h4"),
        _sent(box, "DELAY_HOST_NOTIFICATION", host="h4", at=int(time.time()) + 60),
        _sent(box, "DISABLE_PASSIVE_HOST_CHECKS", host="h5"),
        _sent(box, "DISABLE_HOST_SVC_NOTIFICATIONS", host="big"),
        _sent(box, "DISABLE_CONTACTGROUP_HOST_NOTIFICATIONS", contactgroup="people"),
    )
    later = ("ENABLE_PASSIVE_HOST_CHECKS", {"host": "h2"}), ("ENABLE_CONTACT_HOST_NOTIFICATIONS", {"contact": "ann"})
    _all_made(box, *(_sent(box, name, **whom) for name, whom in later))
    cores.kill(core)
    held = _sent_to_a_dead_core(box, "ENABLE_PASSIVE_HOST_CHECKS", host="h5")
    restart("h0", "h1", "h3", crashed=True)
    for life in (passive, services, many, people):
        _wait_state(box, life, "lost_by_core")
    until(lambda: len(_asked_again(box, passive)) == 2, "the group has got another host: each is switched by itself")
    again_lives = [one for life in (passive, services, many, people) for one in _asked_again(box, life)]
    assert {(one["command"], one["host"]) for one in again_lives} == {
        ("DISABLE_PASSIVE_HOST_CHECKS", "h0"), ("DISABLE_PASSIVE_HOST_CHECKS", "h1"), ("DISABLE_HOST_SVC_NOTIFICATIONS", "h4"),
        ("DISABLE_HOST_SVC_NOTIFICATIONS", "big"), ("DISABLE_CONTACT_HOST_NOTIFICATIONS", ""),
    }  # fmt: skip
    final = box.wait_final([held, *(one["id"] for one in again_lives)])
    assert {life["state"] for life in final.values()} == {"confirmed"}
    assert off("passive_checks_enabled") == ["h0", "h1"], "h2 and h5 were switched back, h3 came later"
    shown = oracle.blocks(core.status_file)
    told = {block["contact_name"]: block["host_notifications_enabled"] for kind, block in shown if kind == "contactstatus"}
    assert (told["ann"], told["bob"]) == ("1", "0"), "of ann a later word was said"
    many_shown = [block["notifications_enabled"] for _, block in shown if block.get("service_description", "").startswith("s")]
    assert many_shown == ["0"] * 1001
    assert off("notifications_enabled") == is_off and "h0" in is_off and "h1" not in is_off, "saved in time, and said anew of h1"
    for life in (group, back, delayed, alone):
        assert box.life(life["id"])["state"] == "confirmed" and _asked_again(box, life) == []


def _sent_to_a_dead_core(box: Box, command: str, **arguments: object) -> str:
    answer = box.api.post("/v1/commands", json={"command": command, "arguments": arguments}, params={"wait": 0})
    assert answer.status_code == 202, answer.text
    (number,) = command_ids(answer)
    return number


def test_a_power_cut_of_everything(again: tuple[Core, Box]) -> None:
    """Core and Signalbox die together: the log tells the next life of ours that it was a crash."""
    core, box = again
    made = _made(box, box.downtime("h5", "before the power cut"))
    box.kill(whole=True)
    cores.kill(core)
    until(lambda: time.time() >= int(oracle.program_start(core.status_file)) + 2, "another second")
    cores.restart(core)
    box.start()
    box.wait_ready()
    _wait_state(box, made, "lost_by_core")
    until(lambda: len(_asked_again(box, made)) == 1, "asked again")
    box.wait_final([_asked_again(box, made)[0]["id"]])
    assert len(oracle.downtimes(core.status_file, "before the power cut")) == 1


def test_an_orderly_restart_loses_nothing(again: tuple[Core, Box]) -> None:
    core, box = again
    gone, stays = _all_made(box, _down(box, "h2", "taken away by somebody"), _down(box, "h3", "stays"))
    box.kill(whole=True)
    number = oracle.downtimes(core.status_file, "taken away by somebody")[0]["downtime_id"]
    core.send(f"DEL_HOST_DOWNTIME;{number}")
    # An older deletion in the log says nothing of this one, and a core that ends drops what it has not read.
    until(lambda: oracle.downtimes(core.status_file, "taken away by somebody") == [], "the core deleted it")
    core.stop()
    cores.restart(core)
    box.start()
    box.wait_ready()
    until(lambda: not box.api.get(f"/v1/downtimes/{gone['entry_id']}").json()["present"], "it is seen to be gone")
    assert box.life(gone["id"])["state"] == box.life(stays["id"])["state"] == "confirmed"
    assert _asked_again(box, gone) == [] and oracle.downtimes(core.status_file, "taken away by somebody") == []


def test_icinga2_keeps_downtimes_and_loses_acknowledgements(_cores_are_there: None) -> None:
    with cores.core_folder() as folder:
        core = Icinga2Core(folder / "core", HOSTS)
        with cores.running(core), boxed(folder, core, settings=AGAIN) as box:
            _problem(core, box, "h1")
            kept = _made(box, box.downtime("h0", "kept at once"))
            acknowledged = _made(box, _acknowledged(box, "h1", "on it"))
            cores.kill(core)
            cores.restart(core)
            until(lambda: _view_is_new(core, box), "the new run is seen")
            cores.wait_for_generation(core)

            def told() -> bool:
                """Flag and life agree: it stands, or it is lost (the problem itself may be lost, too)."""
                stands = oracle.status_of(core.status_file, "h1", "HTTP")["problem_has_been_acknowledged"] == "1"
                state = box.life(acknowledged["id"])["state"]
                return state == ("confirmed" if stands and not _asked_again(box, acknowledged) else "lost_by_core")

            until(told, "what became of the acknowledgement")
            assert box.life(kept["id"])["state"] == "confirmed"
            assert len(oracle.downtimes(core.status_file, "kept at once")) == 1

"""Events beside real cores: what the log says comes at once, what was lost is made up for, and a reader misses nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.support import cores
from tests.support.box import ENGINE, Box, boxed
from tests.support.cores import Host, NagiosCore, Service
from tests.support.events import EventReader, reading
from tests.system.conftest import Site

pytestmark = pytest.mark.core


def states(reader: EventReader, host: str, service: str | None) -> list[tuple[str, str]]:
    return [
        (event.data["state_name"], event.data["output"])
        for event in reader.named("state")
        if (event.data["host"], event.data["service"]) == (host, service)
    ]


def _bring_well(site: Site, core: str, host: str) -> None:
    """Whatever other tests left there: what comes after is a change."""
    for service in ("", "HTTP"):
        site.core(core).set_state(host, service, 0, "well before")

    def is_shown() -> bool:
        row = site.box.api.get(f"/v1/hosts/{host}/services/HTTP", params={"poller": core}).json()
        return (row["state"], row["plugin_output"].strip()) == (0, "well before")

    cores.until(is_shown, "Signalbox shows that all is well")


@pytest.mark.parametrize(("core", "prefix"), [("north", "n"), ("east", "e")])
def test_a_line_of_the_log_is_an_event_and_the_status_file_says_it_no_second_time(site: Site, core: str, prefix: str) -> None:
    host = f"{prefix}-web3"
    _bring_well(site, core, host)
    with reading(site.box, host=host, poller=core) as reader:
        for code, name in ((2, "CRITICAL"), (0, "OK")):
            site.core(core).send(f"PROCESS_SERVICE_CHECK_RESULT;{host};HTTP;{code};said {name}")
            found = reader.wait_for(type="state", state_name=name, service="HTTP")
            assert (found.data["source"], found.data["output"].strip(), found.data["poller"]) == ("log", f"said {name}", core)
            cores.wait_for_state(site.core(core), host, "HTTP", code)
            cores.wait_for_generation(site.core(core))
        # Whatever Signalbox makes of that status file has been told when this comes.
        site.core(core).send(f"PROCESS_HOST_CHECK_RESULT;{host};1;gone")
        reader.wait_for(type="state", service=None)
        assert [name for name, _ in states(reader, host, "HTTP")] == ["CRITICAL", "OK"]


def test_a_command_tells_its_life_and_its_effect(site: Site) -> None:
    with reading(site.box, host="n-web4") as reader, reading(site.box, host="n-web4", type="downtime") as filtered:
        made = site.box.downtime("n-web4", "told as it happens", wait=10)
        assert made.status_code == 201, made.text
        reader.wait_for(type="command", action="confirmed", command="SCHEDULE_HOST_DOWNTIME")
        scheduled = reader.wait_for(type="downtime", action="scheduled").data
        assert (scheduled["author"], scheduled["comment"]) == ("admin", "told as it happens")
        gone = site.box.api.delete(f"/v1/downtimes/{made.json()['id']}", params={"wait": 10})
        assert gone.status_code == 200, gone.text
        filtered.wait_for(type="downtime", action="cancelled")
        command_id = made.json()["commands"][0]["command_id"]
        steps = [event.data["action"] for event in reader.named("command") if event.data["id"] == command_id]
        assert steps == ["accepted", "writing", "written", "processed", "confirmed"]
        assert [event.data["action"] for event in filtered.named("downtime")] == ["started", "scheduled", "cancelled"]
        assert not filtered.named("command", "state")


def test_acknowledgement_comment_and_notification(site: Site) -> None:
    with reading(site.box, host="n-web2", service="HTTP") as reader:
        site.north.send("PROCESS_SERVICE_CHECK_RESULT;n-web2;HTTP;2;bad")
        reader.wait_for(type="state", state_name="CRITICAL")
        body = {"host": "n-web2", "service": "HTTP", "comment": "we know", "notify": False}
        assert site.box.api.post("/v1/acknowledgements", json=body, params={"wait": 10}).status_code == 201
        found = reader.wait_for(type="acknowledgement", action="set").data
        assert (found["author"], found["comment"], found["state_name"]) == ("admin", "we know", "CRITICAL")
        site.north.send("PROCESS_SERVICE_CHECK_RESULT;n-web2;HTTP;0;good")
        assert reader.wait_for(type="acknowledgement", action="removed").data["source"] == "log"


def test_what_a_limited_user_hears(site: Site) -> None:
    token = site.box.add_user("listener", "reader", "--hostgroup", "web")
    with reading(site.box, token) as reader:
        site.north.send("PROCESS_HOST_CHECK_RESULT;n001;1;not his")
        site.north.send("PROCESS_HOST_CHECK_RESULT;n-web1;1;his")
        reader.wait_for(type="state", host="n-web1")
        assert {event.data["host"] for event in reader.named("state")} == {"n-web1"}
        site.box.cli("token", "revoke", "listener-token")
        reader.wait(lambda one: one.ended, "the stream of a revoked token ends")
        assert reader.seen[-1].name == "end"


# --- what hurts -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def _small() -> Iterator[tuple[NagiosCore, Box]]:
    with cores.core_folder() as folder:
        core = NagiosCore(folder / "core", [Host("web01", (Service("HTTP"), Service("SSH")))], 1)
        with cores.running(core), boxed(folder, core, workers=2) as box:
            yield core, box


@pytest.fixture
def small(_small: tuple[NagiosCore, Box]) -> tuple[NagiosCore, Box]:
    """One core and its Signalbox, everything well: tests leave both running."""
    core, box = _small
    core.send(*(f"PROCESS_SERVICE_CHECK_RESULT;web01;{service};0;calm" for service in ("HTTP", "SSH")))
    core.send("PROCESS_HOST_CHECK_RESULT;web01;0;calm")
    cores.wait_for_state(core, "web01", "HTTP", 0)
    cores.wait_for_state(core, "web01", "SSH", 0)

    def is_calm() -> bool:
        rows = box.api.get("/v1/services", params={"host": "web01"}).json()["items"]
        return all((row["state"], row["plugin_output"]) == (0, "calm") for row in rows)

    cores.until(is_calm, "Signalbox shows that all is well")
    return core, box


def test_engine_killed_core_restarted_and_nothing_missed(small: tuple[NagiosCore, Box]) -> None:
    core, box = small
    with reading(box, snapshot=1) as reader:
        core.send("PROCESS_SERVICE_CHECK_RESULT;web01;HTTP;2;before")
        last = reader.wait_for(type="state", output="before").id
    box.kill_part(ENGINE)
    for number in range(3):  # told by the log alone: the status file shows the last of them at most
        core.send(f"PROCESS_SERVICE_CHECK_RESULT;web01;HTTP;{number % 2};meanwhile {number}")
    with reading(box, last_id=last) as reader:
        reader.wait_for(type="state", output="meanwhile 2")
        assert [output for _, output in states(reader, "web01", "HTTP")] == [f"meanwhile {number}" for number in range(3)]
        core.stop()
        cores.restart(core)
        reader.wait_for(type="poller", action="restarted")
        core.send("PROCESS_SERVICE_CHECK_RESULT;web01;HTTP;2;after")
        reader.wait_for(type="state", output="after")


def test_copytruncate_and_rename_lose_and_repeat_no_event(small: tuple[NagiosCore, Box]) -> None:
    core, box = small
    with reading(box, type="state", service="HTTP", host="web01") as reader:
        for number in range(12):
            core.send(f"PROCESS_SERVICE_CHECK_RESULT;web01;HTTP;{number % 2 + 1};round {number}")
            reader.wait_for(output=f"round {number}")
            if number in (3, 7):
                cores.rotate_log(core, number)
        cores.wait_for_generation(core)
        assert [output for _, output in states(reader, "web01", "HTTP")] == [f"round {number}" for number in range(12)]


def test_a_lost_line_and_a_downtime_between_two_files_leave_no_row_wrong(small: tuple[NagiosCore, Box]) -> None:
    core, box = small
    with reading(box, host="web01") as reader:
        box.kill_part(ENGINE, signal.SIGSTOP)
        core.send("PROCESS_SERVICE_CHECK_RESULT;web01;HTTP;2;its line is lost")
        cores.wait_for_state(core, "web01", "HTTP", 2)
        os.truncate(core.log_file, 0)
        box.kill_part(ENGINE, signal.SIGCONT)
        found = reader.wait_for(type="state", state_name="CRITICAL")
        assert (found.data["source"], found.data["output"]) == ("status_file", "its line is lost")
        now = int(time.time())
        core.send(f"SCHEDULE_SVC_DOWNTIME;web01;SSH;{now};{now + 600};1;0;600;ann;short")
        reader.wait_for(type="downtime", action="started", service="SSH")
        core.send("DEL_DOWNTIME_BY_HOST_NAME;web01;SSH")
        reader.wait_for(type="downtime", action="cancelled", service="SSH")
        for _ in range(2):
            cores.wait_for_generation(core)
        core.send("PROCESS_HOST_CHECK_RESULT;web01;1;the end")
        reader.wait_for(type="state", output="the end")
        rows = {row["description"]: row for row in box.api.get("/v1/services", params={"host": "web01"}).json()["items"]}
        assert (rows["HTTP"]["state"], rows["SSH"]["scheduled_downtime_depth"]) == (2, 0)
        told = [event.data["action"] for event in reader.named("downtime") if event.data["action"] != "scheduled"]
        assert told == ["started", "cancelled"]
        assert len(states(reader, "web01", "HTTP")) == 1


def test_a_core_that_falls_silent_is_told_of_and_its_return_too(small: tuple[NagiosCore, Box]) -> None:
    core, box = small

    def generation() -> int:
        return int(box.api.get("/v1/pollers").json()["items"][0]["generation"])

    with reading(box, type="poller") as reader:
        before = generation()
        cores.until(lambda: generation() > before, "a status file while all is well")
        cores.freeze(core)
        try:
            stale = reader.wait_for(file="status_file", health="stale")
        finally:
            cores.thaw(core)
        assert "no status file" in stale.data["detail"]
        reader.wait_for(file="status_file", health="fresh")


FLOOD = 100_000


def test_a_flood_of_passive_results_stalls_no_command_and_no_view(small: tuple[NagiosCore, Box]) -> None:
    """What a core with log_passive_checks=1 writes for 100,000 results, at once, and a real change behind it."""
    core, box = small
    at = int(time.time())
    pair = b"[%d] EXTERNAL COMMAND: PROCESS_SERVICE_CHECK_RESULT;web01;SSH;0;fine\n[%d] PASSIVE SERVICE CHECK: web01;SSH;0;(null)\n"
    with reading(box, host="web01", type="state,downtime") as reader:
        with core.log_file.open("ab") as log:
            log.write((pair % (at, at)) * FLOOD)
        core.send("PROCESS_SERVICE_CHECK_RESULT;web01;HTTP;2;behind the flood")
        answers = [box.api.get("/v1/services", params={"host": "web01"}).status_code for _ in range(20)]
        made = box.downtime("web01", "during the flood", wait=60)
        assert answers == [200] * 20
        assert made.status_code == 201, made.text
        found = reader.wait_for(type="state", output="behind the flood")
        assert found.data["source"] == "log", "the status file came before what the log said"
        reader.wait_for(type="downtime", action="started")
        assert not [event for event in reader.named("state") if event.data["service"] == "SSH"], "a passive line is no state"


def test_a_mirror_made_anew_is_a_reset_and_never_silence(small: tuple[NagiosCore, Box]) -> None:
    core, box = small
    with reading(box) as reader:
        last = reader.last_id
        box.stop()
        reader.wait(lambda one: one.ended, "the stream ended with the server")
        assert reader.seen[-1].name == "end"
    assert "graceful shutdown exceeded" not in box.output, "an open stream kept the server from stopping"
    for path in box.data.glob("state.db*"):
        path.unlink()
    box.start()
    box.wait_ready()
    with reading(box, last_id=last) as reader:
        reader.wait(lambda one: one.ended, "the stream ends after the reset")
        assert [event.name for event in reader.seen] == ["reset"]
        again = reader.last_id
    with reading(box, last_id=again) as reader:
        core.send("PROCESS_SERVICE_CHECK_RESULT;web01;SSH;1;new")
        reader.wait_for(type="state", output="new")
    with reading(box, last_id=last, snapshot=1) as reader:
        reader.wait(lambda one: one.named("snapshot_ends"), "the snapshot's end")
        assert [event.name for event in reader.seen[:2]] == ["reset", "snapshot_begins"]
        assert ("WARNING", "new") in states(reader, "web01", "SSH")


def test_a_view_that_is_removed_comes_back_by_itself(small: tuple[NagiosCore, Box]) -> None:
    """Writing on into a file that has no name would leave every reader with nothing until somebody restarts us."""
    core, box = small
    with reading(box, host="web01") as reader:
        for path in box.data.glob("state.db*"):
            path.unlink()
        reader.wait(lambda one: one.ended, "the stream ends with a reset")
        assert reader.seen[-1].name == "reset"
    box.wait_ready()
    core.send("PROCESS_SERVICE_CHECK_RESULT;web01;HTTP;1;seen again")

    def is_seen() -> bool:
        return any(row["plugin_output"] == "seen again" for row in box.api.get("/v1/services").json().get("items", ()))

    cores.until(is_seen, "the new view has what happens")

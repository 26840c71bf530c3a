"""The rig itself: the cores start, read a raw command, are hurt as promised, and leave nothing behind."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import cores, oracle
from tests.support.cores import Core, Host, Icinga2Core, NagiosCore, Service, until

pytestmark = pytest.mark.core

HOSTS = [Host("web01", (Service("HTTP"), Service("Disk /var")), ("web",)), Host("Größe")]


@pytest.fixture(params=[NagiosCore, Icinga2Core])
def core(request: pytest.FixtureRequest) -> Iterator[Core]:
    with cores.core_folder() as folder:
        core = request.param(folder / request.param.kind, HOSTS)
        with cores.running(core):
            yield core


def _downtime(core: Core, comment: str) -> None:
    now = int(time.time())
    core.send(f"SCHEDULE_HOST_DOWNTIME;web01;{now};{now + 600};1;0;600;rig;{comment}")


def _has_downtime(core: Core, comment: str) -> bool:
    return len(oracle.downtimes(core.status_file, comment)) == 1


def test_a_raw_command_is_read_and_shows(core: Core) -> None:
    _downtime(core, "seen ünd logged")
    until(lambda: _has_downtime(core, "seen ünd logged"), "the downtime in the status file")
    (line,) = [line for line in oracle.command_lines([core.main_log]) if b"seen \xc3\xbcnd logged" in line]
    assert line.startswith(b"SCHEDULE_HOST_DOWNTIME;web01;")


def test_a_forced_check_answers_what_the_test_prepared(core: Core) -> None:
    core.answer("web01", "Disk /var", 2, "full")
    core.send("SCHEDULE_FORCED_SVC_CHECK;web01;Disk /var;1")
    cores.wait_for_state(core, "web01", "Disk /var", 2)
    assert oracle.status_of(core.status_file, "web01", "Disk /var")["plugin_output"].strip() == "full"


def test_passive_states(core: Core) -> None:
    core.set_state("Größe", "", 1, "gone")
    cores.wait_for_state(core, "Größe", "", 1)


def test_frozen_it_keeps_its_pipe_and_does_nothing(core: Core) -> None:
    cores.freeze(core)
    _downtime(core, "later")
    before = oracle.created(core.status_file)
    end = time.monotonic() + 2.5
    until(lambda: time.monotonic() > end, "two status intervals passed")
    assert cores.has_reader(core.command_file)
    assert oracle.created(core.status_file) == before
    cores.thaw(core)
    until(lambda: _has_downtime(core, "later"), "the downtime after SIGCONT")


def test_stopped_and_killed_nobody_reads_and_it_comes_back(core: Core) -> None:
    core.stop()
    assert not cores.has_reader(core.command_file)
    cores.restart(core)
    cores.kill(core)
    assert not cores.has_reader(core.command_file)
    assert core.command_file.is_fifo()
    cores.restart(core)
    _downtime(core, "alive")
    until(lambda: _has_downtime(core, "alive"), "the downtime of a core that came back")


def test_reload_takes_the_new_configuration(core: Core) -> None:
    cores.reload(core, [*HOSTS, Host("new")])
    until(lambda: oracle.status_of(core.status_file, "new"), "the new host")
    cores.reload(core, HOSTS)
    until(lambda: not oracle.status_of(core.status_file, "new"), "the new host gone again")


def test_not_run_as_root(core: Core) -> None:
    assert core.process is not None
    assert Path(f"/proc/{core.process.pid}").stat().st_uid != 0 or os.geteuid() != 0


def test_rotation_keeps_every_line() -> None:
    with cores.core_folder() as folder:
        core = NagiosCore(folder / "n", HOSTS)
        with cores.running(core):
            for number in range(3):
                _downtime(core, f"round {number}")
                wanted = b"round %d" % number
                cores.wait_for_log(core, lambda lines, w=wanted: any(w in line for line in lines), "the line")  # type: ignore[misc]
                cores.rotate_log(core, number)
        assert len(oracle.command_lines(oracle.logs_of(core.folder))) == 3

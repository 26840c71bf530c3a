"""What `signalbox check` finds: each trap set on purpose is found by name, alone, with its remedy; real cores are fine."""

from __future__ import annotations

import dataclasses
import os
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.config import Poller
from engine.config_file import load_config
from engine.model import CoreKind
from engine.pollers import inspect as module
from engine.pollers.inspect import Finding, inspect, probe
from tests.support import cores
from tests.support.cores import Host, Icinga2Core, NagiosCore, Service

NOBODY = 65534


@pytest.fixture
def poller(tmp_path: Path) -> Iterator[Poller]:
    """Files as a healthy Nagios has them; the FIFO is held open as its reader would."""
    (tmp_path / "rw").mkdir()
    os.mkfifo(tmp_path / "rw/nagios.cmd", 0o660)
    reader = os.open(tmp_path / "rw/nagios.cmd", os.O_RDWR | os.O_NONBLOCK)
    (tmp_path / "status.dat").write_text(
        f"# NAGIOS\n\ninfo {{\n\tcreated={int(time.time())}\n\tversion=4.4.6\n\t}}\n", encoding="utf-8"
    )
    (tmp_path / "objects.cache").write_text("", encoding="utf-8")
    (tmp_path / "nagios.log").write_text("", encoding="utf-8")
    main = tmp_path / "nagios.cfg"
    names = {
        "command_file": "rw/nagios.cmd",
        "status_file": "status.dat",
        "object_cache_file": "objects.cache",
        "log_file": "nagios.log",
    }
    main.write_text(
        "".join(f"{key}={tmp_path / value}\n" for key, value in names.items()) + "status_update_interval=10\n", encoding="utf-8"
    )
    yield load_config(None, [str(main)]).pollers[0]
    os.close(reader)


def found(poller: Poller) -> dict[str, Finding]:
    return {finding.trap: finding for finding in inspect(poller, SystemClock()) if finding.trap != "checked_as_root"}


@contextmanager
def as_nobody() -> Iterator[None]:
    """Rights mean nothing to root: look as somebody else, if root."""
    if os.geteuid() != 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def test_a_healthy_poller_has_nothing(poller: Poller) -> None:
    assert found(poller) == {}


def _no_fifo(poller: Poller) -> None:
    poller.command_file.unlink()


def _regular_file(poller: Poller) -> None:
    poller.command_file.unlink()
    poller.command_file.write_text("swallowed", encoding="utf-8")


def _link(poller: Poller) -> None:
    real = poller.command_file.rename(poller.command_file.with_name("real"))
    poller.command_file.symlink_to(real)


def _no_reader(poller: Poller) -> None:
    poller.command_file.unlink()
    os.mkfifo(poller.command_file)


def _stale(poller: Poller) -> None:
    poller.status_file.write_text(f"info {{\n\tcreated={int(time.time()) - 31}\n\t}}\n", encoding="utf-8")


def _broken(poller: Poller) -> None:
    poller.status_file.write_text("hoststatus {\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("set_trap", "trap", "level", "remedy"),
    [
        (_no_fifo, "command_file_missing", "wrong", "systemctl start nagios"),
        (_regular_file, "command_file_is_no_fifo", "wrong", "systemctl stop nagios && rm {fifo} && systemctl start nagios"),
        (_link, "command_file_is_a_link", "wrong", "name the FIFO itself: command_file = '{folder}/rw/real'"),
        (_no_reader, "command_file_no_reader", "wrong", "systemctl restart nagios"),
        (lambda poller: poller.status_file.unlink(), "status_file_missing", "wrong", "systemctl start nagios"),
        (_stale, "status_file_stale", "wrong", "systemctl restart nagios"),
        (_broken, "status_file_broken", "wrong", "name the core's status_file"),
        (lambda poller: poller.log_file.unlink(), "log_missing", "wrong", "start the core (nagios), or correct the path"),
        (
            lambda poller: poller.object_cache_file.unlink(),
            "object_cache_missing",
            "weak",
            "start the core (nagios), or correct the path",
        ),
    ],
)
def test_traps_in_the_files(poller: Poller, set_trap: Callable[[Poller], None], trap: str, level: str, remedy: str) -> None:
    set_trap(poller)
    (finding,) = found(poller).values()
    assert (finding.trap, finding.level) == (trap, level)
    assert finding.remedy == remedy.format(fifo=poller.command_file, folder=poller.status_file.parent)


@pytest.mark.parametrize(
    ("setting", "value", "trap", "level"),
    [
        ("check_external_commands", "0", "check_external_commands_off", "wrong"),
        ("log_external_commands", "0", "log_external_commands_off", "weak"),
        ("log_passive_checks", "0", "log_passive_checks_off", "weak"),
        ("status_update_interval", "31", "status_update_interval_long", "weak"),
        ("status_file", "/dev/null", "status_file_is_null", "wrong"),
        ("temp_file", "/dev/shm/nagios.tmp", "temp_file_elsewhere", "weak"),
    ],
)
def test_traps_in_the_main_configuration_are_mended_by_their_own_remedy(
    poller: Poller, setting: str, value: str, trap: str, level: str
) -> None:
    main = poller.main_config
    assert main
    text = "".join(line for line in main.read_text("utf-8").splitlines(True) if not line.startswith(setting))
    for written in (f"{text}{setting}={value}\n", f" {setting} = {value}\n{text}"):
        main.write_text(written, encoding="utf-8")
        (finding,) = found(load_config(None, [str(main)]).pollers[0]).values()
        assert (finding.trap, finding.level) == (trap, level)
        change, _, restart = finding.remedy.partition(" && ")
        assert restart == "systemctl restart nagios"
        subprocess.run(["/bin/sh", "-c", change], check=True)
        mended = load_config(None, [str(main)]).pollers[0]
        # The status file may be named anew; it is not there then, but that is another trap.
        assert trap not in found(mended)


def test_a_setting_that_is_not_written_is_mended_too(poller: Poller) -> None:
    main = poller.main_config
    assert main
    lines = [line for line in main.read_text("utf-8").splitlines(True) if "interval" not in line]
    main.write_text("".join(lines), encoding="utf-8")
    (finding,) = found(load_config(None, [str(main)]).pollers[0]).values()  # the core's default is 60 s
    assert finding.trap == "status_update_interval_long"
    subprocess.run(["/bin/sh", "-c", finding.remedy.partition(" && ")[0]], check=True)
    assert found(load_config(None, [str(main)]).pollers[0]) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to look as somebody else")
@pytest.mark.parametrize(
    ("what", "mode", "trap"),
    [
        ("rw/nagios.cmd", 0o640, "command_file_not_writable"),
        ("rw", 0o700, "command_file_not_writable"),
        ("status.dat", 0o600, "status_file_unreadable"),
        ("nagios.log", 0o600, "log_unreadable"),
        ("objects.cache", 0o600, "object_cache_unreadable"),
    ],
)
def test_missing_rights_are_mended_by_their_own_remedy(poller: Poller, what: str, mode: int, trap: str) -> None:
    folder = poller.status_file.parent
    for above in folder.parents:
        if not above.stat().st_mode & 0o001:
            above.chmod(above.stat().st_mode | 0o011)
    # All of it belongs to a group that nobody is in: usermod cannot be run here, so it is checked by its words.
    folder.chmod(0o755)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 0, 12345)
    poller.command_file.chmod(0o666)
    (folder / what).chmod(mode)
    with as_nobody():
        assert list(found(poller)) == [trap]
        remedy = found(poller)[trap].remedy
    commands = remedy.partition("   (")[0].split(" && ")
    user = remedy.rpartition(" ")[2].rstrip(")")
    assert commands[0] == f"usermod -aG 12345 {user}"
    for command in commands[1:]:
        subprocess.run(shlex.split(command), check=True)
    os.setgroups([12345])  # what the new session would have
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        assert found(poller) == {}
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups([0])


@pytest.mark.skipif(os.geteuid() != 0, reason="is about root")
def test_root_is_told_that_rights_were_not_tested(poller: Poller) -> None:
    assert [finding.trap for finding in inspect(poller, SystemClock())] == ["checked_as_root"]


@pytest.mark.parametrize(
    ("text", "traps"),
    [
        ("[2026-01-01 00:00:00 +0000] information/cli: started\n[2026-01-01 00:00:00 +0000] warning/x: y\n", []),
        ("[2026-01-01 00:00:00 +0000] notice/x: y\n", []),
        ("[2026-01-01 00:00:00 +0000] warning/x: information/cli: z\n", ["main_log_severity"]),
        ("[2026-01-01 00:00:00 +0000] critical/x: y\n\tContext:\n", ["main_log_severity"]),
        ("", ["main_log_empty"]),
        (None, ["main_log_missing"]),
    ],
)
def test_the_main_log_of_icinga2_must_show_information(poller: Poller, text: str | None, traps: list[str]) -> None:
    main_log = poller.log_file.with_name("icinga2.log")
    if text is not None:
        main_log.write_text(text, encoding="utf-8")
    assert list(found(dataclasses.replace(poller, kind=CoreKind.ICINGA2, main_log=main_log))) == traps


def test_looking_changes_and_writes_nothing(poller: Poller) -> None:
    def picture() -> list[tuple[str, int, int]]:
        return sorted((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in poller.status_file.parent.rglob("*"))

    before = picture()
    inspect(poller, SystemClock())
    assert picture() == before
    reader = os.open(poller.command_file, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(BlockingIOError):
            os.read(reader, 1)
    finally:
        os.close(reader)


def test_a_mark_that_does_not_come_back_is_not_proven(poller: Poller) -> None:
    echo = probe(poller, SystemClock(), patience_s=0.1)
    assert echo.after_s is None
    assert "does not show it" in echo.sentence
    reader = os.open(poller.command_file, os.O_RDONLY | os.O_NONBLOCK)
    line = os.read(reader, 4096)
    os.close(reader)
    assert line.startswith(f"[{int(time.time()) // 1000}".encode())
    assert b"] _SIGNALBOX_P" in line
    assert line.count(b"\n") == 1


def test_a_probe_without_a_core_says_why(poller: Poller) -> None:
    poller.command_file.unlink()
    assert "does not exist" in probe(poller, SystemClock()).sentence
    assert not poller.command_file.exists()


@pytest.mark.core
@pytest.mark.parametrize("kind", [NagiosCore, Icinga2Core])
def test_a_real_core_is_found_healthy_and_proves_the_way(kind: type[NagiosCore | Icinga2Core], tmp_path: Path) -> None:
    with cores.core_folder() as folder:
        core = kind(folder / "core", [Host("web01", (Service("HTTP"),))], 1)
        with cores.running(core):
            path = tmp_path / "signalbox.toml"
            path.write_text(cores_config(core), encoding="utf-8")
            (poller,) = load_config(path, []).pollers
            # Icinga 2 writes its first log lines late.
            cores.until(lambda: not found(poller), "a running core is found healthy")
            echo = probe(poller, SystemClock())
            assert echo.after_s is not None, echo.sentence
            assert echo.after_s < 3
            core.stop()
            assert "command_file_no_reader" in found(poller)
            assert probe(poller, SystemClock()).after_s is None


def cores_config(core: NagiosCore | Icinga2Core) -> str:
    from contrib.demo_cores import signalbox_config

    return signalbox_config([core])


def test_every_remedy_names_a_unit_that_fits_the_kind(poller: Poller) -> None:
    assert {kind: module._unit(dataclasses.replace(poller, kind=kind)) for kind in CoreKind} == {
        CoreKind.NAGIOS: "nagios",
        CoreKind.NAEMON: "naemon",
        CoreKind.ICINGA1: "icinga",
        CoreKind.ICINGA2: "icinga2",
        CoreKind.CENTREON: "centengine",
    }
    debian = dataclasses.replace(poller, main_config=Path("/etc/nagios4/nagios.cfg"))
    assert module._unit(debian) == "nagios4"

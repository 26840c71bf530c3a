"""Records the golden files of tests/golden from the real cores installed on this machine.

    python contrib/record_golden.py [FOLDER]        # FOLDER: tests/golden

For each core a folder `<kind>-<version>` with what the core itself wrote, byte for byte:

    status-1.dat      just started
    status-2.dat      after the commands
    status-3.dat      the next generation: nothing but times changed
    objects.cache
    core.log          the classic log (Icinga 2: its compat log), with a reload in it
    main.log          Icinga 2's own log
    recorded.json     which core, which version, which command started it, when, and every line written to its command file

Never edit these files by hand: change this script, record again, read the difference.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from contrib.demo_cores import Core, Host, Icinga2Core, NagiosCore, Service, has_reader, until

# What people call things, and what breaks readers of these files.
ODD = ("Disk /var", "/", "C:\\ 90%", "a+b", "Größe", "#1?", "..", "{", "}", "x = y", "hoststatus {")
HOSTS = (
    Host("web01", tuple(Service(name) for name in ODD), ("web", "all of them"), alias="Web server; the first"),
    Host("a+b", (Service("HTTP", custom=(("NOTE", "Bob ; semi = colon"),)),), ("all of them",), parents=("web01",)),
    Host("Größe", (Service("Größe"),), ("all of them",), custom=(("HOST_ID", "4711"),), parents=("web01", "a+b")),
    Host("C:\\ 90%", (Service("C:\\ 90%"),), address="192.0.2.7"),
    Host("#1?", (), ("all of them",), address="2001:db8::1"),
)
# Names with commas stand in lists that are joined by commas.
_COMMAS_NAGIOS = """
define servicegroup {
  servicegroup_name disks
  alias Disks of all kinds
  notes_url http://192.0.2.1/?a=b
}
define host {
  use quiet
  host_name h,1
  alias h,1
  address 192.0.2.8
  contacts nobody-in-particular
  check_command answer!0
  hostgroups all of them
  icon_image server.png
  icon_image_alt a server
  notes of note
  action_url http://192.0.2.1/$HOSTNAME$
}
define service {
  use quiet
  host_name #1?
  service_description C:, D:
  contacts nobody-in-particular
  check_command answer!0
  servicegroups disks
}
define service {
  use quiet
  host_name #1?
  service_description C:
  contacts nobody-in-particular
  check_command answer!0
  servicegroups disks
}
"""
_COMMAS_ICINGA2 = """
object ServiceGroup "disks" { display_name = "Disks of all kinds" }
object Host "h,1" { check_command = "answer"; address = "192.0.2.8"; enable_active_checks = false; groups = [ "all of them" ] }
object Service "C:, D:" { host_name = "#1?"; check_command = "answer"; enable_active_checks = false; groups = [ "disks" ] }
object Service "C:" { host_name = "#1?"; check_command = "answer"; enable_active_checks = false; groups = [ "disks" ] }
"""

_STARTED = {"nagios": b" starting... (PID=", "icinga2": b"information/ExternalCommandListener: 'command' started."}


class _Nagios(NagiosCore):
    def configuration(self) -> dict[Path, str]:
        files = super().configuration()
        objects = self.folder / "objects.cfg"
        return {**files, objects: files[objects] + _COMMAS_NAGIOS}


class _Icinga2(Icinga2Core):
    def configuration(self) -> dict[Path, str]:
        files = super().configuration()
        return {**files, self.config_file: files[self.config_file] + _COMMAS_ICINGA2}


def commands(now: int) -> list[bytes]:
    """The lines written to the command file, without their times."""
    soon, later = now + 3600, now + 7200
    lines: list[str | bytes] = [
        # states
        "PROCESS_HOST_CHECK_RESULT;a+b;1;PING CRITICAL - Packet loss = 100%|rta=0.000000ms;3000;5000;0 pl=100%;80;100;0",
        "PROCESS_HOST_CHECK_RESULT;web01;0;PING OK",
        "PROCESS_SERVICE_CHECK_RESULT;web01;Disk /var;2;DISK CRITICAL = full|/var=1MB;2;3\\nsecond line\\nthird ; line",
        "PROCESS_SERVICE_CHECK_RESULT;web01;Größe;1;wörtlich; so",
        "PROCESS_SERVICE_CHECK_RESULT;web01;C:\\ 90%;3;C:\\temp and \\\\server\\nC:\\temp and \\\\server\\nlast",
        "PROCESS_SERVICE_CHECK_RESULT;web01;/;0;",
        "PROCESS_SERVICE_CHECK_RESULT;web01;#1?;2;}",
        b"PROCESS_SERVICE_CHECK_RESULT;web01;x = y;1;latin-1 \xe4\xf6\xfc and \xf0\x9f broken",
        "PROCESS_SERVICE_CHECK_RESULT;#1?;C:, D:;2;both full",
        # acknowledgements
        "ACKNOWLEDGE_SVC_PROBLEM;web01;Disk /var;2;0;1;Jörg Müller;we know = it; really",
        "ACKNOWLEDGE_HOST_PROBLEM;a+b;1;0;0;operator;}",
        "ACKNOWLEDGE_SVC_PROBLEM;web01;Größe;2;0;0;operator;soon removed",
        "REMOVE_SVC_ACKNOWLEDGEMENT;web01;Größe",
        # comments
        "ADD_HOST_COMMENT;web01;1;operator;hoststatus {",
        "ADD_SVC_COMMENT;web01;a+b;1;operator;author=forged",
        b"ADD_SVC_COMMENT;web01;..;0;op\xe9rateur;tab\there, bell\x07, cr\rhere",
        "ADD_HOST_COMMENT;#1?;1;operator;soon deleted",
        "DEL_ALL_HOST_COMMENTS;#1?",
        # downtimes
        f"SCHEDULE_HOST_DOWNTIME;web01;{now};{soon};1;0;0;operator;fixed and active",
        f"SCHEDULE_SVC_DOWNTIME;web01;Disk /var;{now};{soon};0;0;600;operator;flexible, waiting",
        f"SCHEDULE_SVC_DOWNTIME;web01;/;{soon};{later};1;0;0;Jörg Müller;to come; cut here?",
        f"SCHEDULE_HOST_DOWNTIME;Größe;{soon};{later};1;1;0;operator;triggered by the first",
        f"SCHEDULE_HOST_SVC_DOWNTIME;web01;{soon};{later};1;0;0;operator;hostdowntime {{",
        f"SCHEDULE_SVC_DOWNTIME;web01;a+b;{now};{soon};1;0;0;operator;soon cancelled",
        # what is refused
        "NO_SUCH_COMMAND;web01;x",
        "ADD_HOST_COMMENT;no such host;1;operator;x",
        "ADD_HOST_COMMENT;web01;1;operator;",
        "ADD_HOST_COMMENT;web01",
        f"SCHEDULE_HOST_DOWNTIME;no such host;{now};{soon};1;0;0;operator;x",
        "PROCESS_HOST_CHECK_RESULT;no such host;1;x",
        "PROCESS_SERVICE_CHECK_RESULT;web01;no such service;1;x",
        "PROCESS_HOST_CHECK_RESULT;web01;7;x",
        "_SIGNALBOX_Bgolden00",
        "_SIGNALBOX_Egolden00",
    ]
    return [line.encode() if isinstance(line, str) else line for line in lines]


def record(core: Core, target: Path) -> None:
    """Put one core through its paces and keep what it wrote."""
    core.prepare()
    core.start()
    try:
        core.wait_ready()
        sent: list[bytes] = []

        def send(*lines: bytes) -> None:
            core.send(*lines)
            sent.extend(lines)

        _keep_next(core, target / "status-1.dat")
        for line in commands(int(time.time())):
            send(line)
        until(lambda: b"golden00" in core.main_log.read_bytes(), "the last command is read", 20)
        _settled(core)
        send(b"DEL_DOWNTIME_BY_HOST_NAME;web01;a+b" if core.kind == "nagios" else b"DEL_SVC_DOWNTIME;0")
        # Nothing like a command at all. Nagios 4 must be given it last: it spoils what follows.
        core.write_raw(b"[%d]  garbage\n" % int(time.time()))
        _settled(core)
        _keep_next(core, target / "status-2.dat")
        _keep_next(core, target / "status-3.dat")
        core.signal(signal.SIGHUP)
        until(lambda: core.main_log.read_bytes().count(_STARTED[core.kind]) == 2, "the core has reloaded", 30)
        until(lambda: has_reader(core.command_file), "the core reads commands after its reload", 30)
        send(b"_SIGNALBOX_Lgolden01")
        until(lambda: b"golden01" in core.main_log.read_bytes(), "the core reads commands after its reload", 30)
        _settled(core)
        for source, name in ((core.object_cache_file, "objects.cache"), (core.log_file, "core.log"), (core.main_log, "main.log")):
            if name != "main.log" or core.main_log != core.log_file:
                shutil.copyfile(source, target / name)
    finally:
        core.stop()
    facts = {
        "core": core.kind,
        "version": core.version(),  # type: ignore[attr-defined]
        "command": " ".join(core.command()),
        "recorded_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "recorded_by": "contrib/record_golden.py",
        "sent": [line.decode("utf-8", "backslashreplace") for line in sent],
    }
    (target / "recorded.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _settled(core: Core) -> None:
    """Two more generations: all that was to happen has happened and is written."""
    for _ in range(2):
        _next_generation(core)


def _next_generation(core: Core) -> bytes:
    before = core.status_file.stat().st_mtime_ns
    until(lambda: core.status_file.exists() and core.status_file.stat().st_mtime_ns != before, "another status file", 20)
    return core.status_file.read_bytes()


def _keep_next(core: Core, target: Path) -> None:
    target.write_bytes(_next_generation(core))


def main() -> int:
    golden = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1] / "tests" / "golden"
    with tempfile.TemporaryDirectory(prefix="signalbox-golden-") as folder:
        Path(folder).chmod(0o755)
        for core in (_Nagios(Path(folder) / "nagios", HOSTS), _Icinga2(Path(folder) / "icinga2", HOSTS)):
            target = golden / f"{core.kind}-{core.version().removeprefix('r').removesuffix('-1')}"
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(parents=True)
            record(core, target)
            print(f"recorded {target}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

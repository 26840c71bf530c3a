"""Real cores on generated, private configurations: Nagios 4 and Icinga 2 in one folder each, started as an ordinary user.

What belongs here: writing a core's configuration, starting it, knowing that it is ready, stopping it. This is the one copy: the
demo runs this file (`python demo_cores.py FOLDER`), the system tests build on it in tests/support/cores.py, where everything
lies that hurts a core. Standard library only; knows nothing of engine or api, so that it can serve as their judge.

A core lives in its folder whole: configuration, FIFO, status file, object cache, logs, retention. Nothing of the machine's own
configuration is read, nothing outside the folder is written. Started by root, a core runs as `nagios` (or `nobody`); started
by anybody else, as that user. A core ends when the process that started it ends.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import ClassVar

NAGIOS = "/usr/sbin/nagios4"
ICINGA2 = "/usr/sbin/icinga2"
PACKAGES = "nagios4-core nagios4-cgi monitoring-plugins-basic icinga2-bin"
HOW_TO_INSTALL = f"apt-get install --no-install-recommends {PACKAGES}"
# The versions of Debian 12, on which all notes about the cores were taken. Another version is no reason not to run the demo.
NAGIOS_VERSION = "4.4.6"
ICINGA2_VERSION = "r2.13.6-1"

# Answers what stands in the file named after the object: first line the return code, the rest the plugin's output.
_CHECK_SCRIPT = """#!/bin/sh
{ read -r code && cat; } 2>/dev/null < "$1" || { echo "no answer prepared"; exit 3; }
exit "$code"
"""


_ASK_AGAIN_S, _ASK_WITHIN_S = 0.01, 0.25
PATIENCE_S = 60.0  # a deadline only ends what would hang for ever: no slow minute of a busy machine may be taken for that


def until(condition: Callable[[], object], what: str, within_s: float = PATIENCE_S) -> None:
    """Come back once `condition` is true. Raises TimeoutError, which names `what`.

    `within_s` is given where what is waited for takes longer, or where the time itself is what is promised.
    """
    end = time.monotonic() + within_s
    asked_at = time.monotonic()
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {within_s:g} s: {what}")
        # What is much work to ask is asked less often: it would take the processor from what it waits for.
        time.sleep(min(max(_ASK_AGAIN_S, 2 * (time.monotonic() - asked_at)), _ASK_WITHIN_S))
        asked_at = time.monotonic()


@dataclass(frozen=True)
class Service:
    """A service as configured; `groups` are servicegroups. `custom` are custom variables without underscore."""

    description: str
    contacts: tuple[str, ...] = ()
    custom: tuple[tuple[str, str], ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Host:
    """A host as configured; `groups` are hostgroups."""

    name: str
    services: tuple[Service, ...] = ()
    groups: tuple[str, ...] = ()
    contacts: tuple[str, ...] = ()
    alias: str = ""
    address: str = "127.0.0.1"
    parents: tuple[str, ...] = ()
    custom: tuple[tuple[str, str], ...] = ()


def ordinary_user() -> pwd.struct_passwd:
    """Whom cores run as: us, or `nagios` (else `nobody`) when we are root."""
    if os.geteuid():
        return pwd.getpwuid(os.geteuid())
    for name in ("nagios", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("neither a user nagios nor a user nobody exists to run a core as")


def missing_programs() -> list[str]:
    """Programs of the packages that are not installed."""
    return [program for program in (NAGIOS, ICINGA2) if not Path(program).exists()]


@dataclass
class Core:
    """One core and its folder. Paths below are those of its main configuration."""

    folder: Path
    hosts: Sequence[Host]
    interval_s: int = 1
    # Given verbatim to the main configuration, after everything else (a later line wins in both kinds of core).
    extra: str = ""
    process: subprocess.Popen[bytes] | None = None
    _answers: dict[tuple[str, str], Path] = field(default_factory=dict)
    _status_before: tuple[int, int, int] | None = None

    kind: ClassVar[str]
    program: ClassVar[str]  # the name of its processes
    main_config: ClassVar[str]
    log_name: ClassVar[str]

    # --- where things are -----------------------------------------------------------------------------------------------
    @property
    def config_file(self) -> Path:
        return self.folder / self.main_config

    @property
    def command_file(self) -> Path:
        return self.folder / "core.cmd"

    @property
    def status_file(self) -> Path:
        return self.folder / "status.dat"

    @property
    def object_cache_file(self) -> Path:
        return self.folder / "objects.cache"

    @property
    def log_file(self) -> Path:
        return self.folder / self.log_name

    @property
    def main_log(self) -> Path:
        """The log that says what became of a command: Icinga 2's own, else the core's only one."""
        return self.log_file

    # --- configuration --------------------------------------------------------------------------------------------------
    def prepare(self) -> None:
        """Make the folder and write the configuration."""
        for name in ("", "answers", "archives", "spool", "compat", "data", "cache", "run"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        script = self.folder / "check.sh"
        script.write_text(_CHECK_SCRIPT)
        script.chmod(0o755)
        self.write_config()
        if os.geteuid() == 0:
            user = ordinary_user()
            for path in [self.folder, *self.folder.rglob("*")]:
                os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)

    def write_config(self) -> None:
        """Write the main configuration and the objects; a running core takes them at its next reload."""
        for host in self.hosts:
            for service in ("", *(service.description for service in host.services)):
                if (host.name, service) not in self._answers:
                    self._answers[host.name, service] = self.folder / "answers" / str(len(self._answers))
                    self.answer(host.name, service, 0, "fine")
        for path, text in self.configuration().items():
            path.write_text(text, encoding="utf-8")

    def configuration(self) -> dict[Path, str]:
        """The files of the configuration and their text."""
        raise NotImplementedError

    def answer(self, host: str, service: str, code: int, output: str) -> None:
        """Say what the next active check of the object gives. `service` "" for the host itself."""
        path = self._answers[host, service]
        path.with_suffix(".new").write_text(f"{code}\n{output}\n", encoding="utf-8")
        path.with_suffix(".new").replace(path)

    # --- running --------------------------------------------------------------------------------------------------------
    def command(self) -> list[str]:
        """The program and its arguments, to stay in the foreground."""
        raise NotImplementedError

    def start(self) -> None:
        """Start; call from the main thread: the core is told to end when the thread that started it does."""
        if self.process is not None and self.process.poll() is None:
            raise RuntimeError(f"{self.folder.name} runs already")
        self._status_before = _identity(self.status_file)
        identity = {}
        if os.geteuid() == 0:
            user = ordinary_user()
            identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        with (self.folder / "console").open("ab") as console:
            self.process = subprocess.Popen(
                ["/usr/bin/setpriv", "--pdeathsig", "TERM", "--", *self.command()],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                cwd=self.folder,
                start_new_session=True,
                **identity,  # type: ignore[call-overload]
            )

    def wait_ready(self, within_s: float = PATIENCE_S) -> None:
        """Come back when the core reads commands and has written a status file of this run."""

        def is_ready() -> bool:
            if self.process is None or self.process.poll() is not None:
                tail = (self.folder / "console").read_text("utf-8", "replace")[-2000:]
                raise RuntimeError(f"the core in {self.folder} ended at its start:\n{tail}")
            return has_reader(self.command_file) and _identity(self.status_file) not in (None, self._status_before)

        until(is_ready, f"the core in {self.folder} is ready", within_s)

    def stop(self, within_s: float = 20.0) -> None:
        """TERM, and KILL for what is left of it then. Does nothing when it does not run."""
        if self.process is None:
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self.process.wait()
        self.process = None
        self.wait_gone()

    def pids(self) -> list[int]:
        """Every process of this core, main process first; workers are known by the folder in their arguments."""
        main = self.process.pid if self.process is not None else 0
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if not entry.name.isdigit() or (entry / "comm").read_text().strip() != self.program:
                    continue
                if os.fsencode(self.folder) + b"/" in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
        return sorted(found, key=lambda pid: (pid != main, pid))

    def wait_gone(self, within_s: float = 3.0) -> None:
        """Wait until the workers of a main process that ended have followed it; kill those that do not."""
        try:
            what = f"every process of the core in {self.folder} ended"
            # A process that is being ended has lost its name before it closes the FIFO.
            until(lambda: not self.pids() and not has_reader(self.command_file), what, within_s)
        except TimeoutError:
            for pid in self.pids():
                os.kill(pid, signal.SIGKILL)

    def signal(self, number: int) -> None:
        """Send a signal to the core's main process."""
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, number)

    def send(self, *lines: str | bytes) -> None:
        """Write lines to the FIFO as any script would: `[now] ` in front, newline behind."""
        now = int(time.time())
        for line in lines:
            raw = line.encode() if isinstance(line, str) else line
            self.write_raw(b"[%d] %s\n" % (now, raw))

    def write_raw(self, data: bytes) -> None:
        """Write bytes to the FIFO as they are."""
        descriptor = os.open(self.command_file, os.O_WRONLY | os.O_NONBLOCK)
        try:
            if os.write(descriptor, data) != len(data):
                raise RuntimeError("the FIFO took only a part")
        finally:
            os.close(descriptor)

    def set_state(self, host: str, service: str, code: int, output: str) -> None:
        """Bring an object into a state by a passive result."""
        name = f"PROCESS_SERVICE_CHECK_RESULT;{host};{service}" if service else f"PROCESS_HOST_CHECK_RESULT;{host}"
        self.send(f"{name};{code};{output}")


class NagiosCore(Core):
    """Nagios 4."""

    kind = "nagios"
    program = "nagios4"
    main_config = "nagios.cfg"
    log_name = "nagios.log"

    def command(self) -> list[str]:
        return [NAGIOS, str(self.config_file)]

    def configuration(self) -> dict[Path, str]:
        if not any(host.services for host in self.hosts):
            raise ValueError("Nagios does not start without any service")
        groups: dict[str, list[str]] = {}
        contacts = {"nobody-in-particular"}
        for host in self.hosts:
            contacts.update(host.contacts, *(service.contacts for service in host.services))
            for group in host.groups:
                groups.setdefault(group, []).append(host.name)
        blocks = [_NAGIOS_BASE.format(script=self.folder / "check.sh", answers=self.folder / "answers")]
        blocks += [_nagios_block("contact", {"use": "quiet", "contact_name": contact}) for contact in sorted(contacts)]
        for host in self.hosts:
            blocks.append(self._host(host))
            blocks += [self._service(host, service) for service in host.services]
        blocks += [
            _nagios_block("hostgroup", {"hostgroup_name": group, "alias": group, "members": ",".join(members)})
            for group, members in groups.items()
        ]
        main = _NAGIOS_MAIN.format(folder=self.folder, interval=self.interval_s, command_file=self.command_file) + self.extra
        blocks += [
            _nagios_block("servicegroup", {"servicegroup_name": group, "alias": group}) for group in _servicegroups(self.hosts)
        ]
        return {self.config_file: main, self.folder / "objects.cfg": "\n".join(blocks)}

    def _host(self, host: Host) -> str:
        keys = {
            "use": "quiet",
            "host_name": host.name,
            "alias": host.alias or host.name,
            "address": host.address,
            "contacts": ",".join(host.contacts or ("nobody-in-particular",)),
            "check_command": f"answer!{self._answers[host.name, ''].name}",
        }
        if host.parents:
            keys["parents"] = ",".join(host.parents)
        return _nagios_block("host", keys | {f"_{name}": value for name, value in host.custom})

    def _service(self, host: Host, service: Service) -> str:
        keys = {
            "use": "quiet",
            "host_name": host.name,
            "service_description": service.description,
            "contacts": ",".join(service.contacts or ("nobody-in-particular",)),
            "check_command": f"answer!{self._answers[host.name, service.description].name}",
        }
        if service.groups:
            keys["servicegroups"] = ",".join(service.groups)
        return _nagios_block("service", keys | {f"_{name}": value for name, value in service.custom})

    @staticmethod
    def version() -> str:
        """The version the program says it is."""
        found = re.search(r"Nagios Core ([0-9.]+)", _output([NAGIOS, "--version"]))
        return found[1] if found else "?"


class Icinga2Core(Core):
    """Icinga 2 with the features command, statusdata and compatlog, main log at severity information."""

    kind = "icinga2"
    program = "icinga2"
    main_config = "icinga2.conf"
    log_name = "compat/icinga.log"

    @property
    def main_log(self) -> Path:
        return self.folder / "icinga2.log"

    def command(self) -> list[str]:
        places = ("DataDir=data", "CacheDir=cache", "LogDir=run", "InitRunDir=run", "SpoolDir=spool", "ConfigDir=.")
        defines = [word for place in places for word in ("-D", place.replace("=", f"={self.folder}/"))]
        return [ICINGA2, "daemon", "-c", str(self.config_file), *defines]

    def configuration(self) -> dict[Path, str]:
        parts = [_ICINGA2_MAIN.format(folder=self.folder, interval=self.interval_s, command_file=self.command_file)]
        groups = sorted({group for host in self.hosts for group in host.groups})
        contacts = {contact for host in self.hosts for contact in host.contacts}
        contacts.update(contact for host in self.hosts for service in host.services for contact in service.contacts)
        parts += [f"object HostGroup {_quoted(group)} {{ }}" for group in groups]
        parts += [f"object ServiceGroup {_quoted(group)} {{ }}" for group in _servicegroups(self.hosts)]
        parts += [f"object User {_quoted(contact)} {{ enable_notifications = false }}" for contact in sorted(contacts)]
        for host in self.hosts:
            parts.append(self._host(host))
            parts += [self._service(host, service) for service in host.services]
            parts += [self._parent(host, parent) for parent in host.parents]
        return {self.config_file: "\n".join([*parts, self.extra, ""])}

    @staticmethod
    def _parent(host: Host, parent: str) -> str:
        """What this core's object cache tells as a parent."""
        lines = [f"child_host_name = {_quoted(host.name)}", f"parent_host_name = {_quoted(parent)}"]
        return _icinga2_block(f"object Dependency {_quoted(f'below {parent}')}", lines)

    def _host(self, host: Host) -> str:
        lines = [
            f"display_name = {_quoted(host.alias or host.name)}",
            f"address = {_quoted(host.address)}",
            f"groups = [ {', '.join(map(_quoted, host.groups))} ]",
            *self._common(host.name, ""),
            *(f"vars[{_quoted(name)}] = {_quoted(value)}" for name, value in host.custom),
        ]
        return _icinga2_block(f"object Host {_quoted(host.name)}", lines)

    def _service(self, host: Host, service: Service) -> str:
        lines = [
            f"host_name = {_quoted(host.name)}",
            f"groups = [ {', '.join(map(_quoted, service.groups))} ]",
            *self._common(host.name, service.description),
            *(f"vars[{_quoted(name)}] = {_quoted(value)}" for name, value in service.custom),
        ]
        return _icinga2_block(f"object Service {_quoted(service.description)}", lines)

    def _common(self, host: str, service: str) -> list[str]:
        return [
            'check_command = "answer"',
            f"vars.answer = {_quoted(str(self._answers[host, service]))}",
            "enable_active_checks = false",
            "enable_flapping = false",
            "max_check_attempts = 1",
        ]

    @staticmethod
    def version() -> str:
        """The version the program says it is."""
        found = re.search(r"version: (\S+)\)", _output([ICINGA2, "--version"]))
        return found[1] if found else "?"


def _servicegroups(hosts: Sequence[Host]) -> list[str]:
    return sorted({group for host in hosts for service in host.services for group in service.groups})


def has_reader(command_file: Path) -> bool:
    """Is it a FIFO that somebody reads?"""
    try:
        descriptor = os.open(command_file, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size) if found.st_size else None


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout


def _nagios_block(kind: str, keys: dict[str, str]) -> str:
    # A semicolon would begin a comment.
    return "\n".join([f"define {kind} {{", *(f"  {key} {value.replace(';', chr(92) + ';')}" for key, value in keys.items()), "}"])


def _icinga2_block(head: str, lines: list[str]) -> str:
    return "\n".join([f"{head} {{", *(f"  {line}" for line in lines), "}"])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_NAGIOS_MAIN = """\
cfg_file={folder}/objects.cfg
log_file={folder}/nagios.log
object_cache_file={folder}/objects.cache
precached_object_file={folder}/objects.precache
status_file={folder}/status.dat
status_update_interval={interval}
check_external_commands=1
command_file={command_file}
query_socket={folder}/nagios.qh
lock_file={folder}/nagios.pid
temp_file={folder}/nagios.tmp
temp_path={folder}/spool
check_result_path={folder}/spool
state_retention_file={folder}/retention.dat
retain_state_information=1
retention_update_interval=60
use_retained_program_state=1
use_retained_scheduling_info=1
log_rotation_method=n
log_archive_path={folder}/archives
use_syslog=0
log_external_commands=1
log_passive_checks=1
log_initial_states=0
log_current_states=0
execute_service_checks=1
execute_host_checks=1
accept_passive_service_checks=1
accept_passive_host_checks=1
enable_notifications=1
enable_event_handlers=0
enable_flap_detection=0
check_for_updates=0
check_service_freshness=0
check_host_freshness=0
check_for_orphaned_services=0
check_for_orphaned_hosts=0
interval_length=60
# As few forbidden characters in names as the core allows: people have such names.
illegal_object_name_chars=~
illegal_macro_output_chars=`~$&|'"<>
check_workers=2
"""

_NAGIOS_BASE = """\
define timeperiod {{
  timeperiod_name always
  alias always
  monday 00:00-24:00
  tuesday 00:00-24:00
  wednesday 00:00-24:00
  thursday 00:00-24:00
  friday 00:00-24:00
  saturday 00:00-24:00
  sunday 00:00-24:00
}}
define command {{
  command_name answer
  command_line {script} {answers}/$ARG1$
}}
define command {{
  command_name tell-nobody
  command_line /bin/true
}}
define contact {{
  name quiet
  register 0
  host_notification_period always
  service_notification_period always
  host_notification_options n
  service_notification_options n
  host_notification_commands tell-nobody
  service_notification_commands tell-nobody
}}
define host {{
  name quiet
  register 0
  check_period always
  notification_period always
  check_interval 5
  retry_interval 1
  max_check_attempts 1
  active_checks_enabled 0
  passive_checks_enabled 1
}}
define service {{
  name quiet
  register 0
  check_period always
  notification_period always
  check_interval 5
  retry_interval 1
  max_check_attempts 1
  active_checks_enabled 0
  passive_checks_enabled 1
}}
"""

_ICINGA2_MAIN = """\
include <itl>
const NodeName = "signalbox-demo"
object CheckerComponent "checker" {{ }}
object FileLogger "main-log" {{ severity = "information"; path = "{folder}/icinga2.log" }}
object StatusDataWriter "status" {{
  status_path = "{folder}/status.dat"
  objects_path = "{folder}/objects.cache"
  update_interval = {interval}s
}}
object CompatLogger "compatlog" {{ log_dir = "{folder}/compat"; rotation_method = "DAILY" }}
object ExternalCommandListener "command" {{ command_path = "{command_file}" }}
object CheckCommand "answer" {{ command = [ "{folder}/check.sh", "$answer$" ] }}
"""


# --- the demo ---------------------------------------------------------------------------------------------------------------


def demo_cores(folder: Path) -> list[Core]:
    """Two Nagios and one Icinga 2, with one host name on both Nagios cores."""
    web = (Service("HTTP"), Service("Disk /var"), Service("Load"))
    north = [Host(f"web{n:02}", web, ("web",)) for n in range(1, 6)] + [Host("gateway", (Service("PING"),), ("network",))]
    south = [Host(f"db{n:02}", (Service("PostgreSQL"), Service("Disk /var")), ("database",)) for n in range(1, 4)]
    south.append(Host("gateway", (Service("PING"),), ("network",)))
    east = [Host(f"mail{n:02}", (Service("SMTP"), Service("Queue")), ("mail",)) for n in range(1, 4)]
    return [
        NagiosCore(folder / "north", north),
        NagiosCore(folder / "south", south),
        Icinga2Core(folder / "east", east),
    ]


def signalbox_config(cores: Sequence[Core]) -> str:
    """A Signalbox configuration for these cores, as TOML."""
    parts = []
    for number, core in enumerate(cores, 1):
        lines = [
            "[[poller]]",
            f"number = {number}",
            f'name = "{core.folder.name}"',
            f'kind = "{core.kind}"',
            f'command_file = "{core.command_file}"',
            f'status_file = "{core.status_file}"',
            f'object_cache_file = "{core.object_cache_file}"',
            f'log_file = "{core.log_file}"',
            f'log_archive_path = "{core.folder / "archives"}"',
            f"status_update_interval_s = {core.interval_s}",
        ]
        if core.main_log != core.log_file:
            lines.append(f'main_log = "{core.main_log}"')
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def make_trouble(cores: Sequence[Core]) -> None:
    """Bring every object into a state, some into a bad one."""
    troubles = {
        ("web02", "HTTP"): (2, "HTTP CRITICAL - connection refused"),
        ("web03", "Disk /var"): (1, "DISK WARNING - 8% free"),
        ("db01", "PostgreSQL"): (2, "too many connections"),
        ("db03", ""): (1, "no answer to ping"),
        ("mail02", "Queue"): (2, "4711 mails waiting"),
    }
    for core in cores:
        for host in core.hosts:
            for service in ("", *(service.description for service in host.services)):
                core.set_state(host.name, service, *troubles.get((host.name, service), (0, "OK - all is well")))


def main(arguments: Sequence[str]) -> int:
    """Run the demo's cores in FOLDER until told to stop. `ready` appears there once all of them read commands."""
    folder = Path(arguments[0]).resolve()
    cores = demo_cores(folder)

    def ended(number: int, frame: FrameType | None) -> None:
        # Ctrl-C reaches us and the script above us, which then tells us once more: stopping the cores must not be interrupted.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, ended)
    signal.signal(signal.SIGINT, ended)
    try:
        for core in cores:
            shutil.rmtree(core.folder, ignore_errors=True)
            core.prepare()
            core.start()
        for core in cores:
            core.wait_ready()
        make_trouble(cores)
        (folder / "signalbox.toml").write_text(signalbox_config(cores), encoding="utf-8")
        (folder / "ready").touch()
        while all(core.process is not None and core.process.poll() is None for core in cores):
            time.sleep(0.5)
        print("a core ended by itself; see its folder below", folder, file=sys.stderr)
        return 1
    finally:
        for core in cores:
            core.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

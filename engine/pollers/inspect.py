"""What `signalbox check` looks at: rights and traps of one poller's files, each by name with the command that mends it.

Read-only: the command file is opened for writing and closed again, which a core does not notice; `probe` alone writes, one mark.
**Source** of the traps: nagios-api issue 42 (a regular file in the FIFO's place), naemon issue 141 (temp_file elsewhere), the
main configuration's own documentation for the rest.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import secrets
import shlex
import stat
import threading
from pathlib import Path
from typing import Literal

import msgspec

from engine.clock import Clock
from engine.commands.wire import MARK_PREFIX, encode_mark
from engine.config import Poller
from engine.errors import PollerError
from engine.model import CoreKind
from engine.pollers.command_file import CommandFile
from engine.pollers.command_file import probe as probe_command_file
from engine.pollers.tail import LogTail

LONGEST_INTERVAL_S = 30.0  # seconds between status files above which waiting for `confirmed` is no longer practical
STALE_INTERVALS = 3
_HEAD_BYTES = 4096
_TAIL_BYTES = 1 << 18
_LOOK_AGAIN_S = 0.002
_SYSTEM_GROUP_BELOW = 1  # nobody should be put into root's group to read a log
_BITS = {"r": stat.S_IRGRP, "w": stat.S_IWGRP, "x": stat.S_IXGRP}


class Finding(msgspec.Struct, frozen=True):
    """One trap found. "wrong": commands or the view do not work; "weak": they do, but less can be proved."""

    trap: str
    level: Literal["wrong", "weak"]
    sentence: str
    remedy: str


class Echo(msgspec.Struct, frozen=True):
    """What became of one mark. `after_s` None: it was not seen; `sentence` says why, as far as known."""

    after_s: float | None
    sentence: str


def inspect(poller: Poller, clock: Clock) -> list[Finding]:
    """Every trap this poller is in, worst first."""
    found = [
        *_command_file(poller),
        *_status_file(poller, clock),
        *_logs(poller),
        *_settings(poller),
        *_object_cache(poller),
        *_user(),
    ]
    return sorted(found, key=lambda finding: finding.level != "wrong")


def probe(poller: Poller, clock: Clock, patience_s: float = 5.0) -> Echo:
    """Write one mark and wait until the core's log shows it."""
    token = secrets.token_hex(6)
    shown = f"{MARK_PREFIX}P{token}".encode()
    log = _proving_log(poller)
    tail = LogTail(log, poller.log_archive_path)
    tail.open(None)
    try:
        command_file = CommandFile.open(poller.command_file)
        try:
            command_file.write(encode_mark("P", token, int(clock.now())))
        finally:
            command_file.close()
        began = clock.monotonic()
        waiting = threading.Event()
        while (waited := clock.monotonic() - began) < patience_s:
            if any(shown in line for line in tail.read()):
                return Echo(waited, f"the mark came back in {log} after {waited * 1000:.0f} ms")
            waiting.wait(_LOOK_AGAIN_S)
    except PollerError as error:
        return Echo(None, str(error))
    finally:
        tail.close()
    return Echo(None, f"the mark was written, but {log} does not show it after {patience_s:.0f} s")


# --- the command file -----------------------------------------------------------------------------------------------------------


def _command_file(poller: Poller) -> list[Finding]:
    path = poller.command_file
    restart = f"systemctl restart {_unit(poller)}"
    if not poller.check_external_commands:
        mend = _set_in_main_config(poller, "check_external_commands", "1")
        return [Finding("check_external_commands_off", "wrong", "check_external_commands=0: the core reads no commands.", mend)]
    word, detail = probe_command_file(path)
    match word:
        case "missing":
            return [Finding("command_file_missing", "wrong", detail, f"systemctl start {_unit(poller)}")]
        case "not_a_fifo":
            return [_no_fifo(poller)]
        case "no_reader":
            return [Finding("command_file_no_reader", "wrong", detail, restart)]
        case "not_writable":
            return [Finding("command_file_not_writable", "wrong", detail, _mend_rights(path, "w"))]
    return []


def _no_fifo(poller: Poller) -> Finding:
    path = poller.command_file
    if path.is_symlink():
        sentence = f"{path} is a symbolic link, which is never followed: whoever may change it could lead commands astray."
        return Finding("command_file_is_a_link", "wrong", sentence, f"name the FIFO itself: command_file = {str(path.resolve())!r}")
    unit = _unit(poller)
    return Finding(
        "command_file_is_no_fifo",
        "wrong",
        f"{path} is no FIFO: something made it while the core was stopped, and it swallows commands.",
        f"systemctl stop {unit} && rm {shlex.quote(str(path))} && systemctl start {unit}",
    )


# --- the status file and the object cache -----------------------------------------------------------------------------------------


def _status_file(poller: Poller, clock: Clock) -> list[Finding]:
    path = poller.status_file
    if path == Path(os.devnull):
        mend = _set_in_main_config(poller, "status_file", str(poller.command_file.parent.parent / "status.dat"))
        return [
            Finding("status_file_is_null", "wrong", "status_file=/dev/null: there is no view, and no effect can be proved.", mend)
        ]
    try:
        with path.open("rb") as opened:
            head = opened.read(_HEAD_BYTES)
    except FileNotFoundError:
        sentence = f"{path} does not exist: the core is stopped, or writes it elsewhere."
        return [Finding("status_file_missing", "wrong", sentence, f"systemctl start {_unit(poller)}")]
    except OSError as error:
        return [Finding("status_file_unreadable", "wrong", f"{path}: {error.strerror}.", _mend_rights(path, "r"))]
    created = re.search(rb"^\s*created=(\d+)", head, re.MULTILINE)
    if created is None:
        sentence = f"{path} does not begin as a status file does: no `created` in its first {_HEAD_BYTES} bytes."
        return [Finding("status_file_broken", "wrong", sentence, "name the core's status_file")]
    return [*_age(poller, clock.now() - int(created[1])), *_interval(poller), *_temp_file(poller)]


def _age(poller: Poller, age_s: float) -> list[Finding]:
    if age_s <= STALE_INTERVALS * poller.status_update_interval_s:
        return []
    sentence = (
        f"{poller.status_file} was written {age_s:.0f} s ago, but every {poller.status_update_interval_s:.0f} s was promised:"
        " the core is stopped or hangs."
    )
    return [Finding("status_file_stale", "wrong", sentence, f"systemctl restart {_unit(poller)}")]


def _interval(poller: Poller) -> list[Finding]:
    interval = poller.status_update_interval_s
    if interval <= LONGEST_INTERVAL_S:
        return []
    sentence = f"status_update_interval={interval:.0f}: it takes that long until an effect can be confirmed."
    return [Finding("status_update_interval_long", "weak", sentence, _set_in_main_config(poller, "status_update_interval", "10"))]


def _temp_file(poller: Poller) -> list[Finding]:
    if poller.temp_file is None or poller.kind not in (CoreKind.NAGIOS, CoreKind.ICINGA1):
        return []
    try:
        same = poller.temp_file.parent.stat().st_dev == poller.status_file.parent.stat().st_dev
    except OSError:
        return []
    if same:
        return []
    mend = _set_in_main_config(poller, "temp_file", str(poller.status_file.parent / "nagios.tmp"))
    sentence = f"temp_file={poller.temp_file} is on another file system than {poller.status_file}: it can be seen half written."
    return [Finding("temp_file_elsewhere", "weak", sentence, mend)]


def _object_cache(poller: Poller) -> list[Finding]:
    path = poller.object_cache_file
    if path is None:
        sentence = "No object cache is named: groups, aliases and addresses are not known."
        return [Finding("object_cache_unknown", "weak", sentence, "add object_cache_file to the [[poller]] table")]
    return _unreadable(path, "object_cache", "weak", "groups, aliases and addresses are not known", poller)


# --- the logs -------------------------------------------------------------------------------------------------------------------


def _logs(poller: Poller) -> list[Finding]:
    found = _unreadable(poller.log_file, "log", "wrong", "alerts are not seen and no command can be proved", poller)
    if poller.main_log is None:
        return found
    found += _unreadable(poller.main_log, "main_log", "wrong", "what Icinga 2 did with a command is not seen", poller)
    return found or _severity(poller.main_log)


def _unreadable(path: Path, what: str, level: Literal["wrong", "weak"], loss: str, poller: Poller) -> list[Finding]:
    try:
        path.open("rb").close()
    except FileNotFoundError:
        sentence = f"{path} does not exist: {loss}."
        return [Finding(f"{what}_missing", level, sentence, f"start the core ({_unit(poller)}), or correct the path")]
    except OSError as error:
        return [Finding(f"{what}_unreadable", level, f"{path}: {error.strerror}: {loss}.", _mend_rights(path, "r"))]
    return []


def _severity(main_log: Path) -> list[Finding]:
    with main_log.open("rb") as opened:
        opened.seek(max(0, opened.seek(0, os.SEEK_END) - _TAIL_BYTES))
        words = set(re.findall(rb"^\[[^\]]*\] (debug|notice|information|warning|critical)/", opened.read(), re.MULTILINE))
    if words & {b"debug", b"notice", b"information"}:
        return []
    mend = 'set severity = "information" in /etc/icinga2/features-enabled/mainlog.conf && systemctl reload icinga2'
    if not words:
        return [Finding("main_log_empty", "weak", f"{main_log} is empty: whether it shows commands cannot be told yet.", mend)]
    sentence = f"{main_log} holds nothing below warnings: what Icinga 2 did with a command is not shown."
    return [Finding("main_log_severity", "wrong", sentence, mend)]


# --- settings and the user ------------------------------------------------------------------------------------------------------


def _settings(poller: Poller) -> list[Finding]:
    found = []
    if not poller.log_external_commands:
        sentence = "log_external_commands=0: commands leave no line in the log, which is what proves that they were read."
        mend = _set_in_main_config(poller, "log_external_commands", "1")
        found.append(Finding("log_external_commands_off", "weak", sentence, mend))
    if not poller.log_passive_checks:
        sentence = "log_passive_checks=0: passive results leave no line in the log, which is what proves that they were read."
        mend = _set_in_main_config(poller, "log_passive_checks", "1")
        found.append(Finding("log_passive_checks_off", "weak", sentence, mend))
    return found


def _user() -> list[Finding]:
    if os.geteuid() != 0:
        return []
    sentence = "This was checked as root, who may read and write everything: rights were not tested."
    return [Finding("checked_as_root", "weak", sentence, "run it as the user that will serve: sudo -u USER signalbox check …")]


def _set_in_main_config(poller: Poller, key: str, value: str) -> str:
    """The command that changes one setting of the core and makes the core read it."""
    if poller.main_config is None:
        return f"set {key}={value} in the core's main configuration and restart {_unit(poller)}"
    path = shlex.quote(str(poller.main_config))
    try:
        is_there = re.search(rf"^\s*{key}\s*=", poller.main_config.read_text("utf-8", "replace"), re.MULTILINE)
    except OSError:
        is_there = None
    change = f"sed -i 's|^ *{key} *=.*|{key}={value}|' {path}" if is_there else f"echo '{key}={value}' >> {path}"
    return f"{change} && systemctl restart {_unit(poller)}"


def _mend_rights(path: Path, right: str) -> str:
    """The commands that give this user a right on a file: to pass each folder above, then on the file itself."""
    user = pwd.getpwuid(os.geteuid()).pw_name
    commands: list[str] = []
    for folder in reversed(path.parents):
        if not os.access(folder, os.X_OK, effective_ids=True):
            commands += _grant(folder, "x", user)
            break
    else:
        commands += _grant(path, right, user)
    return " && ".join(dict.fromkeys(commands)) + f"   (then start a new session of {user})"


def _grant(path: Path, right: str, user: str) -> list[str]:
    found = path.stat()
    quoted = shlex.quote(str(path))
    if found.st_gid < _SYSTEM_GROUP_BELOW:
        return [f"setfacl -m u:{user}:{right} {quoted}"]
    commands = []
    if found.st_gid not in {os.getegid(), *os.getgroups()}:
        commands.append(f"usermod -aG {_group_name(found.st_gid)} {user}")
    if not found.st_mode & _BITS[right]:
        commands.append(f"chmod g+{right} {quoted}")
    return commands or [f"setfacl -m u:{user}:{right} {quoted}"]


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _proving_log(poller: Poller) -> Path:
    """The log in which a core shows that it read a line."""
    return poller.main_log if poller.kind is CoreKind.ICINGA2 and poller.main_log else poller.log_file


def _unit(poller: Poller) -> str:
    """The systemd unit such a core usually has."""
    if poller.kind is CoreKind.NAGIOS:
        return "nagios4" if "nagios4" in str(poller.main_config or poller.log_file) else "nagios"
    return {CoreKind.NAEMON: "naemon", CoreKind.ICINGA1: "icinga", CoreKind.ICINGA2: "icinga2"}.get(poller.kind, "centengine")

"""The data folder as the command line treats it: which one, made when, and whose files they become.

Rules: the folder is always printed; only `serve` and `user add` make one, and say so; nothing is written as root into
somebody else's folder: root becomes the folder's owner first, with that user's groups, so that the engine started by root
works with the service user's rights and leaves no file behind which the service cannot open.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from engine.config import default_data_folder
from engine.errors import ConfigError
from engine.journal.store import JOURNAL_FILE


def enter(named: Path | None, *, create: bool) -> tuple[Path, str]:
    """Settle on the data folder, make it if `create`, and become its owner if root.

    Returns:
        The folder, and the line that tells people about it.

    Raises:
        ConfigError: it is not there, or this user may not use it.
    """
    folder = (named or default_data_folder()).absolute()
    made = False
    if not is_there(folder):
        if not create:
            raise ConfigError(
                [f"There is no data folder {folder}: name it with --data, or begin with `signalbox user add NAME --role admin`."]
            )
        _make(folder)
        made = True
    as_owner = become_owner(folder)
    os.umask(0o077)
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        owner = _user_name(folder.stat().st_uid)
        raise ConfigError([f"The data folder {folder} belongs to {owner}: run this as that user, `sudo -u {owner} …`."])
    return folder, f"data folder: {folder}" + (" (new)" if made else "") + as_owner


def is_there(folder: Path) -> bool:
    """The folder exists. Raises ConfigError when this user may not even look."""
    try:
        return folder.is_dir()
    except OSError as error:
        raise ConfigError(
            [f"The data folder {folder} cannot be reached: {error.strerror}. Run this as its owner, or name another with --data."]
        ) from error


def has_journal(folder: Path) -> bool:
    """Something was stored there before."""
    return (folder / JOURNAL_FILE).exists()


def become_owner(folder: Path) -> str:
    """As root in somebody else's folder: go on as its owner, for good. Returns what to add to the line about the folder."""
    owner = folder.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return ""
    name = _user_name(owner.st_uid)
    if name.isdigit():
        os.setgroups([owner.st_gid])
    else:
        os.initgroups(name, owner.st_gid)
    os.setgid(owner.st_gid if name.isdigit() else pwd.getpwuid(owner.st_uid).pw_gid)
    os.setuid(owner.st_uid)
    if not name.isdigit():
        os.environ["HOME"] = pwd.getpwuid(owner.st_uid).pw_dir
    return f", as its owner {name}"


def _make(folder: Path) -> None:
    """Make the folder for this user alone. Root's new folder in somebody's home belongs to that somebody."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    owner = missing[-1].parent.stat()
    try:
        for path in reversed(missing):
            path.mkdir(mode=0o700 if path == folder else 0o755)
            if os.geteuid() == 0 and owner.st_uid != 0:
                os.chown(path, owner.st_uid, owner.st_gid)
    except OSError as error:
        raise ConfigError([f"The data folder {folder} cannot be made: {error.strerror}. Name another with --data."]) from error


def _user_name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)

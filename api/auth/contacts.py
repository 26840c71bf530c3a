"""What a core's CGI configuration says of users: read again when its file changes, and put on whoever comes through the door."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs
from msgspec.structs import replace

from engine.config import Settings
from engine.errors import ConfigError
from engine.formats.cgicfg import CgiConfig, parse_cgi_config
from engine.state.rights import ContactRights, Right, rights_of

if TYPE_CHECKING:
    from engine.desk import Caller  # the command line, which checks these files, is there without it

Stamp = tuple[int, int, int]


def stamp_of(path: Path) -> Stamp:
    """Changes when the file does. Raises OSError."""
    stat = os.stat(path)  # noqa: PTH116 - one call, on every request
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


@dataclass(slots=True)
class ContactPolicy:
    """One cgi.cfg. Thread-safe; its calls read a file, so they belong into a thread. A file that is gone leaves what it said."""

    path: Path
    _stamp: Stamp | None = None
    _config: CgiConfig = field(default_factory=CgiConfig)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def config(self) -> CgiConfig:
        """What the file says now. Raises ConfigError when it could never be read."""
        with self._lock:
            try:
                stamp = stamp_of(self.path)
                if stamp != self._stamp:
                    self._config = parse_cgi_config(self.path.read_bytes().decode("utf-8", "replace"), self.path)
                    self._stamp = stamp
            except OSError as error:
                if self._stamp is None:
                    raise ConfigError([f"{self.path}: {error.strerror}: name a cgi.cfg this user may read"]) from error
            return self._config

    def rights_of(self, user: str) -> ContactRights:
        """What it gives that user now."""
        return rights_of(self.config, user)

    def limited(self, caller: Caller, *, is_default: bool = False) -> Caller:
        """The caller within what the contact of that name may see and command."""
        rights = rights_of(self.config, caller.user, is_default=is_default)
        scope = caller.scope if rights.sees_everything else replace(caller.scope, rights=rights)
        return structs.replace(caller, scope=scope, rights=rights)

    def role_of(self, user: str) -> str:
        """The role of a user who has no account here: who may command the core itself is an admin."""
        return "admin" if Right.SYSTEM_COMMANDS in rights_of(self.config, user).named else "operator"


def cores_of(path: Path) -> tuple[str, ...]:
    """The core that a cgi.cfg belongs to, as `--core` takes it. Raises ConfigError."""
    main = ContactPolicy(path).config.main_config_file
    if main is None:
        raise ConfigError([f"{path}: it names no main_config_file: name the core with --core MAINCFG"])
    return (str(main),)


def has_other_users(settings: Settings) -> bool:
    """Somebody may come in without an account here: users of a web server, whose rights a CGI configuration says."""
    return settings.cgi_cfg is not None and bool(settings.htpasswd or settings.htdigest or settings.remote_user_from)


def check_users(settings: Settings) -> None:
    """Raises ConfigError when a file that says who may do what cannot be read."""
    if settings.cgi_cfg is not None:
        ContactPolicy(settings.cgi_cfg).config  # noqa: B018 - reading it is what is wanted
    for path in (settings.htpasswd, settings.htdigest):
        try:
            if path is not None:
                path.read_bytes()
        except OSError as error:
            raise ConfigError([f"{path}: {error.strerror}: name a password file this user may read"]) from error

"""The original cmd.cgi, committing into a FIFO of our own: what it would have written is read there, and no core does anything."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.support.cgi_core import ADMIN, PROGRAMS, CgiCore


@dataclass(frozen=True)
class Committed:
    """The page, and the external commands without their times."""

    page: str
    lines: tuple[str, ...]

    @property
    def message(self) -> str:
        """What stands in the element that programs look at."""
        return message_of(self.page)


def message_of(page: str) -> str:
    """The first sentence of a page's message."""
    found = re.search(r"<DIV CLASS='(?:errorMessage|infoMessage)'>(.*?)(?:<|\n)", page, re.DOTALL)
    return found[1].strip() if found else page


def query_of(parameters: list[tuple[str, str]]) -> str:
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters)


@dataclass
class Original:
    """The original beside a core: it reads that core's files, but its command file is ours."""

    core: CgiCore
    folder: Path
    zone: str = ""  # of the web server; "" for this machine's

    def prepare(self, cgi_cfg: str) -> None:
        """Write its configuration: `cgi_cfg` without main_config_file."""
        os.mkfifo(self.folder / "pipe")
        self._pipe = os.open(self.folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        main = (self.core.folder / "cgi-main.cfg").read_text()
        main = re.sub(r"^command_file=.*$", f"command_file={self.folder / 'pipe'}", main, flags=re.MULTILINE)
        (self.folder / "main.cfg").write_text(main)
        (self.folder / "cgi.cfg").write_text(f"main_config_file={self.folder / 'main.cfg'}\ncgi_cookie_fail_open=1\n{cgi_cfg}")

    def close(self) -> None:
        os.close(self._pipe)

    def run(self, program: str, query: str, user: str = ADMIN) -> str:
        """The page of a query."""
        environment = {
            "REQUEST_METHOD": "GET", "QUERY_STRING": query, "REMOTE_USER": user, "PATH": "/usr/bin:/bin",
            "NAGIOS_CGI_CONFIG": str(self.folder / "cgi.cfg"),
        }  # fmt: skip
        if self.zone:
            environment["TZ"] = self.zone
        run = subprocess.run([PROGRAMS / program], capture_output=True, check=False, timeout=60, env=environment)
        return run.stdout.partition(b"\r\n\r\n")[2].decode("utf-8", "replace")

    def commit(self, parameters: list[tuple[str, str]], user: str = ADMIN) -> Committed:
        """Commit, and read what it wrote."""
        query = query_of([("cmd_mod", "2"), *parameters])
        page = self.run("cmd.cgi", query, user)
        try:
            raw = os.read(self._pipe, 1 << 16)
        except BlockingIOError:
            raw = b""
        lines = (line.partition("] ")[2] for line in raw.decode("utf-8", "replace").splitlines())
        return Committed(page, tuple(lines))

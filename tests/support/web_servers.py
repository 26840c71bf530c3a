"""Apache and nginx with the snippets of contrib/, in front of the original CGIs or of Signalbox, run by an ordinary user.

Apache runs the original CGIs, as their Debian package sets it up. nginx runs none: it passes them on to that Apache.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from contrib.demo_cores import ordinary_user
from tests.support import plain_http
from tests.support.box import reserved
from tests.support.cgi_core import PROGRAMS
from tests.support.cores import PATIENCE_S, until

CONTRIB = Path(__file__).parents[2] / "contrib"
MODULES = ("mpm_prefork", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic", "proxy", "proxy_http", "headers",
           "alias", "env", "cgi")  # fmt: skip
REALM = "as before"  # of the web server's own password question, where the original CGIs are
PROXY = "127.0.0.2"  # the address web servers come from

_APACHE = f"""
ServerRoot @FOLDER@
ServerName localhost
Listen 127.0.0.1:@PORT@
PidFile @FOLDER@/pid
ErrorLog @FOLDER@/error.log
@MODULES@
StartServers 1
ProxySourceAddress {PROXY}
SetEnv NAGIOS_CGI_CONFIG @CGI_CFG@
ScriptAlias /nagios4/cgi-bin {PROGRAMS}
ScriptAlias /cgi-bin/nagios4 {PROGRAMS}
<Directory />
    Require all denied
</Directory>
<Directory {PROGRAMS}>
    AuthType Basic
    AuthName "{REALM}"
    AuthUserFile @USERS@
    Require valid-user
</Directory>
"""

_NGINX = f"""
pid @FOLDER@/pid;
error_log @FOLDER@/error.log;
daemon off;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path @FOLDER@/body;
    proxy_temp_path @FOLDER@/proxy;
    fastcgi_temp_path @FOLDER@/fastcgi;
    uwsgi_temp_path @FOLDER@/uwsgi;
    scgi_temp_path @FOLDER@/scgi;
    proxy_bind {PROXY};
    server {{
        listen 127.0.0.1:@PORT@;
        @SNIPPET@
        location / {{ proxy_pass http://127.0.0.1:@BEHIND@; }}
    }}
}}
"""


@dataclass(frozen=True)
class WebServer:
    """A web server that runs."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def snippet(server: str, name: str, signalbox_port: int, users: Path) -> str:
    """A file of contrib/, with this machine's port and password file, as its reader would edit it."""
    text = (CONTRIB / server / f"{name}.conf").read_text("utf-8")
    return text.replace("127.0.0.1:8080", f"127.0.0.1:{signalbox_port}").replace("/etc/nagios4/htpasswd.users", str(users))


@contextmanager
def apache(folder: Path, cgi_cfg: Path, users: Path, more: str = "") -> Iterator[WebServer]:
    """Apache with the original CGIs, and `more` lines of configuration."""
    modules = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in MODULES)
    text = _APACHE.replace("@MODULES@", modules).replace("@CGI_CFG@", str(cgi_cfg)).replace("@USERS@", str(users))
    with _running(folder, text + more, ["/usr/sbin/apache2", "-D", "FOREGROUND", "-f"]) as server:
        yield server


@contextmanager
def nginx(folder: Path, behind: int, more: str = "") -> Iterator[WebServer]:
    """nginx in front of that port of this machine, with `more` lines of a server's configuration."""
    text = _NGINX.replace("@SNIPPET@", more).replace("@BEHIND@", str(behind))
    with _running(folder, text, ["/usr/sbin/nginx", "-e", str(folder / "error.log"), "-c"]) as server:
        yield server


@contextmanager
def _running(folder: Path, text: str, command: list[str]) -> Iterator[WebServer]:
    folder.mkdir()
    user = ordinary_user()
    place = reserved()
    server = WebServer(folder, int(place.getsockname()[1]))
    (folder / "server.conf").write_text(text.replace("@FOLDER@", str(folder)).replace("@PORT@", str(server.port)))
    identity = {}
    if os.geteuid() == 0:
        os.chown(folder, user.pw_uid, user.pw_gid)
        identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    process = subprocess.Popen(
        ["/usr/bin/setpriv", "--pdeathsig", "TERM", "--", *command, str(folder / "server.conf")], stdin=subprocess.DEVNULL,
        cwd=folder, **identity,  # type: ignore[call-overload]
    )  # fmt: skip

    def answers() -> bool:
        assert process.poll() is None, (folder / "error.log").read_text() if (folder / "error.log").exists() else command
        try:
            plain_http.get(server.url)
        except httpx.TransportError:
            return False
        return True

    try:
        until(answers, f"{command[0]} answers")
        yield server
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        place.close()


def cgis_in(text: str) -> set[str]:
    """The CGIs a snippet names."""
    found = re.search(r"\(\?:([a-z|]+)\)\\\.cgi\$", text)
    assert found is not None, text
    return {f"{name}.cgi" for name in found[1].split("|")}

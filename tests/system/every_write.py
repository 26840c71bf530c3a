"""Every write of every dialect and of the command line, each as a request that would be carried out now. Data of test_full_disk.py.

The keys are those of the route tables themselves: the test compares them, so that no new write can be forgotten.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support import cores, oracle, plain_http
from tests.support.box import PASSWORD, Box, command_ids
from tests.support.cores import NagiosCore, until

CALM, TROUBLED, ACKNOWLEDGED, BUSY, AWAY, SERVICE = "h10", "h11", "h12", "h13", "a00", "PING"
SECOND = "second"  # a user of his own
_CENTREON = "/centreon/api/latest"
WORD = "full"  # in every text of them


@dataclass
class Asked:
    """What is there to be written about: ids, tokens and what stands in the cores."""

    box: Box
    core: NagiosCore
    away: NagiosCore
    ids: dict[str, int] = field(default_factory=dict)
    held: str = ""  # a command
    call: str = ""  # a call of results, held
    secret: str = ""  # of a login
    cookie: str = ""  # of another

    def prepare(self) -> None:
        """While all is well. `away` is not running: what it is asked for waits."""
        self._make_trouble()
        entries = {"host": {"host": BUSY}, "service": {"host": BUSY, "service": SERVICE}}
        made: list[str] = []
        for kind, named in entries.items():
            made += self._kept(f"{kind} downtime", "/v1/downtimes", named | {"duration": 3600, "comment": "stands"})
            made += self._kept(f"{kind} comment", "/v1/comments", named | {"comment": "stands"})
            acknowledged = named | {"host": ACKNOWLEDGED, "comment": "stands"}
            made += self._kept(f"{kind} acknowledgement", "/v1/acknowledgements", acknowledged)
        lives = self.box.wait_final(made)
        assert {life["state"] for life in lives.values()} == {"confirmed"}, lives
        for noun in ("downtime", "comment"):
            for entry in self.box.api.get(f"/v1/{noun}s", params={"host": BUSY}).json()["items"]:
                self.ids[f"core {'service' if entry['service'] else 'host'} {noun}"] = entry["core_id"]
        (self.held,) = command_ids(self.box.downtime(AWAY, "held", wait=0))
        body = {"results": [{"host": AWAY, "return_code": 0, "plugin_output": "held"}] * 20}
        self.call = self.box.api.post("/v1/results", json=body, params={"wait": 0}).json()["id"]
        self._log_in()

    def _make_trouble(self) -> None:
        for host in (TROUBLED, ACKNOWLEDGED):
            self.core.send(f"PROCESS_HOST_CHECK_RESULT;{host};1;down", f"PROCESS_SERVICE_CHECK_RESULT;{host};{SERVICE};2;bad")
        paths = [f"/v1/hosts/{host}{rest}" for host in (TROUBLED, ACKNOWLEDGED) for rest in ("", f"/services/{SERVICE}")]
        until(lambda: all(self.box.api.get(path).json()["state"] for path in paths), "they are in trouble")

    def _kept(self, name: str, path: str, body: Mapping[str, Any]) -> list[str]:
        answer = self.box.api.post(path, json=dict(body), params={"wait": 0})
        assert answer.status_code == 202, answer.text
        self.ids[name] = answer.json()["id"]
        return command_ids(answer)

    def _log_in(self) -> None:
        body = {"security": {"credentials": {"login": "admin", "password": PASSWORD}}}
        self.secret = self.box.api.post(f"{_CENTREON}/login", json=body).json()["security"]["token"]
        answer = self.box.api.post(
            f"{_CENTREON}/authentication/providers/configurations/local", json={"login": "admin", "password": PASSWORD}
        )
        self.cookie = answer.cookies["PHPSESSID"]
        client = self.box.client(**{"X-AUTH-TOKEN": self.secret})
        for name, host in (("calm", CALM), ("troubled", TROUBLED), ("acknowledged", ACKNOWLEDGED)):
            self.ids[f"{name} host"] = self.box.host_id(host)
            services = client.get(f"{_CENTREON}/monitoring/hosts/{self.ids[f'{name} host']}/services").json()["result"]
            (self.ids[f"{name} service"],) = [row["id"] for row in services]
        assert self.cgi(cmd_typ="1", host=CALM, cmd_mod="1").status_code == 200, "his password is known from now on"

    def centreon(self, method: str, path: str, body: Any) -> httpx.Response:
        url, headers = self.box.url + _CENTREON + path, {"X-AUTH-TOKEN": self.secret}
        return httpx.request(method, url, json=body, headers=headers, verify=False, timeout=30)

    def cgi(self, **parameters: str) -> httpx.Response:
        url = f"{self.box.url}/nagios/cgi-bin/cmd.cgi"
        return plain_http.get(url, params={"cmd_mod": "2"} | parameters, auth=("admin", PASSWORD))


# --- the native API ---------------------------------------------------------------------------------------------------------------

Request = Callable[[Asked], tuple[str, Any]]  # the path and the body
_ON = {"notifications_enabled": False}
_GROUP = {"hosts": _ON, "services": _ON}

NATIVE: Mapping[tuple[str, str], Request] = {
    ("POST", "/v1/acknowledgements"): lambda a: ("/v1/acknowledgements", {"host": TROUBLED, "comment": WORD}),
    ("DELETE", "/v1/acknowledgements"): lambda a: (f"/v1/acknowledgements?host={ACKNOWLEDGED}", None),
    ("DELETE", "/v1/acknowledgements/{id}"): lambda a: (f"/v1/acknowledgements/{a.ids['host acknowledgement']}", None),
    ("POST", "/v1/commands"): lambda a: ("/v1/commands", {"command": "DISABLE_HOST_CHECK", "arguments": {"host": CALM}}),
    ("POST", "/v1/checks"): lambda a: ("/v1/checks", {"host": CALM, "service": SERVICE}),
    ("DELETE", "/v1/commands/{command}"): lambda a: (f"/v1/commands/{a.held}", None),
    ("POST", "/v1/comments"): lambda a: ("/v1/comments", {"host": CALM, "comment": WORD}),
    ("DELETE", "/v1/comments"): lambda a: ("/v1/comments?host=" + BUSY, None),
    ("DELETE", "/v1/comments/{id}"): lambda a: (f"/v1/comments/{a.ids['service comment']}", None),
    ("POST", "/v1/downtimes"): lambda a: ("/v1/downtimes", {"hostgroup": "all", "on": "both", "duration": 3600, "comment": WORD}),
    ("DELETE", "/v1/downtimes"): lambda a: ("/v1/downtimes?comment=stands", None),
    ("DELETE", "/v1/downtimes/{id}"): lambda a: (f"/v1/downtimes/{a.ids['host downtime']}", None),
    ("PATCH", "/v1/hosts/{host}"): lambda a: (f"/v1/hosts/{CALM}", _ON),
    ("PATCH", "/v1/hosts/{host}/services/{service}"): lambda a: (f"/v1/hosts/{CALM}/services/{SERVICE}", _ON),
    ("PATCH", "/v1/hostgroups/{hostgroup}"): lambda a: ("/v1/hostgroups/all", _GROUP),
    ("PATCH", "/v1/servicegroups/{servicegroup}"): lambda a: ("/v1/servicegroups/pings", _GROUP),
    ("PATCH", "/v1/pollers/{poller}"): lambda a: ("/v1/pollers/core", {"enable_flap_detection": False}),
    ("POST", "/v1/notifications"): lambda a: ("/v1/notifications", {"host": CALM, "comment": WORD}),
    ("POST", "/v1/results"): lambda a: ("/v1/results", {"results": [{"host": CALM, "return_code": 0, "plugin_output": WORD}] * 20}),
    ("DELETE", "/v1/results/{call}"): lambda a: (f"/v1/results/{a.call}", None),
}  # fmt: skip


def native(asked: Asked, key: tuple[str, str], **headers: str) -> httpx.Response:
    """One write of the native API."""
    path, body = NATIVE[key](asked)
    return asked.box.api.request(key[0], path, json=body, headers=headers)


# --- Centreon's -------------------------------------------------------------------------------------------------------------------


def _flags(**more: Any) -> dict[str, Any]:
    return {"comment": WORD, "is_notify_contacts": False, "is_persistent_comment": True, "is_sticky": True} | more


def _window(**more: Any) -> dict[str, Any]:
    start, end = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + later)) for later in (0, 3600))
    return {"comment": WORD, "start_time": start, "end_time": end, "is_fixed": True, "duration": 3600} | more


def _host(asked: Asked, name: str) -> dict[str, Any]:
    return {"type": "host", "id": asked.ids[f"{name} host"]}


def _item(asked: Asked, name: str, kind: str) -> dict[str, Any]:
    parent = {"parent_resource_id": asked.ids[f"{name} host"]} if kind == "service" else {}
    return {"resource_id": asked.ids[f"{name} {kind}"]} | parent


def _object(asked: Asked, name: str, kind: str) -> str:
    host = f"/monitoring/hosts/{asked.ids[f'{name} host']}"
    return host if kind == "host" else f"{host}/services/{asked.ids[f'{name} service']}"


def _of_kind(kind: str) -> dict[tuple[str, str], Request]:
    """The writes there are of hosts and of services."""
    path = "/monitoring/hosts/{host_id}" + ("/services/{service_id}" if kind == "service" else "")
    acks = "/{acks}/hosts/{host_id}" + ("/services/{service_id}" if kind == "service" else "")
    named = {"host": ["host_id"], "service": ["host_id", "service_id"]}[kind]

    def listed(asked: Asked) -> dict[str, Any]:
        return _flags(**{name: asked.ids[f"troubled {name.removesuffix('_id')}"] for name in named})

    return {
        ("POST", f"/monitoring/{kind}s/downtimes"): lambda a: (
            f"/monitoring/{kind}s/downtimes", [_window(**_item(a, "calm", kind))] * 2
        ),
        ("POST", f"/monitoring/{kind}s/check"): lambda a: (f"/monitoring/{kind}s/check", [_item(a, "calm", kind)]),
        ("POST", f"/monitoring/{kind}s/{{acks}}"): lambda a: (
            f"/monitoring/{kind}s/acknowledgements", [_flags(**_item(a, "troubled", kind))]
        ),
        ("POST", f"/{{acks}}/{kind}s"): lambda a: (f"/acknowledgements/{kind}s", listed(a)),
        ("DELETE", acks): lambda a: ("/acknowledgements" + _object(a, "acknowledged", kind).removeprefix("/monitoring"), None),
        ("POST", f"{path}/check"): lambda a: (f"{_object(a, 'calm', kind)}/check", {}),
        ("POST", f"{path}/submit"): lambda a: (f"{_object(a, 'calm', kind)}/submit", {"status": 0, "output": WORD}),
        ("POST", f"{path}/comments"): lambda a: (f"{_object(a, 'calm', kind)}/comments", {"comment": WORD}),
        ("POST", f"{path}/downtimes"): lambda a: (f"{_object(a, 'calm', kind)}/downtimes", _window()),
        ("POST", f"{path}/{{acks}}"): lambda a: (f"{_object(a, 'troubled', kind)}/acknowledgements", _flags()),
        ("DELETE", f"{path}/{{acks}}"): lambda a: (f"{_object(a, 'acknowledged', kind)}/acknowledgements", None),
    }  # fmt: skip


_RESOURCES = "/monitoring/resources"
_PROVIDER = "/authentication/providers/configurations/local"
CENTREON: Mapping[tuple[str, str], Request] = {
    **_of_kind("host"),
    **_of_kind("service"),
    ("POST", "/login"): lambda a: ("/login", {"security": {"credentials": {"login": "admin", "password": PASSWORD}}}),
    ("POST", _PROVIDER): lambda a: (_PROVIDER, {"login": "admin", "password": PASSWORD}),
    ("GET", "/logout"): lambda a: ("/logout", None),
    ("GET", "/authentication/logout"): lambda a: ("/authentication/logout", None),
    ("POST", "/authentication/logout"): lambda a: ("/authentication/logout", None),
    ("DELETE", "/monitoring/downtimes/{downtime_id}"): lambda a: (f"/monitoring/downtimes/{a.ids['host downtime']}", None),
    ("POST", f"{_RESOURCES}/acknowledge"): lambda a: (
        f"{_RESOURCES}/acknowledge", {"acknowledgement": _flags(with_services=True), "resources": [_host(a, "troubled")]}
    ),
    ("POST", f"{_RESOURCES}/disacknowledge"): lambda a: (
        f"{_RESOURCES}/disacknowledge", {"disacknowledgement": {"with_services": True}, "resources": [_host(a, "acknowledged")]}
    ),
    ("DELETE", f"{_RESOURCES}/{{acks}}"): lambda a: (
        f"{_RESOURCES}/acknowledgements", {"disacknowledgement": {"with_services": True}, "resources": [_host(a, "acknowledged")]}
    ),
    ("POST", f"{_RESOURCES}/downtime"): lambda a: (
        f"{_RESOURCES}/downtime", {"downtime": _window(with_services=True), "resources": [_host(a, "calm")]}
    ),
    ("POST", f"{_RESOURCES}/check"): lambda a: (f"{_RESOURCES}/check", {"resources": [_host(a, "calm")]}),
    ("POST", f"{_RESOURCES}/submit"): lambda a: (
        f"{_RESOURCES}/submit", {"resources": [_host(a, "calm") | {"status": 0, "output": WORD}] * 2}
    ),
    ("POST", f"{_RESOURCES}/comments"): lambda a: (
        f"{_RESOURCES}/comments", {"resources": [_host(a, "calm") | {"comment": WORD}]}
    ),
}  # fmt: skip


def centreon(asked: Asked, key: tuple[str, str]) -> httpx.Response:
    """One write of Centreon's dialect."""
    path, body = CENTREON[key](asked)
    return asked.centreon(key[0], path, body)


def logout_of_browser(asked: Asked) -> httpx.Response:
    """By the cookie, as a page of the same site asks for it."""
    cookies, headers = {"PHPSESSID": asked.cookie}, {"Sec-Fetch-Site": "same-origin"}
    return plain_http.post(f"{asked.box.url}{_CENTREON}/authentication/logout", cookies=cookies, headers=headers)


# --- cmd.cgi ----------------------------------------------------------------------------------------------------------------------


def cgi(asked: Asked, number: int, *, form: str, needs_trouble: bool) -> httpx.Response:
    """One commit of cmd.cgi: whatever any command takes, so that each finds what it needs."""
    kind = "service" if number in (4, 79) else "host"
    start, end = (time.strftime("%m-%d-%Y %H:%M:%S", time.localtime(time.time() + later)) for later in (60, 3600))
    deleting = {"delete_comment": "comment", "delete_downtime": "downtime"}.get(form)
    ids = {"com_id": f"core {kind} comment", "down_id": f"core {kind} downtime"}
    return asked.cgi(
        cmd_typ=str(number), host=TROUBLED if needs_trouble else CALM, service=SERVICE, hostgroup="all", servicegroup="pings",
        poller="core", com_data=WORD, plugin_state="0", plugin_output=WORD, not_dly="15", sched_dly="3", fixed="1",
        start_time=start, end_time=end,
        **({name: str(asked.ids[id]) for name, id in ids.items()} if deleting else {}),
    )  # fmt: skip


def names_the_journal(answer: httpx.Response) -> bool:
    """Does it say in its dialect's own form that the journal cannot be written, and nothing of success?"""
    if answer.headers["content-type"].startswith("text/html"):
        return all(words in answer.text for words in ("errorMessage", "The journal", "cannot be written")) and (
            "successfully" not in answer.text
        )
    if not answer.headers["content-type"].endswith("json"):
        return False
    said = answer.json()
    told, code = said.get("detail", said.get("message", "")), said.get("errors", [{"type": said["code"]}])[0]["type"]
    return code == "journal_error" and all(words in told for words in ("The journal", "cannot be written", "Nothing was accepted"))


# --- the command line -------------------------------------------------------------------------------------------------------------

# By path of the command: its arguments and what is piped in. None: it stores nothing.
CLI: Mapping[str, tuple[Callable[[Asked], Iterable[str]], str] | None] = {
    "serve": None,
    "check": None,
    "audit": None,
    "user list": None,
    "token list": None,
    "commands list": None,
    "commands show": None,
    "user add": (lambda a: ("third", "--role", "reader", "--password-stdin"), PASSWORD),
    "user set": (lambda a: (SECOND, "--zone", "Europe/Paris"), ""),
    "user remove": (lambda a: (SECOND,), ""),
    "user passwd": (lambda a: (SECOND, "--password-stdin"), PASSWORD[::-1]),
    "token create": (lambda a: ("third-token", "--user", SECOND), ""),
    "token revoke": (lambda a: (f"{SECOND}-token",), ""),
    "commands cancel": (lambda a: (a.held,), ""),
}


def command_line(asked: Asked, words: Iterable[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run `signalbox …` as a process that can write no file."""
    run = ["prlimit", "--fsize=0", "--", sys.executable, "-m", "api.cli", *words, "--data", str(asked.box.data)]
    return subprocess.run(run, input=stdin + "\n", capture_output=True, text=True, check=False, timeout=60)


def leaves(group: Any, path: str = "") -> Iterable[str]:
    """The commands below a group of click's, by their paths."""
    for name, command in group.commands.items():
        yield from leaves(command, f"{path}{name} ") if hasattr(command, "commands") else [f"{path}{name}"]


# --- what stands ------------------------------------------------------------------------------------------------------------------


def standing(asked: Asked) -> dict[str, Any]:
    """What writes could have changed: accounts and logins, commands and calls, what the core was told, what stands in it."""
    api = asked.box.api
    cores.wait_for_generation(asked.core)
    return {
        "commands": api.get("/v1/commands", params={"limit": 1}).json()["total"],
        "operations": api.get("/v1/operations", params={"limit": 1}).json()["total"],
        "held": api.get(f"/v1/commands/{asked.held}").json()["state"],
        "call": {name: value for name, value in api.get(f"/v1/results/{asked.call}").json().items() if name != "age_s"},
        "users": _rows(asked, "SELECT name, role, password_hash, zone FROM user ORDER BY id"),
        "tokens": _rows(asked, "SELECT name, kind, fingerprint FROM token ORDER BY id"),
        "keys": _rows(asked, "SELECT user, key FROM request_key ORDER BY 1, 2"),
        "told": [line for line in oracle.command_lines(oracle.logs_of(asked.core.folder)) if not line.startswith(b"_")],
        "downtimes": sorted(block["downtime_id"] for block in oracle.downtimes(asked.core.status_file)),
        "comments": sorted(block["comment_id"] for block in oracle.comments(asked.core.status_file)),
    }


def _rows(asked: Asked, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{asked.box.data / 'journal.db'}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()

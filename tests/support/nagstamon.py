"""Nagstamon itself, the Debian package, driven as its windows drive it: run by the system's Python, without a screen.

Reads one JSON object on standard input: which type of monitor where, who logs in, and `steps`, each a method of Nagstamon's own
server class with what its windows hand to it. Prints one JSON object: what Nagstamon shows after its first look and after the
steps, and what these gave. Imports nothing of ours; what it does not know, we do not tell it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SYSTEM_PYTHON = "/usr/bin/python3"  # the one Debian's package is for


def driven(home: Path, **asked: Any) -> dict[str, Any]:
    """What it shows, in a process of its own: `type`, `url`, `cgi_url`, `user`, `password` and `steps`, see the module."""
    run = subprocess.run(
        [SYSTEM_PYTHON, __file__], input=json.dumps(asked), capture_output=True, text=True, timeout=240, check=False,
        env={"PATH": os.environ["PATH"], "QT_QPA_PLATFORM": "offscreen", "HOME": str(home)},
    )  # fmt: skip
    assert run.returncode == 0, f"Debian's package nagstamon must be installed\n{run.stderr[-4000:]}"
    assert "Traceback" not in run.stderr, run.stderr[-4000:]
    shown: dict[str, Any] = json.loads(run.stdout)
    return shown


def main() -> None:
    """See the module."""
    asked = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder:
        sys.argv = ["nagstamon", folder]  # where it keeps its settings
        stdout, sys.stdout = sys.stdout, sys.stderr  # it prints what goes wrong
        from Nagstamon.Config import Server, conf
        from Nagstamon.Servers import create_server

        settings = Server()
        settings.name, settings.type = "box", asked["type"]
        settings.monitor_url, settings.monitor_cgi_url = asked["url"], asked["cgi_url"]
        settings.username, settings.password, settings.save_password = asked["user"], asked["password"], True
        settings.timeout = 60  # its 10 s would end what a busy machine is slow with
        conf.servers["box"] = settings
        server = create_server(settings)
        answers = _answers(server)
        server.init_config()
        shown = [_look(server)]
        given = [getattr(server, step["method"])(step["info"]) for step in asked["steps"]]
        shown.append(_look(server))
        json.dump({"class": type(server).__module__, "shown": shown, "answers": answers, "given": given}, stdout)


def _answers(server: Any) -> list[tuple[str, int, str]]:
    """A list that fills with each address it asks, the status it gets, and the answer: its windows do not show what went wrong."""
    fetch, answers = server.FetchURL, []

    def noted(url: str, *more: Any, **options: Any) -> Any:
        result = fetch(url, *more, **options)
        answers.append((url, result.status_code, str(result.result)[:500]))
        return result

    server.FetchURL = noted
    return answers


def _look(server: Any) -> dict[str, Any]:
    """One of its rounds: what it would put into its list."""
    server.GetStatus()
    return {
        "status": server.status,
        "error": server.status_description,
        "hosts": {name: _thing(host) for name, host in server.hosts.items()},
        "services": {
            f"{name};{service.name}": _thing(service) for name, host in server.hosts.items() for service in host.services.values()
        },
    }


def _thing(thing: Any) -> dict[str, Any]:
    words = (
        "status",
        "status_information",
        "attempt",
        "last_check",
        "duration",
        "acknowledged",
        "scheduled_downtime",
        "passiveonly",
    )
    return {word: getattr(thing, word) for word in words}


if __name__ == "__main__":
    main()

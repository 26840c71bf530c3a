"""How long do questions of the JSON CGIs take over HTTP, with a name and a password, beside the original on the same files?

    python -m contrib.bench.json_over_http [--hosts 10000] [--services 10] [--seconds 3] [--patience 30] [--slack 1]

A real Nagios 4 of that size, `signalbox serve` in front of it with a cgi.cfg and a password file, as it stands in the place of the
CGIs. One connection asks again as soon as it was answered; the median counts. The original is run as a web server would, once, and
given up after `--patience` seconds. Ends with 1 when a figure is above `--slack` times its budget (a quiet machine's).
"""

from __future__ import annotations

import argparse
import tempfile
from base64 import b64encode
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

from contrib.bench.json_cgis import Question, original_ms
from contrib.bench.over_http import asked
from contrib.large_core import QuietCore, Result, many_hosts, names_of
from tests.support.box import Box
from tests.support.cores import running

CRITICAL_EVERY = 100  # services
_USERS = "bench:{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=\n"  # the password is pass
_CGI = (
    "main_config_file={main}\nuse_authentication=1\nauthorized_for_all_hosts=bench,admin\nauthorized_for_all_services=bench,admin\n"
)


def questions(host: str, service: str) -> tuple[Question, ...]:
    """What is asked, about one service and about all."""
    one = f"query=service&hostname={quote(host)}&servicedescription={quote(service)}"
    return (
        Question("query=service", "statusjson.cgi", one, 5),
        Question("servicecount", "statusjson.cgi", "query=servicecount", 5),
        Question("critical services, details", "statusjson.cgi", "query=servicelist&details=true&servicestatus=critical", 150),
        Question("all services, details: first bytes", "statusjson.cgi", "query=servicelist&details=true", 100, first=True),
    )


def main() -> int:
    """Run and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--hosts", type=int, default=10_000)
    words.add_argument("--services", type=int, default=10)
    words.add_argument("--seconds", type=float, default=3.0, help="of each question")
    words.add_argument("--patience", type=float, default=30.0)
    words.add_argument("--slack", type=float, default=1.0)
    options = words.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="signalbox-bench-")))
        folder.chmod(0o755)
        core = QuietCore(folder / "core", many_hosts(options.hosts * options.services, options.services), interval_s=5)
        stack.enter_context(running(core))
        core.fill()
        named = [(host.name, name) for host in core.hosts for name in names_of(host) if name]
        core.submit([Result(*pair, 2, "CRITICAL - disk full|used=99%") for pair in named[::CRITICAL_EVERY]])
        (folder / "cgi.cfg").write_text(_CGI.format(main=core.config_file))
        (folder / "htpasswd").write_text(_USERS)
        box = Box(folder / "box", [core], f'cgi_cfg = "{folder / "cgi.cfg"}"\nhtpasswd = "{folder / "htpasswd"}"\n')
        box.prepare()
        stack.callback(box.close)
        box.start()
        box.wait_ready(300)
        return int(_report(box, folder, questions(*named[len(named) // 2]), options))


def _report(box: Box, folder: Path, wanted: tuple[Question, ...], options: argparse.Namespace) -> bool:
    print(f"{'question':38} {'ms':>9} {'budget':>8} {'asked':>7}  the original")
    over, basic = False, b64encode(b"bench:pass").decode()
    for question in wanted:
        path = f"/nagios/cgi-bin/{question.cgi}?{question.query}"
        took = asked(box.port, path, basic, options.seconds, connections=1, header="Authorization: Basic")
        times = sorted(first if question.first else last for first, last in took)
        median = times[len(times) // 2] * 1000
        budget = question.budget_ms
        is_over = budget is not None and median > budget * options.slack
        over = over or is_over
        beside = original_ms(folder, question, question.query, options.patience)
        print(
            f"{question.name:38} {median:9.2f} {budget or '–':>8} {len(times):7}  {beside}{'  OVER' if is_over else ''}", flush=True
        )
    return over


if __name__ == "__main__":
    raise SystemExit(main())

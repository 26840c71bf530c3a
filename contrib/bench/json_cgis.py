"""How long does a question of the JSON CGIs take at size, beside the original over the same files?

    python -m contrib.bench.json_cgis [--hosts 10000] [--services 10] [--rounds 5] [--patience 100] [--slack 1]

The files are those of contrib.bench.queries with a whole object cache; ours answers inside this process, from the mirror to the
bytes of the answer; the original is run as a web server would, once, and given up after `--patience` seconds. Ends with 1 when a
figure is above `--slack` times its budget (budgets are for a quiet machine).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from api.cgi.json_cgis.ask import ask
from contrib.bench.queries import best_ms, mirrored, write_core
from engine.state.scope import EVERYTHING
from engine.state.views import Reader

PROGRAMS = Path("/usr/lib/cgi-bin/nagios4")
_BASE = """\
define timeperiod {
\ttimeperiod_name\talways
\talias\talways
\tmonday\t00:00-24:00
\t}

define command {
\tcommand_name\tanswer
\tcommand_line\t/bin/true
\t}

define contact {
\tcontact_name\tann
\talias\tann
\tservice_notification_period\talways
\thost_notification_period\talways
\tservice_notification_options\ta
\thost_notification_options\ta
\tservice_notification_commands\tanswer
\thost_notification_commands\tanswer
\t}

"""
_COMMON = """\
\tcheck_period\talways
\tcheck_command\tanswer
\tcontacts\tann
\tnotification_period\talways
\tcheck_interval\t5.000000
\tretry_interval\t1.000000
\tmax_check_attempts\t3
\tactive_checks_enabled\t0
\tnotification_interval\t60.000000
\t}

"""
_MAIN = """\
cfg_file={folder}/objects.cfg
log_file={folder}/nagios.log
object_cache_file={folder}/objects.cache
status_file={folder}/status.dat
log_rotation_method=n
log_archive_path={folder}/
illegal_object_name_chars=~
"""
_CGI = """\
main_config_file={folder}/nagios.cfg
use_authentication=1
authorized_for_all_hosts=bench
authorized_for_all_services=bench
"""


@dataclass(frozen=True, slots=True)
class Question:
    """One question; `first`: what counts is the first piece with data in it."""

    name: str
    cgi: str
    query: str
    budget_ms: float | None
    first: bool = False


_SERVICE = "query=service&hostname=host{middle:05}&servicedescription=service%2001"
QUESTIONS = (
    Question("query=service", "statusjson.cgi", _SERVICE, 5),
    Question("servicecount", "statusjson.cgi", "query=servicecount", 5),
    Question("hostcount", "statusjson.cgi", "query=hostcount", None),
    Question("hostlist", "statusjson.cgi", "query=hostlist", None),
    Question("critical services, details", "statusjson.cgi", "query=servicelist&details=true&servicestatus=critical", 150),
    Question("all services, details: first bytes", "statusjson.cgi", "query=servicelist&details=true", 100, first=True),
    Question("all services, details: all of it", "statusjson.cgi", "query=servicelist&details=true", None),
    Question("one service's configuration", "objectjson.cgi", _SERVICE, None),
    Question("hosts' names", "objectjson.cgi", "query=hostlist", None),
)  # fmt: skip


def write_files(folder: Path, hosts: int, services: int) -> None:
    """A status file, an object cache the original takes, and the configuration that names them."""
    write_core(folder, hosts, services, int(time.time()))
    with (folder / "objects.cache").open("w", encoding="utf-8") as out:
        out.write(_BASE)
        for at in range(hosts):
            out.write(f"define host {{\n\thost_name\thost{at:05}\n\talias\tMachine {at}\n\taddress\t10.0.0.1\n{_COMMON}")
        for at in range(hosts):
            for number in range(services):
                out.write(f"define service {{\n\thost_name\thost{at:05}\n\tservice_description\tservice {number:02}\n{_COMMON}")
    (folder / "nagios.log").touch()
    (folder / "objects.cfg").touch()
    (folder / "nagios.cfg").write_text(_MAIN.format(folder=folder))
    (folder / "cgi.cfg").write_text(_CGI.format(folder=folder))


def original_ms(folder: Path, question: Question, query: str, patience: float) -> str:
    """How long the original takes, and for how many bytes."""
    environment = {
        "REQUEST_METHOD": "GET",
        "QUERY_STRING": query,
        "REMOTE_USER": "bench",
        "NAGIOS_CGI_CONFIG": str(folder / "cgi.cfg"),
        "PATH": os.environ["PATH"],
    }
    begun = time.perf_counter()
    try:
        run = subprocess.run([PROGRAMS / question.cgi], capture_output=True, check=False, env=environment, timeout=patience)
    except subprocess.TimeoutExpired:
        return f"more than {patience:g} s"
    took = (time.perf_counter() - begun) * 1000
    if b'"type_code": 0' not in run.stdout:
        raise SystemExit(f"the original did not answer {query}: {run.stdout[-300:]!r}")
    return f"{took:9.0f} ms"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--services", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--patience", type=float, default=100.0)
    parser.add_argument("--slack", type=float, default=1.0)
    parser.add_argument("--keep", type=Path, help="a folder to make the files in, used again when they are there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="signalbox-bench-") as temporary:
        folder = arguments.keep or Path(temporary)
        if not (folder / "state.db").exists():
            folder.mkdir(exist_ok=True)
            write_files(folder, arguments.hosts, arguments.services)
            mirrored(folder)
        reader = Reader.open(folder)
        try:
            return _report(reader, folder, arguments)
        finally:
            reader.close()


def _report(reader: Reader, folder: Path, arguments: argparse.Namespace) -> int:
    print(f"{'question':38} {'ms':>9} {'budget':>8} {'bytes':>11}  the original")
    over = False
    for question in QUESTIONS:
        query = question.query.format(middle=arguments.hosts // 2)
        sizes: list[int] = []

        def answer(question: Question = question, query: str = query, sizes: list[int] = sizes) -> None:
            pieces = ask(reader, EVERYTHING, question.cgi, query.encode(), "bench", int(time.time()))
            with reader.snapshot():
                lengths = map(len, pieces)
                sizes[:] = [sum(next(lengths) for _ in range(4))] if question.first else [sum(lengths)]

        took = best_ms(answer, 1 if question.budget_ms is None else arguments.rounds)
        is_over = question.budget_ms is not None and took > arguments.slack * question.budget_ms
        over = over or is_over
        beside = "–" if question.first else original_ms(folder, question, query, arguments.patience)
        budget = question.budget_ms or "–"
        print(f"{question.name:38} {took:9.2f} {budget:>8} {sizes[0]:11}  {beside}{'  OVER' if is_over else ''}", flush=True)
    return int(over)


if __name__ == "__main__":
    raise SystemExit(main())

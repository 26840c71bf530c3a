"""`signalbox serve` as a whole, without a core: what dies comes back, nobody is refused meanwhile, and nothing is left behind."""

from __future__ import annotations

import fcntl
import itertools
import os
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from api.serve import Silence
from engine.journal.store import LOCK_FILE, Journal
from tests.support.box import ENGINE, WORKER, Box
from tests.support.cores import PATIENCE_S, suspend, until


@contextmanager
def in_front_of_nothing(folder: Path) -> Iterator[Box]:
    """A Signalbox in front of a core that is not there."""
    main = folder / "nagios.cfg"
    main.write_text("status_file=status.dat\ncommand_file=nagios.cmd\nlog_file=nagios.log\nobject_cache_file=o\n", encoding="utf-8")
    made = Box(folder / "box", [], arguments=("--core", f"away={main}"))
    made.prepare()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """One of the test's own, not started."""
    with in_front_of_nothing(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def _serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with in_front_of_nothing(tmp_path_factory.mktemp("serving")) as made:
        started(made)
        yield made


@pytest.fixture
def serving(_serving: Box) -> Box:
    """One that serves, for tests after which it does so again."""
    until(lambda: engine_lives(_serving), "it has come back from the test before")
    return _serving


def status(box: Box, path: str) -> int:
    """Of a GET over a connection of its own; 0 when it could not be had."""
    try:
        with httpx.Client(
            base_url=box.url, headers={"Authorization": f"Bearer {box.token}"}, timeout=PATIENCE_S, trust_env=False
        ) as client:
            return client.get(path).status_code
    except httpx.TransportError:
        return 0


def engine_lives(box: Box) -> bool:
    return status(box, "/v1/pollers") == 200 and bool(box.pids(ENGINE))


def started(box: Box, workers: int = 1) -> None:
    box.workers = workers
    box.start()
    until(lambda: engine_lives(box), "engine and worker are up")


def test_it_says_what_it_uses_and_where_it_listens(serving: Box) -> None:
    lines = serving.output.splitlines()
    assert f"data folder: {serving.data}" in lines
    assert f"listening on {serving.url}" in lines
    assert any(line.startswith("poller 1 away (nagios): ") for line in lines)
    assert "nobody can log in yet" not in serving.output


@pytest.mark.parametrize("who", ['htpasswd = "{0}/users"', 'remote_user_from = ["127.0.0.1"]'])
def test_users_of_a_web_server_are_users(box: Box, who: str) -> None:
    """They can log in although nobody has an account here."""
    with closing(Journal.open(box.data)) as journal, journal.transaction() as connection:
        connection.execute("DELETE FROM user")
    (box.folder / "users").write_text("ann:{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=\n")
    (box.folder / "cgi.cfg").write_text("use_authentication=1\n")
    config = box.folder / "theirs.toml"
    poller = f'[[poller]]\nmain_config = "{box.folder.parent / "nagios.cfg"}"\n'
    config.write_text(f'cgi_cfg = "{box.folder}/cgi.cfg"\n{who.format(box.folder)}\n{poller}')
    box.arguments = ("--config", str(config))
    box.start()
    until(lambda: "listening on" in box.output, "it listens")
    assert "nobody can log in yet" not in box.output


def test_without_a_user_it_prints_the_line_that_makes_the_first_admin(box: Box) -> None:
    with closing(Journal.open(box.data)) as journal, journal.transaction() as connection:
        connection.execute("DELETE FROM user")
    box.start()
    until(lambda: "listening on" in box.output, "it listens")
    (line,) = [line for line in box.output.splitlines() if "make the first admin" in line]
    command = line.partition("make the first admin: ")[2]
    assert command == f"signalbox user add admin --role admin --data {box.data}"
    box.cli(*command.split()[1:], "--password-stdin", stdin="long enough\n")
    until(lambda: _login(box) == 200, "the first admin can log in")


def _login(box: Box) -> int:
    body = {"security": {"credentials": {"login": "admin", "password": "long enough"}}}
    with httpx.Client(base_url=box.url, trust_env=False) as client:
        try:
            return client.post("/centreon/api/latest/login", json=body).status_code
        except httpx.TransportError:
            return 0


@pytest.mark.parametrize("role", [ENGINE, WORKER])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_dies_comes_back(serving: Box, role: str, number: int) -> None:
    before, said = serving.pids(role), len(serving.output)
    serving.kill_part(role, number)
    until(lambda: serving.pids(role) and not set(serving.pids(role)) & set(before), f"{role} was started again")
    until(lambda: engine_lives(serving), "all is up again")
    name = "engine" if role == ENGINE else "worker 1"
    assert f"WARNING api.serve {name} " in serving.output[said:]


def test_while_a_worker_is_replaced_callers_wait_and_are_not_refused(serving: Box) -> None:
    before = serving.pids(WORKER)
    serving.kill_part(WORKER)
    until(lambda: not set(serving.pids(WORKER)) & set(before), "it is gone")
    assert [status(serving, "/healthz") for _ in range(5)] == [200] * 5


def test_a_worker_that_hangs_is_replaced_as_one_that_dies(box: Box) -> None:
    """One whose loop is blocked for good answers nobody, and would do so until somebody looks."""
    config = box.folder / "impatient.toml"
    config.write_text(f'worker_silent_s = 5\n[[poller]]\nmain_config = "{box.folder.parent / "nagios.cfg"}"\n')
    box.arguments = ("--config", str(config))
    started(box)
    before = box.pids(WORKER)
    box.kill_part(WORKER, signal.SIGSTOP)
    until(lambda: not set(box.pids(WORKER)) & set(before), "it is gone")
    until(lambda: engine_lives(box), "another one answers")
    assert "WARNING api.serve worker 1 has given no sign of life for 5 s and is killed" in box.output


@pytest.mark.parametrize(
    ("most", "signs", "killed"),
    [
        (3, "   .   ", True),
        (3, "      ", False),  # it is starting
        (3, "...  .  .. .  ", False),  # it is busy
        (0, ".        ", False),  # that is not wanted
    ],
)
def test_only_looks_in_vain_in_a_row_are_a_silence(most: int, signs: str, killed: bool) -> None:
    """Looks, not time: a machine that was suspended between two of them has had one."""
    looks, given = os.pipe2(os.O_NONBLOCK)
    try:
        os.write(given, b"...")  # of a process before this one
        silence = Silence(looks, most)
        silence.begin()
        found = [silence.is_too_long() for sign in signs if sign != "." or os.write(given, b"....")]
    finally:
        os.close(looks)
        os.close(given)
    assert found == [False] * (len(signs) - 1) + [killed]


def test_several_workers_share_the_address(box: Box) -> None:
    started(box, workers=3)
    until(lambda: len(list(box.data.glob("desk-*.sock"))) == 3, "each of three workers has opened what it needs")
    workers = box.pids(WORKER)
    assert len(workers) == 3
    for awake in workers:
        others = [pid for pid in workers if pid != awake]
        for pid in others:
            suspend(pid)
        try:
            assert status(box, "/healthz") == 200, "fresh connections are taken by whoever is awake"
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)
    assert box.pids(WORKER) == workers


def test_whoever_hangs_in_the_turn_to_write_keeps_no_worker_from_starting(serving: Box) -> None:
    """A worker that is stopped, or whose disk hangs: the others are replaced when they die, and let everybody read."""
    with (serving.data / LOCK_FILE).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = serving.pids(WORKER)
        serving.kill_part(WORKER)
        until(lambda: not set(serving.pids(WORKER)) & set(before), "it is gone")
        assert [status(serving, path) for path in ("/healthz", "/v1/pollers", "/v1/commands")] == [200] * 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_workers_first_and_leaves_nothing(box: Box, number: int) -> None:
    started(box, workers=2)
    assert box.process
    children = box.pids(ENGINE) + box.pids(WORKER)
    box.process.send_signal(number)
    assert box.process.wait(PATIENCE_S) == 0
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert not box.output.count("Traceback"), box.output
    assert box.output.splitlines()[-1].endswith("INFO api.serve stopped")
    box.process = None


def test_a_request_in_flight_is_answered_before_the_end(box: Box) -> None:
    started(box)
    assert box.process
    with subprocess.Popen(
        [sys.executable, "-c", _SLOW_REQUEST, str(box.port), box.token], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as slow:
        assert slow.stdout
        assert slow.stdout.readline() == "half sent\n"
        box.process.terminate()
        until(lambda: "INFO api.serve stopping" in box.output, "it stops")
        rest = slow.communicate(timeout=PATIENCE_S)[0]
    assert rest.startswith("HTTP/1.1 "), rest
    assert box.process.wait(PATIENCE_S) == 0
    box.process = None


# Headers first, the body when asked to stop is already under way.
_SLOW_REQUEST = """
import socket, sys, time
body = b'{"host": "no-such-host", "duration": 60, "comment": "x"}'
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    head = f"POST /v1/downtimes HTTP/1.1\\r\\nHost: x\\r\\nAuthorization: Bearer {sys.argv[2]}\\r\\n"
    head += "Content-Type: application/json\\r\\nExpect: 100-continue\\r\\n"
    connection.sendall(head.encode() + b"Content-Length: %d\\r\\n\\r\\n" % len(body))
    assert connection.recv(65536) == b"HTTP/1.1 100 Continue\\r\\n\\r\\n"  # it has been taken in
    connection.sendall(body[:5])
    print("half sent", flush=True)
    time.sleep(1)
    connection.sendall(body[5:])
    print(connection.recv(65536).decode())
"""


def test_when_the_supervisor_is_killed_everything_below_ends_by_itself(box: Box) -> None:
    started(box, workers=2)
    box.kill()


def test_https_with_a_certificate(box: Box, tmp_path: Path) -> None:
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    subprocess.run(
        ["/usr/bin/openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    box.arguments += ("--tls-cert", str(certificate), "--tls-key", str(key))
    box.start()
    trusted = ssl.create_default_context(cafile=certificate)

    def status_over_tls() -> int:
        try:
            with urllib.request.urlopen(f"https://localhost:{box.port}/healthz", context=trusted) as answer:
                return int(answer.status)
        except OSError:
            return 0

    until(lambda: status_over_tls() == 200, "it answers over TLS")
    assert f"listening on https://127.0.0.1:{box.port}" in box.output


def test_commands_are_asked_for_over_the_api(serving: Box) -> None:
    reader = serving.add_user("rita", "reader")
    assert serving.cli("commands", "list", "--url", serving.url, "--token", reader).split()[:2] == ["ID", "STATE"]
    environment = {"SIGNALBOX_TOKEN": reader, "SIGNALBOX_URL": serving.url}
    for key, value in environment.items():
        os.environ[key] = value
    try:
        assert serving.cli("commands", "list").split()[:2] == ["ID", "STATE"]
        serving.cli("commands", "show", "no-such-id", code=1)
        serving.cli("commands", "cancel", "no-such-id", code=1)
    finally:
        for key in environment:
            del os.environ[key]
    serving.cli("commands", "list", "--url", serving.url, "--token", "wrong", code=1)


def test_who_is_in_front_is_believed_only_if_named(serving: Box) -> None:
    """A forged X-Forwarded-For must not get around the throttle: five failures from one address, whatever the header says."""
    numbers = itertools.count()

    def guess() -> int:
        """Of another user each time: users are throttled, too."""
        number = next(numbers)
        body = {"security": {"credentials": {"login": f"nobody{number}", "password": "guess"}}}
        forged = {"X-Forwarded-For": f"192.0.2.{number}"}
        return serving.api.post("/centreon/api/latest/login", json=body, headers=forged).status_code

    assert [guess() for _ in range(5)] == [401] * 5
    # The first pause is a second, in which a busy machine may not ask twice; those after it are longer.
    until(lambda: [guess(), guess()] == [429] * 2, "the address has to wait")


def test_nothing_is_imported_that_serve_need_not_wait_for() -> None:
    """All of the command line's imports stand before the first process it starts, so before a restart's first answer."""
    script = "import sys, api.cli, api.serve, api.auth.contacts; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    assert not {"prometheus_client", "uvicorn", "starlette", "engine.desk", "http.server"} & set(loaded)

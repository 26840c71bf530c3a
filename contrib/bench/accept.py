"""How many single durable POSTs per second are accepted, beside what the same server does for a POST that only parses and answers.

    python -m contrib.bench.accept [--posts 4000] [--connections 32]

Both sides: two workers on one socket, our own connection, way of a request, tokens and body's model, that many connections kept
busy by a client process of its own, which sends bytes made before. One stops where the desk would be asked and answers; Signalbox
stores a downtime each (`?wait=0`: the answer comes when it is durable) in front of a real Nagios 4, whose engine goes on to write
and prove them meanwhile. Prints both rates, their ratio and what CPU a POST took in each kind of process; ends with 1 when
Signalbox reaches neither 2,000 per second nor 60 % of the other.

Where the 0.86 ms of CPU of a POST once were, in milliseconds (processes by the kernel, their parts by profile):

    workers 0.54  uvicorn, its parsers and the socket                                                    about 0.11
                  the loop's Python: token, body, window, answer, figures                                 about 0.15
                  the writer's thread: names looked up, the order checked                                 about 0.12
                                       rows made and inserted, 17 entries of indexes among them           about 0.10
                                       commit: pages of the log, fdatasync                                about 0.06
    engine  0.18  the lane: lines, batches, log, steps of lives; a flood leaves half of it for later      about 0.15
                  pokes, scans, history                                                                   about 0.03
    core    about 0.1, reads, schedules, logs
    client  0.04

A commit has its price, whatever it carries: of 14 POSTs it writes 62 pages in some 0.9 ms, of 8 it writes 41 in 0.7. Most is won by
storing more at once: the requests of one turn of the loop share a commit, and so does what comes until it is our turn to write.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import uvicorn

from api.app import Application
from api.auth.doorkeeper import Doorkeeper
from api.native.downtimes import NewDowntime
from api.native.operation import Answer, Call, Operation, Verb
from api.native.requests import WaitQuery
from api.native.routing import native_routes
from api.server import uvicorn_config
from contrib.demo_cores import Host, NagiosCore, Service
from engine.config_file import load_config
from engine.desk import Desk
from engine.garbage import spare_collection
from engine.journal.store import Journal
from tests.support.box import ENGINE, WORKER, Box
from tests.support.cores import running

WORKERS = 2
HOSTS = 200
ENOUGH_PER_S = 2000
ENOUGH_RATIO = 0.6
PATH = "/v1/downtimes?wait=0"
APART_S = 0.005  # connections: of many at once, the worker that wakes first takes nearly all, and the other has little to do


def main() -> int:
    """Run and print."""
    if sys.argv[1:2] == ["--serve"]:
        return serve(int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--posts", type=int, default=4000)
    words.add_argument("--connections", type=int, default=32)
    words.add_argument("--no-budget", action="store_true", help="print only")
    options = words.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        core = NagiosCore(folder / "core", [Host(f"host-{number}", (Service("PING"),)) for number in range(HOSTS)], interval_s=10)
        stack.enter_context(running(core))
        box = Box(folder / "box", [core], workers=WORKERS)
        box.prepare()
        stack.callback(box.close)
        box.start()
        box.wait_ready(60)
        floor = parsing_only(box, options.posts, options.connections)
        rate(box.port, requests(options.connections * 4, box.token), options.connections, 202)  # both workers are warm
        assert core.process is not None
        kinds = {"workers": box.pids(WORKER), "engine": box.pids(ENGINE), "core": [core.process.pid], "client": [os.getpid()]}
        before = {kind: cpu_s(pids) for kind, pids in kinds.items()}
        ours = rate(box.port, requests(options.posts, box.token), options.connections, 202)
        took = {kind: (cpu_s(pids) - before[kind]) / options.posts * 1000 for kind, pids in kinds.items()}
    print("CPU of a POST: " + ", ".join(f"{kind} {ms:.2f} ms" for kind, ms in took.items()))
    ratio = ours / floor
    print(f"parses and answers: {floor:.0f} POSTs/s; stores durably: {ours:.0f} POSTs/s; ratio {ratio:.2f}")
    return 0 if options.no_budget or ours >= ENOUGH_PER_S or ratio >= ENOUGH_RATIO else 1


def cpu_s(pids: list[int]) -> float:
    """Seconds of CPU these processes have had."""
    ticks = [sum(map(int, Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13])) for pid in pids]
    return sum(ticks) / os.sysconf("SC_CLK_TCK")


# --- the server that only parses and answers ----------------------------------------------------------------------------------


async def _parse_and_answer(call: Call, query: WaitQuery, body: NewDowntime) -> Answer:
    return Answer({"host": body.host, "comment": body.comment}, 202)


ONLY_PARSED = Operation(
    "POST", "/v1/downtimes", "", _parse_and_answer, {202: dict}, verb=Verb.DOWNTIME, query=WaitQuery, body=NewDowntime
)


def serve(descriptor: int, configuration: Path, data: Path) -> int:
    """One worker of it, on a socket that is bound already: our own way of a request, up to where the desk would be asked."""
    config = load_config(configuration, (), data=data)
    doorkeeper = Doorkeeper(Journal(config.data), config.settings)
    app = Application(routes=native_routes((ONLY_PARSED,), Desk(config), doorkeeper, config.settings))
    spare_collection()
    uvicorn.Server(uvicorn_config(app, config.settings)).run(sockets=[socket.socket(fileno=descriptor)])
    doorkeeper.close()
    return 0


def parsing_only(box: Box, posts: int, connections: int) -> float:
    """POSTs per second of that server."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        places = [str(box.folder / "signalbox.toml"), str(box.data)]
        words = [sys.executable, "-m", "contrib.bench.accept", "--serve", str(listener.fileno()), *places]
        servers = [subprocess.Popen(words, pass_fds=[listener.fileno()]) for _ in range(WORKERS)]
        try:
            port = listener.getsockname()[1]
            rate(port, requests(connections * 4, box.token), connections, 202)  # every worker is up and warm
            return rate(port, requests(posts, box.token), connections, 202)
        finally:
            for server in servers:
                server.send_signal(signal.SIGTERM)
            for server in servers:
                server.wait(15)


# --- the client -----------------------------------------------------------------------------------------------------------------


def requests(count: int, token: str) -> list[bytes]:
    """Requests for downtimes, no two of them twins."""
    head = f"POST {PATH} HTTP/1.1\r\nHost: box\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    word = os.urandom(4).hex()
    made = []
    for number in range(count):
        body = {"host": f"host-{number % HOSTS}", "start": "now", "duration": 3600, "comment": f"bench {word} {number}"}
        encoded = json.dumps(body).encode()
        made.append(f"{head}Content-Length: {len(encoded)}\r\n\r\n".encode() + encoded)
    return made


def rate(port: int, messages: list[bytes], connections: int, status: int) -> float:
    """Send each once, one after the other per connection; requests per second. Raises RuntimeError for another status."""
    expected = f"HTTP/1.1 {status} ".encode()
    waiting = list(reversed(messages))
    with selectors.DefaultSelector() as selector:
        for _ in range(connections):
            time.sleep(APART_S)
            connection = socket.create_connection(("127.0.0.1", port))
            selector.register(connection, selectors.EVENT_READ, bytearray())
        began = time.perf_counter()
        busy = 0
        for key in list(selector.get_map().values()):
            if waiting:
                key.fileobj.sendall(waiting.pop())  # type: ignore[union-attr]
                busy += 1
        while busy:
            for key, _ in selector.select(30):
                buffer: bytearray = key.data
                connection = key.fileobj  # type: ignore[assignment]
                buffer += connection.recv(1 << 16)
                if not is_whole(buffer):
                    continue
                if not buffer.startswith(expected):
                    raise RuntimeError(bytes(buffer[:2000]).decode("utf-8", "replace"))
                buffer.clear()
                if waiting:
                    connection.sendall(waiting.pop())
                else:
                    busy -= 1
        took = time.perf_counter() - began
        for key in list(selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
    return len(messages) / took


def is_whole(buffer: bytearray) -> bool:
    """Is there a whole answer, by its Content-Length?"""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = bytes(buffer[:end]).lower()
    length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    return len(buffer) >= end + 4 + length


if __name__ == "__main__":
    sys.exit(main())

"""No byte of a client becomes a second command, another field or a lie.

At least 20,000 generated values over every field that takes text: each reaches a real core, exactly as the oracle expects it in
the core's log, or is refused with 4xx. What must never reach a core is known to the oracle, and so is what must not be refused.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest

from tests.support import cores, oracle
from tests.support.box import Box, boxed, parallel
from tests.support.cores import Host, NagiosCore, Service, until

pytestmark = pytest.mark.core

VALUES = 20_000
ACCEPTED_SHARE = 0.3
HOSTS, SERVICES = 20, 5
BULK = 200
# Ends that a careless hand cuts in the middle of.
MULTIBYTE_ENDS = ("x", "ü", "€", "😀")
PIECES = (
    *("word", "two words", "Größe", "€", "😀", "日本語", "a" * 60, "%s%n", "$USER1$", "`id`", "|", "=", ",", "'", '"', "\\", "\\n"),
    *("\\\\", "{", "}", "hoststatus {", "[1] ", "EXTERNAL COMMAND: X", "_SIGNALBOX_E00000000", " ", "  ", "\u00a0", "\u2028"),
    *("\u2029", "\ufeff", "\u200f", "e\u0301", "<b>", "&amp;", "%0A", "%00", "\\u000a", "../..", "#"),
)
POISON = (
    *("\n", "\r", "\0", "\x85", "\x1b", "\x7f", "\t}\n", "\r\n", "\ud800", "\udfff", "\x0b", "\x0c", "\x9b", "\x08"),
    *("\n[1] SHUTDOWN_PROCESS", "\r[1] DISABLE_NOTIFICATIONS\r", "\n\n", "\udc80\udcff"),
)


@dataclass
class Wire:
    """Plain HTTP over one connection per thread: as fast as the test needs, and JSON exactly as we spell it."""

    box: Box
    local: threading.local = field(default_factory=threading.local)
    opened: list[http.client.HTTPConnection] = field(default_factory=list)

    def close(self) -> None:
        for connection in self.opened:
            connection.close()

    def post(self, path: str, body: object, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        connection = getattr(self.local, "connection", None)
        if connection is None:
            connection = self.local.connection = http.client.HTTPConnection("127.0.0.1", self.box.port, timeout=60)
            self.opened.append(connection)
        sent = {"Authorization": f"Bearer {self.box.token}", "Content-Type": "application/json"} | (headers or {})
        connection.request("POST", path, json.dumps(body).encode(), sent)
        answer = connection.getresponse()
        return answer.status, answer.read()


@dataclass
class Case:
    """One request with hostile values in it. `lines`: what the core's log must show of it; `must`: the oracle's word on it."""

    path: str
    body: dict[str, Any]
    lines: list[bytes]
    values: int
    must: str  # "be accepted" | "be refused" | "" = either
    headers: dict[str, str] = field(default_factory=dict)


class Generator:
    """Cases from one seed. Every command differs in author, text or object from all others, so that no twin is joined."""

    def __init__(self, seed: int, token: str, ids: dict[str, int]) -> None:
        self.random = random.Random(seed)
        self.token, self.ids = token, ids
        self.number = 0
        self.start = int(time.time()) + 86_400

    def unique(self) -> str:
        self.number += 1
        return f"n{self.number}"

    def host(self) -> str:
        return f"h{self.random.randrange(HOSTS):02}"

    def service(self) -> str:
        return f"s{self.random.randrange(SERVICES)}"

    def text(self, poison: float = 0.4) -> str:
        """Mostly odd and harmless, sometimes poison, at times long or blank."""
        pieces = [self.random.choice(PIECES) for _ in range(self.random.choice((1, 1, 2, 3, 5, 8)))]
        if self.random.random() < poison:
            pieces.insert(self.random.randrange(len(pieces) + 1), self.random.choice(POISON))
        if self.random.random() < 0.1:
            pieces.insert(self.random.randrange(len(pieces) + 1), ";")
        if self.random.random() < 0.01:
            pieces = [" " * self.random.randrange(3)]
        if self.random.random() < 0.01:
            pieces.append("long " * self.random.randrange(500, 2000))
        return "".join(pieces)

    def verdict(self, line: Callable[[], bytes], **texts: str) -> str:
        if oracle.must_be_refused(**texts):
            return "be refused"
        return "be accepted" if oracle.fits(line()) else "be refused"

    # --- one kind of case each ----------------------------------------------------------------------------------------
    def comment(self, *, hostile: str) -> Case:
        host, service = self.host(), self.random.choice(("", self.service()))
        texts = {"author": self.unique(), "comment": self.unique()} | {hostile: self.text()}
        body = {"host": host, "persistent": False, **texts} | ({"service": service} if service else {})
        must = self.verdict(
            lambda: oracle.comment_line(host, service, texts["author"], texts["comment"], persistent=False),
            author=texts["author"],
            free_text=texts["comment"],
        )
        line = [oracle.comment_line(host, service, **texts, persistent=False)] if must == "be accepted" else []
        return Case("/v1/comments?wait=0", body, line, 1, must)

    def long_comment(self, length: int, end: str) -> Case:
        host, author = self.host(), self.unique()
        room = length - oracle.bytes_on_the_pipe(oracle.comment_line(host, "", author, "", persistent=True))
        comment = "y" * (room - len(end.encode())) + end
        line = oracle.comment_line(host, "", author, comment, persistent=True)
        assert oracle.bytes_on_the_pipe(line) == length
        must = "be accepted" if length <= 4000 else "be refused"
        return Case("/v1/comments?wait=0", {"host": host, "author": author, "comment": comment}, [line], 1, must)

    def downtime(self, *, hostile: str) -> Case:
        host, service = self.host(), self.random.choice(("", self.service()))
        texts = {"author": self.unique(), "comment": self.unique()} | {hostile: self.text()}
        start, end = self.start, self.start + 600
        body = {"host": host, "start": start, "end": end, **texts} | ({"service": service} if service else {})
        must = self.verdict(
            lambda: oracle.downtime_line(host, service, start, end, texts["author"], texts["comment"]),
            author=texts["author"],
            free_text=texts["comment"],
        )
        line = [oracle.downtime_line(host, service, start, end, texts["author"], texts["comment"])] if must == "be accepted" else []
        return Case("/v1/downtimes?wait=0", body, line, 1, must)

    def acknowledgement(self) -> Case:
        host, author, comment = self.host(), self.unique(), self.text()
        body = {"host": host, "service": "s0", "author": author, "comment": comment, "sticky": False, "notify": False}

        def line() -> bytes:
            return oracle.acknowledgement_line(host, "s0", author, comment, sticky=False, notify=False, persistent=False)

        must = self.verdict(line, free_text=comment)
        return Case("/v1/acknowledgements?wait=0", body, [line()] if must == "be accepted" else [], 1, must)

    def result(self) -> tuple[dict[str, Any], bytes, str]:
        """One result: body, line, and what must become of it. A line break in the output itself is text to a Nagios."""
        host, service = self.host(), self.random.choice(("", self.service()))
        if service == "s0":
            service = ""  # s0 stays CRITICAL for the acknowledgements
        code, output, perf_data = self.random.randrange(3), f"{self.unique()} {self.text(0.2)}", self.text(0.2)
        body = {"host": host, "return_code": code, "plugin_output": output, "perf_data": perf_data}
        body |= {"service": service} if service else {}
        if oracle.result_must_be_refused(output, perf_data):
            return body, b"", "be refused"
        line = oracle.result_line(host, service, code, output, perf_data)
        return body, line, "be accepted" if oracle.fits(line) else "be refused"

    def name(self) -> Case:
        """Names nobody has."""
        name = self.text()
        body = {"host": name} if self.random.random() < 0.5 else {"host": self.host(), "service": name}
        path = self.random.choice(("/v1/comments?wait=0", "/v1/acknowledgements?wait=0", "/v1/checks?wait=0"))
        return Case(path, body if path.startswith("/v1/checks") else body | {"comment": "x"}, [], 1, "be refused")

    def other(self) -> Case:
        """Fields that are no text in the command: times, spans, the poller; all poison to a parser."""
        key = self.random.choice(("start", "end", "duration", "poller"))
        body = {"host": self.host(), "start": self.start, "end": self.start + 60, "comment": "x", key: self.text() + "\n"}
        return Case("/v1/downtimes?wait=0", body, [], 1, "be refused")

    def centreon(self) -> Case:
        host, comment = self.host(), self.text()
        self.number += 1
        begin = self.start + self.number * 120  # no two are twins
        when, then = time.gmtime(begin), time.gmtime(begin + 60)
        stamp = "%Y-%m-%dT%H:%M:%SZ"
        body = {"comment": comment, "start_time": time.strftime(stamp, when), "end_time": time.strftime(stamp, then)}
        must = self.verdict(lambda: oracle.downtime_line(host, "", begin, begin + 60, "admin", comment), free_text=comment)
        line = [oracle.downtime_line(host, "", begin, begin + 60, "admin", comment)] if must == "be accepted" else []
        path = f"/centreon/api/latest/monitoring/hosts/{self.ids[host]}/downtimes"
        return Case(path, body, line, 1, must, {"X-AUTH-TOKEN": self.token})

    # --- all of them --------------------------------------------------------------------------------------------------
    def cases(self, count: int) -> Iterator[Case]:
        for length in (3999, 4000, 4001):
            for end in MULTIBYTE_ENDS:
                yield self.long_comment(length, end)
        kinds: list[tuple[Callable[[], Case], int]] = [
            (lambda: self.comment(hostile="comment"), 4),
            (lambda: self.comment(hostile="author"), 2),
            (lambda: self.downtime(hostile="comment"), 3),
            (lambda: self.downtime(hostile="author"), 1),
            (self.acknowledgement, 1),
            (self.name, 2),
            (self.other, 1),
            (self.centreon, 1),
        ]
        makers, weights = zip(*kinds, strict=True)
        made = 12
        while made < count * 0.55:
            case = self.random.choices(makers, weights)[0]()
            made += case.values
            yield case
        bulk: list[tuple[dict[str, Any], bytes]] = []
        while made < count + BULK:
            body, line, must = self.result()
            made += 2
            if must == "be refused":
                yield Case("/v1/results?wait=0", {"results": [body]}, [], 2, must)
            else:
                bulk.append((body, line))
            if len(bulk) == BULK:
                yield Case(
                    "/v1/results", {"results": [body for body, _ in bulk]}, [line for _, line in bulk], 2 * BULK, "be accepted"
                )
                bulk = []
        if bulk:
            yield Case(
                "/v1/results", {"results": [body for body, _ in bulk]}, [line for _, line in bulk], 2 * len(bulk), "be accepted"
            )


@pytest.fixture
def hostile() -> Iterator[tuple[NagiosCore, Box]]:
    hosts = [Host(f"h{n:02}", tuple(Service(f"s{m}") for m in range(SERVICES))) for n in range(HOSTS)]
    with cores.core_folder() as folder:
        core = NagiosCore(folder / "core", hosts)
        with cores.running(core):
            for host in hosts:
                core.set_state(host.name, "s0", 2, "a problem to acknowledge")
            cores.wait_for_state(core, hosts[-1].name, "s0", 2)
            with boxed(folder, core, workers=2) as box:
                yield core, box


def test_hostile_text(hostile: tuple[NagiosCore, Box], tell: Callable[[str], None]) -> None:
    core, box = hostile
    seed = int(os.environ.get("SIGNALBOX_SEED") or random.SystemRandom().randrange(2**32))
    tell(f"hostile text: seed {seed} (repeat with SIGNALBOX_SEED={seed})")
    ids = {f"h{n:02}": box.host_id(f"h{n:02}") for n in range(HOSTS)}
    token = box.centreon().headers["X-AUTH-TOKEN"]
    generated = list(Generator(seed, token, ids).cases(VALUES))
    cases = [case for case in generated if len(case.lines) <= 1]
    bulks = [case for case in generated if len(case.lines) > 1]
    before = oracle.command_lines([core.log_file])

    wire = Wire(box)
    try:
        answers = parallel(lambda case: wire.post(case.path, case.body, case.headers), cases)
        _wait_quiet(box)
        # One after the other: a result that waits for seconds is rightly overtaken by a newer one of its object.
        for bulk in bulks:
            answers.append(wire.post(bulk.path, bulk.body, bulk.headers))
            _wait_quiet(box)
    finally:
        wire.close()
    cases += bulks

    expected: Counter[bytes] = Counter()
    accepted = total = 0
    for case, (status, text) in zip(cases, answers, strict=True):
        assert 200 <= status < 300 or 400 <= status < 500, (status, text[:500], case.path, case.body)
        is_accepted = status < 300
        verdict = "be accepted" if is_accepted else "be refused"
        assert case.must in ("", verdict), (status, text[:500], case.path, str(case.body)[:1000])
        total += case.values
        if is_accepted:
            accepted += case.values
            expected.update(case.lines)
    tell(f"hostile text: {total} values, {accepted} accepted, {len(expected)} different lines, {len(cases)} requests")
    assert total >= VALUES
    assert accepted >= ACCEPTED_SHARE * total

    seen = oracle.command_lines([core.log_file]) - before
    assert seen - expected == Counter()
    assert expected - seen == Counter()
    for state in ("unknown", "refused", "expired", "no_effect"):
        answer = box.api.get("/v1/commands", params={"state": state, "limit": 3}).json()
        assert answer["total"] == 0, answer["items"]


def _wait_quiet(box: Box) -> None:
    """Until the core has read every command."""

    def unread() -> int:
        states = ("accepted", "held", "writing", "written")
        return sum(box.api.get("/v1/commands", params={"state": state, "limit": 1}).json()["total"] for state in states)

    until(lambda: not unread(), "every command was read by the core")


def test_hostile_paths(hostile: tuple[NagiosCore, Box]) -> None:
    """Names in paths and queries: nobody has them, and no spelling of one gives anything but 4xx."""
    _, box = hostile
    texts = random.Random(1)
    connection = http.client.HTTPConnection("127.0.0.1", box.port, timeout=60)
    for _ in range(500):
        text = "".join(texts.choice(PIECES + POISON) for _ in range(3)).encode("utf-8", "surrogatepass")
        name = quote(text, safe="")
        for path in (f"/v1/hosts/{name}", f"/v1/hosts/h00/services/{name}", f"/v1/host?host={name}", f"/v1/downtimes/{name}"):
            connection.request("GET", path, headers={"Authorization": f"Bearer {box.token}"})
            answer = connection.getresponse()
            body = answer.read()
            assert 400 <= answer.status < 500, (path, answer.status, body)
    connection.close()

"""A real browser without a screen (Debian's chromium-headless-shell), told what to do over its debugging pipe.

It resolves no name but those given, and so reaches nothing but this machine.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.cores import PATIENCE_S

PROGRAM = "/usr/bin/chromium-headless-shell"
_OPTIONS = (
    "--no-sandbox",  # it may be root who tests
    "--remote-debugging-pipe", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-proxy-server",
)  # fmt: skip


@dataclass
class Browser:
    """One page of a browser with nothing remembered yet."""

    write: int
    read: int
    _urls: dict[str, str] = field(default_factory=dict)  # by the request's number, as is the next
    _statuses: dict[str, int] = field(default_factory=dict)
    _session: str = ""
    _asked: int = 0
    _loaded: set[str] = field(default_factory=set)  # pages, by their numbers
    _waiting: bytes = b""

    def call(self, method: str, **parameters: Any) -> Any:
        """Tell it something and give its answer."""
        self._asked += 1
        number, message = self._asked, {"id": self._asked, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while True:
            told = self._next(PATIENCE_S)
            if told.get("id") == number:
                assert "error" not in told, (method, told)
                return told["result"]

    def open_page(self) -> None:
        """Begin."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)
        self.call("Network.enable")

    def visit(self, url: str) -> None:
        """Go there, as a person who types the address. The page may lead on at once."""
        self._statuses.clear()
        page = self.call("Page.navigate", url=url)["loaderId"]
        self._wait(lambda: page in self._loaded, f"{url} is loaded")

    def run(self, script: str) -> Any:
        """The value of a script in the page."""
        return self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)["result"].get("value")

    def submit(self, script: str) -> str:
        """Run a script that makes the page load another; the text of that."""
        before = len(self._loaded)
        self.run(f"void setTimeout(() => {{ {script} }})")  # it answers before the page is gone
        self._wait(lambda: len(self._loaded) > before, "the next page is loaded")
        return self.text()

    def text(self) -> str:
        """What a person reads."""
        return str(self.run("document.body.innerText"))

    def wait_for_answer(self, part: str) -> int:
        """The status of the answer to an address that contains that, asked for since the last visit, once it is there."""

        def statuses() -> list[int]:
            return [status for number, status in self._statuses.items() if part in self._urls.get(number, "")]

        self._wait(statuses, f"{part} is answered")
        return statuses()[0]

    def _wait(self, condition: Any, what: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not condition():
            left = end - time.monotonic()
            assert left > 0, f"the browser did not come to this: {what}"
            self._next(left)

    def _next(self, within_s: float) -> dict[str, Any]:
        """The next thing it says."""
        end = time.monotonic() + within_s
        while b"\0" not in self._waiting:
            ready, _, _ = select.select([self.read], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser says nothing any more"
            piece = os.read(self.read, 1 << 16)
            assert piece, "the browser ended"
            self._waiting += piece
        raw, _, self._waiting = self._waiting.partition(b"\0")
        told: dict[str, Any] = json.loads(raw)
        match told.get("method"):
            case "Page.lifecycleEvent" if told["params"]["name"] == "load":
                self._loaded.add(told["params"]["loaderId"])
            case "Network.requestWillBeSent":
                self._urls[told["params"]["requestId"]] = told["params"]["request"]["url"]
            case "Network.responseReceivedExtraInfo":  # also of what a page is not allowed to see
                self._statuses[told["params"]["requestId"]] = told["params"]["statusCode"]
        return told


@contextmanager
def browser(folder: Path, names: Sequence[str]) -> Iterator[Browser]:
    """A browser with its settings below `folder`, for which `names` are this machine."""
    (to_read, to_write), (from_read, from_write) = os.pipe(), os.pipe()
    rules = ",".join([*(f"MAP {name} 127.0.0.1" for name in names), "MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1", "EXCLUDE localhost"])
    words = [PROGRAM, *_OPTIONS, f"--host-resolver-rules={rules}", f"--user-data-dir={folder}", "about:blank"]
    as_it_wants = f'exec "$0" "$@" 3<&{to_read} 4>&{from_write}'
    process = subprocess.Popen(
        ["/usr/bin/setpriv", "--pdeathsig", "KILL", "--", "/bin/bash", "-c", as_it_wants, *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=(to_read, from_write),
        start_new_session=True,
    )  # fmt: skip
    os.close(to_read)
    os.close(from_write)
    try:
        page = Browser(to_write, from_read)
        page.open_page()
        yield page
        page._session = ""
        page.call("Browser.close")
    finally:
        os.close(to_write)
        os.close(from_read)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()

"""A reader of /v1/events as any client would write it: an own parser of server-sent events, in a thread of its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.box import Box
from tests.support.cores import PATIENCE_S


@dataclass(frozen=True)
class Seen:
    """One event: its name, its data, the id that counted when it came."""

    name: str
    data: dict[str, Any]
    id: str


@dataclass
class EventReader:
    """What came so far. `ended`: the server closed the stream, or it broke."""

    seen: list[Seen] = field(default_factory=list)
    comments: int = 0
    last_id: str = ""
    status: int = 0
    ended: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _response: httpx.Response | None = None

    def named(self, *names: str) -> list[Seen]:
        """The events of these names."""
        return [event for event in self.seen if event.name in names]

    def wait(self, is_so: Callable[[EventReader], object], what: str) -> None:
        """Until a condition over all of this is true."""
        with self._changed:
            if not self._changed.wait_for(lambda: is_so(self), PATIENCE_S):
                raise AssertionError(f"not within {PATIENCE_S} s: {what}; came: {self.seen[-20:]}, ended: {self.ended}")

    def wait_for(self, **members: Any) -> Seen:
        """The first event whose data have these members."""

        def found(reader: EventReader) -> list[Seen]:
            return [event for event in reader.seen if members.items() <= event.data.items()]

        self.wait(found, f"an event with {members}")
        return found(self)[0]

    def read(self, response: httpx.Response) -> None:
        """Take events until the stream ends."""
        self._response, self.status = response, response.status_code
        name, data = "message", ""
        try:
            for line in response.iter_lines():
                with self._changed:
                    word, _, value = line.partition(":")
                    value = value.removeprefix(" ")
                    if not line:
                        if data:
                            self.seen.append(Seen(name, json.loads(data), self.last_id))
                        name, data = "message", ""
                    elif word == "id":
                        self.last_id = value
                    elif word == "event":
                        name = value
                    elif word == "data":
                        data += value
                    elif not word:
                        self.comments += 1
                    self._changed.notify_all()
        except (httpx.HTTPError, httpx.StreamError):
            pass
        finally:
            with self._changed:
                self.ended = True
                self._changed.notify_all()


@contextmanager
def reading(box: Box, token: str = "", last_id: str = "", **params: Any) -> Iterator[EventReader]:
    """A reader that is connected: the first event has come."""
    reader = EventReader()
    headers = {"Authorization": f"Bearer {token or box.token}"} | ({"Last-Event-ID": last_id} if last_id else {})
    with httpx.Client(base_url=box.url, headers=headers, timeout=60, trust_env=False) as client:
        with client.stream("GET", "/v1/events", params=params) as response:
            assert response.status_code == 200, response.read()
            thread = threading.Thread(target=reader.read, args=(response,), daemon=True)
            thread.start()
            reader.wait(lambda one: one.seen or one.comments, "the beginning of the stream")
            yield reader
            _hang_up(response)
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "the reader's thread ended"


def _hang_up(response: httpx.Response) -> None:
    """Wake a thread that waits for bytes: closing the response does not."""
    stream = response.extensions.get("network_stream")
    sock = stream.get_extra_info("socket") if stream is not None else None
    if sock is not None:
        try:
            sock.shutdown(2)
        except OSError:
            pass

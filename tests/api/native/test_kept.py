"""Answers that are kept say what one read anew would say: to the byte, to whoever asks, whatever changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest

from engine.formats.corelog import LogKind, StateEvent
from engine.state.mirror import Mirror
from engine.state.version import StateVersion
from tests.api.support_desk import NOW, Front, Reply, open_front

ASKED = (
    "/v1/problems?limit=20",
    "/v1/problems?limit=3&offset=1",
    "/v1/problems?limit=20&fields=age_s,view,host",
    "/v1/problems?limit=20&fields=host",
    "/v1/problems?poller=south&limit=10",
    "/v1/hosts/web01",
    "/v1/host?host=shared&poller=south",
    "/v1/hosts/web01/services/Disk%20%2Fvar",
    "/v1/service?host=web01&service=HTTP",
    "/v1/tactical",
    "/v1/tactical?by=hostgroup",
)
LINES = "application/x-ndjson"


class Looks:
    """How often a front's desk read."""

    def __init__(self, front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, find = 0, front.desk.find

        async def counting(*words: Any, **more: Any) -> Any:
            self.count += 1
            return await find(*words, **more)

        monkeypatch.setattr(front.desk, "find", counting)
        monkeypatch.setattr(front.clock, "monotonic", lambda: 0.0)  # nothing grows too old to be kept


@pytest.fixture
def looks(front: Front, monkeypatch: pytest.MonkeyPatch) -> Looks:
    return Looks(front, monkeypatch)


@contextmanager
def _writing(front: Front) -> Iterator[Mirror]:
    mirror = Mirror.open(front.desk.config.data / "state.db", lambda poller, wanted: {})
    try:
        yield mirror
    finally:
        mirror.close()


def _line(state: int, output: str) -> StateEvent:
    return StateEvent(int(NOW), LogKind.SERVICE_ALERT, "web01", "HTTP", state, 1, 1, output, "")


def _anew(front: Front, target: str) -> Reply:
    """The same asked of a worker that has kept nothing."""
    with open_front(front.desk.config) as other:
        other.clock.at = front.clock.at
        return other.by(front.secret.removeprefix("secret-of-")).get(target)


@pytest.mark.parametrize("target", ASKED)
def test_a_kept_answer_is_the_answer(front: Front, looks: Looks, target: str) -> None:
    """Ages move on in it, to the same bytes and the same head as when everything is read anew."""
    for seconds in (0.0, 0.25, 3.1234, 1e-4):
        front.clock.at += seconds
        reply, anew = front.get(target), _anew(front, target)
        assert (reply.status, reply.headers, reply.body) == (200, anew.headers, anew.body)
    assert looks.count == 1


@pytest.mark.parametrize("target", ["/v1/problems?limit=20", "/v1/tactical", "/v1/hosts/web01"])
def test_no_scope_gets_the_answer_of_another(front: Front, looks: Looks, target: str) -> None:
    """Wim sees one hostgroup; whoever asked before him, and whoever asks behind him."""
    for user in ("anna", "wim", "rita", "wim", "anna"):
        assert front.by(user).get(target).body == _anew(front.by(user), target).body
    assert looks.count <= 4  # anna and rita share one; totals of some groups are kept, too
    assert front.get("/v1/tactical").json["hosts"]["total"] > front.by("wim").get("/v1/tactical").json["hosts"]["total"]


def test_what_is_out_of_scope_stays_unknown_whoever_asked_before(front: Front) -> None:
    """Not even that it is there."""
    assert front.get("/v1/hosts/db01").status == 200
    front.by("wim").get("/v1/hosts/db01").problem(404, "unknown_host")
    assert front.get("/v1/hosts/db01").status == 200


def test_who_may_not_ask_is_not_answered_from_what_was_kept(front: Front) -> None:
    """Keeping stands behind the door."""
    assert front.get("/v1/tactical").status == 200
    front.get("/v1/tactical", authorization="Bearer nobody").problem(401, "not_authenticated")


@pytest.mark.parametrize("target", ["/v1/problems?limit=20", "/v1/tactical", "/v1/hosts/web01/services/HTTP"])
def test_the_next_answer_shows_every_change(front: Front, looks: Looks, target: str) -> None:
    """A log line counts from its commit on."""
    for turn in range(4):
        before = front.get(target)
        with _writing(front) as mirror:
            mirror.log_events(1, [_line(turn % 2 and 2, f"turn {turn}")])
        after = front.get(target)
        assert after.body != before.body and after.body == _anew(front, target).body
        assert front.get(target).body == after.body
    assert looks.count == 8 - 3  # the answer of a turn's end is that of the next one's beginning


def test_while_a_commit_is_under_way_each_answer_is_read(front: Front, looks: Looks) -> None:
    """Nobody can say then what is true, nor keep it."""
    front.get("/v1/tactical")
    version = StateVersion(front.desk.config.data)
    with version.changing():
        front.get("/v1/tactical")
        front.get("/v1/tactical")
    version.close()
    front.get("/v1/tactical")
    assert looks.count == 4


@pytest.mark.parametrize("target", ["/v1/problems?limit=20", "/v1/tactical", "/v1/hosts/web01"])
def test_a_view_grows_stale_by_itself(front: Front, looks: Looks, target: str) -> None:
    """Nothing is committed when a core stops writing: what was kept must not say for ever that all is fresh."""
    view = orjson.loads(front.get(target).body)
    assert not (view["views"][0] if "views" in view else view["view"])["stale"]
    tag = front.get(target).headers.get("etag")
    front.clock.at += 3600
    later = front.get(target)
    assert (later.json["views"][0] if "views" in later.json else later.json["view"])["stale"]
    assert later.body == _anew(front, target).body
    assert later.headers.get("etag") != tag or tag is None
    assert front.get(target).body == later.body


def test_a_tag_holds_for_what_was_kept_and_for_nothing_else(front: Front, looks: Looks) -> None:
    """304 for the very answer, without reading; with another one's tag, or after a change, the answer itself."""
    target = "/v1/problems?limit=20"
    tag = front.get(target).headers["etag"]
    assert (front.get(target, if_none_match=tag).status, front.get(target, if_none_match='W/"other"').status) == (304, 200)
    assert looks.count == 1
    assert front.get("/v1/problems?limit=19", if_none_match=tag).status == 200
    assert front.by("wim").get(target, if_none_match=tag).status == 200
    with _writing(front) as mirror:
        mirror.log_events(1, [_line(1, "changed")])
    changed = front.get(target, if_none_match=tag)
    assert changed.status == 200 and changed.headers["etag"] != tag


def test_lines_are_not_what_was_kept_as_a_document(front: Front) -> None:
    """Nor the other way round."""
    document = front.get("/v1/problems?limit=20")
    lines = front.get("/v1/problems?limit=20", accept=LINES)
    assert lines.headers["content-type"] == LINES and lines.body.count(b"\n") == len(document.json["items"])
    assert front.get("/v1/problems?limit=20").headers["content-type"] == "application/json"


@pytest.mark.parametrize("target", ["/v1/problems?limit=20&", "/v1/tactical?"])
def test_how_old_a_view_may_be_is_asked_each_time(front: Front, looks: Looks, target: str) -> None:
    """`max_age` refuses, or marks, by the age of now."""
    assert front.get(f"{target}max_age=6").status == 200
    assert not front.get(f"{target}max_age=6&older=mark").json["views"][0]["stale"]
    front.clock.at += 2
    front.get(f"{target}max_age=6").problem(503, "status_file_stale")
    assert front.get(f"{target}max_age=6&older=mark").json["views"][0]["stale"]


def test_outputs_that_look_like_gaps_stay_as_they_are(front: Front) -> None:
    """What a plugin says is never taken for a place where an age goes."""
    for text in ('"v1"', "0123456789abcdefv1", '"a1800000000"', "\x00v1"):
        with _writing(front) as mirror:
            mirror.log_events(1, [_line(2, text)])
        for target in ("/v1/problems?limit=20", "/v1/hosts/web01/services/HTTP"):
            assert front.get(target).body == front.get(target).body == _anew(front, target).body


def test_a_body_is_still_refused(front: Front) -> None:
    """What was kept is an answer to a question without one."""
    assert front.get("/v1/tactical").status == 200
    front.ask("GET", "/v1/tactical", b'{"by":"hostgroup"}').problem(400, "malformed_request")


def test_a_worker_without_the_number_keeps_nothing(front: Front, looks: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a full disk."""
    monkeypatch.setattr(front.desk._parts.version, "number", lambda: None)
    assert front.get("/v1/tactical").body == front.get("/v1/tactical").body
    assert looks.count == 2

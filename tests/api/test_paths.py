"""A table of paths answers as Starlette's own router does, which asks every route in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from starlette.routing import BaseRoute, Match, Mount, Route, Router
from starlette.types import Receive, Scope, Send

from api.paths import PathTable

SEGMENTS = ["a", "b", "ab", "a.b", "", "{x}", "a{y}", "{z:int}", "{rest:path}"]
TEXTS = ["a", "b", "ab", "a.b", "", "7", "{x}", "a b", "ä"]


@dataclass
class Told:
    """An endpoint that notes that it was asked, and what the path named."""

    name: str
    log: list[tuple[str, dict[str, Any], str]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.log.append((self.name, dict(scope["path_params"]), scope.get("root_path", "")))


def finished(work: Coroutine[Any, Any, None]) -> None:
    """Run what never waits."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise AssertionError("it waited")


def answer(routes: Sequence[BaseRoute], log: list[Any], path: str, method: str, root: str) -> list[Any]:
    """Who was asked for a path, and the statuses sent by nobody."""
    log.clear()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            log.append((message["status"], [value for name, value in message["headers"] if name == b"allow"]))

    scope = {"type": "http", "method": method, "path": path, "root_path": root, "headers": [], "query_string": b""}
    finished(Router(routes, redirect_slashes=False)(scope, asyncio.sleep, send))  # type: ignore[arg-type]
    return list(log)


@st.composite
def templates(draw: st.DrawFn) -> str:
    segments = draw(st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=4))
    seen: set[str] = set()  # a template may name a variable once
    return "/" + "/".join(segment for segment in segments if "{" not in segment or not (segment in seen or seen.add(segment)))


@given(
    st.lists(st.tuples(templates(), st.sampled_from([None, ["GET"], ["POST"], "mount"])), max_size=12),
    st.lists(st.lists(st.sampled_from(TEXTS), max_size=5).map(lambda texts: "/" + "/".join(texts)), min_size=1, max_size=8),
    st.sampled_from(["GET", "HEAD", "POST"]),
    st.sampled_from(["", "", "/a", "/a/b"]),
)
@example([("/a", ["GET"]), ("/{x}", ["POST"])], ["/a"], "POST", "")  # the later one serves the method
@example([("/{x}", None), ("/a", None)], ["/a"], "GET", "")  # the first one given wins, however fixed the other is
@example([("/a", ["GET"])], ["/a"], "POST", "")  # 405 and what is allowed
@example([("/a", "mount"), ("/{rest:path}", None)], ["/a", "/a/", "/a/7", "/ab"], "GET", "")
@example([("/b", None)], ["/a/b", "/ab/b", "/b", "/a"], "GET", "/a")
def test_it_answers_as_the_router_does(
    served: list[tuple[str, list[str] | str | None]], paths: list[str], method: str, root: str
) -> None:
    log: list[Any] = []
    routes: list[BaseRoute] = []
    for number, (template, methods) in enumerate(served):
        told = Told(f"{number} {template}", log)
        if methods == "mount":
            routes.append(Mount(template, app=told))
        else:
            routes.append(Route(template, told, methods=methods if isinstance(methods, list) else None))
    for path in paths:
        expected = answer(routes, log, path, method, root)
        assert len(expected) == 1
        assert answer([PathTable(routes)], log, path, method, root) == expected


def test_few_of_many_routes_are_asked() -> None:
    """Which is what it is for."""
    asked: list[str] = []

    class Counted(Route):
        def matches(self, scope: Scope) -> tuple[Match, Scope]:
            asked.append(self.path)
            return super().matches(scope)

    told = Told("", [])
    table = PathTable([Counted(f"/r/{{version}}/{noun}/{{id}}", told) for noun in map(str, range(100))])
    match, _ = table.matches({"type": "http", "method": "GET", "path": "/r/v2/77/5", "root_path": ""})
    assert (match, asked) == (Match.FULL, ["/r/{version}/77/{id}"])

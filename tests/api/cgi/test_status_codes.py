"""`cgi_status_codes`: what is refused says so in its status, too; without it every answer is 200, as the original's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.api.support_desk import Front, make_world, open_front

CMD = "/nagios/cgi-bin/cmd.cgi?cmd_mod=2&"
REFUSED = (
    ("", 400, "Error: No command was specified"),
    ("cmd_typ=165&host=web01", 403, "not authorized"),
    ("cmd_typ=24&host=nowhere", 403, "not authorized"),
    ("cmd_typ=24&host=a%0Ab", 404, "not authorized"),
    ("cmd_typ=1&host=web01", 400, "Comment was not entered"),
    ("cmd_typ=10&host=web01&not_dly=0", 400, "Notification delay must be greater than 0"),
    ("cmd_typ=12", 409, "An error occurred while attempting to commit your command for processing."),
)


@pytest.fixture(scope="module", params=[True, False], ids=["true", "200"])
def front(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Front, bool]]:
    world = make_world(tmp_path_factory.mktemp("world"))
    data: Path = tmp_path_factory.mktemp("front") / "data"
    shutil.copytree(world.data, data)
    settings = replace(world.settings, cgi_status_codes=request.param)
    with open_front(replace(world, data=data, settings=settings)) as opened:
        yield opened, request.param


@pytest.mark.parametrize(("query", "status", "words"), REFUSED)
def test_what_is_refused(front: tuple[Front, bool], query: str, status: int, words: str) -> None:
    opened, is_on = front
    answer = opened.get(CMD + query)
    assert words in answer.body.decode()
    assert answer.status == (status if is_on else 200)


def test_what_another_site_sends(front: tuple[Front, bool]) -> None:
    opened, is_on = front
    answer = opened.get(CMD + "cmd_typ=24&host=web01", origin="http://evil.example")
    assert "CSRF" in answer.body.decode()
    assert answer.status == (403 if is_on else 200)


def test_who_is_nobody_is_always_asked_for_his_name(front: tuple[Front, bool]) -> None:
    opened, _ = front
    assert opened.get(CMD + "cmd_typ=24&host=web01", authorization="").status == 401

"""A commit that another site made a browser send is refused; programs and people are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from api.cgi.csrf import LASTS_S, is_issued, mistake, new_token, read_key

KEY, NOW = b"k" * 32, 1_800_000_000.0


def refused(headers: dict[str, str], *, on_request: bool = True, cookie: str = "", field: str = "") -> bool:
    given = Headers({"Host": "mon.example", **headers})
    return bool(mistake(given, on_request=on_request, cookie=cookie, field=field, key=KEY, user="ann", now=NOW))


def test_programs_that_bring_a_password_need_no_pair() -> None:
    assert not refused({})
    assert not refused({"Origin": "https://mon.example", "Referer": "https://mon.example/x", "Sec-Fetch-Site": "same-origin"})
    assert not refused({}, cookie="left over from a form")


def test_a_browser_that_does_not_say_which_page_made_it_send_needs_one() -> None:
    """It sends its password again by itself: for a link in a mail, or for a page that hides where it stands."""
    token = new_token(KEY, "ann", NOW)
    for headers in ({"Sec-Fetch-Site": "none"}, {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64)"}):
        assert refused(headers)
        assert not refused(headers, cookie=token, field=token)
        assert not refused({**headers, "Referer": "http://mon.example/nagios/cgi-bin/cmd.cgi"})
    assert not refused({"User-Agent": "curl/7.88.1"})


@pytest.mark.parametrize(
    "agent",
    [
        "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.1",
        "Mozilla/5.0 (Linux; Debian GNU/Linux 12) PowerShell/7.4.1",
        "Mozilla/4.0 (compatible; Win32; WinHttp.WinHttpRequest.5)",
        "Mozilla/3.0 (compatible; Indy Library)",
    ],
)
def test_programs_that_call_themselves_mozilla_need_no_pair(agent: str) -> None:
    """PowerShell's Invoke-WebRequest and others: none of a browser's headers comes with them."""
    assert not refused({"User-Agent": agent})
    assert refused({"User-Agent": agent, "Origin": "http://evil.example"})
    assert refused({"User-Agent": agent, "Sec-Fetch-Site": "none"})


def test_who_is_logged_in_by_his_browser_needs_one() -> None:
    token = new_token(KEY, "ann", NOW)
    assert refused({}, on_request=False)
    assert refused({}, on_request=False, field=token)
    assert refused({}, on_request=False, cookie=token)
    assert not refused({}, on_request=False, cookie=token, field=token)
    assert refused({"Sec-Fetch-Site": "cross-site"}, on_request=False, cookie=token, field=token)


def test_an_equal_pair_that_was_not_issued_here_is_none() -> None:
    for pair in (
        "a" * 56,
        "",
        "x",
        new_token(b"other" * 8, "ann", NOW),
        new_token(KEY, "bob", NOW),
        new_token(KEY, "ann", NOW - LASTS_S - 1),
    ):
        assert refused({}, on_request=False, cookie=pair, field=pair)


@given(st.text())
def test_no_other_text_is_a_token(text: str) -> None:
    assert not is_issued(KEY, "ann", text, NOW)


def test_the_key_is_one_for_all_workers(tmp_path: Path) -> None:
    assert read_key(tmp_path) == read_key(tmp_path)
    assert len(read_key(tmp_path)) == 32
    assert (tmp_path / "cgi.key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("left", [b"", b"k" * 31])
def test_half_a_key_is_none(tmp_path: Path, left: bytes) -> None:
    """As a machine that stopped may leave it: with nothing for a key, everybody could sign forms."""
    (tmp_path / "cgi.key").write_bytes(left)
    key = read_key(tmp_path)
    assert len(key) == 32 and key == read_key(tmp_path) and not key.startswith(b"kkkk")
    assert [path.name for path in tmp_path.iterdir()] == ["cgi.key"]

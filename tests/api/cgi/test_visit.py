"""Parameters are read as the originals read them, and a name is believed only from those who may give one."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from api.auth.presented import is_trusted, parse_basic, remote_user
from api.cgi.visit import atoi, parse_parameters
from engine.errors import NotAuthenticated


def test_parameters_are_pairs_in_order() -> None:
    raw = b"host=web+01&sticky_ack&com_data=a%3Bb%26c&host=Gr%C3%B6%C3%9Fe&x=%zz&=&"
    assert parse_parameters(raw) == [
        ("host", "web 01"), ("sticky_ack", ""), ("com_data", "a;b&c"), ("host", "Größe"), ("x", "%zz"), ("", ""),
    ]  # fmt: skip


@given(st.binary())
def test_any_bytes_give_parameters(raw: bytes) -> None:
    assert all(isinstance(name, str) and isinstance(value, str) for name, value in parse_parameters(raw))


@pytest.mark.parametrize(
    ("text", "number"), [("55", 55), (" 55x", 55), ("-1", -1), ("+7", 7), ("", 0), ("x", 0), ("-", 0), ("٣", 0)]
)
def test_numbers_are_read_as_c_reads_them(text: str, number: int) -> None:
    assert atoi(text) == number


def test_a_name_is_believed_only_from_a_trusted_server() -> None:
    named = Headers({"X-Remote-User": "ann"})
    assert remote_user(named, "127.0.0.1", ["127.0.0.1"]) == "ann"
    assert remote_user(named, "10.1.2.3", ["10.0.0.0/8"]) == "ann"
    assert remote_user(named, "127.0.0.1", []) == ""
    assert remote_user(named, "127.0.0.2", ["127.0.0.1"]) == ""
    assert remote_user(named, "", ["127.0.0.1"]) == ""
    twice = Headers(raw=[(b"x-remote-user", b"ann"), (b"x-remote-user", b"bob")])
    assert remote_user(twice, "127.0.0.1", ["127.0.0.1"]) == ""


def test_who_logs_users_in_is_known_by_address() -> None:
    assert is_trusted("10.1.2.3", ["127.0.0.1", "10.0.0.0/8"])
    assert not any((is_trusted("10.1.2.3", []), is_trusted("10.1.2.3", ["127.0.0.1"]), is_trusted("", ["127.0.0.1"])))


def test_basic_credentials() -> None:
    assert parse_basic(base64.b64encode("ann:a:ü".encode()).decode()) == ("ann", "a:ü")
    assert parse_basic(base64.b64encode("ann:ü".encode("latin-1")).decode()) == ("ann", "ü")
    with pytest.raises(NotAuthenticated):
        parse_basic("no base64!")

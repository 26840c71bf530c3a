"""Users, tokens and failures as rows: what is stored, what is never stored, and when a token ends."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidField, NotPossible, UnknownObject
from engine.journal import accounts
from engine.journal.accounts import Role
from engine.journal.schema import upgrade
from engine.journal.store import Journal
from engine.state.scope import EVERYTHING, Scope


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        upgrade(opened, Path("unused"))
        yield opened


def add(connection: sqlite3.Connection, name: str = "ann", role: Role = Role.OPERATOR) -> int:
    return accounts.add_user(connection, name, role, "hash", 100.0)


def test_a_user_comes_back_as_stored(connection: sqlite3.Connection) -> None:
    scope = Scope(pollers=frozenset({2, 1}), hostgroups=frozenset({"linux", "Größe"}))
    number = accounts.add_user(connection, "ann", Role.READER, "hash", 5.0, author="Ann A.", scope=scope)
    found = accounts.user_by_name(connection, "ann")
    assert found == accounts.User(number, "ann", Role.READER, "hash", "Ann A.", scope, 5.0)
    assert accounts.user_by_id(connection, number) == found
    assert accounts.user_by_name(connection, "Ann") is None


def test_without_author_the_core_is_told_the_name_and_without_limits_all_is_seen(connection: sqlite3.Connection) -> None:
    add(connection)
    (found,) = accounts.users(connection)
    assert (found.author, found.scope) == ("ann", EVERYTHING)


def test_an_empty_limit_is_not_no_limit(connection: sqlite3.Connection) -> None:
    accounts.add_user(connection, "ann", Role.READER, "hash", 5.0, scope=Scope(hostgroups=frozenset()))
    assert accounts.users(connection)[0].scope == Scope(hostgroups=frozenset())


def test_names_are_given_once(connection: sqlite3.Connection) -> None:
    number = add(connection)
    with pytest.raises(NotPossible):
        add(connection)
    accounts.add_token(connection, "t", number, "secret", 1.0)
    with pytest.raises(NotPossible):
        accounts.add_token(connection, "t", number, "other", 1.0)


def test_ids_are_never_given_out_twice(connection: sqlite3.Connection) -> None:
    first = add(connection)
    accounts.remove_user(connection, "ann")
    assert add(connection) > first


@pytest.mark.parametrize("name", ["", "a b", "a;b", "a:b", "a/b", "a\nb", "a\x00", "a\udc80", "x" * 65])
def test_names_that_could_mislead_are_refused(connection: sqlite3.Connection, name: str) -> None:
    with pytest.raises(InvalidField):
        add(connection, name)


def test_what_is_not_there_cannot_be_changed(connection: sqlite3.Connection) -> None:
    for change in (
        lambda: accounts.remove_user(connection, "bob"),
        lambda: accounts.set_password(connection, "bob", "hash"),
        lambda: accounts.revoke_token(connection, "t"),
    ):
        with pytest.raises(UnknownObject):
            change()


def test_secrets_are_long_random_and_not_stored(tmp_path: Path) -> None:
    secret = accounts.new_secret()
    assert secret.startswith("sbx_")
    assert len(secret) == len("sbx_") + 43  # 256 bits, base64 without padding
    assert len({accounts.new_secret() for _ in range(100)}) == 100
    with closing(Journal.open(tmp_path)) as journal, journal.transaction() as opened:
        number = add(opened)
        accounts.add_token(opened, "t", number, secret, 1.0)
        accounts.add_login(opened, number, secret + "x", 1.0, 60.0)
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert accounts.fingerprint(secret) in stored
    assert secret.encode()[4:] not in stored


def test_a_token_is_found_by_its_whole_secret_only(connection: sqlite3.Connection) -> None:
    number = add(connection)
    accounts.add_token(connection, "t", number, "sbx_secret", 1.0, expires_at=50.0)
    found = accounts.token_by_secret(connection, "sbx_secret")
    assert found is not None
    assert (found[0].name, found[0].kind, found[1].name) == ("t", "bearer", "ann")
    for wrong in ("", "sbx_secre", "sbx_secret ", "SBX_SECRET", "sbx_\ud800"):
        assert accounts.token_by_secret(connection, wrong) is None


def test_a_bearer_token_ends_by_its_date_a_login_by_idling(connection: sqlite3.Connection) -> None:
    number = add(connection)
    accounts.add_token(connection, "dated", number, "a", 0.0, expires_at=50.0)
    accounts.add_token(connection, "endless", number, "b", 0.0)
    accounts.add_login(connection, number, "c", 0.0, 60.0)
    dated, endless, login = (accounts.token_by_secret(connection, secret) for secret in "abc")
    assert dated and endless and login
    assert [dated[0].is_valid(at) for at in (0.0, 49.9, 50.0)] == [True, True, False]
    assert endless[0].is_valid(1e12)
    assert [login[0].is_valid(at) for at in (59.9, 60.0)] == [True, False]
    accounts.touch_token(connection, login[0], 59.0)
    accounts.touch_token(connection, login[0], 10.0)  # a clock set back, or another worker that was slower
    again = accounts.token_by_secret(connection, "c")
    assert again
    assert [again[0].is_valid(at) for at in (118.9, 119.0)] == [True, False]


@given(idle_s=st.floats(1, 1e6), used=st.floats(0, 1e6), ago=st.floats(0, 1e6))
def test_a_use_is_written_down_at_most_each_minute_and_always_before_the_login_could_end(
    idle_s: float, used: float, ago: float
) -> None:
    token = accounts.Token(1, "t", "login", 1, 0.0, None, idle_s, used)
    if token.is_valid(used + ago) and not token.is_touch_due(used + ago):
        assert ago <= max(60.0, idle_s)
        # Unwritten use costs at most a quarter of the idle time.
        assert ago <= idle_s / 4 + 1e-6 * max(1.0, used)
    long = accounts.Token(1, "t", "bearer", 1, 0.0, None, None, 0.0)
    assert [long.is_touch_due(at) for at in (59.9, 60.0)] == [False, True]


def test_removing_a_user_ends_all_their_tokens_a_new_password_only_logins(connection: sqlite3.Connection) -> None:
    number, other = add(connection), add(connection, "bob")
    accounts.add_token(connection, "t", number, "bearer", 0.0)
    accounts.add_login(connection, number, "login", 0.0, 60.0)
    accounts.add_login(connection, other, "other", 0.0, 60.0)
    accounts.set_password(connection, "ann", "new")
    assert accounts.token_by_secret(connection, "login") is None
    assert accounts.token_by_secret(connection, "bearer") is not None
    accounts.remove_user(connection, "ann")
    assert accounts.token_by_secret(connection, "bearer") is None
    assert accounts.token_by_secret(connection, "other") is not None
    assert connection.execute("SELECT count(*) FROM token").fetchone() == (1,)


def test_logging_out_ends_a_login_and_no_bearer_token(connection: sqlite3.Connection) -> None:
    number = add(connection)
    accounts.add_token(connection, "t", number, "bearer", 0.0)
    accounts.add_login(connection, number, "login", 0.0, 60.0)
    accounts.end_login(connection, "bearer")
    accounts.end_login(connection, "login")
    assert [token.name for token, _ in accounts.tokens(connection)] == ["t"]


def test_sweeping_forgets_only_logins_that_ended(connection: sqlite3.Connection) -> None:
    number = add(connection)
    accounts.add_token(connection, "t", number, "bearer", 0.0, expires_at=1.0)
    accounts.add_login(connection, number, "old", 0.0, 60.0)
    accounts.add_login(connection, number, "new", 30.0, 60.0)
    accounts.sweep_logins(connection, 60.0)
    assert [accounts.token_by_secret(connection, secret) is not None for secret in ("bearer", "old", "new")] == [True, False, True]


def test_failures_count_per_subject_and_are_forgotten_in_time(connection: sqlite3.Connection) -> None:
    accounts.add_failure(connection, ["address a", "user u"], 10.0, 100.0)
    accounts.add_failure(connection, ["address a"], 20.0, 100.0)
    assert accounts.failures(connection, ["address a", "user u", "user v"]) == {"address a": (2, 20.0), "user u": (1, 10.0)}
    accounts.add_failure(connection, ["address b"], 110.0, 100.0)
    assert accounts.failures(connection, ["address a", "user u"]) == {"address a": (2, 20.0)}
    accounts.clear_failures(connection, "address a")
    assert accounts.failures(connection, ["address a"]) == {}

"""Who is let in, for how long, and how guessing is slowed down: on a real journal, with a clock the test owns."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Coroutine, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from api.auth import doorkeeper as door
from api.auth.doorkeeper import Doorkeeper, check_may
from api.auth.passwords import hash_password, is_password
from engine.config import Settings
from engine.errors import Forbidden, InvalidField, NotAuthenticated, TooManyLogins
from engine.journal import accounts
from engine.journal.accounts import Role, Verb
from engine.journal.store import Journal
from engine.state.scope import Scope

PASSWORD = "a long enough one"
HERE, THERE = "192.0.2.1", "192.0.2.2"


@dataclass
class Clock:
    at: float = 1_000_000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


@dataclass
class House:
    journal: Journal
    clock: Clock
    keeper: Doorkeeper

    def login(self, user: str = "ann", password: str = PASSWORD, address: str = HERE) -> door.Login:
        return run(self.keeper.login(user, password, address))

    def fails(self, user: str = "ann", address: str = HERE, times: int = 1) -> None:
        for _ in range(times):
            with pytest.raises(NotAuthenticated):
                self.login(user, "wrong", address)

    def failure_rows(self) -> dict[str, int]:
        return dict(self.journal.connection.execute("SELECT subject, count FROM login_failure").fetchall())


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with closing(Journal.open(tmp_path)) as journal:
        with journal.transaction() as connection:
            scope = Scope(hostgroups=frozenset({"linux"}))
            accounts.add_user(connection, "ann", Role.OPERATOR, hash_password(PASSWORD), 1.0, author="Ann A.", scope=scope)
            accounts.add_user(connection, "bob", Role.READER, hash_password(PASSWORD), 1.0)
        clock = Clock()
        with closing(Doorkeeper(journal, Settings(token_idle_s=3600), clock)) as keeper:
            yield House(journal, clock, keeper)


def test_a_login_gives_a_secret_by_which_the_caller_is_known(house: House) -> None:
    login = house.login()
    caller = run(house.keeper.caller_of(login.secret, THERE))
    assert (caller.user, caller.author, caller.role, caller.scope) == (
        "ann",
        "Ann A.",
        "operator",
        Scope(hostgroups=frozenset({"linux"})),
    )
    assert (caller.address, login.caller.address) == (THERE, HERE)
    assert caller.token == login.caller.token
    assert login.secret not in repr(caller)
    assert run(house.keeper.user_id("ann")) == login.user_id
    assert run(house.keeper.user_named("ann")) == run(house.keeper.user(login.user_id))
    assert run(house.keeper.user_id("nobody")) is None
    assert run(house.keeper.user_id("bad;name")) is None
    assert run(house.keeper.user(99)) is None


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("ann", ""),
        ("ann", PASSWORD + " "),
        ("Ann", PASSWORD),
        ("nobody", PASSWORD),
        ("", ""),
        ("a\x00\ud800", PASSWORD),
        ("ann", "\ud800"),
        ("ann", "x" * 5000),
    ],
)
def test_anything_else_is_not_let_in_and_all_answers_are_alike(house: House, user: str, password: str) -> None:
    with pytest.raises(NotAuthenticated) as refused:
        house.login(user, password)
    assert str(refused.value) == "User name or password is wrong."
    assert refused.value.facts == {}


@pytest.mark.parametrize("secret", ["", "sbx_", "x" * 10000, "\ud800"])
def test_unknown_secrets_open_nothing(house: House, secret: str) -> None:
    with pytest.raises(NotAuthenticated):
        run(house.keeper.caller_of(secret, HERE))
    run(house.keeper.logout(secret))


def test_use_keeps_a_login_alive_and_idling_ends_it(house: House) -> None:
    secret = house.login().secret
    for _ in range(5):
        house.clock.at += 3599
        run(house.keeper.caller_of(secret, HERE))
    house.clock.at += 3600
    with pytest.raises(NotAuthenticated):
        run(house.keeper.caller_of(secret, HERE))


def test_requests_do_not_write_more_often_than_each_minute(house: House) -> None:
    secret = house.login().secret
    writes = []
    for _ in range(120):
        house.clock.at += 1
        last = house.journal.connection.total_changes
        run(house.keeper.caller_of(secret, HERE))
        writes.append(house.journal.connection.total_changes - last)
    assert sum(writes) == 2


def test_a_token_is_looked_up_once_a_second_while_nothing_changes(house: House) -> None:
    secret = house.login().secret
    run(house.keeper.caller_of(secret, HERE))
    house.journal.connection.execute("UPDATE user SET author = 'behind our back'")
    seen = run(house.keeper.caller_of(secret, THERE))
    assert (seen.address, seen.author) == (THERE, "Ann A."), "as if a process had died between its commit and saying so"
    house.clock.at += 1
    assert run(house.keeper.caller_of(secret, HERE)).author == "behind our back"


@pytest.mark.parametrize("change", ["role = 'reader'", "author = 'x'", 'scope = \'{"pollers": [], "hostgroups": null}\''])
def test_another_process_changing_a_user_is_seen_at_once(house: House, tmp_path: Path, change: str) -> None:
    secret = house.login().secret
    before = run(house.keeper.caller_of(secret, HERE))
    with closing(Journal.open(tmp_path)) as other, other.transaction() as connection:
        connection.execute(f"UPDATE user SET {change} WHERE name = 'ann'")
    assert run(house.keeper.caller_of(secret, HERE)) != before


@pytest.mark.parametrize("change", ["password_hash = 'another'", "role = 'reader'", "name = 'gone'"])
def test_a_remembered_password_counts_only_for_the_account_as_it_is(house: House, change: str) -> None:
    """Changed as if a process had died before it said so: an old password, or rights taken away, would live for minutes."""
    before = run(house.keeper.basic("ann", PASSWORD, HERE))
    assert run(house.keeper.basic("ann", PASSWORD, HERE)) == before
    house.journal.connection.execute(f"UPDATE user SET {change} WHERE name = 'ann'")
    try:
        assert run(house.keeper.basic("ann", PASSWORD, HERE)).role == Role.READER != before.role
    except NotAuthenticated:
        assert "role" not in change


def test_logout_ends_it_at_once(house: House) -> None:
    secret = house.login().secret
    run(house.keeper.logout(secret))
    with pytest.raises(NotAuthenticated):
        run(house.keeper.caller_of(secret, HERE))


def test_another_process_revoking_or_removing_is_seen_at_once(house: House, tmp_path: Path) -> None:
    first, second = house.login(), house.login("bob")
    with closing(Journal.open(tmp_path)) as other, other.transaction() as connection:
        accounts.revoke_token(connection, first.caller.token)
        accounts.remove_user(connection, "bob")
    for login in (first, second):
        with pytest.raises(NotAuthenticated):
            run(house.keeper.caller_of(login.secret, HERE))


def test_a_revoked_token_opens_nothing_for_any_of_many_at_once(house: House, tmp_path: Path) -> None:
    """What comes together is looked up once: never what was looked up for those before."""
    login = house.login()

    async def many() -> list[object]:
        calls = [house.keeper.caller_of(login.secret, HERE) for _ in range(50)]
        return list(await asyncio.gather(*calls, return_exceptions=True))

    assert {type(one).__name__ for one in run(many())} == {"Caller"}
    with closing(Journal.open(tmp_path)) as other, other.transaction() as connection:
        accounts.revoke_token(connection, login.caller.token)
    assert {type(one) for one in run(many())} == {NotAuthenticated}


def test_guessing_is_slowed_down_more_and_more(house: House) -> None:
    house.fails(times=door.FREE)
    waits = []
    for _ in range(12):
        with pytest.raises(TooManyLogins) as refused:
            house.login()  # even the right one
        waits.append(refused.value.facts["retry_after_s"])
        house.clock.at += float(str(waits[-1]))
        house.fails()
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


def test_while_it_waits_nothing_is_verified_or_counted(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.fails(times=door.FREE)
    counted = house.failure_rows()
    monkeypatch.setattr(door, "is_password", lambda *_: pytest.fail("a throttled login was verified"))
    for _ in range(3):
        with pytest.raises(TooManyLogins):
            house.login()
    assert house.failure_rows() == counted


def test_addresses_are_throttled_whatever_user_they_try(house: House) -> None:
    for number in range(door.FREE):
        house.fails(f"user{number}")
    with pytest.raises(TooManyLogins):
        house.login("bob")
    assert house.login("bob", address=THERE).caller.user == "bob"


def test_users_are_throttled_whatever_address_tries_and_not_for_long(house: House) -> None:
    for number in range(20):
        house.clock.at += door.USER_CAP_S
        house.fails(address=f"192.0.2.{100 + number}")
    with pytest.raises(TooManyLogins) as refused:
        house.login(address=THERE)
    assert refused.value.facts["retry_after_s"] == door.USER_CAP_S
    house.clock.at += door.USER_CAP_S
    assert house.login(address=THERE).caller.user == "ann"


def test_ipv6_neighbours_count_as_one_and_mapped_addresses_as_ipv4(house: House) -> None:
    for number in range(door.FREE):
        house.fails(f"user{number}", address=f"2001:db8::{number}")
    with pytest.raises(TooManyLogins):
        house.login("bob", address="2001:db8::ffff")
    house.login("bob", address="2001:db8:0:1::1")
    for number in range(door.FREE):
        house.fails(f"other{number}", address=f"::ffff:{HERE}")
    with pytest.raises(TooManyLogins):
        house.login("bob", address=HERE)


def test_success_forgives_the_user_but_not_the_address(house: House) -> None:
    house.fails(times=door.FREE - 1)
    house.login()
    assert house.failure_rows() == {f"address {HERE}": door.FREE - 1}


def test_failures_survive_a_restart_and_are_forgotten_in_time(house: House) -> None:
    house.fails(times=door.FREE)
    with closing(Doorkeeper(house.journal, Settings(), house.clock)) as other:
        with pytest.raises(TooManyLogins):
            run(other.login("ann", PASSWORD, HERE))
        house.clock.at += door.FORGET_S
        assert run(other.login("ann", PASSWORD, HERE)).caller.user == "ann"


def test_a_clock_set_back_locks_nobody_out_for_longer_than_one_pause(house: House) -> None:
    house.fails(times=door.FREE)
    house.clock.at -= 86400
    with pytest.raises(TooManyLogins) as refused:
        house.login()
    assert refused.value.facts["retry_after_s"] == 1


def test_the_loop_is_not_blocked_by_a_verification(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    loop_thread = threading.get_ident()
    where = []

    def seen(password: str, password_hash: str | None) -> bool:
        where.append(threading.get_ident())
        return is_password(password, password_hash)

    monkeypatch.setattr(door, "is_password", seen)
    house.login()
    assert where
    assert loop_thread not in where


def test_many_logins_at_once_all_get_in(house: House) -> None:
    async def crowd() -> list[door.Login]:
        return await asyncio.gather(*(house.keeper.login("ann", PASSWORD, HERE) for _ in range(20)))

    logins = run(crowd())
    assert len({login.secret for login in logins}) == 20


def test_a_password_changed_while_the_old_one_is_verified_does_not_let_in(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed_meanwhile(password: str, password_hash: str | None) -> bool:
        with house.journal.transaction() as connection:
            accounts.set_password(connection, "ann", "another")
        return is_password(password, password_hash)

    monkeypatch.setattr(door, "is_password", changed_meanwhile)
    with pytest.raises(NotAuthenticated):
        house.login()


def test_unknown_users_cost_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """One argon2id run over a hash of the same parameters for both: whoever measures times learns no names."""
    stored = hash_password(PASSWORD)
    worked: list[str] = []
    verify = PasswordHasher.verify

    def counted(self: PasswordHasher, password_hash: str, password: bytes) -> bool:
        worked.append(password_hash)
        return verify(self, password_hash, password)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    for password_hash in (stored, None):
        assert not is_password("wrong password", password_hash)
    assert len(worked) == 2
    known, unknown = (one.split("$")[1:4] for one in worked)
    assert known == unknown == ["argon2id", "v=19", "m=19456,t=2,p=1"]


@pytest.mark.parametrize("password", ["", "1234567", "x" * 1025])
def test_bad_passwords_are_refused_when_set(password: str) -> None:
    with pytest.raises(InvalidField):
        hash_password(password)


def test_a_stored_hash_that_is_none_lets_nobody_in() -> None:
    assert not is_password("", "")
    assert not is_password(PASSWORD, "no hash")


def test_a_journal_that_cannot_be_written_still_lets_tokens_read(house: House) -> None:
    secret = house.login().secret
    house.clock.at += 61
    house.journal.connection.execute("PRAGMA query_only=ON")
    try:
        assert run(house.keeper.caller_of(secret, HERE)).user == "ann"
    finally:
        house.journal.connection.execute("PRAGMA query_only=OFF")


@pytest.mark.parametrize(("user", "allowed"), [("ann", True), ("bob", False)])
def test_readers_may_not_command(house: House, user: str, allowed: bool) -> None:
    caller = house.login(user).caller
    if allowed:
        check_may(caller, Verb.DOWNTIME)
    else:
        with pytest.raises(Forbidden) as refused:
            check_may(caller, Verb.DOWNTIME)
        assert refused.value.facts["right"] == "operator"


def test_logins_are_in_the_audit_those_that_failed_too(house: House) -> None:
    secret = house.login().secret
    house.fails("ann", THERE)
    house.fails("ann\ud800; DROP", HERE)
    run(house.keeper.logout(secret))
    query = "SELECT kind, user, address, status FROM audit ORDER BY seq"
    found = house.journal.connection.execute(query).fetchall()
    assert found == [
        ("login", "ann", HERE, 0), ("login", "ann", THERE, 401), ("login", "ann\\ud800; DROP", HERE, 401), ("logout", "ann", "", 0),
    ]  # fmt: skip


def test_a_password_is_stored_nowhere(house: House) -> None:
    house.login()
    with closing(sqlite3.connect(house.journal.path)) as connection:
        assert PASSWORD not in "\n".join(connection.iterdump())

"""Users of a web server's password file log in as any other, and never for longer, nor for more, than the files say."""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64encode
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from api.auth.contacts import ContactPolicy
from api.auth.doorkeeper import Doorkeeper
from api.auth.files import PasswordFile
from api.auth.passwords import hash_password
from api.cli import main
from engine.config import Settings
from engine.desk import Caller
from engine.errors import NotAuthenticated
from engine.journal import accounts
from engine.journal.accounts import Role
from engine.journal.store import Journal
from tests.api.auth.test_doorkeeper import HERE, Clock

SECRET = "short"


@dataclass
class House:
    folder: Path
    journal: Journal
    clock: Clock
    keeper: Doorkeeper

    def users(self, **passwords: str) -> None:
        """Write the password file anew."""
        hashed = {name: b64encode(hashlib.sha1(word.encode()).digest()).decode() for name, word in passwords.items()}
        (self.folder / "htpasswd").write_text("".join(f"{name}:{{SHA}}{word}\n" for name, word in hashed.items()))

    def cgi(self, **lists: str) -> None:
        """Write the CGI configuration anew."""
        (self.folder / "cgi.cfg").write_text("".join(f"authorized_for_{right}={names}\n" for right, names in lists.items()))

    def login(self, user: str = "ann", password: str = SECRET) -> str:
        return str(run(self.keeper.login(user, password, HERE)).secret)

    def caller(self, secret: str) -> Caller:
        self.clock.at += 2  # what was just seen is remembered for a moment
        caller = run(self.keeper.caller_of(secret, HERE))
        assert isinstance(caller, Caller)
        return caller

    def is_out(self, secret: str) -> bool:
        try:
            self.caller(secret)
        except NotAuthenticated:
            return True
        return False


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    clock, settings = Clock(), Settings(cgi_cfg=tmp_path / "cgi.cfg", htpasswd=tmp_path / "htpasswd")
    policy = ContactPolicy(tmp_path / "cgi.cfg")
    with closing(Journal.open(tmp_path)) as journal, closing(Doorkeeper(journal, settings, clock, policy)) as keeper:
        made = House(tmp_path, journal, clock, keeper)
        made.users(ann=SECRET, bob=SECRET)
        made.cgi(system_commands="bob", all_hosts="bob", all_services="bob")
        yield made


def test_a_login_has_the_rights_of_the_contact(house: House) -> None:
    ann, bob = house.caller(house.login()), house.caller(house.login("bob"))
    assert (ann.user, ann.role, bob.role) == ("ann", "operator", "admin")
    assert ann.rights is not None and ann.scope.rights is not None
    assert bob.scope.rights is None, "he sees everything"


def test_what_the_configuration_says_now_counts(house: House) -> None:
    secret = house.login("bob")
    house.cgi(system_commands="ann")
    assert (house.caller(secret).role, house.caller(secret).scope.rights is None) == ("operator", False)


@pytest.mark.parametrize("change", ["gone", "another"])
def test_a_login_ends_with_its_line(house: House, change: str) -> None:
    secret = house.login()
    assert house.caller(secret).user == "ann"
    house.users(**({"ann": "another"} if change == "another" else {}), bob=SECRET)
    assert house.is_out(secret)
    for password in (SECRET, "", accounts.existing_user(house.journal.connection, "ann").password_hash):
        with pytest.raises(NotAuthenticated):
            house.login("ann", password)
    if change == "another":
        house.caller(house.login("ann", "another"))
        house.users(ann=SECRET, bob=SECRET)
        assert house.is_out(secret), "it had ended"


def test_a_login_needs_the_configuration_that_says_what_it_may_do(house: House) -> None:
    secret = house.login()
    with closing(Doorkeeper(house.journal, Settings(htpasswd=house.folder / "htpasswd"), house.clock)) as keeper:
        calls: list[tuple[Callable[..., Coroutine[Any, Any, object]], tuple[str, ...]]] = [
            (keeper.caller_of, (secret,)),
            (keeper.login, ("ann", SECRET)),
            (keeper.basic, ("ann", SECRET)),
        ]
        for call, given in calls:
            with pytest.raises(NotAuthenticated):
                run(call(*given, HERE))


def test_an_account_of_ours_stays_what_it_is(house: House) -> None:
    with house.journal.transaction() as connection:
        accounts.add_user(connection, "ann", Role.READER, hash_password("a long enough one"), 1.0)
    secret = house.login()
    assert house.caller(secret).role == "reader", "both must allow"
    house.users(bob=SECRET)
    assert house.caller(house.login("ann", "a long enough one")).role == "reader"


def test_who_logged_in_by_a_file_can_be_given_an_account(house: House) -> None:
    """What his login left behind is no account anybody made: it must not be in the way, and no more counts once there is one."""
    secret = house.login()
    token = accounts.new_secret()
    with house.journal.transaction() as connection:
        accounts.add_token(connection, "script", accounts.existing_user(connection, "ann").id, token, house.clock.now())
    words = ["user", "add", "ann", "--role", "reader", "--author", "Ann A.", "--password-stdin", "--data", str(house.folder)]
    made = CliRunner().invoke(main, words, input="a long enough one\n")
    assert made.exit_code == 0 and made.output.endswith("user ann (reader) added\n"), made.output
    assert house.is_out(secret), "it was another account's"
    assert house.caller(token).author == "Ann A."
    assert house.caller(house.login()).role == "reader", "both must allow"
    again = CliRunner().invoke(main, words, input="a long enough one\n")
    assert again.exit_code != 0, "now the name is taken"


def test_who_stands_in_a_file_is_to_be_verified_anew(house: House) -> None:
    caller = run(house.keeper.basic("ann", SECRET, HERE))
    assert caller.until is not None and house.clock.now() < caller.until <= house.clock.now() + 300
    until = house.caller(house.login()).until
    assert until is not None and until <= house.clock.now() + 300, "his line may go while he listens"


def test_a_password_that_was_right_is_remembered_for_five_minutes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless its line goes, or becomes another: that counts at once."""
    verified: list[str] = []
    is_password = PasswordFile.is_password

    def counted(file: PasswordFile, user: str, password: str, line: str) -> bool:
        verified.append(user)
        return is_password(file, user, password, line)

    monkeypatch.setattr(PasswordFile, "is_password", counted)
    for later, count in ((0, 1), (1, 1), (298, 1), (2, 2), (0, 2)):
        house.clock.at += later
        assert run(house.keeper.basic("ann", SECRET, HERE)).user == "ann"
        assert len(verified) == count, later
    with pytest.raises(NotAuthenticated):
        run(house.keeper.basic("ann", SECRET + "x", HERE))
    house.users(bob=SECRET)
    with pytest.raises(NotAuthenticated):
        run(house.keeper.basic("ann", SECRET, HERE))
    house.users(ann="another", bob=SECRET)
    with pytest.raises(NotAuthenticated):
        run(house.keeper.basic("ann", SECRET, HERE))

"""A cgi.cfg is read as the original CGIs read it: who gets a right here that the original refuses could do harm."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from engine.formats.cgicfg import CgiConfig, parse_cgi_config
from engine.state.rights import Right, rights_of

WHERE = Path("/etc/nagios4/cgi.cfg")


def parsed(text: str) -> CgiConfig:
    return parse_cgi_config(text, WHERE)


def named(text: str, user: str, *, is_default: bool = False) -> set[Right]:
    return set(rights_of(parsed(text), user, is_default=is_default).named)


def test_lists_name_users_and_everybody() -> None:
    text = "authorized_for_all_hosts=ann,bob\nauthorized_for_system_information=*\nauthorized_for_all_hosts=carl\n"
    assert named(text, "bob") == {Right.ALL_HOSTS, Right.SYSTEM_INFORMATION}
    assert named(text, "carl") == {Right.ALL_HOSTS, Right.SYSTEM_INFORMATION}
    assert named(text, "dora") == {Right.SYSTEM_INFORMATION}


def test_items_of_a_list_are_taken_as_they_stand() -> None:
    text = "authorized_for_all_hosts=ann, bob\n# authorized_for_all_services=ann\n authorized_for_read_only=ann\n"
    assert named(text, "ann") == {Right.ALL_HOSTS, Right.READ_ONLY}
    assert named(text, "bob") == set()


def test_contact_groups_are_no_users() -> None:
    rights = rights_of(parsed("authorized_contactgroup_for_all_hosts=ops,*\n"), "ops")
    assert not rights.named
    assert dict(rights.groups) == {Right.ALL_HOSTS: frozenset({"ops", "*"})}


def test_the_default_user_is_not_in_lists_that_stand_before_him() -> None:
    text = "authorized_for_all_hosts=guest\ndefault_user_name=guest\nauthorized_for_all_services=guest\n"
    assert parsed(text).default_user_name == "guest"
    assert named(text, "guest", is_default=True) == {Right.ALL_SERVICES}
    assert named(text, "guest") == {Right.ALL_HOSTS, Right.ALL_SERVICES}


def test_defaults_are_the_originals() -> None:
    nothing = parsed("")
    assert (nothing.use_authentication, nothing.lock_author_names, nothing.grants) == (True, True, ())
    said = parsed("use_authentication=0\nlock_author_names=0\nmain_config_file=/etc/nagios4/nagios.cfg\n")
    assert (said.use_authentication, said.lock_author_names) == (False, False)
    assert said.main_config_file == Path("/etc/nagios4/nagios.cfg")
    assert rights_of(said, "ann").is_open


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert isinstance(parsed(text), CgiConfig)

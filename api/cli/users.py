"""`signalbox user …`: who may log in."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from api.auth.files import is_of_file
from api.auth.passwords import hash_password
from api.cli.shared import data_option, enter, limits, note, open_journal, poller_number, print_table
from engine.commands.wire import check_author
from engine.journal import accounts
from engine.state.scope import Scope


@click.group()
def user() -> None:
    """Who may log in."""


_ZONE = "Times in the Centreon dialect are told in this time zone, such as Europe/Paris; default: UTC."
_EMAIL = "A mail address, for programs that show it."
_password_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from the first line of standard input.")


@user.command("add")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice([str(role) for role in accounts.Role]),
    required=True,
    help="reader sees, operator commands, admin also names authors.",
)
@click.option("--author", help="What cores are told; default: the name.")
@click.option("--hostgroup", "hostgroups", multiple=True, metavar="G", help="See and command this hostgroup only; repeatable.")
@click.option(
    "--poller", "pollers", multiple=True, metavar="P", help="See and command this poller (number or name) only; repeatable."
)
@click.option("--zone", default="", metavar="ZONE", help=_ZONE)
@click.option("--email", default="", help=_EMAIL)
@_password_stdin
@data_option
def add_user(
    name: str,
    role: str,
    author: str | None,
    hostgroups: tuple[str, ...],
    pollers: tuple[str, ...],
    zone: str,
    email: str,
    password_stdin: bool,
    data: Path | None,
) -> None:
    """Make a user."""
    accounts.check_account_name(name)
    accounts.check_zone(zone)
    accounts.check_email(email)
    check_author(author or name)
    password_hash = hash_password(_password(password_stdin))
    found = enter(data, create=True)
    numbers = frozenset(poller_number(found, word) for word in pollers)
    scope = Scope(pollers=numbers or None, hostgroups=frozenset(hostgroups) or None)
    with open_journal(found) as journal, journal.transaction() as connection:
        role_of = accounts.Role(role)
        known = accounts.user_by_name(connection, name)
        of_file = known if known is not None and is_of_file(known) else None  # only there to keep his logins
        accounts.add_user(
            connection, name, role_of, password_hash, time.time(), author=author, scope=scope, zone=zone, email=email,
            instead_of=of_file,
        )  # fmt: skip
        narrowed = f"hostgroups {limits(scope.hostgroups)}, pollers {limits(scope.pollers)}, author {author or name}"
        note(connection, f"user add {name} --role {role}", narrowed)
    click.echo(f"user {name} ({role}) added")


@user.command("set")
@click.argument("name")
@click.option("--zone", metavar="ZONE", help=_ZONE)
@click.option("--email", help=_EMAIL)
@data_option
def set_user(name: str, zone: str | None, email: str | None, data: Path | None) -> None:
    """Change where a user reads times, or the address; "" for none."""
    with open_journal(enter(data)) as journal, journal.transaction() as connection:
        accounts.set_person(connection, name, zone=zone, email=email)
        note(connection, f"user set {name}", f"zone {zone}, email {email}")
    click.echo(f"user {name} changed")


@user.command("list")
@data_option
def list_users(data: Path | None) -> None:
    """List users with role, author and limits."""
    with open_journal(enter(data)) as journal:
        found = accounts.users(journal.connection)
    rows: list[tuple[str, ...]] = []
    for one in found:
        role = "cgi.cfg" if is_of_file(one) else str(one.role)
        rows.append((one.name, role, one.author, limits(one.scope.hostgroups), limits(one.scope.pollers)))
    print_table(("NAME", "ROLE", "AUTHOR", "HOSTGROUPS", "POLLERS"), rows)


@user.command("remove")
@click.argument("name")
@data_option
def remove_user(name: str, data: Path | None) -> None:
    """Remove a user with all of its tokens."""
    with open_journal(enter(data)) as journal, journal.transaction() as connection:
        accounts.remove_user(connection, name)
        note(connection, f"user remove {name}")
    click.echo(f"user {name} removed")


@user.command("passwd")
@click.argument("name")
@_password_stdin
@data_option
def change_password(name: str, password_stdin: bool, data: Path | None) -> None:
    """Change a password; logins made with the old one end."""
    password_hash = hash_password(_password(password_stdin))
    with open_journal(enter(data)) as journal, journal.transaction() as connection:
        accounts.set_password(connection, name, password_hash)
        note(connection, f"user passwd {name}")
    click.echo(f"password of {name} changed")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask for the password: pipe it in with --password-stdin.")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))

"""`signalbox token …`: tokens for programs."""

from __future__ import annotations

import time
from pathlib import Path

import click

from api.cli.shared import data_option, day, enter, lasting, limits, note, open_journal, poller_number, print_table
from engine.journal import accounts


@click.group()
def token() -> None:
    """Tokens for programs."""


@token.command("create")
@click.argument("name")
@click.option("--user", "user_name", required=True, help="Whose it is: its role and limits hold.")
@click.option("--expires", "lasting_s", default="90d", show_default=True, callback=lasting, help="12h, 90d, 1y or never.")
@click.option(
    "--verb", "verbs", multiple=True, type=click.Choice([str(verb) for verb in accounts.Verb]), help="Only this; repeatable."
)
@click.option("--poller", "pollers", multiple=True, metavar="P", help="Only on this poller (number or name); repeatable.")
@data_option
def create_token(
    name: str, user_name: str, lasting_s: float | None, verbs: tuple[str, ...], pollers: tuple[str, ...], data: Path | None
) -> None:
    """Make a token; its secret is the last word printed, and printed only now.

    Without --verb and --poller it may do whatever its user may; with them it never may more than that.
    """
    secret, now = accounts.new_secret(), time.time()
    expires_at = None if lasting_s is None else now + lasting_s
    found = enter(data)
    numbers = [poller_number(found, word) for word in pollers]
    with open_journal(found) as journal, journal.transaction() as connection:
        owner = accounts.existing_user(connection, user_name)
        accounts.add_token(
            connection,
            name,
            owner.id,
            secret,
            now,
            expires_at=expires_at,
            verbs=[accounts.Verb(verb) for verb in verbs] or None,
            pollers=numbers or None,
        )
        narrowed = f"verbs {limits(frozenset(verbs) or None)}, pollers {limits(frozenset(numbers) or None)}"
        note(connection, f"token create {name} --user {user_name}", f"expires {day(expires_at)}, {narrowed}")
    click.echo(f"token {name} of {user_name}, expires {day(expires_at)}; its secret, shown only now:")
    click.echo(secret)


@token.command("list")
@data_option
def list_tokens(data: Path | None) -> None:
    """List tokens and logins with user, expiry, last use and what they are narrowed to."""
    with open_journal(enter(data)) as journal:
        found = accounts.tokens(journal.connection)
    now = time.time()
    print_table(
        ("NAME", "USER", "KIND", "EXPIRES", "LAST USED", "VERBS", "POLLERS"),
        [
            (
                one.name,
                owner.name,
                one.kind,
                day(one.ends_at) if one.is_valid(now) else "ended",
                day(one.last_used_at),
                limits(one.verbs),
                limits(one.pollers),
            )
            for one, owner in found
        ],
    )


@token.command("revoke")
@click.argument("name")
@data_option
def revoke_token(name: str, data: Path | None) -> None:
    """End a token or login, by its public name, at once."""
    with open_journal(enter(data)) as journal, journal.transaction() as connection:
        accounts.revoke_token(connection, name)
        note(connection, f"token revoke {name}")
    click.echo(f"token {name} revoked")

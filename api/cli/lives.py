"""`signalbox commands …` and `signalbox audit`: what became of what was asked."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.shared import data_option, enter, lasting, print_table
from engine.commands.lifecycle import State

if TYPE_CHECKING:
    from api.cli.places import Command, Commands


@click.group()
def commands() -> None:
    """What became of external commands: over the API (--url, --token), or in the data folder."""


_url = click.option("--url", envvar="SIGNALBOX_URL", help="Ask a running Signalbox there instead of the data folder.")
_token = click.option("--token", "secret", envvar="SIGNALBOX_TOKEN", default="", help="With --url; better set SIGNALBOX_TOKEN.")


@commands.command("list")
@click.option("--state", type=click.Choice([str(state) for state in State]), help="Only those in this state.")
@click.option("--poller", help="Only those of this poller (number or name).")
@click.option("--host", help="Only those on this host and its services.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@_url
@_token
@data_option
def list_commands(
    state: str | None, poller: str | None, host: str | None, limit: int, url: str | None, secret: str, data: Path | None
) -> None:
    """List commands, newest first."""
    found, total = _commands(url, secret, data).list(state, poller, host, limit)
    print_table(
        ("ID", "STATE", "ACCEPTED", "POLLER", "COMMAND", "OBJECT"),
        [(c["id"], c["state"], c["accepted_at"], c["poller"], c["command"], _object(c)) for c in found],
    )
    if total > len(found):
        click.echo(f"{total - len(found)} more; raise --limit")


@commands.command("show")
@click.argument("command_id")
@_url
@_token
@data_option
def show_command(command_id: str, url: str | None, secret: str, data: Path | None) -> None:
    """Show one command's whole life, what proves it, and what to do next."""
    _print_life(_commands(url, secret, data).show(command_id))


@commands.command("cancel")
@click.argument("command_id")
@_url
@_token
@data_option
def cancel_command(command_id: str, url: str | None, secret: str, data: Path | None) -> None:
    """Withdraw a command that was not yet written."""
    _print_life(_commands(url, secret, data).cancel(command_id))


def _commands(url: str | None, secret: str, data: Path | None) -> Commands:
    from api.cli.places import InFolder, OverApi  # half of the time all imports take, and no other command needs them

    return OverApi(url, secret) if url else InFolder(enter(data))


def _object(command: Command) -> str:
    return command["host"] if command["service"] is None else f"{command['host']}/{command['service']}"


def _print_life(command: Command) -> None:
    click.echo(f"{command['id']}  {command['command']} on {_object(command)}, poller {command['poller']}")
    click.echo(f"state: {command['state']}" + (f" ({command['reason']})" if command["reason"] else ""))
    click.echo(f"by: {command['user']}, told the core: {command['author']}")
    if command["line"]:
        click.echo(f"line: {command['line'].rstrip()}")
    for step in command["steps"]:
        late = " (late)" if step["late"] else ""
        click.echo(f"  {step['at']}  {step['state']}{late}  {step['evidence']}".rstrip())
    if command["advice"]:
        click.echo(f"what to do: {command['advice']}")


@click.command()
@click.option("--user", help="Only by this user.")
@click.option("--host", help="Only what touched, or named, this host.")
@click.option("--since", "since_s", callback=lasting, default="never", help="Only the last 2h, 7d …")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@data_option
def audit(user: str | None, host: str | None, since_s: float | None, limit: int, data: Path | None) -> None:
    """Show who asked for what, newest first. GET /v1/audit tells more."""
    from api.cli.places import InFolder

    since = None if since_s is None else time.time() - since_s
    print_table(("ID", "AT", "USER", "FROM", "OUTCOME", "WHAT"), InFolder(enter(data)).audit(user, host, since, limit))

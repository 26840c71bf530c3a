"""The command line: arguments in, sentences out. What it does lives elsewhere; words for people live here.

Rules: the data folder a command uses is always said, on standard error; a secret is the last word on standard output; exit
code 0 = done, 1 = it failed or something is wrong, 2 = it was asked wrongly.
"""

from __future__ import annotations

import logging
import re
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api import folder
from api.auth.contacts import check_users, cores_of
from api.auth.files import is_of_file
from api.auth.passwords import hash_password
from engine.clock import SystemClock
from engine.commands.danger import mistake_in
from engine.commands.lifecycle import State
from engine.commands.wire import check_author
from engine.config import Config, Poller, default_data_folder, load_config
from engine.errors import ConfigError, PollerError, SignalboxError
from engine.journal import accounts
from engine.journal.audit import account_row, add_audit
from engine.journal.retention import size_of
from engine.journal.store import JOURNAL_FILE, Journal
from engine.pollers.inspect import Finding, inspect, probe
from engine.state.scope import EVERYTHING, Scope
from engine.state.views import Reader

if TYPE_CHECKING:
    from api.cli_commands import Command, Commands

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
KEPT = {"commands": "keep_lives_s", "calls of results": "keep_calls_s", "audit": "keep_audit_s", "keys": "keep_keys_s"}
_UNITS_S = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}


class _Group(click.Group):
    """A group whose commands' own errors are sentences, not tracebacks."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            for mistake in error.mistakes:
                click.echo(mistake, err=True)
            ctx.exit(2)
        except SignalboxError as error:
            raise click.ClickException(str(error)) from error


_data = click.option(
    "--data", type=click.Path(path_type=Path), help="Data folder; default: $SIGNALBOX_DATA, /var/lib/signalbox or your own."
)
_config_file = click.option("--config", "config_file", type=click.Path(path_type=Path, dir_okay=False), help="TOML file.")
_cores = click.option("--core", "cores", multiple=True, metavar="[NAME=]MAINCFG", help="A core's main configuration; repeatable.")


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="signalbox")
def main() -> None:
    """REST in front of Nagios-family cores: every command is routed to its poller and proven from the core's own files."""


# --- serve and check --------------------------------------------------------------------------------------------------------------


@main.command()
@_config_file
@_cores
@click.option("--listen", metavar="HOST:PORT", help="Address to listen on; default 127.0.0.1:8080.")
@click.option(
    "--cgi-cfg",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A core's cgi.cfg: its rights hold in every dialect; without --core and --config, it also names the core.",
)
@click.option("--workers", type=int, help="API worker processes; default 1.")
@click.option("--tls-cert", type=click.Path(path_type=Path), help="Certificate chain (PEM).")
@click.option("--tls-key", type=click.Path(path_type=Path), help="Its private key (PEM).")
@_data
def serve(
    config_file: Path | None,
    cores: tuple[str, ...],
    listen: str | None,
    cgi_cfg: Path | None,
    workers: int | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    data: Path | None,
) -> None:
    """Run Signalbox until Ctrl-C or SIGTERM."""
    from api import serve as supervisor

    options = {"listen": listen, "workers": workers, "tls_cert": tls_cert, "tls_key": tls_key, "cgi_cfg": cgi_cfg}
    if cgi_cfg is not None and not cores and config_file is None:
        cores = cores_of(cgi_cfg)
    config = load_config(config_file, cores, data=data, mistake_in_dangerous=mistake_in, **options)
    supervisor.check_tls(config.settings)
    check_users(config.settings)
    _enter(config.data, create=True)
    with _journal(config.data) as journal:
        if not accounts.users(journal.connection):
            click.echo(f"nobody can log in yet; make the first admin: {_first_admin(config)}", err=True)
    for poller in config.pollers:
        click.echo(f"poller {poller.number} {poller.name} ({poller.kind}): {poller.command_file}", err=True)
    listener = supervisor.bind(config.settings)
    click.echo(f"listening on {supervisor.url_of(listener, config.settings)}", err=True)
    logging.basicConfig(format=LOG_FORMAT, level=logging.INFO)
    supervisor.run(config, listener)


def _first_admin(config: Config) -> str:
    elsewhere = "" if config.data == default_data_folder() else f" --data {config.data}"
    return f"signalbox user add admin --role admin{elsewhere}"


@main.command()
@_config_file
@_cores
@click.option("--probe", "probing", is_flag=True, help="Also send one mark that does nothing, and time its echo.")
@_data
def check(config_file: Path | None, cores: tuple[str, ...], probing: bool, data: Path | None) -> None:
    """Say what is wrong with each core's files or weakens proof, and the command that mends it. Changes nothing."""
    config = load_config(config_file, cores, data=data, mistake_in_dangerous=mistake_in)
    is_there = folder.is_there(config.data)
    as_owner = folder.become_owner(config.data) if is_there else ""
    click.echo(f"data folder: {config.data}{as_owner}{'' if is_there else ' (not there yet)'}", err=True)
    if is_there and folder.has_journal(config.data):
        _check_journal(config)
    fine = [_check_poller(poller, probing) for poller in config.pollers]
    sys.exit(0 if all(fine) else 1)


def _check_journal(config: Config) -> None:
    """How large the journal is, how fast it grows, and what of it is kept; read without changing it."""
    path = config.data / JOURNAL_FILE
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            size = size_of(connection, time.time())
        except sqlite3.Error as error:
            click.echo(f"journal {path}: {error}; `signalbox serve` brings an older one up to date")
            return
    shrinks = "is given back in steps" if size.can_shrink else "is used again; the file does not get smaller"
    click.echo(f"journal {path}: {size.bytes / 1e6:.1f} MB, {size.free_bytes / 1e6:.1f} MB of it free, which {shrinks}")
    if size.rows_per_day is None or size.bytes_per_day is None:
        click.echo("  growth: not known before a day of `signalbox serve` is over")
    else:
        click.echo(f"  growth of the last week: {size.rows_per_day:.0f} rows and {size.bytes_per_day / 1e6:.1f} MB a day")
    kept = {name: getattr(config.settings, setting) for name, setting in KEPT.items()}
    click.echo("  kept: " + ", ".join(f"{name} {keep / 86400:g} d{_since(size.oldest[name])}" for name, keep in kept.items()))


def _since(oldest: float | None) -> str:
    return "" if oldest is None else f" (oldest {_day(oldest)})"


def _check_poller(poller: Poller, probing: bool) -> bool:
    click.echo(f"poller {poller.number} {poller.name} ({poller.kind})")
    for what in ("command_file", "status_file", "object_cache_file", "log_file", "main_log"):
        if path := getattr(poller, what):
            click.echo(f"  {what}: {path}")
    findings = inspect(poller, SystemClock())
    for finding in findings:
        _tell(finding)
    fine = all(finding.level != "wrong" for finding in findings)
    if probing:
        echo = probe(poller, SystemClock())
        click.echo(f"  {'not proven' if echo.after_s is None else 'proven'}: {echo.sentence}")
        fine = fine and echo.after_s is not None
    elif not findings:
        click.echo("  nothing is wrong")
    return fine


def _tell(finding: Finding) -> None:
    click.echo(f"  {finding.level}: {finding.trap}: {finding.sentence}")
    click.echo(f"    mend: {finding.remedy}")


# --- users ------------------------------------------------------------------------------------------------------------------------


@main.group()
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
@_data
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
    found = _enter(data, create=True)
    numbers = frozenset(_poller_number(found, word) for word in pollers)
    scope = Scope(pollers=numbers or None, hostgroups=frozenset(hostgroups) or None)
    with _journal(found) as journal, journal.transaction() as connection:
        role_of = accounts.Role(role)
        accounts.add_user(connection, name, role_of, password_hash, time.time(), author=author, scope=scope, zone=zone, email=email)
        limits = f"hostgroups {_limits(scope.hostgroups)}, pollers {_limits(scope.pollers)}, author {author or name}"
        _note(connection, f"user add {name} --role {role}", limits)
    click.echo(f"user {name} ({role}) added")


@user.command("set")
@click.argument("name")
@click.option("--zone", metavar="ZONE", help=_ZONE)
@click.option("--email", help=_EMAIL)
@_data
def set_user(name: str, zone: str | None, email: str | None, data: Path | None) -> None:
    """Change where a user reads times, or the address; "" for none."""
    with _journal(_enter(data)) as journal, journal.transaction() as connection:
        accounts.set_person(connection, name, zone=zone, email=email)
        _note(connection, f"user set {name}", f"zone {zone}, email {email}")
    click.echo(f"user {name} changed")


@user.command("list")
@_data
def list_users(data: Path | None) -> None:
    """List users with role, author and limits."""
    with _journal(_enter(data)) as journal:
        found = accounts.users(journal.connection)
    rows = [
        (
            one.name,
            "by cgi.cfg" if is_of_file(one) else str(one.role),
            one.author,
            _limits(one.scope.hostgroups),
            _limits(one.scope.pollers),
        )
        for one in found
    ]
    _print_table(("NAME", "ROLE", "AUTHOR", "HOSTGROUPS", "POLLERS"), rows)


@user.command("remove")
@click.argument("name")
@_data
def remove_user(name: str, data: Path | None) -> None:
    """Remove a user with all of its tokens."""
    with _journal(_enter(data)) as journal, journal.transaction() as connection:
        accounts.remove_user(connection, name)
        _note(connection, f"user remove {name}")
    click.echo(f"user {name} removed")


@user.command("passwd")
@click.argument("name")
@_password_stdin
@_data
def change_password(name: str, password_stdin: bool, data: Path | None) -> None:
    """Change a password; logins made with the old one end."""
    password_hash = hash_password(_password(password_stdin))
    with _journal(_enter(data)) as journal, journal.transaction() as connection:
        accounts.set_password(connection, name, password_hash)
        _note(connection, f"user passwd {name}")
    click.echo(f"password of {name} changed")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask for the password: pipe it in with --password-stdin.")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


def _note(connection: sqlite3.Connection, words: str, detail: str = "") -> None:
    """Put a change of an account into the audit, in the change's own transaction."""
    add_audit(connection, account_row(time.time(), words, detail))


def _limits(names: frozenset[Any] | None) -> str:
    return "all" if names is None else ",".join(str(name) for name in sorted(names))


# --- tokens -----------------------------------------------------------------------------------------------------------------------


@main.group()
def token() -> None:
    """Tokens for programs."""


def _lasting(_: click.Context, __: click.Parameter, value: str) -> float | None:
    """Seconds of `90d`, `12h` …; None for `never`."""
    if value == "never":
        return None
    parsed = re.fullmatch(r"([1-9]\d{0,5})([mhdwy])", value)
    if parsed is None:
        raise click.BadParameter(f"{value!r} is no time: give for instance 12h, 90d, 1y or never")
    return int(parsed[1]) * _UNITS_S[parsed[2]]


@token.command("create")
@click.argument("name")
@click.option("--user", "user_name", required=True, help="Whose it is: its role and limits hold.")
@click.option("--expires", "lasting_s", default="90d", show_default=True, callback=_lasting, help="12h, 90d, 1y or never.")
@click.option(
    "--verb", "verbs", multiple=True, type=click.Choice([str(verb) for verb in accounts.Verb]), help="Only this; repeatable."
)
@click.option("--poller", "pollers", multiple=True, metavar="P", help="Only on this poller (number or name); repeatable.")
@_data
def create_token(
    name: str, user_name: str, lasting_s: float | None, verbs: tuple[str, ...], pollers: tuple[str, ...], data: Path | None
) -> None:
    """Make a token; its secret is the last word printed, and printed only now.

    Without --verb and --poller it may do whatever its user may; with them it never may more than that.
    """
    secret, now = accounts.new_secret(), time.time()
    expires_at = None if lasting_s is None else now + lasting_s
    found = _enter(data)
    numbers = [_poller_number(found, word) for word in pollers]
    with _journal(found) as journal, journal.transaction() as connection:
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
        narrowed = f"verbs {_limits(frozenset(verbs) or None)}, pollers {_limits(frozenset(numbers) or None)}"
        _note(connection, f"token create {name} --user {user_name}", f"expires {_day(expires_at)}, {narrowed}")
    click.echo(f"token {name} of {user_name}, expires {_day(expires_at)}; its secret, shown only now:")
    click.echo(secret)


def _poller_number(data: Path, word: str) -> int:
    """A poller's number; names are looked up among those this Signalbox has served."""
    if word.isascii() and word.isdigit():
        return int(word)
    try:
        reader = Reader.open(data)
    except PollerError as error:
        raise click.UsageError(
            f"Which poller {word} is, is not known before the first `signalbox serve`: give its number."
        ) from error
    with closing(reader):
        view = reader.poller(EVERYTHING, word)
        if view is None:
            known = ", ".join(f"{poller.number} {poller.name}" for poller in reader.pollers(EVERYTHING))
            raise click.UsageError(f"There is no poller {word}: there are {known or 'none yet'}.")
        return view.number


@token.command("list")
@_data
def list_tokens(data: Path | None) -> None:
    """List tokens and logins with user, expiry, last use and what they are narrowed to."""
    with _journal(_enter(data)) as journal:
        found = accounts.tokens(journal.connection)
    now = time.time()
    _print_table(
        ("NAME", "USER", "KIND", "EXPIRES", "LAST USED", "VERBS", "POLLERS"),
        [
            (
                one.name,
                owner.name,
                one.kind,
                _day(one.ends_at) if one.is_valid(now) else "ended",
                _day(one.last_used_at),
                _limits(one.verbs),
                _limits(one.pollers),
            )
            for one, owner in found
        ],
    )


@token.command("revoke")
@click.argument("name")
@_data
def revoke_token(name: str, data: Path | None) -> None:
    """End a token or login, by its public name, at once."""
    with _journal(_enter(data)) as journal, journal.transaction() as connection:
        accounts.revoke_token(connection, name)
        _note(connection, f"token revoke {name}")
    click.echo(f"token {name} revoked")


# --- commands ---------------------------------------------------------------------------------------------------------------------


@main.group()
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
@_data
def list_commands(
    state: str | None, poller: str | None, host: str | None, limit: int, url: str | None, secret: str, data: Path | None
) -> None:
    """List commands, newest first."""
    found, total = _commands(url, secret, data).list(state, poller, host, limit)
    _print_table(
        ("ID", "STATE", "ACCEPTED", "POLLER", "COMMAND", "OBJECT"),
        [(c["id"], c["state"], c["accepted_at"], c["poller"], c["command"], _object(c)) for c in found],
    )
    if total > len(found):
        click.echo(f"{total - len(found)} more; raise --limit")


@commands.command("show")
@click.argument("command_id")
@_url
@_token
@_data
def show_command(command_id: str, url: str | None, secret: str, data: Path | None) -> None:
    """Show one command's whole life, what proves it, and what to do next."""
    _print_life(_commands(url, secret, data).show(command_id))


@commands.command("cancel")
@click.argument("command_id")
@_url
@_token
@_data
def cancel_command(command_id: str, url: str | None, secret: str, data: Path | None) -> None:
    """Withdraw a command that was not yet written."""
    _print_life(_commands(url, secret, data).cancel(command_id))


def _commands(url: str | None, secret: str, data: Path | None) -> Commands:
    from api.cli_commands import InFolder, OverApi  # half of the time all imports take, and no other command needs them

    return OverApi(url, secret) if url else InFolder(_enter(data))


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


# --- audit ------------------------------------------------------------------------------------------------------------------------


@main.command()
@click.option("--user", help="Only by this user.")
@click.option("--host", help="Only what touched, or named, this host.")
@click.option("--since", "since_s", callback=_lasting, default="never", help="Only the last 2h, 7d …")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@_data
def audit(user: str | None, host: str | None, since_s: float | None, limit: int, data: Path | None) -> None:
    """Show who asked for what, newest first. GET /v1/audit tells more."""
    from api.cli_commands import InFolder

    since = None if since_s is None else time.time() - since_s
    _print_table(("ID", "AT", "USER", "FROM", "OUTCOME", "WHAT"), InFolder(_enter(data)).audit(user, host, since, limit))


# --- shared -----------------------------------------------------------------------------------------------------------------------


def _enter(data: Path | None, *, create: bool = False) -> Path:
    """The data folder, said aloud. Without `create` there must be a journal in it."""
    found, line = folder.enter(data, create=create)
    click.echo(line, err=True)
    if not create and not folder.has_journal(found):
        raise ConfigError([f"Nothing is stored in {found} yet: begin with `signalbox user add NAME --role admin`."])
    return found


@contextmanager
def _journal(data: Path) -> Iterator[Journal]:
    journal = Journal.open(data)
    try:
        yield journal
    finally:
        journal.close()


def _print_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _day(at: float | None) -> str:
    return "never" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


if __name__ == "__main__":
    main()

"""`signalbox serve` and `signalbox check`."""

from __future__ import annotations

import logging
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api import folder
from api.cli.shared import data_option, day, enter, open_journal
from engine.clock import SystemClock
from engine.commands.danger import mistake_in
from engine.config import Config, Poller, default_data_folder
from engine.config_file import load_config
from engine.errors import JournalError
from engine.journal import accounts
from engine.journal.schema import check_schema
from engine.journal.store import JOURNAL_FILE

if TYPE_CHECKING:
    from engine.pollers.inspect import Finding

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
KEPT = {"commands": "keep_lives_s", "calls of results": "keep_calls_s", "audit": "keep_audit_s", "keys": "keep_keys_s"}

config_option = click.option("--config", "config_file", type=click.Path(path_type=Path, dir_okay=False), help="TOML file.")
cores_option = click.option(
    "--core", "cores", multiple=True, metavar="[NAME=]MAINCFG", help="A core's main configuration; repeatable."
)


@click.command()
@config_option
@cores_option
@click.option("--listen", metavar="HOST:PORT", help="Address to listen on; default 127.0.0.1:8080.")
@click.option(
    "--cgi-cfg",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A core's cgi.cfg: its rights hold in every dialect; without --core and --config, it also names the core.",
)
@click.option("--workers", type=int, help="API worker processes; default 1.")
@click.option("--tls-cert", type=click.Path(path_type=Path), help="Certificate chain (PEM).")
@click.option("--tls-key", type=click.Path(path_type=Path), help="Its private key (PEM).")
@data_option
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
    from api.auth.contacts import check_users, cores_of, has_other_users

    options = {"listen": listen, "workers": workers, "tls_cert": tls_cert, "tls_key": tls_key, "cgi_cfg": cgi_cfg}
    if cgi_cfg is not None and not cores and config_file is None:
        cores = cores_of(cgi_cfg)
    config = load_config(config_file, cores, data=data, mistake_in_dangerous=mistake_in, **options)
    supervisor.check_tls(config.settings)
    check_users(config.settings)
    enter(config.data, create=True)
    with open_journal(config.data) as journal:
        if not accounts.users(journal.connection) and not has_other_users(config.settings):
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


@click.command()
@config_option
@cores_option
@click.option("--probe", "probing", is_flag=True, help="Also send one mark that does nothing, and time its echo.")
@data_option
def check(config_file: Path | None, cores: tuple[str, ...], probing: bool, data: Path | None) -> None:
    """Say what is wrong with each core's files or weakens proof, and the command that mends it. Changes nothing."""
    config = load_config(config_file, cores, data=data, mistake_in_dangerous=mistake_in)
    is_there = folder.is_there(config.data)
    as_owner = folder.become_owner(config.data) if is_there else ""
    click.echo(f"data folder: {config.data}{as_owner}{'' if is_there else ' (not there yet)'}", err=True)
    fine = [_check_journal(config)] if is_there and folder.has_journal(config.data) else []
    fine += [_check_poller(poller, probing) for poller in config.pollers]
    sys.exit(0 if all(fine) else 1)


def _check_journal(config: Config) -> bool:
    """How large the journal is, how fast it grows, and what of it is kept; read without changing it. False: it cannot be used."""
    from engine.journal.retention import size_of  # a third of what `serve` would wait for before it starts anything

    path = config.data / JOURNAL_FILE
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            check_schema(connection, path)
            size = size_of(connection, time.time())
        except JournalError as error:
            click.echo(f"  wrong: {error}")
            return False
        except sqlite3.Error as error:
            click.echo(f"journal {path}: {error}; `signalbox serve` brings an older one up to date")
            return True
    shrinks = "is given back in steps" if size.can_shrink else "is used again; the file does not get smaller"
    click.echo(f"journal {path}: {size.bytes / 1e6:.1f} MB, {size.free_bytes / 1e6:.1f} MB of it free, which {shrinks}")
    if size.rows_per_day is None or size.bytes_per_day is None:
        click.echo("  growth: not known before a day of `signalbox serve` is over")
    else:
        click.echo(f"  growth of the last week: {size.rows_per_day:.0f} rows and {size.bytes_per_day / 1e6:.1f} MB a day")
    kept = {name: getattr(config.settings, setting) for name, setting in KEPT.items()}
    click.echo("  kept: " + ", ".join(f"{name} {keep / 86400:g} d{_since(size.oldest[name])}" for name, keep in kept.items()))
    return True


def _since(oldest: float | None) -> str:
    return "" if oldest is None else f" (oldest {day(oldest)})"


def _check_poller(poller: Poller, probing: bool) -> bool:
    click.echo(f"poller {poller.number} {poller.name} ({poller.kind})")
    for what in ("command_file", "status_file", "object_cache_file", "log_file", "main_log"):
        if path := getattr(poller, what):
            click.echo(f"  {what}: {path}")
    from engine.pollers.inspect import inspect, probe

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

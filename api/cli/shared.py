"""What commands of the command line share: the data folder, tables, and the main group's own errors."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from api import folder
from engine.errors import ConfigError, PollerError, SignalboxError
from engine.journal.audit import account_row, add_audit
from engine.journal.store import Journal

_UNITS_S = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}

data_option = click.option(
    "--data", type=click.Path(path_type=Path), help="Data folder; default: $SIGNALBOX_DATA, /var/lib/signalbox or your own."
)


class SentenceGroup(click.Group):
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


def enter(data: Path | None, *, create: bool = False) -> Path:
    """The data folder, said aloud. Without `create` there must be a journal in it."""
    found, line = folder.enter(data, create=create)
    click.echo(line, err=True)
    if not create and not folder.has_journal(found):
        raise ConfigError([f"Nothing is stored in {found} yet: begin with `signalbox user add NAME --role admin`."])
    return found


@contextmanager
def open_journal(data: Path) -> Iterator[Journal]:
    """The journal in a data folder, closed at the end. Raises JournalError."""
    journal = Journal.open(data)
    try:
        yield journal
    finally:
        journal.close()


def print_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Columns as wide as their widest cell."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def day(at: float | None) -> str:
    """A Unix time for people, in UTC; None is `never`."""
    return "never" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def poller_number(data: Path, word: str) -> int:
    """A poller's number; names are looked up among those this Signalbox has served."""
    if word.isascii() and word.isdigit():
        return int(word)
    from engine.state.scope import EVERYTHING
    from engine.state.views import Reader

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


def note(connection: sqlite3.Connection, words: str, detail: str = "") -> None:
    """Put a change of an account into the audit, in the change's own transaction."""
    add_audit(connection, account_row(time.time(), words, detail))


def limits(names: frozenset[Any] | None) -> str:
    """What somebody is limited to; None is no limit."""
    return "all" if names is None else ",".join(str(name) for name in sorted(names))


def lasting(_: click.Context, __: click.Parameter, value: str) -> float | None:
    """Seconds of `90d`, `12h` …; None for `never`."""
    if value == "never":
        return None
    parsed = re.fullmatch(r"([1-9]\d{0,5})([mhdwy])", value)
    if parsed is None:
        raise click.BadParameter(f"{value!r} is no time: give for instance 12h, 90d, 1y or never")
    return int(parsed[1]) * _UNITS_S[parsed[2]]

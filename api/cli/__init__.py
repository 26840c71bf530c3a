"""The command line: arguments in, sentences out. What it does lives elsewhere; words for people live here.

Rules: the data folder a command uses is always said, on standard error; a secret is the last word on standard output; exit
code 0 = done, 1 = it failed or something is wrong, 2 = it was asked wrongly.
"""

from __future__ import annotations

import click

from api.cli.lives import audit, commands
from api.cli.serving import check, serve
from api.cli.shared import SentenceGroup
from api.cli.tokens import token
from api.cli.users import user


@click.group(cls=SentenceGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="signalbox")
def main() -> None:
    """REST in front of Nagios-family cores: every command is routed to its poller and proven from the core's own files."""


for _command in (serve, check, user, token, commands, audit):
    main.add_command(_command)

"""The command line as people and scripts use it: exit codes, what is printed where, whose files the data folder holds."""

from __future__ import annotations

import os
import pwd
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from api.auth.passwords import is_password
from engine.commands.lifecycle import State
from engine.journal import accounts
from engine.journal.commands import CommandRow, insert_command
from engine.journal.store import Journal
from engine.state.mirror import Mirror
from engine.state.scope import EVERYTHING, Scope
from tests.support.cores import PATIENCE_S

COMMAND = "0193a1f2-7e4b-7c39-9d55-3b1c8c1f0a77"


# Becomes another user only after the imports: an interpreter may stand where that user cannot go.
AS_USER = "import os, pwd, sys, api.cli, api.cli.places, engine.journal.retention; u = pwd.getpwnam(sys.argv.pop(1)); " \
          "os.setgroups([]); os.setgid(u.pw_gid); os.setuid(u.pw_uid); api.cli.main()"  # fmt: skip


@dataclass
class Said:
    code: int
    out: str
    err: str


@dataclass
class Shell:
    """Runs `signalbox …` in a folder, without a terminal."""

    home: Path
    user: str | None = None

    @property
    def data(self) -> Path:
        return self.home / "data"

    def __call__(self, *words: str, stdin: str = "", **environment: str) -> Said:
        run = subprocess.run(
            [sys.executable, "-P", *(["-c", AS_USER, self.user] if self.user else ["-m", "api.cli"]), *words],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
            cwd=self.home,
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), "SIGNALBOX_DATA": str(self.data)} | environment,
        )
        assert "Traceback" not in run.stderr, run.stderr
        return Said(run.returncode, run.stdout, run.stderr)

    def add(self, name: str = "ann", *more: str) -> Said:
        return self("user", "add", name, "--role", "operator", "--password-stdin", *more, stdin="long enough\nsecond line\n")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def stored(shell: Shell) -> dict[str, accounts.User]:
    with closing(Journal.open(shell.data)) as journal:
        return {user.name: user for user in accounts.users(journal.connection)}


# --- users and tokens -------------------------------------------------------------------------------------------------------------


def test_a_user_is_made_with_the_first_line_of_standard_input(shell: Shell) -> None:
    said = shell.add()
    assert (said.code, said.out) == (0, "user ann (operator) added\n")
    assert said.err == f"data folder: {shell.data} (new)\n"
    user = stored(shell)["ann"]
    assert (user.role, user.author, user.scope) == ("operator", "ann", EVERYTHING)
    assert is_password("long enough", user.password_hash)


def test_zone_and_address_are_kept_and_changed(shell: Shell) -> None:
    shell.add("tom", "--zone", "Europe/Paris", "--email", "tom@example.org")
    assert (stored(shell)["tom"].zone, stored(shell)["tom"].email) == ("Europe/Paris", "tom@example.org")
    assert shell("user", "set", "tom", "--zone", "").out == "user tom changed\n"
    assert (stored(shell)["tom"].zone, stored(shell)["tom"].email) == ("", "tom@example.org")
    for words in (("set", "tom", "--zone", "Europe/Nowhere"), ("set", "tom", "--email", "nobody"), ("set", "nobody", "--zone", "")):
        said = shell("user", *words)
        assert (said.code != 0, said.out) == (True, "")
    assert (stored(shell)["tom"].zone, stored(shell)["tom"].email) == ("", "tom@example.org")


def test_limits_and_author_are_kept_and_listed(shell: Shell) -> None:
    shell.add("tom", "--author", "Tom K.", "--hostgroup", "linux", "--hostgroup", "a b", "--poller", "2", "--poller", "1")
    user = stored(shell)["tom"]
    assert (user.author, user.scope) == ("Tom K.", Scope(pollers=frozenset({1, 2}), hostgroups=frozenset({"linux", "a b"})))
    said = shell("user", "list")
    assert said.out.splitlines()[1].split() == ["tom", "operator", "Tom", "K.", "a", "b,linux", "1,2"]


@pytest.mark.parametrize(
    ("words", "stdin", "code", "complaint"),
    [
        (("ann", "--role", "operator"), "long enough", 2, "no terminal to ask for the password: pipe it in with --password-stdin."),
        (("ann", "--role", "operator", "--password-stdin"), "short", 1, "A password has 8 to 1024 characters"),
        (("ann", "--role", "operator", "--password-stdin"), "", 1, "A password has 8 to 1024 characters"),
        (("a b", "--role", "operator", "--password-stdin"), "long enough", 1, "A name is 1 to 64 printable characters"),
        (("ann", "--role", "operator", "--author", "a;b", "--password-stdin"), "long enough", 1, "author holds a semicolon"),
        (("ann", "--role", "king", "--password-stdin"), "long enough", 2, "'king' is not one of"),
        (("ann", "--password-stdin"), "long enough", 2, "Missing option '--role'"),
    ],
)  # fmt: skip
def test_a_user_that_cannot_be_made_leaves_nothing(
    shell: Shell, words: tuple[str, ...], stdin: str, code: int, complaint: str
) -> None:
    said = shell("user", "add", *words, stdin=stdin)
    assert said.code == code
    assert complaint in " ".join(said.err.split())
    assert not shell.data.exists()


def test_names_are_taken_once_and_can_be_removed(shell: Shell) -> None:
    shell.add()
    again = shell.add()
    assert (again.code, again.err.splitlines()[-1]) == (
        1, "Error: There is a user ann already: choose another name, or change the password of that one.",
    )  # fmt: skip
    assert shell("user", "remove", "ann").code == 0
    assert stored(shell) == {}
    assert shell("user", "remove", "ann").code == 1


def test_a_password_is_changed(shell: Shell) -> None:
    shell.add()
    assert shell("user", "passwd", "ann", "--password-stdin", stdin="another one\n").code == 0
    assert is_password("another one", stored(shell)["ann"].password_hash)
    assert shell("user", "passwd", "bob", "--password-stdin", stdin="another one\n").code == 1


@pytest.mark.parametrize(("words", "lasts_s"), [((), 90 * 86400), (("--expires", "12h"), 43200), (("--expires", "never"), None)])
def test_the_secret_is_the_last_word_printed_and_works(shell: Shell, words: tuple[str, ...], lasts_s: float | None) -> None:
    shell.add()
    before = time.time()
    said = shell("token", "create", "t", "--user", "ann", *words)
    assert said.code == 0
    secret = said.out.split()[-1]
    assert said.out.endswith(f"\n{secret}\n")
    assert secret not in said.err
    with closing(Journal.open(shell.data)) as journal:
        found = accounts.token_by_secret(journal.connection, secret)
    assert found
    token, user = found
    assert (token.name, token.kind, user.name) == ("t", "bearer", "ann")
    if lasts_s is None:
        assert token.expires_at is None
    else:
        assert token.expires_at is not None
        assert before - 1 <= token.expires_at - lasts_s <= time.time() + 1
    assert secret not in shell("token", "list").out


@pytest.mark.parametrize("expires", ["0d", "90", "d", "-1d", "1.5d", "9999999d", "soon"])
def test_odd_expiries_are_refused(shell: Shell, expires: str) -> None:
    shell.add()
    assert shell("token", "create", "t", "--user", "ann", "--expires", expires).code == 2


def test_a_token_is_narrowed_to_verbs_and_pollers(shell: Shell) -> None:
    shell.add()
    narrowed = ("--verb", "downtime", "--verb", "read", "--poller", "2")
    secret = shell("token", "create", "t", "--user", "ann", *narrowed).out.split()[-1]
    with closing(Journal.open(shell.data)) as journal:
        found = accounts.token_by_secret(journal.connection, secret)
    assert found is not None
    assert (found[0].verbs, found[0].pollers) == ({"downtime", "read"}, {2})
    assert shell("token", "list").out.splitlines()[1].split()[-2:] == ["downtime,read", "2"]
    assert shell("token", "create", "u", "--user", "ann", "--verb", "fly").code == 2
    assert "give its number" in shell("token", "create", "u", "--user", "ann", "--poller", "north").err
    assert "give its number" in shell.add("bob", "--poller", "north").err, "users are limited in the same words as tokens"


def test_changes_of_accounts_are_in_the_audit_without_their_secrets(shell: Shell) -> None:
    shell.add("ann", "--hostgroup", "linux")
    secret = shell("token", "create", "t", "--user", "ann", "--verb", "read").out.split()[-1]
    shell("user", "passwd", "ann", "--password-stdin", stdin="another long one\n")
    shell("token", "revoke", "t")
    shell("user", "remove", "ann")
    shell("user", "remove", "nobody")
    said = shell("audit")
    asked = [line.split("CLI ")[1] for line in said.out.splitlines()[1:]]
    assert asked == [
        "user remove ann", "token revoke t", "user passwd ann", "token create t --user ann", "user add ann --role operator",
    ]  # fmt: skip
    assert "@console" in said.out and secret not in said.out and "long" not in said.out
    assert len(shell("audit", "--limit", "2").out.splitlines()) == 3


def test_tokens_are_listed_and_revoked(shell: Shell) -> None:
    shell.add()
    secret = shell("token", "create", "t", "--user", "ann").out.split()[-1]
    assert shell("token", "list").out.splitlines()[1].split()[:3] == ["t", "ann", "bearer"]
    assert shell("token", "create", "t", "--user", "ann").code == 1
    assert shell("token", "create", "u", "--user", "bob").code == 1
    assert shell("token", "revoke", "t").code == 0
    assert shell("token", "revoke", "t").code == 1
    with closing(Journal.open(shell.data)) as journal:
        assert accounts.token_by_secret(journal.connection, secret) is None


# --- the data folder --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("user", "list"), ("token", "list"), ("commands", "list"), ("user", "remove", "ann")])
def test_only_serve_and_user_add_make_a_folder(shell: Shell, words: tuple[str, ...]) -> None:
    said = shell(*words)
    assert said.code == 2
    assert (
        said.err
        == f"There is no data folder {shell.data}: name it with --data, or begin with `signalbox user add NAME --role admin`.\n"
    )
    shell.data.mkdir()
    said = shell(*words)
    assert said.code == 2
    assert f"data folder: {shell.data}\nNothing is stored in {shell.data} yet" in said.err
    assert list(shell.data.iterdir()) == []


def test_the_folder_named_wins_over_the_environment_and_that_over_ones_own(shell: Shell) -> None:
    named = shell.home / "named"
    assert f"data folder: {named} (new)" in shell.add("ann", "--data", str(named)).err
    assert f"data folder: {named}\n" in shell("user", "list", SIGNALBOX_DATA=str(named)).err
    if not Path("/var/lib/signalbox").is_dir():
        assert f"There is no data folder {shell.home}/.local/state/signalbox:" in shell("user", "list", SIGNALBOX_DATA="").err


def test_what_is_stored_is_for_its_owner_only(shell: Shell) -> None:
    shell.add()
    for path in (shell.data, *shell.data.iterdir()):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


@pytest.fixture
def somebodys() -> Iterator[Shell]:
    """A home that belongs to an ordinary user and can be reached by them."""
    if os.geteuid() != 0:
        pytest.skip("is about root: run as root")
    with tempfile.TemporaryDirectory(prefix="signalbox-home-") as home:
        os.chown(home, pwd.getpwnam("games").pw_uid, pwd.getpwnam("games").pw_gid)
        yield Shell(Path(home))


def test_root_leaves_files_of_the_folders_owner(somebodys: Shell) -> None:
    games = pwd.getpwnam("games").pw_uid
    said = somebodys.add()
    assert said.err == f"data folder: {somebodys.data} (new), as its owner games\n"
    assert {path.stat().st_uid for path in (somebodys.data, *somebodys.data.rglob("*"))} == {games}
    somebodys.user = "games"
    assert somebodys.add("bob").code == 0
    assert somebodys("user", "list").code == 0


def test_somebody_elses_folder_is_refused_in_a_sentence(somebodys: Shell) -> None:
    somebodys.add()
    somebodys.user = "nobody"
    said = somebodys("user", "list")
    assert said.code == 2
    assert f"The data folder {somebodys.data} cannot be reached: Permission denied." in said.err
    somebodys.home.chmod(0o755)
    said = somebodys("user", "list")
    assert said.code == 2
    assert f"The data folder {somebodys.data} belongs to games: run this as that user, `sudo -u games …`." in said.err


# --- commands ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def with_command(shell: Shell) -> Shell:
    """A data folder with one held downtime and a mirror that knows nothing."""
    shell.add()
    Mirror.open(shell.data / "state.db", lambda poller, wanted: {}).close()
    row = CommandRow(
        seq=0, id=COMMAND, operation="o", name="SCHEDULE_HOST_DOWNTIME", poller=3, host="web01", service="",
        arguments={"host": "web01", "comment": "new disk"}, state=State.ACCEPTED, reason="", accepted_at=1_700_000_000.0,
        updated_at=1_700_000_000.0, deadline_at=4e9, entry_id=None, twin_key=None, twin_start=None, twin_end=None,
        seen_state_change=None, author="Ann A.", user="ann", address="", token="", epoch=None, line=None, batch=None, attempts=0,
        executed_at=None, watch_from=None, core_ids=(),
    )  # fmt: skip
    with closing(Journal.open(shell.data)) as journal, journal.transaction() as connection:
        insert_command(connection, row)
    return shell


def test_commands_are_listed_shown_and_withdrawn_without_a_running_signalbox(with_command: Shell) -> None:
    listed = with_command("commands", "list")
    assert listed.out.splitlines()[1].split() == [
        COMMAND,
        "accepted",
        "2023-11-14T22:13:20Z",
        "3",
        "SCHEDULE_HOST_DOWNTIME",
        "web01",
    ]
    shown = with_command("commands", "show", COMMAND).out
    assert "state: accepted\n" in shown
    assert "by: ann, told the core: Ann A.\n" in shown
    assert "what to do: " in shown
    assert "\nstate: cancelled (withdrawn by " in with_command("commands", "cancel", COMMAND).out
    again = with_command("commands", "cancel", COMMAND)
    assert again.code == 1
    assert again.err.splitlines()[-1].startswith("Error: ")


@pytest.mark.parametrize(
    ("words", "rows"),
    [(("--state", "accepted"), 1), (("--state", "held"), 0), (("--host", "web01"), 1), (("--host", "web02"), 0)],
)
def test_lists_can_be_narrowed(with_command: Shell, words: tuple[str, ...], rows: int) -> None:
    assert len(with_command("commands", "list", *words).out.splitlines()) == rows + 1


@pytest.mark.parametrize("words", [("list", "--poller", "nowhere"), ("show", "no-such-id"), ("cancel", "no-such-id")])
def test_what_is_not_there_is_said(with_command: Shell, words: tuple[str, ...]) -> None:
    said = with_command("commands", *words)
    assert said.code == 1
    assert "Error: " in said.err


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "127.0.0.1:9", "file:///etc/passwd", "ftp://127.0.0.1/"])
def test_an_address_where_nothing_answers_is_said(shell: Shell, url: str) -> None:
    said = shell("commands", "list", "--url", url)
    assert said.code == 2
    assert said.err.startswith(f"{url} ")
    assert not shell.data.exists()


# --- check and serve that cannot begin --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["serve", "check"])
def test_mistakes_of_the_configuration_are_told_together_and_nothing_is_made(shell: Shell, command: str) -> None:
    (shell.home / "c.toml").write_text("workres = 1\nworkers = 0\n", encoding="utf-8")
    said = shell(command, "--config", "c.toml", "--core", "/absent.cfg")
    assert said.code == 2
    assert [line.split(": ")[0] for line in said.err.splitlines()] == ["c.toml:1", "c.toml:2", "--core /absent.cfg"]
    assert not shell.data.exists()


def test_check_says_what_is_wrong_and_how_to_mend_it(shell: Shell) -> None:
    (shell.home / "nagios.cfg").write_text(
        "status_file=s\ncommand_file=c\nlog_file=l\nstatus_update_interval=10\n", encoding="utf-8"
    )
    said = shell("check", "--core", "nagios.cfg")
    assert said.code == 1
    assert f"data folder: {shell.data} (not there yet)" in said.err
    assert "  wrong: command_file_missing: " in said.out
    assert "    mend: systemctl start nagios\n" in said.out
    assert not shell.data.exists()


def test_check_tells_of_the_journal_and_leaves_it_as_it_is(shell: Shell) -> None:
    (shell.home / "nagios.cfg").write_text("status_file=s\ncommand_file=c\nlog_file=l\n", encoding="utf-8")
    shell.add()
    before = (shell.data / "journal.db").read_bytes()
    said = shell("check", "--core", "nagios.cfg").out
    assert f"journal {shell.data}/journal.db: 0." in said and "growth: not known before" in said
    assert "commands 90 d, calls of results 1 d, audit 400 d (oldest 20" in said and "keys 7 d" in said
    assert (shell.data / "journal.db").read_bytes() == before
    with closing(Journal.open(shell.data)) as journal, journal.transaction() as connection:
        yesterday = int(time.time() // 86400) - 2
        connection.execute("INSERT INTO growth VALUES (?, 0, 0)", (yesterday,))
    said = shell("check", "--core", "nagios.cfg").out
    assert "growth of the last week: " in said and "MB a day" in said


def test_check_says_that_a_journal_is_of_a_newer_program(shell: Shell) -> None:
    (shell.home / "nagios.cfg").write_text("status_file=s\ncommand_file=c\nlog_file=l\n", encoding="utf-8")
    shell.add()
    with closing(sqlite3.connect(shell.data / "journal.db")) as connection, connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    said = shell("check", "--core", "nagios.cfg")
    assert said.code == 1 and f"  wrong: The journal {shell.data}/journal.db has schema 99" in said.out


def test_an_address_in_use_is_one_sentence(shell: Shell) -> None:
    import socket

    (shell.home / "nagios.cfg").write_text("status_file=s\ncommand_file=c\nlog_file=l\n", encoding="utf-8")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        said = shell("serve", "--core", "nagios.cfg", "--listen", where)
    assert said.code == 2
    assert said.err.splitlines()[-1] == f"Cannot listen on {where}: Address already in use. Choose another address with --listen."
    assert "make the first admin: signalbox user add admin --role admin" in said.err


def test_serving_beyond_loopback_in_clear_is_refused(shell: Shell) -> None:
    (shell.home / "nagios.cfg").write_text("status_file=s\ncommand_file=c\nlog_file=l\n", encoding="utf-8")
    said = shell("serve", "--core", "nagios.cfg", "--listen", "0.0.0.0:0")
    assert said.code == 2
    assert "give --tls-cert and --tls-key, or behind_proxy" in said.err
    (shell.home / "no.pem").write_text("no certificate", encoding="utf-8")
    said = shell("serve", "--core", "nagios.cfg", "--listen", "0.0.0.0:0", "--tls-cert", "no.pem", "--tls-key", "no.pem")
    assert said.code == 2
    assert "cannot be used" in said.err

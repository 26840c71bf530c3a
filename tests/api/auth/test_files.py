"""Password files are the web server's own: made here by Apache's programs, they let in whom Apache lets in, and nobody else."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from api.auth.files import PasswordFile

SECRET = "Straße: 4 €"


@pytest.mark.parametrize("scheme", ["-B", "-m", "-s", "-2", "-5"])
def test_what_htpasswd_writes_is_understood(tmp_path: Path, scheme: str) -> None:
    path = tmp_path / "htpasswd"
    made = subprocess.run(["htpasswd", "-cb", scheme, path, "ann", SECRET], capture_output=True)
    assert made.returncode == 0, made.stderr
    file = PasswordFile(path)
    line = file.line_of("ann")
    assert line is not None
    assert file.is_password("ann", SECRET, line)
    assert not file.is_password("ann", SECRET + "x", line)
    assert file.line_of("bob") is None


def test_a_digest_counts_for_its_realm_only(tmp_path: Path) -> None:
    path = tmp_path / "htdigest"
    lines = [f"ann:{realm}:{hashlib.md5(f'ann:{realm}:{SECRET}'.encode()).hexdigest()}" for realm in ("Other", "Nagios Access")]
    path.write_text("\n".join(lines))
    file = PasswordFile(path, "Nagios Access")
    line = file.line_of("ann")
    assert line is not None
    assert file.is_password("ann", SECRET, line)
    assert not file.is_password("bob", SECRET, line)
    path.write_text(lines[0])
    assert file.line_of("ann") is None


def test_a_changed_file_counts_at_once_and_a_lost_one_lets_nobody_in(tmp_path: Path) -> None:
    path = tmp_path / "htpasswd"
    path.write_text("ann:{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=\n")
    file = PasswordFile(path)
    line = file.line_of("ann")
    assert line is not None
    assert file.is_password("ann", "pass", line)
    path.write_text("bob:{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=\n")
    assert file.line_of("ann") is None
    path.unlink()
    assert file.line_of("bob") is None


@pytest.mark.parametrize("line", ["", "plain", "*", "!", "$apr1$", "$2y$05$short", "{SHA}"])
def test_a_line_that_is_no_hash_lets_nobody_in(tmp_path: Path, line: str) -> None:
    file = PasswordFile(tmp_path / "htpasswd")
    for guess in ("", "plain", line):
        assert not file.is_password("ann", guess, line)

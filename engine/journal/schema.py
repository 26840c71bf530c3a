"""The schema of journal.db, version after version: a new journal goes through all of them, an old one through those it lacks.

Rules: what was ever shipped is never changed; what comes now is added to the end of the newest, unshipped version. Every read
of the journal knows the newest version only. Before an old journal is changed, a copy of it is kept beside it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from engine.errors import JournalError

_VERSION_1 = """
-- Public ids: n counts per poller, is never given out twice, and becomes poller * 2^32 + n.
CREATE TABLE counter (poller INTEGER NOT NULL, kind TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (poller, kind))
  WITHOUT ROWID;
CREATE TABLE identity (
  poller INTEGER NOT NULL, host TEXT NOT NULL, service TEXT NOT NULL, id INTEGER NOT NULL UNIQUE,
  PRIMARY KEY (poller, host, service)) WITHOUT ROWID;

-- One row per command: its meaning (arguments), and where its life stands. Bytes exist only from `writing` on.
CREATE TABLE command (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, operation TEXT NOT NULL, name TEXT NOT NULL,
  poller INTEGER NOT NULL, host TEXT NOT NULL, service TEXT NOT NULL, arguments TEXT NOT NULL,
  state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', accepted_at REAL NOT NULL, updated_at REAL NOT NULL,
  deadline_at REAL NOT NULL, entry_id INTEGER, twin_key TEXT, twin_start REAL, twin_end REAL,
  seen_state_change REAL, author TEXT NOT NULL, user TEXT NOT NULL, address TEXT NOT NULL, token TEXT NOT NULL,
  epoch INTEGER, line BLOB, batch TEXT, attempts INTEGER NOT NULL DEFAULT 0,
  executed_at REAL, watch_from REAL, core_ids TEXT NOT NULL DEFAULT '[]');
CREATE INDEX command_open ON command (poller, state, seq);
CREATE INDEX command_object ON command (poller, host, service, seq);
CREATE INDEX command_twin ON command (twin_key, seq) WHERE twin_key IS NOT NULL;
CREATE INDEX command_entry ON command (entry_id, seq) WHERE entry_id IS NOT NULL;
-- What a lane looks at all the time must not depend on how much history there is.
CREATE INDEX command_waiting ON command (poller, name, seq, deadline_at) WHERE state IN ('accepted', 'held');
CREATE INDEX command_waiting_object ON command (poller, host, service, seq) WHERE state IN ('accepted', 'held');
CREATE INDEX command_watched ON command (poller, seq) WHERE state = 'processed' AND watch_from IS NOT NULL;
CREATE INDEX command_late ON command (poller, updated_at) WHERE state IN ('unknown', 'no_effect');
CREATE INDEX command_epoch ON command (poller, host, service, name, epoch) WHERE epoch IS NOT NULL;

CREATE TABLE step (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, command_id TEXT NOT NULL, state TEXT NOT NULL, at REAL NOT NULL,
  evidence TEXT NOT NULL DEFAULT '', late INTEGER NOT NULL DEFAULT 0);
CREATE INDEX step_command ON step (command_id, seq);

-- A batch row is durable before its bytes are written: what recovery after a crash reads.
CREATE TABLE batch (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL UNIQUE, poller INTEGER NOT NULL, bytes BLOB NOT NULL,
  command_ids TEXT NOT NULL, fifo TEXT NOT NULL, position TEXT NOT NULL, program_start REAL NOT NULL,
  open INTEGER NOT NULL, at REAL NOT NULL);
CREATE INDEX batch_open ON batch (poller, seq) WHERE open = 1;

-- Downtimes, acknowledgements and comments: ours and everybody's, past and present.
CREATE TABLE entry (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, poller INTEGER NOT NULL, host TEXT NOT NULL, service TEXT NOT NULL,
  author TEXT NOT NULL, comment TEXT NOT NULL, proof TEXT NOT NULL, present INTEGER NOT NULL,
  entry_time REAL NOT NULL, start_time REAL, end_time REAL, fixed INTEGER, duration REAL, is_in_effect INTEGER,
  actual_start REAL, actual_end REAL, cancelled INTEGER NOT NULL DEFAULT 0, deleted_at REAL, deleted_by TEXT,
  sticky INTEGER, notify INTEGER, persistent INTEGER, object_state INTEGER,
  core_id INTEGER, core_start REAL, command_id TEXT);
CREATE INDEX entry_present ON entry (poller, kind, present);
CREATE INDEX entry_object ON entry (poller, host, service, kind, id);
CREATE INDEX entry_kind ON entry (kind, id);
CREATE INDEX entry_command ON entry (command_id) WHERE command_id IS NOT NULL;

-- Users, tokens and the memory of failed logins.
CREATE TABLE user (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  role TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  author TEXT NOT NULL,
  scope TEXT NOT NULL,                -- JSON {"pollers": [number …] | null, "hostgroups": [name …] | null}
  created_at REAL NOT NULL
);
CREATE TABLE token (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,          -- its public name, never its secret
  kind TEXT NOT NULL,                 -- 'login' (ends by idling) or 'bearer' (ends by its date)
  user_id INTEGER NOT NULL,
  fingerprint BLOB NOT NULL UNIQUE,   -- SHA-256 of the secret
  created_at REAL NOT NULL,
  expires_at REAL,                    -- NULL: never
  idle_s REAL,                        -- NULL: does not end by idling
  last_used_at REAL NOT NULL
);
CREATE INDEX token_user ON token (user_id);
CREATE TABLE login_failure (
  subject TEXT PRIMARY KEY,           -- 'address …' or 'user …'
  count INTEGER NOT NULL,
  last_at REAL NOT NULL
);
"""

_VERSION_2 = """
-- A change number, say: what was made can be found and deleted by it.
ALTER TABLE entry ADD COLUMN reference TEXT NOT NULL DEFAULT '';
CREATE INDEX entry_reference ON entry (reference, kind, id) WHERE reference <> '';
-- Up to where a core's log was followed, and which of its runs was seen last: where a later life of ours begins to read.
CREATE TABLE followed (
  poller INTEGER PRIMARY KEY, position TEXT NOT NULL, at REAL NOT NULL, program_start REAL NOT NULL,
  stopped INTEGER NOT NULL,   -- the core said in its log that it stops or starts again, and has not started since
  crashed_at REAL NOT NULL);  -- second of a start that no such word preceded and no status file followed yet, 0 for none
-- What we asked for by ourselves and why; how often a line of ours was executed more than once.
ALTER TABLE command ADD COLUMN cause TEXT NOT NULL DEFAULT '';
ALTER TABLE command ADD COLUMN duplicates INTEGER NOT NULL DEFAULT 0;
-- Another program has set since what this one switched.
ALTER TABLE command ADD COLUMN overruled INTEGER NOT NULL DEFAULT 0;

-- One row per call that commands. `state`: complete (its last slice is in), incomplete (slices are still to come), withdrawing,
-- withdrawn. Commands of an operation that is not complete are never sent. `desk` is the socket of who stores it.
CREATE TABLE operation (
  id TEXT PRIMARY KEY, action TEXT NOT NULL, user TEXT NOT NULL, author TEXT NOT NULL, address TEXT NOT NULL, token TEXT NOT NULL,
  reference TEXT NOT NULL, at REAL NOT NULL, state TEXT NOT NULL, commands INTEGER NOT NULL, desk TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX operation_unsent ON operation (id, desk) WHERE state IN ('incomplete', 'withdrawing');
-- Commands of other operations that this one joined instead of making its own.
CREATE TABLE operation_joined (operation TEXT NOT NULL, command_id TEXT NOT NULL, PRIMARY KEY (operation, command_id))
  WITHOUT ROWID;
-- What a dry run promised, for a day: `request` is the digest of what was asked, `targets` its lines, compressed.
CREATE TABLE plan (hash TEXT NOT NULL, user TEXT NOT NULL, request TEXT NOT NULL, targets BLOB NOT NULL, at REAL NOT NULL,
  PRIMARY KEY (hash, user)) WITHOUT ROWID;

-- What narrows a token: JSON lists, NULL = nothing does.
ALTER TABLE token ADD COLUMN verbs TEXT;
ALTER TABLE token ADD COLUMN pollers TEXT;

-- What a request with an Idempotency-Key was given; stored with what it made.
CREATE TABLE request_key (
  user TEXT NOT NULL, key TEXT NOT NULL, fingerprint BLOB NOT NULL, operation TEXT NOT NULL, answer BLOB NOT NULL, at REAL NOT NULL,
  conflicts BLOB NOT NULL DEFAULT x'', PRIMARY KEY (user, key)) WITHOUT ROWID;
CREATE INDEX request_key_at ON request_key (at);
CREATE INDEX request_key_operation ON request_key (operation);

-- One row per request that changes something or was refused, per login and per change of an account. Only ever added to:
-- `operation` leads to its commands, `audit_link` to commands of other requests that it joined or withdrew,
-- `audit_command` holds what is left of commands whose lives were pruned.
CREATE TABLE audit (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, kind TEXT NOT NULL, user TEXT NOT NULL, token TEXT NOT NULL,
  address TEXT NOT NULL, verb TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, body BLOB NOT NULL,
  body_bytes INTEGER NOT NULL, body_sha256 TEXT NOT NULL, key TEXT NOT NULL, host TEXT NOT NULL, service TEXT NOT NULL,
  status INTEGER NOT NULL, code TEXT NOT NULL, detail TEXT NOT NULL, operation TEXT NOT NULL, count INTEGER NOT NULL);
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_user ON audit (user, seq);
CREATE INDEX audit_operation ON audit (operation) WHERE operation <> '';
CREATE TABLE audit_link (audit INTEGER NOT NULL, command_id TEXT NOT NULL, PRIMARY KEY (audit, command_id)) WITHOUT ROWID;
CREATE INDEX audit_link_command ON audit_link (command_id);
CREATE TABLE audit_command (
  id TEXT PRIMARY KEY, operation TEXT NOT NULL, name TEXT NOT NULL, poller INTEGER NOT NULL, host TEXT NOT NULL,
  service TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, evidence TEXT NOT NULL, line BLOB,
  accepted_at REAL NOT NULL, updated_at REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX audit_command_operation ON audit_command (operation);
CREATE INDEX audit_command_object ON audit_command (host, service);
CREATE INDEX command_operation ON command (operation, seq);
INSERT OR IGNORE INTO meta VALUES ('audit_kept_since', '0');
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is only ever added to'); END;
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit
  WHEN OLD.at >= (SELECT CAST(value AS REAL) FROM meta WHERE key = 'audit_kept_since')
  BEGIN SELECT RAISE(ABORT, 'the audit is kept until its time is over'); END;
CREATE TRIGGER audit_command_is_not_changed BEFORE UPDATE ON audit_command
  BEGIN SELECT RAISE(ABORT, 'the audit is only ever added to'); END;
CREATE TRIGGER audit_command_is_kept BEFORE DELETE ON audit_command
  WHEN OLD.accepted_at >= (SELECT CAST(value AS REAL) FROM meta WHERE key = 'audit_kept_since')
  BEGIN SELECT RAISE(ABORT, 'the audit is kept until its time is over'); END;
CREATE TRIGGER audit_link_is_not_changed BEFORE UPDATE ON audit_link
  BEGIN SELECT RAISE(ABORT, 'the audit is only ever added to'); END;
CREATE TRIGGER audit_link_is_kept BEFORE DELETE ON audit_link WHEN EXISTS (SELECT 1 FROM audit WHERE seq = OLD.audit)
  BEGIN SELECT RAISE(ABORT, 'the audit is kept until its time is over'); END;

-- How large the journal was at the end of each day (days since 1970), and how many rows had ever been added by then.
CREATE TABLE growth (day INTEGER PRIMARY KEY, bytes INTEGER NOT NULL, rows INTEGER NOT NULL);

-- Passive results: one row per call and poller. Each of `total` results is counted once, where it stands; a row is open until
-- nothing more will happen to any. What waits is `again` and everything from `cursor` on; poller 0: no poller has the object.
CREATE TABLE result_call (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, operation TEXT NOT NULL, poller INTEGER NOT NULL,
  user TEXT NOT NULL, address TEXT NOT NULL, token TEXT NOT NULL,
  accepted_at REAL NOT NULL, updated_at REAL NOT NULL, deadline_at REAL NOT NULL, after_command INTEGER NOT NULL,
  total INTEGER NOT NULL, cursor INTEGER NOT NULL DEFAULT 0, again TEXT NOT NULL DEFAULT '[]',
  doubtful TEXT NOT NULL DEFAULT '[]', executed_at REAL NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',
  held INTEGER NOT NULL DEFAULT 0, open INTEGER NOT NULL DEFAULT 1,
  accepted INTEGER NOT NULL, written INTEGER NOT NULL DEFAULT 0, processed INTEGER NOT NULL DEFAULT 0,
  confirmed INTEGER NOT NULL DEFAULT 0, refused INTEGER NOT NULL DEFAULT 0, no_effect INTEGER NOT NULL DEFAULT 0,
  expired INTEGER NOT NULL DEFAULT 0, overtaken INTEGER NOT NULL DEFAULT 0, unknown INTEGER NOT NULL DEFAULT 0);
CREATE INDEX result_call_open ON result_call (poller, seq) WHERE open = 1;
CREATE INDEX result_call_operation ON result_call (operation);
CREATE INDEX result_call_ended ON result_call (updated_at) WHERE open = 0;
-- A call's lines as they are written, compressed, and each one's place in the caller's list ('' where the two agree).
CREATE TABLE result_lines (call TEXT PRIMARY KEY, lines BLOB NOT NULL, places BLOB NOT NULL);
-- Those that failed, from `first` to `last` of a call's lines, with the core's words or ours.
CREATE TABLE result_failure (
  call TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, state TEXT NOT NULL, words TEXT NOT NULL,
  PRIMARY KEY (call, first)) WITHOUT ROWID;
-- Which results of a call a batch holds, '' in a batch of commands: JSON {"call": id, "parts": [[first, behind the last], ...]}, a
-- part per write; {"of": [...]} where they do not stand side by side. The bytes of results are their call's lines.
ALTER TABLE batch ADD COLUMN results TEXT NOT NULL DEFAULT '';

-- Deletions of downtimes by meaning: who took away what.
CREATE INDEX command_wide ON command (poller, seq) WHERE name IN ('DEL_DOWNTIME_BY_HOST_NAME', 'DEL_DOWNTIME_BY_HOSTGROUP_NAME',
  'DEL_DOWNTIME_BY_START_TIME_COMMENT', 'DEL_HOST_DOWNTIME_FULL', 'DEL_SVC_DOWNTIME_FULL');
-- Acknowledgements that end at a time: what the lanes of cores that do not end them themselves look for.
CREATE INDEX entry_expiry ON entry (poller, end_time) WHERE kind = 'acknowledgement' AND present = 1 AND end_time IS NOT NULL;
-- Results of a call that was withdrawn before any of it was written.
ALTER TABLE result_call ADD COLUMN cancelled INTEGER NOT NULL DEFAULT 0;
-- Where a user lives ('' = UTC) and is written to.
ALTER TABLE user ADD COLUMN zone TEXT NOT NULL DEFAULT '';
ALTER TABLE user ADD COLUMN email TEXT NOT NULL DEFAULT '';
"""

VERSIONS = (_VERSION_1, _VERSION_2)
NEWEST = len(VERSIONS)


def is_newest(connection: sqlite3.Connection) -> bool:
    """Whether `upgrade` has nothing to do, and the file has its write-ahead log, which copies of it may lack."""
    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        return False
    try:
        found = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    except sqlite3.OperationalError:  # nothing was made in it yet
        return False
    return found is not None and int(found[0]) == NEWEST


def upgrade(connection: sqlite3.Connection, path: Path) -> None:
    """Bring a journal to the newest version; a new one from nothing. Each version is taken whole or not at all.

    Raises JournalError for a journal of a newer program.
    """
    connection.execute("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
    version = check_schema(connection, path)
    if 0 < version < NEWEST:
        _keep_copy(connection, path.with_name(f"{path.name}.schema-{version}"))
    for number in range(version + 1, NEWEST + 1):
        connection.executescript(
            f"BEGIN IMMEDIATE; {VERSIONS[number - 1]} INSERT OR REPLACE INTO meta VALUES ('schema_version', '{number}'); COMMIT;"
        )
    if version == 1:  # such journals could not give room back to the file system
        connection.executescript("PRAGMA auto_vacuum = INCREMENTAL; VACUUM;")


def check_schema(connection: sqlite3.Connection, path: Path) -> int:
    """The version of a journal, 0 for a new one. Raises JournalError for one of a newer program."""
    found = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    version = int(found[0]) if found else 0
    if version > NEWEST:
        raise JournalError(f"The journal {path} has schema {version}, this program knows {NEWEST}: use the newer program.")
    return version


def _keep_copy(connection: sqlite3.Connection, copy: Path) -> None:
    """A whole copy of the journal as it is, for going back to the older program; one that broke off is made anew."""
    copy.unlink(missing_ok=True)
    with closing(sqlite3.connect(copy)) as target:
        connection.backup(target)

BEGIN TRANSACTION;
CREATE TABLE batch (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL UNIQUE, poller INTEGER NOT NULL, bytes BLOB NOT NULL,
  command_ids TEXT NOT NULL, fifo TEXT NOT NULL, position TEXT NOT NULL, program_start REAL NOT NULL,
  open INTEGER NOT NULL, at REAL NOT NULL);
CREATE TABLE command (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, operation TEXT NOT NULL, name TEXT NOT NULL,
  poller INTEGER NOT NULL, host TEXT NOT NULL, service TEXT NOT NULL, arguments TEXT NOT NULL,
  state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', accepted_at REAL NOT NULL, updated_at REAL NOT NULL,
  deadline_at REAL NOT NULL, entry_id INTEGER, twin_key TEXT, twin_start REAL, twin_end REAL,
  seen_state_change REAL, author TEXT NOT NULL, user TEXT NOT NULL, address TEXT NOT NULL, token TEXT NOT NULL,
  epoch INTEGER, line BLOB, batch TEXT, attempts INTEGER NOT NULL DEFAULT 0,
  executed_at REAL, watch_from REAL, core_ids TEXT NOT NULL DEFAULT '[]');
INSERT INTO "command" VALUES(1,'c1','o1','ADD_HOST_COMMENT',1,'Größe','','{"comment":"déjà ; vu","persistent":true,"start":12.5,"none":null}','accepted','',100.0,100.0,200.0,4294967297,NULL,NULL,NULL,NULL,'ann','ann','127.0.0.1','',NULL,NULL,NULL,0,NULL,NULL,'[]');
CREATE TABLE counter (poller INTEGER NOT NULL, kind TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (poller, kind))
  WITHOUT ROWID;
INSERT INTO "counter" VALUES(1,'entry',1);
CREATE TABLE entry (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, poller INTEGER NOT NULL, host TEXT NOT NULL, service TEXT NOT NULL,
  author TEXT NOT NULL, comment TEXT NOT NULL, proof TEXT NOT NULL, present INTEGER NOT NULL,
  entry_time REAL NOT NULL, start_time REAL, end_time REAL, fixed INTEGER, duration REAL, is_in_effect INTEGER,
  actual_start REAL, actual_end REAL, cancelled INTEGER NOT NULL DEFAULT 0, deleted_at REAL, deleted_by TEXT,
  sticky INTEGER, notify INTEGER, persistent INTEGER, object_state INTEGER,
  core_id INTEGER, core_start REAL, command_id TEXT);
INSERT INTO "entry" VALUES(4294967297,'downtime',1,'web01','','ann','new disk','accepted',1,100.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'c1');
CREATE TABLE identity (
  poller INTEGER NOT NULL, host TEXT NOT NULL, service TEXT NOT NULL, id INTEGER NOT NULL UNIQUE,
  PRIMARY KEY (poller, host, service)) WITHOUT ROWID;
CREATE TABLE login_failure (
  subject TEXT PRIMARY KEY,           -- 'address …' or 'user …'
  count INTEGER NOT NULL,
  last_at REAL NOT NULL
);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "meta" VALUES('schema_version','1');
CREATE TABLE step (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, command_id TEXT NOT NULL, state TEXT NOT NULL, at REAL NOT NULL,
  evidence TEXT NOT NULL DEFAULT '', late INTEGER NOT NULL DEFAULT 0);
INSERT INTO "step" VALUES(1,'c1','accepted',100.0,'',0);
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
CREATE TABLE user (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  role TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  author TEXT NOT NULL,
  scope TEXT NOT NULL,                -- JSON {"pollers": [number …] | null, "hostgroups": [name …] | null}
  created_at REAL NOT NULL
);
INSERT INTO "user" VALUES(1,'ann','operator','hash','ann','{"pollers":null,"hostgroups":null}',5.0);
CREATE INDEX command_open ON command (poller, state, seq);
CREATE INDEX command_object ON command (poller, host, service, seq);
CREATE INDEX command_twin ON command (twin_key, seq) WHERE twin_key IS NOT NULL;
CREATE INDEX command_entry ON command (entry_id, seq) WHERE entry_id IS NOT NULL;
CREATE INDEX command_waiting ON command (poller, name, seq, deadline_at) WHERE state IN ('accepted', 'held');
CREATE INDEX command_waiting_object ON command (poller, host, service, seq) WHERE state IN ('accepted', 'held');
CREATE INDEX command_watched ON command (poller, seq) WHERE state = 'processed' AND watch_from IS NOT NULL;
CREATE INDEX command_late ON command (poller, updated_at) WHERE state IN ('unknown', 'no_effect');
CREATE INDEX command_epoch ON command (poller, host, service, name, epoch) WHERE epoch IS NOT NULL;
CREATE INDEX step_command ON step (command_id, seq);
CREATE INDEX batch_open ON batch (poller, seq) WHERE open = 1;
CREATE INDEX entry_present ON entry (poller, kind, present);
CREATE INDEX entry_object ON entry (poller, host, service, kind, id);
CREATE INDEX entry_kind ON entry (kind, id);
CREATE INDEX entry_command ON entry (command_id) WHERE command_id IS NOT NULL;
CREATE INDEX token_user ON token (user_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('user',1);
INSERT INTO "sqlite_sequence" VALUES('command',1);
INSERT INTO "sqlite_sequence" VALUES('step',1);
COMMIT;

"""Signalbox's engine: it knows what a core is and has never heard of HTTP.

The tour, in reading order:

1. `model.py`, `errors.py`, `clock.py`, `config.py`: the words everything else is said in; `config_file.py` loads the configuration.
2. `formats/`: bytes of a core's files ⇄ values; no I/O (`layout.py` reads blocks of one core's form at once).
3. `commands/`: `catalogue.py` is THE table of external commands, put together from `entry_rows.py`, `switch_rows.py`,
   `attribute_rows.py` and `process_rows.py`, whose words are in `parts.py`; `wire.py` writes a row as a line, `profiles.py` says
   how kinds of core differ, `danger.py` which dangerous names a configuration may allow, `lifecycle.py` is the life of a command,
   `executed.py` what the log proves was executed (`expected.py` what it will show of a batch), `proof.py` what the status file
   proves of effects, `binding.py` which of its blocks is which entry, `reruns.py` what was executed twice, `passages.py` what
   a log alone tells of downtimes, `acknowledged.py` of acknowledgements.
4. `state/`: `frames.py` is what a scanner sends, `mirror.py` the one writer of state.db (`generation.py` one scan,
   `object_cache.py` what it says of the configuration, `changes.py` one log line, and what changed; `version.py` that something
   did), `events.py` what of that is told (`former.py`: of what is gone, to whom), `views.py` the reads of hosts and services,
   `groups.py`, `grouped.py` (groups searched by their members), `resources.py` (hosts and services in one list), `listed.py`
   (services as lists show them), `configured.py` (contacts, timeperiods, a core's commands), `tactical.py` (totals), `outages.py`
   (what keeps hosts from being reached) and `detail.py` (what stands around an object) further ones, `scope.py` who may see what
   (`rights.py`: as a contact). `search.py` is the search language as SQL (`fields.py` what can be named, `operands.py` values,
   `patterns.py` LIKE and regular expressions), `lists.py` what it finds, as columns, `sources.py` what lists of
   the configuration are made of. `logindex.py` writes history.db, the index
   of the cores' logs, `history.py` reads it.
5. `journal/`: `schema.py` is its tables, version after version, `store.py` the one way to write them (`slices.py` long work in
   short transactions), `commands.py` keeps commands and every step of their life (`moves.py` the same step of many), `batches.py`
   what of them was written together, `followed.py` how far each log was read, `calls.py` passive results by the thousand as one
   row, `operations.py` the calls they all came from, `identities.py` mints public ids, `own.py` stores what Signalbox itself
   asks for, `history.py` keeps downtimes, acknowledgements and comments,
   `accounts.py` users and tokens (`accounts_version.py`: whether they changed), `requests.py` what requests with an
   Idempotency-Key got, `audit.py` who asked for what, `rows.py` puts many rows in by few statements,
   `checkpoints.py` keeps its write-ahead log short, `undone.py` overwrites in it what a failed commit left,
   `retention.py` what is forgotten.
6. `pollers/`: the thin edge. `command_file.py` (the FIFO), `tail.py` (logs through rotations), `scan.py` (status files: what
   changed), `scanner_process.py` (where they are scanned), `priority.py` (who waits where the processor is short), `watch.py`
   (folders), `inspect.py` (what `check` finds), `following.py` (how far a log was read over our own restarts), `follow.py` (the
   thread that carries what a log says of states into the mirror), `indexing.py` (the process that fills history.db), `replay.py`
   (downtimes that only the logs know), `acknowledged.py` (acknowledgements likewise), `duplicates.py` (what a core made twice of
   one line), `losses.py` and `switches.py`
   (what it lost in a crash), `expiry.py` (acknowledgements that end at a time), `logpages.py` (logs as
   they lie, from either end), and the lane, one thread that carries a poller's commands: `local.py`
   its round (in layers: `lane_parts.py` what it holds, `lane_log.py` what it hears, `lane_writing.py` and `lane_sending.py` what
   it writes, `lane_silence.py` what it does where proof does not come), `health.py` how its command file is, `sending.py` what
   may be written next, `bulk.py` calls of results (`call.py` one of them, `bulk_plan.py` what of them is written next,
   `newest.py` and `last_checks.py` what it is decided by, `bulk_judge.py` what they did), `proving.py` what the files prove
   (`effects_judged.py` of one command's effect, `entries_judged.py` of entries made or deleted, `deletions.py` by which command,
   `absent.py` what to do where it is not there, `one_by_one.py` where it was a deletion of many), `keeping.py` its successor when
   the journal could not be written.
7. `runtime.py`: the engine process put together. `hints.py`: wake-ups between processes. `faults.py`: crash points for tests.
   `figures.py`: what processes count and time, for /metrics. `garbage.py`: how often cycles are looked for. `uncounted.py`:
   SQLite's memory without a lock of all threads. `turns.py`: threads that do what many ask, in turns of who asks. `carrier.py`: a
   thread that does many requests' short works together. `mapped.py`: a number that all processes see.
8. `desk/`: the front door every API dialect comes through; it runs in the API workers: one class in layers, `opened.py` (databases,
   threads), `reading.py` (what is shown), `ordering.py` (from orders to receipts), `nouns.py`, `any_command.py`, `for_many.py` and
   `result_calls.py` (what can be asked); `storable.py` says what no database can hold. `selection.py` says which objects a call is
   for, `plans.py` plans calls for many, `items.py` calls whose parts stand or fall one by one, `bulk.py` stores them in slices,
   `together.py` many small ones at once, `once.py` wraps what it stores, `rights.py` says what a contact of the core may command,
   `subscribe.py` gives events out (`pages.py` reads them, `audience.py` says to whom, `snapshot.py` what stands before them),
   `entries.py` lists downtimes, acknowledgements and comments (`entry_fields.py` what can be named in a search of them),
   `timeline.py` everything that happened to one object.

Values are msgspec structs, whose making costs a starting process 13 µs each; that of a frozen dataclass costs 1 ms, and two fifths
of a restart were that. Settings stay dataclasses, for what their fields tell of themselves.

Where we differ from the first design, and why: a lane is a thread with synchronous code, so that the order "journal, write,
journal" can be read off the page; a generation is one transaction of state.db, so that readers see it whole without a second
set of tables; downtimes, acknowledgements and comments are listed from the journal, which holds ours and everybody's; the door
is a class (`engine.desk.Desk`) rather than functions of this module, because it owns connections and a socket.
"""

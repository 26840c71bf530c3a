"""Operations: each call has one, what is stored in slices counts only with the last, and what nobody finishes is withdrawn."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from engine.config import Settings
from engine.desk import Caller, CheckResult, Desk, EntryFilter, Receipt, Target
from engine.desk.accept import Accept
from engine.desk.bulk import SLICE, Bulk
from engine.desk.lives import NEVER_SENT, page_of_lives
from engine.desk.operations import page_of_operations
from engine.desk.plans import DeletionAsked, How
from engine.desk.selection import EntrySelection, Selection
from engine.errors import Forbidden, InvalidField, JournalError, NotPossible, UnknownObject
from engine.formats.cgicfg import parse_cgi_config
from engine.journal.commands import has_waiting_before, insert_new, is_waiting, waiting_named, waiting_names
from engine.journal.operations import unsent_operations
from engine.journal.store import Journal
from engine.state.rights import rights_of
from engine.state.scope import Scope
from engine.state.views import Reader
from tests.engine.desk.scene import (
    LINUX_ONLY,
    NORTH,
    OPERATOR,
    SOUTH,
    SOUTH_ONLY,
    Scene,
    at_desk,
    host,
    scene_in,
    service,
    target,
    window,
)
from tests.support.cores import PATIENCE_S

MANY = 3 * SLICE + 1


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with scene_in(tmp_path, Settings(bulk_limit=2 * MANY)) as made:
        yield made


@pytest.fixture
def many(scene: Scene) -> list[Target]:
    scene.scan(NORTH, host("many"), *(service("many", f"s{n}") for n in range(MANY)))
    return [target("many", f"s{n}") for n in range(MANY)]


def comment(desk: Desk, targets: list[Target], text: str = "c", **more: Any) -> Any:
    return desk.add_comment(OPERATOR, targets, comment=text, persistent=True, **more)


@contextmanager
def dying_after(monkeypatch: pytest.MonkeyPatch, slices: int) -> Iterator[None]:
    """The process is gone after so many transactions: none begins any more, also none that withdraws."""
    real = Journal.transaction
    calls = 0

    @contextmanager
    def dying(self: Journal, **how: bool) -> Iterator[sqlite3.Connection]:
        nonlocal calls
        calls += 1
        if calls > slices:
            raise JournalError("gone")
        with real(self, **how) as connection:
            yield connection

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "transaction", dying)
        yield


def leave_incomplete(scene: Scene, targets: list[Target], monkeypatch: pytest.MonkeyPatch) -> None:
    with dying_after(monkeypatch, 3), pytest.raises(JournalError):
        at_desk(scene, lambda desk: comment(desk, targets))


def test_each_call_has_an_operation_that_tells_who_what_and_how_far(scene: Scene) -> None:
    async def work(desk: Desk) -> Any:
        receipts = await comment(desk, [target("web01"), target("db01")], reference="CHG1")
        scene.confirmed(receipts[0].command_id)
        return receipts, await desk.operation(OPERATOR, receipts[0].operation)

    receipts, view = at_desk(scene, work)
    assert {receipt.operation for receipt in receipts} == {view.id}
    assert (view.action, view.user, view.reference, view.storing) == ("comment", "olga", "CHG1", "complete")
    assert (view.commands, view.joined, view.final, view.counts) == (2, 0, 1, {"accepted": 1, "confirmed": 1})


def test_a_call_that_joins_has_an_operation_of_its_own_with_the_joined_command(scene: Scene) -> None:
    async def work(desk: Desk) -> Any:
        (first,) = await comment(desk, [target("web01")])
        (second,) = await comment(desk, [target("web01")])
        page = await desk.commands(OPERATOR, EntryFilter(operation=second.operation))
        return first, second, await desk.operation(OPERATOR, second.operation), page

    first, second, view, page = at_desk(scene, work)
    assert second.joined and second.command_id == first.command_id and second.operation != first.operation
    assert (view.commands, view.joined) == (1, 1)
    assert [life.id for life in page.rows] == [first.command_id]


def test_an_operation_out_of_scope_is_unknown_and_counts_are_of_what_is_seen(scene: Scene) -> None:
    async def work(desk: Desk) -> Any:
        (mixed, _) = await comment(desk, [target("web01"), target("mail01")])
        (south,) = await comment(desk, [target("mail01")], "other")
        seen = [await desk.operation(who, mixed.operation) for who in (LINUX_ONLY, SOUTH_ONLY)]
        with pytest.raises(UnknownObject):
            await desk.operation(LINUX_ONLY, south.operation)
        with pytest.raises(UnknownObject):
            await desk.operation(OPERATOR, "no such")
        return (
            seen,
            (await desk.operations(LINUX_ONLY, EntryFilter())).total,
            (await desk.operations(OPERATOR, EntryFilter())).total,
        )

    seen, some, everything = at_desk(scene, work)
    assert [view.commands for view in seen] == [1, 1]
    assert (some, everything) == (1, 2)


def test_a_token_limited_to_pollers_shows_nothing_its_user_asked_for_elsewhere(scene: Scene) -> None:
    """Its bearer would read what was done, in whose name and under which change number, of cores the token is not for."""
    narrowed = structs.replace(OPERATOR, scope=SOUTH_ONLY.scope, token="olga-south")
    results = [CheckResult(target("mail01"), 0, "fine"), CheckResult(target("mail01"), 0, "fine again")]

    async def work(desk: Desk) -> Any:
        (north,) = await comment(desk, [target("web01")], reference="CHG-SECRET")
        (south,) = await comment(desk, [target("mail01")])
        (joined,) = await comment(desk, [target("mail01")])
        call = await desk.submit_call(OPERATOR, results)
        with pytest.raises(UnknownObject):
            await desk.operation(narrowed, north.operation)
        seen = await desk.operations(narrowed, EntryFilter())
        return {south.operation, joined.operation, call.id}, seen, await desk.operations(OPERATOR, EntryFilter())

    expected, seen, everything = at_desk(scene, work)
    assert ({view.id for view in seen.rows}, seen.total) == (expected, 3)
    assert everything.total == 4


def test_who_may_not_send_a_command_does_not_withdraw_somebody_elses(scene: Scene) -> None:
    """Contacts who see every host, of whom one may command hosts and none the core: what waits for the core is not theirs."""
    told = "use_authentication=1\nauthorized_for_all_hosts=ivo,eva\nauthorized_for_all_host_commands=ivo\n"
    given = {name: rights_of(parse_cgi_config(told, Path("cgi.cfg")), name) for name in ("ivo", "eva")}
    ivo, eva = (Caller(name, name, "operator", Scope(rights=rights), rights=rights) for name, rights in given.items())
    admin = structs.replace(OPERATOR, role="admin")

    async def work(desk: Desk) -> None:
        (core,) = await desk.command(admin, "ENABLE_FLAP_DETECTION", {}, poller=SOUTH)
        (group,) = await desk.command(admin, "ENABLE_HOSTGROUP_SVC_CHECKS", {"hostgroup": "linux"}, poller=NORTH)
        (own,) = await comment(desk, [target("web01")])
        for caller, receipt in ((ivo, core), (eva, core), (eva, group), (eva, own)):
            with pytest.raises(Forbidden):
                await desk.cancel_command(caller, receipt.command_id)
        assert {str(command.state) for command in scene.commands()} == {"accepted"}
        for receipt in (group, own):
            assert (await desk.cancel_command(ivo, receipt.command_id)).state == "cancelled"

    at_desk(scene, work)


def test_who_is_limited_by_a_cgi_cfg_does_not_withdraw_somebody_elses_results(scene: Scene) -> None:
    """They see every host, so they see the call; whether they may command what each of its results is about is not asked."""
    told = "use_authentication=1\nauthorized_for_all_hosts=ivo\nauthorized_for_all_host_commands=ivo\n"
    rights = rights_of(parse_cgi_config(told, Path("cgi.cfg")), "ivo")
    ivo = Caller("ivo", "ivo", "operator", rights=rights)
    results = [CheckResult(target("web01"), 0, "fine"), CheckResult(target("web01"), 0, "fine again")]

    async def work(desk: Desk) -> None:
        theirs, own = await desk.submit_call(OPERATOR, results), await desk.submit_call(ivo, results)
        with pytest.raises(Forbidden):
            await desk.withdraw_call(ivo, theirs.id)
        assert str((await desk.call_of_results(OPERATOR, theirs.id)).state) == "accepted"
        assert str((await desk.withdraw_call(ivo, own.id)).state) == "cancelled"
        assert str((await desk.withdraw_call(OPERATOR, theirs.id)).state) == "cancelled"

    at_desk(scene, work)


def test_a_call_in_slices_is_complete_with_its_last(scene: Scene, many: list[Target]) -> None:
    async def work(desk: Desk) -> Any:
        receipts = await comment(desk, many)
        return receipts, await desk.operation(OPERATOR, receipts[0].operation)

    receipts, view = at_desk(scene, work)
    assert [receipt.service for receipt in receipts] == [one.service for one in many]
    assert len({receipt.entry_id for receipt in receipts}) == MANY
    assert (view.commands, view.storing) == (MANY, "complete")
    assert len(list(waiting_named(scene.journal.connection, NORTH, "ADD_SVC_COMMENT"))) == MANY


def test_nothing_of_an_incomplete_operation_is_sent_or_shown(
    scene: Scene, many: list[Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_incomplete(scene, many, monkeypatch)
    connection = scene.journal.connection
    stored = scene.commands()
    assert SLICE < len(stored) <= 2 * SLICE and {str(command.state) for command in stored} == {"accepted"}
    assert not is_waiting(connection, NORTH)
    assert waiting_names(connection, NORTH) == []
    assert list(waiting_named(connection, NORTH, "ADD_SVC_COMMENT")) == []
    assert not has_waiting_before(connection, stored[-1], ["ADD_SVC_COMMENT"])
    with Journal.open(scene.data).transaction() as writing:
        assert len(unsent_operations(writing)) == 1


def test_an_operation_counts_what_is_accepted_at_every_moment(
    scene: Scene, many: list[Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is stored, and while it is withdrawn, its call may still be refused, or is: nothing of it is accepted then."""
    at_desk(scene, lambda desk: comment(desk, many[:1]))
    real, seen = Journal.transaction, list[tuple[str, int, int, int, dict[str, int], int]]()

    @contextmanager
    def watched(self: Journal, **how: bool) -> Iterator[sqlite3.Connection]:
        with real(self, **how) as connection:
            yield connection
        with closing(Reader.open(scene.data)) as reader:
            views = page_of_operations(reader.connection, OPERATOR, EntryFilter()).rows
            listed = [
                page_of_lives(reader.connection, OPERATOR.scope, EntryFilter(operation=view.id), {}).total for view in views[:-1]
            ]
        told = zip(views[:-1], listed, strict=True)
        seen.extend((view.storing, view.commands, view.joined, view.final, view.counts, count) for view, count in told)

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "transaction", watched)
        at_desk(scene, lambda desk: comment(desk, many))
        monkeypatch.setattr("engine.desk.bulk.finished", lambda *_: _broken)
        with pytest.raises(RuntimeError):
            at_desk(scene, lambda desk: comment(desk, many[1:], "another"))
    joined = ("incomplete", 1, 1, 0, {"accepted": 1}, 1)  # of an operation that stands
    whole = ("complete", MANY, 1, 0, {"accepted": MANY}, MANY)
    gone = ("withdrawn", MANY - 1, 0, MANY - 1, {"cancelled": MANY - 1}, MANY - 1)
    nothing = [(storing, 0, 0, 0, {}, 0) for storing in ("incomplete", "withdrawing")]
    kinds = [one for place, one in enumerate(seen) if one not in seen[:place]]
    assert kinds == [("incomplete", 0, 0, 0, {}, 0), joined, whole, nothing[1], gone], kinds


def test_a_call_that_took_too_long_to_store_is_refused_whole(
    scene: Scene, many: list[Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads events has stopped waiting for it: nobody would ever be told of its commands."""
    monkeypatch.setattr("engine.desk.bulk.STORED_WITHIN_S", -1.0)
    with pytest.raises(JournalError, match="ask again"):
        at_desk(scene, lambda desk: comment(desk, many))
    assert {str(command.state) for command in scene.commands()} == {"cancelled"}
    assert at_desk(scene, lambda desk: comment(desk, many[:1])), "what is stored at once is not asked how long it took"


def _broken(connection: sqlite3.Connection) -> Any:
    raise RuntimeError("it cannot be finished")


def test_a_power_cut_takes_slices_that_nobody_was_told_of_and_nothing_else(
    scene: Scene, many: list[Target], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slices wait for no disk: of them a machine that stops may keep any part. What was told, before or of the whole, stands."""
    at_desk(scene, lambda desk: comment(desk, [target("web01")], "told before"))
    real, cuts = Journal.transaction, list[tuple[bool, bytes, bytes]]()
    files = [scene.data / name for name in ("journal.db", "journal.db-wal")]

    @contextmanager
    def watched(self: Journal, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        with real(self, durable=durable) as connection:
            yield connection
        cuts.append((durable, *(file.read_bytes() for file in files)))  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "transaction", watched)
        at_desk(scene, lambda desk: comment(desk, many))
    assert [durable for durable, _, _ in cuts].count(False) >= MANY // SLICE
    safe, found = 0, list[int]()
    for number, (durable, database, log) in enumerate(cuts):
        safe = len(log) if durable else safe
        for size in sorted({safe, (safe + len(log)) // 2, len(log) - 100 if not durable else safe}):
            data = tmp_path / f"cut-{number}-{size}"
            data.mkdir()
            (data / "journal.db").write_bytes(database)
            (data / "journal.db-wal").write_bytes(log[:size])
            found.append(_stands_after_a_cut(data, told=number == len(cuts) - 1))
    assert 0 in found and MANY in found and any(0 < count < MANY for count in found), found


def _stands_after_a_cut(data: Path, *, told: bool) -> int:
    """How many of the call's commands are left, all of them once it is complete; what was told before is there, and is sent."""
    journal = Journal.open(data)
    try:
        connection = journal.connection
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        names = [command.name for command in waiting_named(connection, NORTH, "ADD_HOST_COMMENT")]
        assert names == ["ADD_HOST_COMMENT"], "what was told before"
        (count,) = connection.execute("SELECT count(*) FROM command WHERE name = 'ADD_SVC_COMMENT'").fetchone()
        (entries,) = connection.execute("SELECT count(*) FROM entry WHERE service <> ''").fetchone()
        assert entries == count
        sent = len(list(waiting_named(connection, NORTH, "ADD_SVC_COMMENT")))
        if told:
            assert sent == count == MANY
        else:
            assert sent in (0, MANY) and (sent or count == 0 or len(unsent_operations(connection)) == 1)
        return int(count)
    finally:
        journal.close()


def test_the_next_desk_withdraws_what_a_dead_one_left_incomplete(
    scene: Scene, many: list[Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_incomplete(scene, many, monkeypatch)

    async def nothing(desk: Desk) -> Any:
        return (await desk.entries(OPERATOR, EntryFilter(kind="comment"))).total

    assert at_desk(scene, nothing) == 0
    assert {str(command.state) for command in scene.commands()} == {"cancelled"}
    assert not any(entry.present for entry in scene.entries())
    assert unsent_operations(scene.journal.connection) == {}
    receipts = at_desk(scene, lambda desk: comment(desk, many))
    assert not any(receipt.joined for receipt in receipts)


def test_what_could_not_be_withdrawn_is_by_the_same_desk_once_the_journal_can_be_written(
    scene: Scene, many: list[Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would refuse twins, and not be listed, as long as this process lives."""
    monkeypatch.setattr("engine.desk.bulk._AGAIN_S", 0.01)

    async def work(desk: Desk) -> tuple[Receipt, ...]:
        with dying_after(monkeypatch, 3), pytest.raises(JournalError):
            await comment(desk, many)
        async with asyncio.timeout(PATIENCE_S):
            while unsent_operations(scene.journal.connection):
                await asyncio.sleep(0.01)
        receipts: tuple[Receipt, ...] = await comment(desk, many)
        return receipts

    assert not any(receipt.joined for receipt in at_desk(scene, work))
    assert {str(command.state) for command in scene.commands()} == {"cancelled", "accepted"}


def test_what_a_living_desk_is_storing_is_left_alone_by_the_next(scene: Scene, many: list[Target]) -> None:
    async def work(desk: Desk) -> tuple[Receipt, ...]:
        storing = asyncio.create_task(comment(desk, many))
        while not unsent_operations(scene.journal.connection):
            await asyncio.sleep(0)
        other = Desk(scene.config)
        await other.open()
        await other.close()
        receipts: tuple[Receipt, ...] = await storing
        return receipts

    assert len(at_desk(scene, work)) == MANY
    assert {str(command.state) for command in scene.commands()} == {"accepted"}


def test_a_slow_desk_cannot_go_on_with_what_was_withdrawn(scene: Scene, many: list[Target]) -> None:
    async def work(desk: Desk) -> None:
        storing = asyncio.create_task(comment(desk, many))
        while not (unsent_operations(scene.journal.connection) and scene.commands()):
            await asyncio.sleep(0)
        with scene.journal.transaction() as connection:
            connection.execute("UPDATE operation SET state = 'withdrawing' WHERE state = 'incomplete'")
        with pytest.raises(JournalError, match="withdrawn meanwhile"):
            await storing

    at_desk(scene, work)
    assert {str(command.state) for command in scene.commands()} == {"cancelled"}


def test_an_error_that_is_none_of_ours_leaves_nothing_incomplete(
    scene: Scene, many: list[Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug of ours in the third slice: what was stored of the call would wait, and refuse twins, as long as this process lives."""
    real, calls = insert_new, 0

    def breaking(connection: sqlite3.Connection, commands: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise ZeroDivisionError
        real(connection, commands)

    async def work(desk: Desk) -> None:
        with monkeypatch.context() as patched:
            patched.setattr("engine.desk.bulk.insert_new", breaking)
            with pytest.raises(ZeroDivisionError):
                await comment(desk, many)
        assert unsent_operations(scene.journal.connection) == {}
        assert {str(command.state) for command in scene.commands()} == {"cancelled"}
        assert len(await comment(desk, many)) == MANY

    at_desk(scene, work)


def delete_all(desk: Desk) -> Any:
    return desk.carry_out(OPERATOR, DeletionAsked(EntrySelection("comment", Selection(), comment="c")), How())


@pytest.mark.parametrize("error", [sqlite3.DatabaseError("broken"), OSError("no descriptor"), ZeroDivisionError()])
def test_what_fails_behind_the_end_of_a_call_is_not_told_as_its_refusal(
    scene: Scene, many: list[Target], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """All of it stands and goes out: whoever is told otherwise asks for it again."""
    at_desk(scene, lambda desk: comment(desk, many))

    def failing(self: Accept, connection: sqlite3.Connection, receipts: Any) -> None:
        raise error

    monkeypatch.setattr(Accept, "spare", failing)
    done = at_desk(scene, delete_all)
    assert len(done.receipts) == MANY
    assert unsent_operations(scene.journal.connection) == {}


def test_a_deletion_of_many_that_is_refused_late_withdraws_nothing(
    scene: Scene, many: list[Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them ends while the others are stored: what was not sent yet would be withdrawn, and the caller told 409."""
    at_desk(scene, lambda desk: comment(desk, many))
    made = scene.commands()
    real, calls = Journal.transaction, 0

    @contextmanager
    def ending(self: Journal, **how: bool) -> Iterator[sqlite3.Connection]:
        nonlocal calls
        calls += 1
        with real(self, **how) as connection:
            if calls == 4:  # the operation, two slices
                connection.execute("UPDATE entry SET present = 0 WHERE id = (SELECT min(id) FROM entry)")
            yield connection

    with monkeypatch.context() as patched, pytest.raises(NotPossible, match="has ended already"):
        patched.setattr(Journal, "transaction", ending)
        at_desk(scene, delete_all)
    assert {command.id for command in scene.commands() if str(command.state) == "accepted"} == {command.id for command in made}
    assert sum(entry.present for entry in scene.entries()) == MANY - 1
    deletions = [command for command in scene.commands() if command.name == "DEL_SVC_COMMENT"]
    assert len(deletions) >= SLICE and {str(command.state) for command in deletions} == {"cancelled"}


def test_a_deletion_of_many_withdraws_what_was_not_sent_yet(scene: Scene, many: list[Target]) -> None:
    made = at_desk(scene, lambda desk: comment(desk, many))
    scene.confirmed(made[0].command_id)
    done = at_desk(scene, delete_all)
    assert len(done.receipts) == MANY
    states = {command.id: (str(command.state), command.reason) for command in scene.commands()}
    of_deletions = [states[receipt.command_id] for receipt in done.receipts]
    assert of_deletions.count(("accepted", "")) == 1, "what stands in the core has to be deleted there"
    assert of_deletions.count(("cancelled", NEVER_SENT)) == MANY - 1
    assert {states[receipt.command_id][0] for receipt in made[1:]} == {"cancelled"}
    assert sum(entry.present for entry in scene.entries()) == 1


def test_an_object_acknowledged_while_many_are_taken_back_is_told_to_the_core(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else acknowledged it after the plan: withdrawing ours alone would leave that one, and say it was taken back."""
    problems = [service("many", f"s{n}", 2) for n in range(MANY)]
    scene.scan(NORTH, host("many"), *problems)
    targets = [target("many", f"s{n}") for n in range(MANY)]
    flags = {"sticky": True, "notify": False, "persistent": False}
    made = at_desk(scene, lambda desk: desk.acknowledge(OPERATOR, targets, comment="c", **flags))
    real, done = Bulk._slices, []

    async def meanwhile(self: Bulk, *arguments: Any) -> Any:
        receipts = await real(self, *arguments)
        scene.scan(NORTH, host("many"), service("many", "s0", 2, acknowledged=1, acknowledgement_type=1), *problems[1:])
        done.append(len(receipts))
        return receipts

    monkeypatch.setattr(Bulk, "_slices", meanwhile)
    removed = at_desk(scene, lambda desk: desk.remove_acknowledgement(OPERATOR, targets))
    states = {command.id: str(command.state) for command in scene.commands()}
    assert done == [MANY] and states[removed[0].command_id] == states[made[0].command_id] == "accepted"
    assert {states[one.command_id] for one in (*made[1:], *removed[1:])} == {"cancelled"}


def test_a_twin_that_may_still_be_withdrawn_is_not_joined(
    scene: Scene, many: list[Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_incomplete(scene, many, monkeypatch)
    with scene.journal.transaction() as connection:  # its desk lives
        connection.execute("UPDATE operation SET desk = 'desk-other.sock'")

    async def work(desk: Desk) -> None:
        with pytest.raises(NotPossible, match="just being stored"):
            await comment(desk, many[:1])

    monkeypatch.setattr("engine.desk.bulk.is_listening", lambda *_: True)
    at_desk(scene, work)


def test_force_makes_a_twin_again_and_references_keep_twins_apart(scene: Scene) -> None:
    here = [target("web01")]

    async def work(desk: Desk) -> list[Any]:
        arguments = window() | {"comment": "c"}
        made = [await desk.schedule_downtime(OPERATOR, here, **arguments) for _ in range(2)]
        made.append(await desk.schedule_downtime(OPERATOR, here, force=True, **arguments))
        made += [await desk.schedule_downtime(OPERATOR, here, reference="CHG7", **arguments) for _ in range(2)]
        return [receipt for (receipt,) in made]

    assert [receipt.joined for receipt in at_desk(scene, work)] == [False, True, False, False, True]
    found = at_desk(scene, lambda desk: desk.entries(OPERATOR, EntryFilter(kind="downtime", reference="CHG7")))
    assert [(entry.reference, entry.host) for entry in found.rows] == [("CHG7", "web01")]


@pytest.mark.parametrize("reference", [" a", "a\n", "x" * 201, "\x7f"])
def test_a_reference_nobody_could_find_again_is_refused(scene: Scene, reference: str) -> None:
    async def work(desk: Desk) -> None:
        with pytest.raises(InvalidField, match="reference"):
            await comment(desk, [target("web01")], reference=reference)

    at_desk(scene, work)
    assert scene.commands() == []


def test_one_target_said_twice_is_made_once(scene: Scene) -> None:
    first, second = at_desk(scene, lambda desk: comment(desk, [target("web01")] * 2))
    assert first.command_id == second.command_id and (first.joined, second.joined) == (False, True)
    assert len(scene.commands()) == 1


def test_one_object_named_twice_far_apart_is_done_once(scene: Scene, many: list[Target]) -> None:
    """The second falls into another slice, and finds the first one's command under way: its own operation's."""
    receipts = at_desk(scene, lambda desk: desk.schedule_downtime(OPERATOR, [*many, many[0]], comment="c", **window()))
    assert len(scene.commands()) == MANY
    assert (receipts[-1].command_id, receipts[-1].joined) == (receipts[0].command_id, True)

"""Objects that several calls of one commit name are looked up together: each call gets what it would have got alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engine.carrier import Outcome
from engine.desk.readers import Readers
from engine.desk.resolve import Found, Named, Resolver
from engine.desk.values import Target
from engine.state.scope import EVERYTHING, Scope
from engine.state.views import Reader
from tests.engine.desk.scene import NORTH, SCENE, SOUTH, Scene, host, scene_in

TARGETS = (
    *(Target(one.name) for hosts, _, _ in SCENE.values() for one in hosts),
    *(Target(one.host_name, one.description) for _, services, _ in SCENE.values() for one in services),
    Target("both", poller=SOUTH),
    Target("both", poller=NORTH),
    Target("nobody"),
    Target("web01", "nothing"),
    Target("SQL", "db01"),
    Target('["web01"'),
    Target("0123"),
    Target("123"),
    Target("1e2", "7"),
    Target("web01", poller=77),
)
SCOPES = (EVERYTHING, Scope(hostgroups=frozenset({"linux"})), Scope(pollers=frozenset({SOUTH})), Scope(pollers=frozenset()))


def named(scene: Scene, target: Target, scope: Scope) -> Named[Found]:
    pollers = {poller.number: poller for poller in scene.config.pollers}

    def work(reader: Reader) -> Found:
        return Resolver(reader, scope, pollers, brief=True).one(target)

    return Named([target], scope, work)


def plain(outcome: Outcome) -> tuple[object, str]:
    """What was found, or what was raised, as far as it can be compared."""
    found, error = outcome
    return found, repr(error)


def all_of(scene: Scene, works: list[Named[Found]]) -> tuple[list[Outcome], list[Outcome]]:
    """Their outcomes in one batch, and each in a batch of its own."""
    readers = Readers(scene.data)
    try:
        return readers.read_all(works), [readers.read_all([work])[0] for work in works]
    finally:
        readers.close()


def with_numbers(tmp_path: Path, check: Callable[[Scene], None]) -> None:
    """A scene with names that look like numbers, which a comparison must not take for one."""
    with scene_in(tmp_path) as scene:
        scene.scan(NORTH, host("0123"), host('["web01"'))
        check(scene)


def test_each_of_many_gets_what_it_gets_alone(tmp_path: Path) -> None:
    def check(scene: Scene) -> None:
        works = [named(scene, target, scope) for target in TARGETS for scope in SCOPES]
        together, alone = all_of(scene, works)
        assert list(map(plain, together)) == list(map(plain, alone))
        found = [one for one, _ in together if one is not None]
        assert {one.key.host for one in found} >= {"web01", "Größe", "0123", '["web01"', "mail01", "ice01"}
        assert len(found) < len(works), "what is unknown, ambiguous or out of scope was among them"

    with_numbers(tmp_path, check)


def test_what_one_commit_found_is_not_what_the_next_finds(tmp_path: Path) -> None:
    """An object that is gone by then is unknown, and its state is the one it has then."""
    with scene_in(tmp_path) as scene:
        works = [named(scene, Target(name), EVERYTHING) for name in ("web01", "db01", "bare")]
        readers = Readers(scene.data)
        try:
            first = [found for found, _ in readers.read_all(works)]
            scene.scan(NORTH, host("web01", 1), gone=("bare",))
            alone = [readers.read_all([work])[0] for work in works]
            together = readers.read_all(works)
        finally:
            readers.close()
    assert [one.row.state for one in first] == [0, 1, 0]
    for (web, _), (db, _), (bare, error) in (alone, together):
        assert [one.row.state for one in (web, db)] == [1, 1]
        assert bare is None and error is not None

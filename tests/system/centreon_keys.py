"""The search keys of Centreon's lists: a value of each that the scene's own objects have and one they have not, and where in a row
its value is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support import oracle
from tests.system.centreon_scene import GROUP, SERVICE, SERVICEGROUP, Scene, moment


def ids_of_groups(scene: Scene) -> dict[str, int]:
    """Ids of groups, which no core knows: as the lists of groups name them."""
    found = {}
    for path, name, key in (
        ("/monitoring/hostgroups", GROUP, "host_group.id"),
        ("/monitoring/servicegroups", SERVICEGROUP, "service_group.id"),
    ):
        (found[key],) = [row["id"] for row in scene.rows(path) if row["name"] == name]
    return found


def sought(scene: Scene, name: str) -> dict[str, tuple[object, object]]:
    """For each key a value that the scene's own objects have, and one they have not."""
    downtime = oracle.downtimes(scene.core.status_file, "contract")
    (own,) = (
        [
            block
            for block in downtime
            if block["host_name"] == scene.host and bool(block["service_description"]) == ("services" in name)
        ]
        if "downtimes" in name
        else [{}]
    )
    ids = ids_of_groups(scene)
    definition, block = scene.definition(), scene.block(SERVICE)
    entry = "service_downtime" if "services" in name else "host_downtime"
    return {
        "host.id": (scene.ids["host_id"], scene.ids["host_id"] + 10**6),
        "host.name": (scene.host, "n-central-not"),
        "host.alias": (definition.get("alias", scene.host), "another"),
        "host.display_name": (definition.get("display_name", scene.host), "another"),
        "host.address": (definition["address"], "192.0.2.99"),
        "host.state": (1, 2),
        "poller.id": (scene.poller, 99),
        "service.id": (scene.ids["service_id"], scene.ids["service_id"] + 10**6),
        "service.display_name": (scene.definition(SERVICE).get("display_name", SERVICE), "another"),
        "service.description": (SERVICE, "another"),
        "service.is_acknowledged": (True, False),
        "service.output": (block["plugin_output"], "another"),
        "service.state": (2, 0),
        "host_group.id": (ids["host_group.id"], 1),
        "service_group.id": (ids["service_group.id"], 1),
        "service_group.name": (SERVICEGROUP, "another"),
        "id": (scene.ids[entry], 1),
        "entry_time": (int(float(own.get("entry_time", 0))), 1),
        "is_cancelled": (False, True),
        "comment": ("contract", "another"),
        "deletion_time": (None, 1),
        "duration": (3600, 3601),
        "end_time": (int(float(own.get("end_time", 0))), 1),
        "start_time": (int(float(own.get("start_time", 0))), 1),
        "is_fixed": (True, False),
        "contact.id": (1, 99),
        "contact.name": ("admin", "another"),
    }  # fmt: skip


def own_id(scene: Scene, name: str) -> int:
    """The id of the row that is the scene's own in that list."""
    if name.endswith("groups"):
        return ids_of_groups(scene)["host_group.id" if "host" in name.rpartition("/")[2] else "service_group.id"]
    if "downtimes" in name:
        return scene.ids["service_downtime" if "services" in name else "host_downtime"]
    return scene.ids["service_id" if name.endswith("services") else "host_id"]


Row = dict[str, Any]
_HOST_KEYS = {
    "id": "id",
    "name": "name",
    "alias": "alias",
    "display_name": "display_name",
    "address": "address_ip",
    "state": "state",
}
_SHOWN_ELSEWHERE = {"contact.id": "author_id", "poller.id": "poller_id"}


def shown_as(name: str, key: str) -> Callable[[Row], object] | None:
    """Where a list's row shows what that key is about; None where it does not. Texts as they are sorted: without case."""
    prefix, _, field = key.rpartition(".")
    path = _SHOWN_ELSEWHERE.get(key, field)
    if name.endswith("groups"):
        return None  # of a group's members there may be many
    if "downtimes" in name:
        if prefix == "host" and field != "id":
            return None
        path = "host_id" if key == "host.id" else path
        return None if key == "contact.name" else lambda row: _sortable(row[path], is_time=path.endswith("_time"))
    if prefix == "host":
        host = _HOST_KEYS.get(field, "")
        if name.endswith("services"):
            return None if host == "address_ip" else lambda row: _sortable(row["host"][host])
        return lambda row: _sortable(row[host])
    if key == "service.output":
        return lambda row: _sortable(row["output"].partition("\n")[0])
    is_its_own = (prefix == "service" and name.endswith("services")) or (key == "poller.id" and not name.endswith("services"))
    return (lambda row: _sortable(row[path])) if is_its_own else None


def _sortable(value: object, *, is_time: bool = False) -> object:
    if is_time:
        return moment(str(value)) if value is not None else None
    return value.encode().lower() if isinstance(value, str) else value

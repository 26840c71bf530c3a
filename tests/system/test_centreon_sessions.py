"""Every version of Centreon's paths, a browser's login and a user's time zone, down to what a real core does and logs."""

from __future__ import annotations

import re
from datetime import datetime

import httpx
import pytest

from tests.support import oracle
from tests.support.box import PASSWORD, parallel
from tests.support.cores import Core, until
from tests.system.centreon_scene import moment, window
from tests.system.conftest import Site

pytestmark = pytest.mark.core

VERSIONS = (
    "latest", "beta", "v2", "v2.0", "v2.1",
    "v21.10", "v22.04", "v22.10", "v23.04", "v23.10", "v24.04", "v24.10", "v25.04", "v25.10",
)  # fmt: skip
OF_A_BROWSER = "/centreon/api/latest/authentication/providers/configurations/local"
CORES = pytest.mark.parametrize(("name", "host"), [("north", "n000"), ("east", "e000")], ids=["nagios", "icinga2"])


@CORES
def test_an_action_is_carried_out_under_every_version(site: Site, name: str, host: str) -> None:
    """A downtime set under each is the core's, by the caller; cancelled under each it is gone."""
    core, client = site.core(name), site.box.centreon()
    client.base_url = httpx.URL(f"{site.box.url}/centreon/api")
    path = f"monitoring/hosts/{site.box.host_id(host)}/downtimes"

    def made() -> list[tuple[str, str]]:
        return sorted((one["comment"], one["author"]) for one in oracle.downtimes(core.status_file) if one["host_name"] == host)

    answers = parallel(lambda version: client.post(f"{version}/{path}", json=window(comment=f"under {version}")), VERSIONS)
    assert [answer.status_code for answer in answers] == [204] * len(VERSIONS), [answer.text for answer in answers]
    until(lambda: made() == sorted((f"under {version}", "admin") for version in VERSIONS), "the core shows one of each version")

    def cancelled(version: str) -> int:
        (row,) = client.get(f"{version}/{path}", params={"search": f'{{"comment":"under {version}"}}'}).json()["result"]
        return client.delete(f"{version}/monitoring/downtimes/{row['id']}").status_code

    assert parallel(cancelled, VERSIONS) == [204] * len(VERSIONS)
    until(lambda: made() == [], "the core shows none any more")
    shown = client.get(f"latest/{path}", params={"limit": "1000", "search": '{"comment":{"$lk":"under %"}}'}).json()["result"]
    assert len(shown) == len(VERSIONS), "they stay listed"


@CORES
def test_a_browser_writes_from_our_own_pages_and_reads_times_in_its_users_zone(site: Site, name: str, host: str) -> None:
    """What another site's page has the browser send is refused and never reaches the core; logging out ends the cookie."""
    core, user = site.core(name), f"zoe-{name}"
    site.box.add_user(user, "operator", "--zone", "Asia/Kathmandu")
    path = f"/centreon/api/latest/monitoring/hosts/{site.box.host_id(host)}"
    with httpx.Client(base_url=site.box.url, timeout=70, trust_env=False) as browser:
        here = {"Sec-Fetch-Site": "same-origin", "Origin": site.box.url}
        login = browser.post(OF_A_BROWSER, data={"login": user, "password": PASSWORD}, headers=here)
        assert login.status_code == 200, login.text
        assert re.search(r"PHPSESSID=\S+;.*httponly.*samesite=lax", login.headers["set-cookie"], re.IGNORECASE)
        for number, headers in enumerate(
            ({"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"}, {"Origin": "null"}, {})
        ):
            refused = browser.post(f"{path}/comments", json={"comment": f"forged {number} on {host}"}, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (403, 403), (headers, refused.text)
        set_ = browser.post(f"{path}/downtimes", json=window(comment=f"by page on {host}"), headers=here)
        assert set_.status_code == 204, set_.text
        # Commands reach the core in the order of the calls: what was refused would stand in its log before this one.
        page = f"by page on {host}"
        until(lambda: _logged(core, page) == [f"SCHEDULE_HOST_DOWNTIME;{host}"], "the core logs what it executed")
        assert [_logged(core, f"forged {number} on {host}") for number in range(3)] == [[], [], []]
        _times_are_in_kathmandu(core, browser, path, page)
        entry = set_.headers["signalbox-entry"]
        assert browser.delete(f"/centreon/api/latest/monitoring/downtimes/{entry}", headers=here).status_code == 204
        assert browser.post("/centreon/api/latest/authentication/logout", headers=here).status_code == 200
        browser.cookies.set("PHPSESSID", re.findall(r"PHPSESSID=([^;]+)", login.headers["set-cookie"])[0])
        assert browser.get(path).status_code == 401


def _logged(core: Core, comment: str) -> list[str]:
    """Names and hosts of the commands with that comment, as the core's log says that it executed them."""
    found = [line.decode() for line in oracle.command_lines([core.main_log]) if comment.encode() in line]
    return [";".join(line.split(";")[:2]) for line in found]


def _times_are_in_kathmandu(core: Core, browser: httpx.Client, path: str, comment: str) -> None:
    until(lambda: oracle.downtimes(core.status_file, comment), "the status file shows it")
    (block,) = oracle.downtimes(core.status_file, comment)
    (row,) = browser.get(f"{path}/downtimes", params={"search": f'{{"comment":"{comment}"}}'}).json()["result"]
    for key in ("start_time", "end_time"):
        assert str(datetime.fromisoformat(row[key]).utcoffset()) == "5:45:00", row[key]
        assert moment(row[key]) == int(float(block[key]))
    assert block["author"] == row["author_name"]

"""What stands in front of the CGIs: real web servers with the snippets of contrib/, a real browser, Nagstamon."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.cgi import PAGES
from engine.config import Settings
from tests.support import cores, nagstamon, plain_http
from tests.support.box import Box, boxed
from tests.support.browser import browser
from tests.support.cgi_core import ADMIN, HOSTS, CgiCore
from tests.support.cores import PATIENCE_S, until
from tests.support.web_servers import CONTRIB, PROXY, REALM, WebServer, apache, cgis_in, nginx, snippet

pytestmark = pytest.mark.core

PASSWORD, SHA = "pass", "{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ="
SUCCESS = "Your command request was successfully submitted to Nagios for processing."
BASIC = (ADMIN, PASSWORD)


@dataclass
class Scene:
    """A core, Signalbox in front of it, and the password file that both it and web servers read."""

    folder: Path
    core: CgiCore
    box: Box
    users: Path

    def commands(self) -> list[str]:
        """The external commands the core took, by its own log; those of ours that do nothing left out."""
        return re.findall(r"EXTERNAL COMMAND: (?!_SIGNALBOX_)(.*)\n", self.core.log_file.read_text("utf-8", "replace"))


@pytest.fixture(scope="module")
def scene(_cores_are_there: None) -> Iterator[Scene]:
    with cores.core_folder() as folder:
        core = CgiCore(folder / "core", HOSTS, 1)
        users = folder / "htpasswd"
        users.write_text(f"{ADMIN}:{SHA}\nann:{SHA}\n")
        settings = f'cgi_cfg = "{core.folder / "cgi.cfg"}"\nhtpasswd = "{users}"\n'
        settings += f'behind_proxy = ["{PROXY}"]\nremote_user_from = ["{PROXY}"]\nbulk_limit = 3\n'
        with cores.running(core), boxed(folder, core, settings=settings) as box:
            yield Scene(folder, core, box, users)


# --- web servers --------------------------------------------------------------------------------------------------------------


@contextmanager
def served(scene: Scene, kind: str, name: str, users: Path | None = None) -> Iterator[WebServer]:
    """A web server with a snippet ("" for none: as it was before)."""
    run = f"{kind}-{name or 'before'}"
    text = snippet(kind, name, scene.box.port, users or scene.users) if name else ""
    cgi_cfg = scene.core.folder / "cgi.cfg"
    if kind == "apache":
        with apache(scene.folder / run, cgi_cfg, scene.users, text) as server:
            yield server
    else:
        before = apache(scene.folder / f"{run}-behind", cgi_cfg, scene.users)
        with before as behind, nginx(scene.folder / run, behind.port, text) as server:
            yield server


KINDS = ("apache", "nginx")


@pytest.fixture(scope="module", params=KINDS)
def passing(request: pytest.FixtureRequest, scene: Scene) -> Iterator[WebServer]:
    with served(scene, request.param, "signalbox") as server:
        yield server


@pytest.fixture(scope="module", params=KINDS)
def naming(request: pytest.FixtureRequest, scene: Scene) -> Iterator[WebServer]:
    """The web server knows users that Signalbox knows nothing of."""
    users = scene.folder / f"users-of-{request.param}"
    users.write_text(f"bob:{SHA}\n{ADMIN}:{SHA}\n")
    with served(scene, request.param, "signalbox-remote-user", users) as server:
        yield server


def commit(url: str, number: int = 24, **options: object) -> httpx.Response:
    """Ask cmd.cgi for a harmless command."""
    return plain_http.get(f"{url}/nagios4/cgi-bin/cmd.cgi?cmd_typ={number}&cmd_mod=2&host=web01", timeout=PATIENCE_S, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["signalbox", "signalbox-remote-user"])
def test_a_snippet_names_what_is_served(kind: str, name: str) -> None:
    """What it names and Signalbox has not would be lost to everybody; what it does not name stays with the original."""
    text = (CONTRIB / kind / f"{name}.conf").read_text("utf-8")
    assert cgis_in(text) == set(PAGES)
    pattern = re.search(r"(\^/\(\?:.*?\$)[\" ]", text)
    assert pattern is not None
    for prefix in Settings().cgi_prefixes:
        assert re.search(pattern[1], f"{prefix}/cmd.cgi"), prefix
    assert not re.search(pattern[1], "/nagios4/cgi-bin/avail.cgi")


def test_each_path_leads_to_signalbox(scene: Scene, passing: WebServer) -> None:
    for prefix in Settings().cgi_prefixes:
        answer = plain_http.get(f"{passing.url}{prefix}/cmd.cgi")
        assert (answer.status_code, 'realm="Nagios Access"' in answer.headers["WWW-Authenticate"]) == (401, True), prefix
    for name in cgis_in((CONTRIB / "apache" / "signalbox.conf").read_text("utf-8")):
        assert 'realm="Nagios Access"' in plain_http.get(f"{passing.url}/nagios4/cgi-bin/{name}").headers["WWW-Authenticate"], name
    other = f"{passing.url}/nagios4/cgi-bin/avail.cgi"
    assert f'realm="{REALM}"' in plain_http.get(other).headers["WWW-Authenticate"], "what Signalbox has not stays with the original"
    assert plain_http.get(other, auth=BASIC).status_code == 200


def test_a_form_is_ours(passing: WebServer) -> None:
    form = plain_http.get(f"{passing.url}/nagios4/cgi-bin/cmd.cgi?cmd_typ=24&host=web01", auth=BASIC)
    assert "Times are those of" in form.text


def test_passwords_go_through(scene: Scene, passing: WebServer) -> None:
    before = len(scene.commands())
    assert commit(passing.url, auth=("ann", "wrong")).status_code == 401
    forged = commit(passing.url, headers={"X-Remote-User": ADMIN})
    assert forged.status_code == 401, "what a client says of itself goes no further"
    assert SUCCESS not in commit(passing.url, auth=("ann", PASSWORD), headers={"X-Remote-User": ADMIN}).text
    assert scene.commands()[before:] == []
    answer = plain_http.post(f"{passing.url}/nagios/cgi-bin/cmd.cgi", auth=BASIC, content="cmd_typ=25&cmd_mod=2&host=web02")
    assert SUCCESS in answer.text
    assert scene.commands()[before:] == ["DISABLE_HOST_NOTIFICATIONS;web02"]


def test_a_users_address_is_his_own(scene: Scene, passing: WebServer) -> None:
    """Else one client that guesses passwords would have the web server itself turned away."""
    commit(passing.url, auth=("guesser", "wrong"))
    rows = scene.box.api.get("/v1/audit", params={"limit": 1}).json()["items"]
    assert [row["address"] for row in rows] == ["127.0.0.1"]


def test_forms_are_taken_from_their_own_page_only(scene: Scene, passing: WebServer) -> None:
    with httpx.Client(base_url=passing.url, auth=BASIC, timeout=PATIENCE_S, headers={"User-Agent": "Mozilla/5.0"}) as browser:
        form = browser.get("/nagios4/cgi-bin/cmd.cgi?cmd_typ=24&host=web01")
        token = re.search(r"NAME='nagFormId' VALUE='(\w+)'", form.text)
        assert token is not None
        asked = {"cmd_typ": "24", "cmd_mod": "2", "host": "web01", "nagFormId": token[1]}
        for origin, is_taken in (("http://evil.example", False), (scene.box.url, False), (passing.url, True)):
            answer = browser.post("/nagios4/cgi-bin/cmd.cgi", data=asked, headers={"Origin": origin})
            assert (SUCCESS in answer.text) == is_taken, (origin, answer.text)


def test_the_web_server_says_who_it_is(scene: Scene, naming: WebServer) -> None:
    assert commit(naming.url).status_code == 401
    assert commit(naming.url, auth=("bob", "wrong")).status_code == 401
    assert commit(naming.url, auth=("ann", PASSWORD)).status_code == 401, "it is not the web server's"
    before = len(scene.commands())
    address = f"{naming.url}/nagios4/cgi-bin/cmd.cgi?cmd_typ=1&cmd_mod=2&host=web01&com_data=named+{naming.port}"
    answer = plain_http.get(address, auth=("bob", PASSWORD), headers={"X-Remote-User": ADMIN}, timeout=PATIENCE_S)
    assert SUCCESS in answer.text, answer.text
    assert scene.commands()[before:] == [f"ADD_HOST_COMMENT;web01;0;bob;named {naming.port}"]


def test_a_client_cannot_make_its_name_vanish(naming: WebServer) -> None:
    address = f"{naming.url}/nagios/cgi-bin/statusjson.cgi?query=hostcount"
    answer = plain_http.get(address, auth=("bob", PASSWORD), headers={"Connection": "close, X-Remote-User, Authorization"})
    assert answer.json()["result"]["user"] == "bob", answer.text


def test_only_named_addresses_may_say_who_it_is(scene: Scene) -> None:
    assert commit(scene.box.url, headers={"X-Remote-User": ADMIN}).status_code == 401
    with httpx.Client(transport=httpx.HTTPTransport(local_address=PROXY), timeout=PATIENCE_S) as there:
        answer = there.get(f"{scene.box.url}/nagios/cgi-bin/statusjson.cgi?query=hostcount", headers={"X-Remote-User": ADMIN})
    assert answer.json()["result"]["user"] == ADMIN


def test_centreons_dialect_takes_the_same_word(scene: Scene) -> None:
    """Over HTTP: a web server's from its address only, a password from anywhere; what another site sends changes nothing."""
    url, me = f"{scene.box.url}/centreon/api/latest", "/configuration/users/current/parameters"
    named, patient = {"X-Remote-User": ADMIN}, httpx.Timeout(PATIENCE_S + 10)
    assert plain_http.get(url + me, headers=named).json()["message"] == "Authentication Required"
    assert plain_http.get(url + me, auth=(ADMIN, "wrong")).json()["message"] == "Invalid credentials"
    from_proxy = httpx.HTTPTransport(local_address=PROXY)
    with (
        httpx.Client(transport=from_proxy, headers=named, timeout=patient) as there,
        httpx.Client(auth=BASIC, timeout=patient) as here,
    ):
        for number, client in enumerate((there, here)):
            assert client.get(url + me).json()["name"] == ADMIN
            (host,) = client.get(f"{url}/monitoring/hosts", params={"search": '{"host.name":"web01"}'}).json()["result"]
            comments = f"{url}/monitoring/hosts/{host['id']}/comments"
            before = len(scene.commands())
            forged = client.post(comments, json={"comment": "forged"}, headers={"Origin": "http://evil.example"})
            assert (forged.status_code, forged.json()["code"]) == (403, 403)
            assert client.post(comments, json={"comment": f"by a presented user {number}"}).status_code == 204
            assert scene.commands()[before:] == [f"ADD_HOST_COMMENT;web01;1;{ADMIN};by a presented user {number}"]


@pytest.mark.parametrize(("there", "is_secure"), [(PROXY, True), ("127.0.0.3", False)])
def test_the_forms_cookie_is_for_tls_where_a_proxy_took_it_off(scene: Scene, there: str, is_secure: bool) -> None:
    """A proxy that is not named is not believed."""
    url = f"{scene.box.url}/nagios/cgi-bin/cmd.cgi?cmd_typ=24&host=web01"
    with httpx.Client(transport=httpx.HTTPTransport(local_address=there), timeout=PATIENCE_S) as client:
        cookie = client.get(url, auth=BASIC, headers={"X-Forwarded-Proto": "https"}).headers["Set-Cookie"].lower()
    assert (re.findall(r"; (secure|httponly|samesite=\w+)", cookie).count("secure") == 1) == is_secure
    assert "httponly" in cookie and "samesite=strict" in cookie


def test_one_form_names_no_more_than_the_limit(scene: Scene) -> None:
    before = len(scene.commands())
    for count, is_taken in ((4, False), (3, True)):
        hosts = "&".join(f"host={host.name}" for host in HOSTS[:count])
        answer = plain_http.get(
            f"{scene.box.url}/cgi-bin/icinga/cmd.cgi?cmd_typ=24&cmd_mod=2&{hosts}", auth=BASIC, timeout=PATIENCE_S
        )
        assert ("successfully submitted to Icinga" in answer.text) == is_taken, answer.text
        assert len(scene.commands()) - before == (count if is_taken else 0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_originals_answer_before_and_after(scene: Scene, kind: str) -> None:
    """Without the snippet all is as it was."""
    with served(scene, kind, "") as before:
        assert f'realm="{REALM}"' in commit(before.url).headers["WWW-Authenticate"]
        form = plain_http.get(f"{before.url}/nagios4/cgi-bin/cmd.cgi?cmd_typ=24&host=web01", auth=BASIC)
        assert (form.status_code, "Nagios" in form.text, "Times are those of" in form.text) == (200, True, False)


# --- limited rights in a stream -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["token", "password"])
def test_events_reach_those_with_limited_rights(scene: Scene, by: str) -> None:
    """A stream is not ended because its reader sees less than everything, and shows him no more than that."""
    headers = {"Authorization": f"Bearer {scene.box.add_user('ann', 'operator')}"} if by == "token" else {}
    auth = None if headers else ("ann", PASSWORD)
    url = f"{scene.box.url}/v1/events?type=state"
    quiet = httpx.HTTPTransport(local_address="127.0.0.9")  # from where no test guesses passwords
    with (
        httpx.Client(transport=quiet, timeout=PATIENCE_S) as client,
        client.stream("GET", url, headers=headers, auth=auth) as stream,
    ):
        lines = stream.iter_lines()
        assert stream.status_code == 200 and next(lines)
        scene.core.set_state("lonely", "Nobody looks", 1, f"not for her, {by}")
        scene.core.set_state("db01", "PostgreSQL", 1 if by == "token" else 2, f"for her, {by}")
        told = []
        for line in lines:
            told.append(line)
            if f"for her, {by}" in line:
                break
    assert not [line for line in told if "lonely" in line or line == "event: end"], told


# --- Nagstamon ----------------------------------------------------------------------------------------------------------------


def _nagstamon(scene: Scene, steps: list[dict[str, Any]]) -> dict[str, Any]:
    """Its most used type of server, with the answers it got seen to be none it takes for a failure."""
    url, cgi_url = f"{scene.box.url}/nagios", f"{scene.box.url}/nagios/cgi-bin"
    told = nagstamon.driven(scene.folder, type="Nagios", url=url, cgi_url=cgi_url, user=ADMIN, password=PASSWORD, steps=steps)
    assert told["class"] == "Nagstamon.Servers.Nagios"
    assert [answer for answer in told["answers"] if answer[1] != 200 or "errorMessage" in answer[2]] == []
    assert [shown["error"] for shown in told["shown"]] == ["", ""]
    return told


def test_nagstamon_lists_acknowledges_sets_downtimes_and_rechecks(scene: Scene) -> None:
    """It reads the tables of status.cgi and the form of cmd.cgi, and posts to cmd.cgi; the core's log shows what it asked for."""
    core, now = scene.core, time.time()
    (core.folder / "answers" / "none").write_text("2\nrefused & <really>\n")  # what a check finds, asked for or not
    for service, state, output in (("", 1, "no answer"), ("HTTP", 2, "refused & <really>"), ("Load", 0, "fine")):
        core.set_state("web02", service, state, output)
    core.send("ENABLE_SVC_CHECK;web02;HTTP")  # it has no service checked again that shows the icon of passive ones
    cores.wait_for_state(core, "web02", "HTTP", 2)
    until(lambda: scene.box.api.get("/v1/hosts/web02/services/HTTP").json()["checks_enabled"], "the view shows it")
    until(lambda: scene.box.api.get("/v1/hosts/web02").json()["state"] == 1, "the view shows the host down, too")
    start, end = (time.strftime("%m-%d-%Y %H:%M:%S", time.localtime(now + more)) for more in (0, 7200))
    flags = {"sticky": True, "notify": False, "persistent": True, "acknowledge_all_services": False, "all_services": []}
    window = {"fixed": 1, "start_time": start, "end_time": end, "hours": 2, "minutes": 0}
    steps: list[dict[str, Any]] = [{"method": "get_start_end", "info": "web02"}]
    for service in ("", "HTTP"):
        named = {"host": "web02", "service": service, "author": ADMIN}
        steps += [
            {"method": "set_acknowledge", "info": named | flags | {"comment": "seen by nagstamon"}},
            {"method": "set_downtime", "info": named | window | {"comment": "set by nagstamon"}},
            {"method": "set_recheck", "info": named},
        ]
    before = len(scene.commands())
    told = _nagstamon(scene, steps)
    shown = told["shown"][0]
    assert shown["hosts"]["web02"]["status"] == "DOWN"
    service = shown["services"]["web02;HTTP"]
    assert (service["status"], service["status_information"], service["acknowledged"]) == ("CRITICAL", "refused & <really>", False)
    assert "web02;Load" not in shown["services"], "it is well"
    # What it fills its form with.
    assert [time.strptime(at, "%m-%d-%Y %H:%M:%S").tm_year for at in told["given"][0]] == [time.localtime(now).tm_year] * 2
    at, until_at = (int(time.mktime(time.strptime(text, "%m-%d-%Y %H:%M:%S"))) for text in (start, end))
    assert [re.sub(r";\d+$", ";AT", line) if "_CHECK" in line else line for line in scene.commands()[before:]] == [
        f"ACKNOWLEDGE_HOST_PROBLEM;web02;2;0;1;{ADMIN};seen by nagstamon",
        f"SCHEDULE_HOST_DOWNTIME;web02;{at};{until_at};1;0;7200;{ADMIN};set by nagstamon",
        "SCHEDULE_FORCED_HOST_CHECK;web02;AT",
        f"ACKNOWLEDGE_SVC_PROBLEM;web02;HTTP;2;0;1;{ADMIN};seen by nagstamon",
        f"SCHEDULE_SVC_DOWNTIME;web02;HTTP;{at};{until_at};1;0;7200;{ADMIN};set by nagstamon",
        "SCHEDULE_FORCED_SVC_CHECK;web02;HTTP;AT",
    ]

    def is_seen() -> bool:
        things = [scene.box.api.get(f"/v1/hosts/web02{more}").json() for more in ("", "/services/HTTP")]
        return all(thing["acknowledged"] and thing["scheduled_downtime_depth"] > 0 for thing in things)

    until(is_seen, "the view shows both acknowledged and in downtime")
    things = _nagstamon(scene, [])["shown"][0]
    for thing in (things["hosts"]["web02"], things["services"]["web02;HTTP"]):
        assert (thing["acknowledged"], thing["scheduled_downtime"]) == (True, True)


# --- a browser ----------------------------------------------------------------------------------------------------------------

NAMES = ("nagios.example", "evil.example")
_PAGES = {
    "form": "<form method=post action='{0}'><input name=cmd_typ value=24><input name=cmd_mod value=2><input name=host value=web01>"
    "<input name=btnSubmit value=Commit></form><script>onload = () => document.forms[0].submit()</script>",
    "link": "<script>onload = () => {{ location = '{0}?cmd_typ=25&cmd_mod=2&host=web01&btnSubmit=Commit' }}</script>",
    "image": "<img src='{0}?cmd_typ=26&cmd_mod=2&host=web01&btnSubmit=Commit'>",
    "fetch": "<script>fetch('{0}?cmd_typ=27&cmd_mod=2&host=web01', {{mode: 'no-cors', credentials: 'include'}})</script>",
}
_WITHOUT_REFERRER = "<meta name=referrer content=no-referrer>"


class _Foreign(BaseHTTPRequestHandler):
    """A site of somebody else: `/KIND/HOST:PORT` is a page that attacks there, with `?quiet` one that does not say where it is."""

    def do_GET(self) -> None:
        kind, _, rest = self.path.strip("/").partition("/")
        where, _, quiet = rest.partition("?")
        page = _PAGES.get(kind, "").format(f"http://{where}/nagios/cgi-bin/cmd.cgi")
        body = f"<html>{_WITHOUT_REFERRER if quiet else ''}<p>hello {page}".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def foreign_port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Foreign) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("ours", "theirs"), [("127.0.0.1", "localhost"), NAMES], ids=["says-where-from", "says-nothing"])
def test_no_other_site_makes_a_browser_command(scene: Scene, foreign_port: int, ours: str, theirs: str, tmp_path: Path) -> None:
    """The browser has the password and sends it along; its headers tell. Of names that are not this machine's it says less."""
    where = f"{ours}:{scene.box.port}"
    with browser(tmp_path, NAMES) as page:
        page.visit(f"http://{ADMIN}:{PASSWORD}@{where}/nagios/cgi-bin/cmd.cgi?cmd_typ=24&host=web03")
        assert "enable notifications for a host" in page.text()
        before = scene.commands()
        for kind in _PAGES:
            for quiet in ("", "?quiet"):
                page.visit(f"http://{theirs}:{foreign_port}/{kind}/{where}{quiet}")
                assert page.wait_for_answer("/cmd.cgi") == 200, f"{kind}: it came without the password, which proves nothing"
        assert scene.commands() == before
        page.visit(f"http://{where}/nagios/cgi-bin/cmd.cgi?cmd_typ=24&host=web03")
        told = page.submit("document.querySelector('[name=btnSubmit]').click()")
        assert SUCCESS in told, told
    assert scene.commands()[len(before) :] == ["ENABLE_HOST_NOTIFICATIONS;web03"]

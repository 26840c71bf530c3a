#!/bin/sh
# Signalbox in front of two real Nagios 4 cores and one real Icinga 2, on this machine, in a temporary folder. Ctrl-C ends all of it.
#
#   sh contrib/demo.sh [--yes] [--port N]
#
# As root it installs the packages that are missing (it lists them and asks first; --yes answers for you) and runs everything as
# the ordinary user `nagios`. Otherwise everything runs as you. $SIGNALBOX_PYTHON: a Python that has Signalbox installed; without
# it a virtual environment is made in the temporary folder.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/contrib/packages.sh"

yes=
port=
while [ $# -gt 0 ]; do
    case $1 in
    --yes) yes=yes ;;
    --port)
        shift
        port=${1:?--port needs a number}
        ;;
    *)
        complain "usage: sh contrib/demo.sh [--yes] [--port N]"
        exit 2
        ;;
    esac
    shift
done

# --- what is needed ---------------------------------------------------------------------------------------------------------

# A core that is not one of ours: whose arguments name no file of a temporary folder.
foreign_cores() {
    for folder in /proc/[0-9]*; do
        case $(cat "$folder/comm" 2>/dev/null) in
        nagios | nagios4 | naemon | icinga | icinga2 | centengine)
            words=$(tr '\0' ' ' 2>/dev/null <"$folder/cmdline")
            case $words in
            '' | */tmp/* | *"${TMPDIR:-/tmp}"/*) ;;
            *) say "process ${folder#/proc/}: $words" ;;
            esac
            ;;
        esac
    done
}

foreign=$(foreign_cores)
if [ -n "$foreign" ]; then
    complain "A core of this machine's own is running:"
    complain "$foreign"
    complain "The demo stays away from it. To put Signalbox in front of that core, see the README: signalbox check --core MAINCFG"
    exit 1
fi

missing=$(missing_packages $CORE_PACKAGES)
if [ -n "$missing" ]; then
    say "These Debian packages are needed and not installed: $missing"
    if [ "$(id -u)" != 0 ]; then
        complain "Install them with: sudo apt-get install --no-install-recommends $missing"
        exit 1
    fi
    if [ -z "$yes" ]; then
        printf 'Install them now? No service will be started. [y/N] '
        read -r answer || answer=
        case $answer in
        [yY]*) ;;
        *) exit 1 ;;
        esac
    fi
    install_packages $missing || exit 1
fi

# --- everything in one folder, and nothing left of it ---------------------------------------------------------------------------

folder=$(mktemp -d "${TMPDIR:-/tmp}/signalbox-demo.XXXXXX") || exit 1
chmod 755 "$folder"
cores=
service=
clean_up() {
    trap '' INT TERM
    for process in $service $cores; do
        kill -TERM "$process" 2>/dev/null && wait "$process" 2>/dev/null
    done
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'say ""; say "taking everything down"; exit 0' INT TERM

fail() {
    complain "$1"
    [ ! -s "$folder/cores.log" ] || tail -n 20 "$folder/cores.log" >&2
    [ ! -s "$folder/signalbox.log" ] || tail -n 20 "$folder/signalbox.log" >&2
    exit 1
}

python=${SIGNALBOX_PYTHON:-}
if [ -z "$python" ]; then
    say "installing Signalbox into $folder/venv"
    "$(python_with_venv)" -m venv "$folder/venv" || fail "the virtual environment could not be made"
    "$folder/venv/bin/python" -m pip install -q --disable-pip-version-check "$root" || fail "Signalbox could not be installed"
    python=$folder/venv/bin/python
fi

# Signalbox runs as whom the cores run as, where that user can reach the Python.
as_user=
mkdir "$folder/data" "$folder/cores" || exit 1
if [ "$(id -u)" = 0 ]; then
    user=nagios
    if setpriv --reuid="$user" --regid="$user" --clear-groups sh -c '"$0" -P -c "import api.cli"' "$python" 2>/dev/null; then
        as_user="setpriv --reuid=$user --regid=$user --clear-groups"
        chown "$user:" "$folder/data"
    fi
fi
signalbox() { (cd "$folder/data" && exec $as_user "$python" -P -m api.cli "$@"); }

say "starting two Nagios 4 and one Icinga 2"
"$python" "$root/contrib/demo_cores.py" "$folder/cores" >"$folder/cores.log" 2>&1 &
cores=$!
password=$(head -c 9 /dev/urandom | od -An -tx1 | tr -d ' \n')
printf '%s\n' "$password" | signalbox user add admin --role admin --password-stdin --data "$folder/data" >"$folder/signalbox.log" 2>&1 ||
    fail "the first admin could not be made"
token=$(signalbox token create demo --user admin --data "$folder/data" 2>>"$folder/signalbox.log" | tail -n 1)
token=${token##* }
[ -n "$token" ] || fail "no token could be made"

waited=0
while [ ! -e "$folder/cores/ready" ]; do
    kill -0 "$cores" 2>/dev/null && [ "$waited" -lt 300 ] || fail "the cores did not come up"
    waited=$((waited + 1))
    sleep 0.1
done

# The port asked for, else 8080, else one that is free.
port=$("$python" - "${port:-8080}" "${port:+fixed}" <<'PY'
import socket
import sys

for port in [int(sys.argv[1]), *([] if sys.argv[2] else [0])]:
    with socket.socket() as found:
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(found.getsockname()[1])
        break
PY
)
[ -n "$port" ] || fail "the port is in use: choose another with --port"

(
    cd "$folder/data" || exit 1
    exec $as_user "$python" -P -m api.cli serve --config "$folder/cores/signalbox.toml" --listen "127.0.0.1:$port" --data "$folder/data"
) >>"$folder/signalbox.log" 2>&1 &
service=$!
"$python" - "http://127.0.0.1:$port" "$token" <<'PY' || fail "Signalbox did not come up"
import json
import sys
import time
import urllib.request

request = urllib.request.Request(sys.argv[1] + "/v1/pollers", headers={"Authorization": "Bearer " + sys.argv[2]})
end = time.monotonic() + 30
while True:
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            pollers = json.load(answer)["items"]
        if len(pollers) == 3 and all(poller["health"] == "ok" for poller in pollers):
            sys.exit(0)
    except (OSError, ValueError, KeyError):
        pass
    if time.monotonic() > end:
        sys.exit(1)
    time.sleep(0.1)
PY

address=http://127.0.0.1:$port
cat <<TXT

Signalbox is up:   $address   (its API: $address/openapi.json)
pollers            north and south (Nagios 4), east (Icinga 2), all in $folder/cores
user, password     admin  $password
token              $token

Worth trying, in another terminal:

TOKEN=$token
curl -s -H "Authorization: Bearer \$TOKEN" $address/v1/problems
curl -s -H "Authorization: Bearer \$TOKEN" "$address/v1/downtimes?wait=5" -d '{"host": "db01", "duration": "2h", "comment": "new disks"}'
curl -s -H "Authorization: Bearer \$TOKEN" "$address/v1/downtimes?wait=5" -d '{"host": "gateway", "end": "+1h", "comment": "on which poller?"}'
curl -s -H "Authorization: Bearer \$TOKEN" "$address/v1/acknowledgements?wait=5" -d '{"host": "web02", "service": "HTTP", "comment": "I am on it"}'
curl -s -H "Authorization: Bearer \$TOKEN" "$address/v1/commands?limit=3"

Ctrl-C takes everything down.
TXT
wait "$service"
fail "Signalbox ended by itself"

#!/bin/sh
# Every check of this project: ruff, mypy, import-linter, pytest on real cores, the built wheel. CI runs this and nothing else.
#
#   sh contrib/test.sh          everything; as root it installs what is missing (Debian 12), starting no service
#   sh contrib/test.sh --fast   what needs no core
#
# The virtual environment is .venv in this folder, or $SIGNALBOX_TEST_VENV. The last line is `N passed, N failed`, of pytest; the exit code
# is 0 only if every stage passed and none was left out.
set -u
# Each test starts many processes: none of them is to compile the sources again.
unset PYTHONDONTWRITEBYTECODE
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit 1
. contrib/packages.sh

fast=
for word in "$@"; do
    case $word in
    --fast) fast=yes ;;
    *)
        complain "usage: sh contrib/test.sh [--fast]"
        exit 2
        ;;
    esac
done

scratch=$(mktemp -d "${TMPDIR:-/tmp}/signalbox-check.XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
failed=

# stage NAME COMMAND...: run it, say how long it took, remember if it failed.
stage() {
    name=$1
    shift
    say "── $name"
    began=$(date +%s)
    if "$@"; then word=ok; else
        word=FAILED
        failed="$failed, $name"
    fi
    say "── $name: $word, $(($(date +%s) - began)) s"
}

packages() {
    # strace: that an answer waits for its fsync is seen from outside. curl: the lines the demo prints are tried.
    wanted="$CORE_PACKAGES $CLIENT_PACKAGES strace curl"
    [ -z "$fast" ] || wanted=
    missing=$(missing_packages $wanted)
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" = 0 ]; then
        install_packages $missing
        return
    fi
    complain "not installed: $missing"
    complain "install with: sudo apt-get install --no-install-recommends $missing"
    [ -n "$fast" ] || complain "without them every test that needs a real core (marked core) is left out, and this run does not count as passed"
    return 1
}

environment() {
    venv=${SIGNALBOX_TEST_VENV:-$root/.venv}
    python=$(python_with_venv) || return 1
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv" || return 1
    stamp=$venv/signalbox-test-stamp
    if [ "$(cksum <pyproject.toml) $root" != "$(cat "$stamp" 2>/dev/null)" ]; then
        "$venv/bin/python" -m pip install -q --disable-pip-version-check -e "$root[dev]" || return 1
        say "$(cksum <pyproject.toml) $root" >"$stamp"
    fi
    PATH=$venv/bin:$PATH
    export PATH
}

style() { ruff check . && ruff format --check .; }

tests() {
    # So that a missing core fails where all were asked for, and is not passed over.
    if [ -z "$fast" ] && [ "$(id -u)" = 0 ]; then
        CI=${CI:-1}
        export CI
    fi
    if [ -n "$fast" ]; then set -- -m "not core"; else set --; fi
    # Much of the time is spent waiting for cores: more processes than processors. A file's tests stay together, in the order of
    # tests/conftest.py.
    python -m pytest -p no:cacheprovider -n 3 --dist loadfile --no-loadscope-reorder --durations=10 --junitxml="$scratch/junit.xml" "$@"
}

counts() {
    python - "$scratch/junit.xml" <<'PY'
import sys
import xml.etree.ElementTree as tree

try:
    suites = tree.parse(sys.argv[1]).getroot().iter("testsuite")
    numbers = [[int(suite.get(word, "0")) for word in ("tests", "failures", "errors", "skipped")] for suite in suites]
    total, failures, errors, skipped = (sum(column) for column in zip(*numbers))
except (OSError, tree.ParseError, ValueError):
    total = failures = errors = skipped = 0
print(f"{max(0, total - failures - errors - skipped)} passed, {failures + errors} failed")
PY
}

# The wheel, in an environment that has nothing else: what people install.
wheel() {
    python -m build --wheel --outdir "$scratch/dist" "$root" >"$scratch/build.log" 2>&1 || { cat "$scratch/build.log"; return 1; }
    python -m venv "$scratch/fresh" || return 1
    "$scratch/fresh/bin/python" -m pip install -q --disable-pip-version-check "$scratch"/dist/signalbox-*.whl || return 1
    (cd "$scratch" && PYTHONSAFEPATH=1 fresh/bin/signalbox --help >/dev/null) || return 1
    # A core that is stopped: `check` has to say so, in words, and to exit with 1.
    printf 'command_file=%s/nagios.cmd\nstatus_file=%s/status.dat\nlog_file=%s/nagios.log\nobject_cache_file=%s/objects.cache\n' \
        "$scratch" "$scratch" "$scratch" "$scratch" >"$scratch/nagios.cfg"
    printf '########################################\n#          NAGIOS STATUS FILE\n' >"$scratch/status.dat"
    (cd "$scratch" && PYTHONSAFEPATH=1 fresh/bin/signalbox check --core "$scratch/nagios.cfg" --data "$scratch/data" >"$scratch/check.log" 2>&1)
    status=$?
    cat "$scratch/check.log"
    [ "$status" = 1 ] && grep -q "nagios.cmd" "$scratch/check.log"
}

# Small, to see that they run: what they measure is measured by hand, on a quiet machine.
benchmarks() {
    python -m contrib.bench.post --posts 40 --busy-services 2000 --budget-ms 150 &&
        python -m contrib.bench.queries --hosts 100 --rounds 2 --slack 5 &&
        python -m contrib.bench.many --targets 1000 --rounds 1 --budget-s 30 --budget-held-ms 5000 &&
        python -m contrib.bench.accept --posts 300 --no-budget &&
        python -m contrib.bench.pipe --results 4000 --hosts 200 --rounds 1 --no-budget
}

stage packages packages
stage environment environment
if ! command -v ruff >/dev/null; then
    complain "without its environment nothing can be checked"
    say "0 passed, 0 failed"
    exit 1
fi
stage ruff style
stage "mypy strict" mypy
stage import-linter lint-imports
stage wheel wheel
[ -n "$fast" ] || stage benchmarks benchmarks
if [ -n "$fast" ]; then stage "pytest, without cores" tests; else stage pytest tests; fi

[ -z "$failed" ] || say "failed: ${failed#, }"
counts
[ -z "$failed" ]

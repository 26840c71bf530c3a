# Sourced by demo.sh and test.sh: packages of Debian 12, installed without starting any service. POSIX sh.

CORE_PACKAGES="nagios4-core nagios4-cgi monitoring-plugins-basic icinga2-bin"

# Programs written for other fronts, with which the tests try this one.
#   nginx, apache2-bin: what stands in front of CGIs. chromium-headless-shell: a browser that another site makes send commands, which
#   nothing but a browser can prove; a fresh machine has it after some 15 s (96 MB).
CLIENT_PACKAGES="nagstamon apache2-bin nginx chromium-headless-shell"

say() { printf '%s\n' "$*"; }
complain() { printf '%s\n' "$*" >&2; }

# The Python to make virtual environments with: 3.11 or newer, with venv and ensurepip. The system's first: one in a home folder
# cannot be run by anybody else. Fails when there is none.
python_with_venv() {
    for candidate in /usr/bin/python3 python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            say "$candidate"
            return 0
        fi
    done
    return 1
}

# missing_packages PACKAGE...: those that are not installed, in one line.
missing_packages() {
    missing=
    python_with_venv >/dev/null || missing=python3-venv
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing="$missing $package"
    done
    # Without quotes: no blanks around.
    say $missing
}

# install_packages PACKAGE...: as root. Their services are neither started now nor at the next boot.
install_packages() {
    policy=/usr/sbin/policy-rc.d
    ours=
    if [ ! -e "$policy" ]; then
        ours=$policy
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    services=
    for service in nagios4 icinga2 apache2 nginx; do
        [ -e "/lib/systemd/system/$service.service" ] || services="$services $service"
    done
    status=0
    DEBIAN_FRONTEND=noninteractive apt-get update -q || status=$?
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" || status=$?
    [ -z "$ours" ] || rm -f "$ours"
    for service in $services; do
        if [ -e "/lib/systemd/system/$service.service" ] && command -v systemctl >/dev/null; then
            systemctl disable --quiet "$service" 2>/dev/null || true
        fi
    done
    return "$status"
}

#!/bin/sh
# Makes .venv and installs the pinned, hashed packages and this project into it: install.sh run|dev
# A stamp keyed on the locks makes a second call return at once. PYTHON names the interpreter to start from.
set -eu
cd "$(dirname "$0")/.."
kind=$1
python=${PYTHON:-python3}
state=.venv/.dealcast

say() { printf '%s\n' "$*" >&2; }

lock_sum() { cat "requirements/$1.lock" requirements/bootstrap.lock requirements/install.sh pyproject.toml | cksum | tr ' ' '-'; }

installed() { [ -f "$state/$1" ] && [ "$(cat "$state/$1")" = "$(lock_sum "$1")" ]; }

# Scripts in .venv hold absolute paths, so a checkout that was moved needs a new one.
moved() { [ -f "$state/location" ] && [ "$(cat "$state/location")" != "$(pwd)" ]; }

if ! moved && .venv/bin/python -c '' 2>/dev/null; then
    installed dev && exit 0
    [ "$kind" = run ] && installed run && exit 0
fi
# Never take the test tools away again from someone who has them.
[ -f "$state/dev" ] && kind=dev

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    say "dealcast needs Python 3.11 or newer; '$python' is $("$python" --version 2>&1 || true)."
    say "Install a newer Python, or name one you have: make PYTHON=python3.12 ..."
    exit 1
fi
if moved || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    say "Creating .venv with $("$python" --version)"
    if ! "$python" -m venv --clear .venv; then
        say "Could not create .venv. On Debian or Ubuntu install the package python3-venv, then try again."
        exit 1
    fi
fi
mkdir -p "$state"
rm -f "$state/run" "$state/dev"
pwd >"$state/location"

# Twice quiet: errors only, since a machine's own pip settings may warn about every package.
pip_install() { .venv/bin/python -m pip install -qq --disable-pip-version-check "$@"; }

# uv does not read pip's configuration: hand it the index and the certificates that pip would use.
setting() { .venv/bin/python -m pip config get "global.$1" 2>/dev/null || true; }

uv_install() {
    pip_install --require-hashes --only-binary :all: -r requirements/bootstrap.lock || return 1
    index=${PIP_INDEX_URL:-$(setting index-url)}
    cert=${PIP_CERT:-$(setting cert)}
    [ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
    [ -z "$cert" ] || export SSL_CERT_FILE="${SSL_CERT_FILE:-$cert}"
    quiet=--quiet
    [ ! -t 2 ] || quiet=
    .venv/bin/uv pip sync $quiet --python .venv/bin/python --require-hashes --only-binary :all: \
        requirements/bootstrap.lock "requirements/$kind.lock"
}

say "Installing the pinned packages of requirements/$kind.lock into .venv (about 1 GB; once)"
if ! uv_install; then
    say "The fast installer could not do it (see above); going on with pip, which takes some minutes."
    pip_install --require-hashes --only-binary :all: -r "requirements/$kind.lock"
fi
pip_install --no-deps --no-build-isolation --no-index --editable .
lock_sum "$kind" >"$state/$kind"

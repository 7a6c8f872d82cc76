# Shared by deploy/demo, deploy/check and deploy/install: finds Python, makes the venv, installs what is missing.
# Sourced, not run. Every function says in one sentence what is missing and what to type.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${TIDEGATE_VENV:-$root/.venv}

say() { printf '%s\n' "$*" >&2; }
die() { say "tidegate: $*"; exit "${code:-69}"; }
is_root() { [ "$(id -u)" = 0 ]; }

# apt_need COMMAND_OR_FILE PACKAGE...: installs Debian packages when COMMAND is missing and we are root.
apt_need() {
  local probe=$1; shift
  command -v "$probe" >/dev/null 2>&1 && return 0
  [ -e "$probe" ] && return 0
  is_root && command -v apt-get >/dev/null 2>&1 || return 1
  say "installing $* (Debian)"
  export DEBIAN_FRONTEND=noninteractive
  apt_install "$@" || { apt-get update -qq >/dev/null 2>&1 && apt_install "$@"; } || return 1
  command -v "$probe" >/dev/null 2>&1 || [ -e "$probe" ]
}

apt_install() { apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 </dev/null; }

find_python() {
  local candidate
  for candidate in ${TIDEGATE_PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
    command -v "$candidate" >/dev/null 2>&1 || continue
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v "$candidate"; return; }
  done
  apt_need /usr/bin/python3 python3 && /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' && {
    echo /usr/bin/python3
    return
  }
  return 1
}

# make_venv EXTRAS: a venv with this checkout installed; nothing is done when neither file has changed since.
make_venv() {
  local extras=$1 python stamp wanted
  python=$(find_python) || code=69 die "Python 3.11 or later is missing; type: apt-get install python3 python3-venv"
  wanted="$extras $(cd "$root" && cat pyproject.toml deploy/constraints.txt deploy/catalogues.py \
    agent/locale/*/LC_MESSAGES/*.po 2>/dev/null | sha256sum | cut -c1-32)"
  stamp=$venv/.tidegate
  if [ -x "$venv/bin/tidegate" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then return 0; fi
  if [ ! -x "$venv/bin/python" ]; then
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
      apt_need "/nonexistent/python3-venv" python3-venv || true
      "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        code=69 die "this Python has no venv module; type: apt-get install python3-venv"
    fi
    say "making the virtual environment (once)"
    "$python" -m venv "$venv" || code=74 die "cannot make a virtual environment in $venv; look at the line above"
  fi
  say "installing Tidegate and what it needs (once, about a minute)"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
    --constraint "$root/deploy/constraints.txt" --editable "$root${extras:+[$extras]}" >&2 ||
    code=74 die "pip could not install the packages; is a package index reachable? See the lines above, then run this again"
  printf '%s\n' "$wanted" >"$stamp"
}

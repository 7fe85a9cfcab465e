# shellcheck shell=bash
# Gets mosquitto for the benchmarks. Sourced after scripts/lib/toolchain.sh.

# Prints the path of a mosquitto: the machine's own, else Debian's packages in a private folder, where no service starts.
find_mosquitto() {
  local folder="$TEXTMQ_CACHE/benchmarks/mosquitto"
  PATH="$PATH:/usr/sbin" type -P mosquitto && return
  [[ -x $folder/run ]] || with_lock mosquitto _unpack_mosquitto "$folder"
  echo "$folder/run"
}

_unpack_mosquitto() {
  local folder="$1" work="$1.download" package
  [[ ! -x $folder/run ]] || return 0
  command -v apt-get >/dev/null || die "please install mosquitto"
  say "Getting mosquitto"
  rm -rf "$folder" "$work"
  mkdir -p "$folder" "$work/archives/partial"
  apt-get -qq -y -o APT::Sandbox::User= -o Debug::NoLocking=true -o Dir::Cache="$work" --download-only \
    --no-install-recommends install mosquitto </dev/null >/dev/null || die "apt-get has no mosquitto: please install it"
  for package in "$work"/archives/*.deb; do
    dpkg-deb -x "$package" "$folder"
  done
  printf '#!/bin/sh\nLD_LIBRARY_PATH="%s" exec "%s" "$@"\n' \
    "$folder/usr/lib/$(uname -m)-linux-gnu" "$folder/usr/sbin/mosquitto" >"$folder/run"
  chmod +x "$folder/run"
  rm -rf "$work"
}

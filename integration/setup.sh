#!/usr/bin/env bash
# Installs, by name, what the tests need and this machine lacks: a JDK and Maven, Go, Python's venv, kcat.
set -euo pipefail

missing=()
command -v javac >/dev/null || missing+=(default-jdk-headless)
command -v mvn >/dev/null || missing+=(maven)
command -v go >/dev/null || missing+=(golang-go)
command -v kcat >/dev/null || missing+=(kcat)
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
[ ${#missing[@]} -eq 0 ] && exit 0

sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
if ! command -v apt-get >/dev/null; then
  echo "the tests need: ${missing[*]} (names of Debian packages); install them and run again" >&2
  exit 1
fi
echo "installing for the tests: ${missing[*]}"
$sudo apt-get update -qq
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}"

#!/usr/bin/env bash
# Runs the interop tests with independent readers and writers (DuckDB, pandas, Arrow, msgpack, Prometheus,
# OpenTelemetry).
#
#   tests/interop/run.sh [path of the pulsora binary] [arguments of pytest...]
#
# Their libraries live in a virtual environment outside the checkout, made again only when the list of
# requirements changes. Without Python, or where the libraries cannot be installed, it says so and skips.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
binary=${1:-${CARGO_TARGET_DIR:-$here/../../target}/debug/pulsora}
[ $# -gt 0 ] && shift

skip() { echo "interop: skipped: $1"; exit 0; }
[ -x "$binary" ] || { echo "interop: no binary at $binary (cargo build --bin pulsora)"; exit 1; }
command -v python3 >/dev/null || skip 'python3 is not installed'
python3 -c 'import ensurepip, venv' 2>/dev/null || skip 'python3 has no venv module (python3-venv)'

venv=${TMPDIR:-/tmp}/pulsora-interop-venv
stamp=$venv/requirements.txt
if ! cmp -s "$here/requirements.txt" "$stamp"; then
    rm -rf "$venv"
    python3 -m venv "$venv" || skip 'a virtual environment cannot be made'
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" \
        || skip 'the libraries cannot be installed (no package index in reach?)'
    cp "$here/requirements.txt" "$stamp"
fi
# Prometheus is a system package. Without it its tests are skipped, each with the reason.
if ! command -v prometheus >/dev/null && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo 'interop: installing prometheus'
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -q && apt-get install -qy --no-install-recommends prometheus; } >/dev/null 2>&1 || true
fi
export PULSORA_BIN=$binary PYTHONDONTWRITEBYTECODE=1
exec "$venv/bin/python" -m pytest -q -rs -p no:cacheprovider "$here" "$@"

# Sourced by scripts/quickstart, scripts/test and scripts/check: goes to the repository root, makes sure that the
# tools are there, and brings libtorch. Defines: program (where cargo puts it), die.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
# shellcheck disable=SC2034
program=${CARGO_TARGET_DIR:-target}/release/ablate

die() {
    printf 'error: %s\n' "$1" >&2
    shift
    if [ $# -gt 0 ]; then printf '  help: %s\n' "$@" >&2; fi
    exit 1
}

if ! command -v cargo >/dev/null && [ -f "$HOME/.cargo/env" ]; then
    # A shell that was open while Rust was installed does not have it on its path yet.
    # shellcheck disable=SC1091
    . "$HOME/.cargo/env"
fi
command -v cargo >/dev/null || die 'cargo was not found' 'install Rust 1.95 or newer, for example with rustup'
found=$(rustc --version | cut -d ' ' -f 2)
IFS=. read -r major minor _ <<<"$found"
if [ "$major" -eq 1 ] && [ "$minor" -lt 95 ]; then
    die "Rust $found is too old: 1.95 or newer is needed" 'rustup update stable'
fi
command -v python3 >/dev/null || die 'python3 was not found: scripts/libtorch needs it, the program does not' \
    'install Python 3.8 or newer (Debian: apt-get install python3 python3-pip)'
scripts/libtorch

# Sourced by the peers: venv NAME FILE leaves a virtual environment in .venv/NAME that has exactly what FILE pins,
# and sets `python`. A finished one is used again; an interrupted or outdated one is built anew.
# shellcheck shell=bash

venv() {
    local folder=.venv/$1 pins=$2
    python=$folder/bin/python
    if cmp -s "$pins" "$folder/pins"; then return; fi
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$python" -m pip install --quiet --disable-pip-version-check --requirement "$pins"
    # Last, since it says that all of it is there.
    cp "$pins" "$folder/pins"
}

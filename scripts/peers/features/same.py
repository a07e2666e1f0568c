"""Says where two folders that golden.py wrote differ by more than 1e-6 of the value; exit 1 if they do.

usage: same.py FOLDER FOLDER
"""

import json
import pathlib
import sys

import numpy
from safetensors.numpy import load_file


def numbers(value, name=""):
    """Every number of nested tables by the path to it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers(inner, f"{name}/{key}")
    else:
        yield name, value


def near(first, second):
    return numpy.shape(first) == numpy.shape(second) and numpy.allclose(first, second, rtol=1e-6, atol=1e-6)


def main(first, second):
    first, second = [pathlib.Path(folder) for folder in (first, second)]
    pairs = []
    for read in (lambda folder: dict(numbers(json.loads((folder / "expected.json").read_text()))),
                 lambda folder: load_file(folder / "features.safetensors")):
        left, right = read(first), read(second)
        if left.keys() != right.keys():
            sys.exit(f"{first} and {second} have different entries: {sorted(left.keys() ^ right.keys())}")
        pairs += [(name, left[name], right[name]) for name in left]
    different = [name for name, left, right in pairs if not near(left, right)]
    if different:
        sys.exit(f"{first} and {second} differ in {', '.join(different)}")
    print(f"{len(pairs)} entries of {first} are what the script writes")


if __name__ == "__main__":
    main(*sys.argv[1:])

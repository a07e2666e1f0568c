"""Holds polars' reading of a run's CSVs to pandas' and the csv module's: of finished runs, of one that is being written
meanwhile, and of files that end inside a row.

usage: check.py PROGRAM
"""

import csv
import importlib.util
import io
import math
import pathlib
import subprocess
import sys
import tempfile
import time

import pandas
import polars

LOGS = ["metrics.csv", "timing.csv", "eval.csv", "levels.csv", "images.csv"]
HERE = pathlib.Path(__file__).parent

spec = importlib.util.spec_from_file_location("pandas_check", HERE.parent / "pandas" / "check.py")
pandas_check = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pandas_check)
ablate, check = pandas_check.ablate, pandas_check.check


def whole(path):
    """The rows that are whole: what follows the last line break is still being written, or was cut off by a kill."""
    data = path.read_bytes()
    return data[: data.rfind(b"\n") + 1]


def same(first, second):
    """Two cells as both programs read them; neither knows a gap from a number that is none."""
    missing = [cell is None or (isinstance(cell, float) and math.isnan(cell)) for cell in (first, second)]
    if any(missing):
        return all(missing)
    if isinstance(first, str) or isinstance(second, str):
        return str(first) == str(second)
    return math.isclose(first, second, rel_tol=1e-12)


def equal(name, data):
    """Polars' table, after comparing each cell with pandas' and each number with the text."""
    frame = polars.read_csv(io.BytesIO(data))
    other = pandas.read_csv(io.BytesIO(data))
    cells = list(csv.DictReader(io.StringIO(data.decode())))
    check(frame.columns == list(other.columns), f"{name}: {frame.columns}")
    check(len(frame) == len(other) == len(cells), f"{name}: {len(frame)}, {len(other)} and {len(cells)} rows")
    for column in frame.columns:
        for found, expected, cell in zip(frame[column], other[column], (row[column] for row in cells)):
            check(same(found, expected), f"{name}: {column} is {found} to polars and {expected} to pandas")
            if isinstance(found, float):
                check(float(cell) == found, f"{name}: {column} {cell} became {found}")
    return frame


def check_finished(program, folder):
    (folder / "x.toml").write_text(pandas_check.EXPERIMENT, encoding="utf-8")
    ablate(program, folder, "run", "x.toml", "--quiet")
    runs = sorted((folder / "runs" / "x").glob("*/seed-*"))
    check(len(runs) == 12, f"{len(runs)} runs")
    for run in runs:
        for name in LOGS:
            frame = equal(f"{run.parent.name}/{run.name}/{name}", (run / name).read_bytes())
            check(frame["step"].is_sorted() and frame["step"].dtype == polars.Int64, f"{name}: its steps")
    equal("summary.csv", (folder / "runs" / "x" / "summary.csv").read_bytes())
    equal("compare", ablate(program, folder, "compare", "--format", "csv").encode())
    return len(runs) * len(LOGS) + 2


def check_live(program, folder):
    """Reads while a run writes: every reading has the first rows of the finished file."""
    live = "\n".join([pandas_check.EXPERIMENT.split("[sweep]")[0].replace("steps = 12", "steps = 48"), "[ema]"])
    (folder / "live.toml").write_text(live, encoding="utf-8")
    with open(folder / "said.txt", "w", encoding="utf-8") as said:
        training = subprocess.Popen([program, "run", "live.toml", "--quiet"], cwd=folder, stdout=said, stderr=said)
        readings, lengths = {name: [] for name in LOGS}, set()
        while training.poll() is None:
            for path in folder.glob("runs/live/*/seed-0/*.csv"):
                data = whole(path)
                if path.name in readings and data.count(b"\n") > 1:
                    equal(f"{path.name} while it is written", data)
                    readings[path.name].append(data)
                    lengths.add(len(data))
            time.sleep(0.2)
    check(training.returncode == 0, (folder / "said.txt").read_text(encoding="utf-8"))
    check(len(lengths) > 2, f"the run was over before it was read: {lengths}")
    for path in folder.glob("runs/live/*/seed-0/*.csv"):
        finished = path.read_bytes()
        for data in readings.get(path.name, []):
            check(finished.startswith(data), f"{path.name}: rows changed after they were read")
    return sum(len(data) for data in readings.values())


def check_torn(folder):
    """A file cut at every byte of its last rows, as a kill leaves one: up to the last line break both read it right."""
    path = next(folder.glob("runs/x/*/seed-0/metrics.csv"))
    data = path.read_bytes()
    rows = polars.read_csv(io.BytesIO(data)).rows()
    torn = folder / "torn.csv"
    start = data[:-1].rfind(b"\n", 0, data[:-1].rfind(b"\n"))
    for length in range(start + 1, len(data)):
        torn.write_bytes(data[:length])
        frame = equal(f"metrics.csv cut to {length} bytes", whole(torn))
        check(frame.rows() == rows[: len(frame)], f"other rows in the file of {length} bytes")
    return len(data) - start - 1


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        files = check_finished(program, folder)
        torn = check_torn(folder)
        live = check_live(program, folder)
    versions = f"polars {polars.__version__} and pandas {pandas.__version__}"
    print(f"{versions} agree on {files} finished files, {live} readings while a run wrote, {torn} torn ends")


if __name__ == "__main__":
    main()

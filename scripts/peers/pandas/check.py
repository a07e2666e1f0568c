"""Trains a tiny sweep in a temporary folder and holds pandas' reading of its CSVs to Python's csv module.

usage: check.py PROGRAM
"""

import csv
import io
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

import pandas

EXPERIMENT = """
[data]
image_size = 8
in_channels = 1
limit = 256
[model]
base_channels = 8
channel_multipliers = [1, 1]
num_res_blocks = 1
attention_resolutions = [4]
norm_groups = 2
[training]
steps = 12
batch_size = 2
log_every = 1
[evaluation]
every = 6
images = 16
[sampling]
every = 0
[runtime]
device = "cpu"
[sweep]
seeds = [0, 1, 2]
[sweep.grid]
"diffusion.noise_schedule" = ["linear", "cosine"]
"model.channel_multipliers" = [[1, 1], [1, 2]]
"""
# Rows of each log, and its columns that hold words.
LOGS = {
    "metrics.csv": (12, set()),
    "timing.csv": (12, set()),
    "eval.csv": (4, {"weights"}),
    "levels.csv": (None, {"weights"}),
    "images.csv": (None, {"weights", "image"}),
}
# Cells that may be empty: a quarter of the chain in which no sample fell.
GAPS = {"loss_q1", "loss_q2", "loss_q3", "loss_q4"}
SUMMARY_WORDS = {"variant", "state", "diffusion.noise_schedule", "model.channel_multipliers"}
COMPARE_WORDS = {
    "variant",
    "metric",
    "goal",
    "at",
    "diffusion.noise_schedule",
    "model.channel_multipliers",
}


def check(condition, message):
    if not condition:
        sys.exit(f"FAILED: {message}")


def equal(name, text, rows, words, gaps=frozenset()):
    """The table as pandas reads it, after comparing each cell with the csv module's."""
    frame = pandas.read_csv(io.StringIO(text))
    cells = list(csv.DictReader(io.StringIO(text)))
    check(len(frame) == len(cells) > 0 and rows in (None, len(frame)), f"{name}: {len(frame)} rows")
    check(list(frame.columns) == list(cells[0]), f"{name}: {list(frame.columns)}")
    for column in frame.columns:
        numeric = pandas.api.types.is_numeric_dtype(frame[column])
        # An id of eight digits and no letter would be a number to pandas; both readings are fine.
        if column == "id":
            continue
        check(numeric != (column in words), f"{name}: column {column} has type {frame[column].dtype}")
        for cell, value in zip((row[column] for row in cells), frame[column]):
            if cell == "":
                check(column in gaps and math.isnan(value), f"{name}: an empty {column} became {value}")
            elif numeric:
                # pandas' default parser reads 17 digits, and leading zeros are among them.
                check(math.isclose(float(cell), value, rel_tol=1e-12), f"{name}: {column} {cell} became {value}")
            else:
                check(cell == value, f"{name}: {column} {cell} became {value}")
    return frame


def ablate(program, folder, *arguments):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ABLATE_")}
    command = [program, *arguments]
    ran = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    check(ran.returncode == 0, f"{' '.join(command)}: exit {ran.returncode}\n{ran.stderr}")
    return ran.stdout


def check_logs(runs):
    """Every log of every run; returns the last denoise_score of the average by (variant, seed)."""
    scores = {}
    for path in sorted(runs.glob("*/seed-*")):
        for name, (rows, words) in LOGS.items():
            text = (path / name).read_text(encoding="utf-8")
            frame = equal(f"{path.name}/{name}", text, rows, words, GAPS)
            check(frame["step"].is_monotonic_increasing, f"{path.name}/{name}: steps do not rise")
        evaluation = pandas.read_csv(path / "eval.csv")
        average = evaluation[evaluation["weights"].str.startswith("ema-")]
        scores[path.parent.name, int(path.name.removeprefix("seed-"))] = average["denoise_score"].iloc[-1]
    check(len(scores) == 12, f"{len(scores)} runs")
    return pandas.Series(scores)


def check_summary(runs, scores):
    text = (runs / "summary.csv").read_text(encoding="utf-8")
    frame = equal("summary.csv", text, 12, SUMMARY_WORDS)
    check((frame["state"] == "done").all(), "summary.csv: not all done")
    for row in frame.itertuples():
        expected = scores[row.variant, row.seed]
        check(math.isclose(row.denoise_score, expected), f"summary.csv: {row.variant} {row.seed}")


def check_compare(program, folder, scores):
    """Both outputs of compare against mean, standard deviation and rank worked out by pandas."""
    document = json.loads(ablate(program, folder, "compare", "--format", "json"))
    frame = equal("compare", ablate(program, folder, "compare", "--format", "csv"), 4, COMPARE_WORDS)
    groups = scores.groupby(level=0)
    expected = pandas.DataFrame({"mean": groups.mean(), "std": groups.std(), "n": groups.count()})
    expected = expected.sort_values("mean")
    check(list(frame["variant"]) == list(expected.index), "compare: another order than pandas'")
    check([row["variant"] for row in document["rows"]] == list(expected.index), "compare: JSON in another order")
    for row, shown in zip(document["rows"], frame.itertuples()):
        wanted = expected.loc[row["variant"]]
        for column in ("mean", "std", "n"):
            same = math.isclose(row[column], wanted[column], rel_tol=1e-12)
            check(same, f"compare: {column} of {row['variant']} is {row[column]}, pandas says {wanted[column]}")
            check(math.isclose(getattr(shown, column), row[column], rel_tol=1e-12), f"compare: {column} differs")
        for bound, value in zip((shown.ci95_low, shown.ci95_high), row["ci95"]):
            check(math.isclose(bound, value, rel_tol=1e-12), f"compare: the interval of {row['variant']} differs")


def check_schedule(program, folder):
    """Numbers as numbers, the infinite log-SNR at the end among them; a setting that cosine has no use for is empty."""
    arguments = ["--noise-schedule", "linear,cosine", "--timesteps", "50", "-s", "diffusion.zero_terminal_snr=true"]
    frame = pandas.read_csv(io.StringIO(ablate(program, folder, "schedule", *arguments, "--format", "csv")))
    check(list(frame["t"]) == [*range(50), *range(50)], "schedule: timesteps")
    check(frame["zero_terminal_snr"].dtype == bool and frame["zero_terminal_snr"].all(), "schedule: a flag")
    for column in ("beta", "alpha_bar", "snr", "log_snr"):
        check(frame[column].dtype == float, f"schedule: column {column} has type {frame[column].dtype}")
    for name, rows in frame.groupby("noise_schedule"):
        difference = (rows["alpha_bar"] - (1 - rows["beta"]).cumprod()).abs().max()
        check(difference < 1e-12, f"schedule: alpha_bar of {name} is off by {difference}")
        check(rows["log_snr"].iloc[-1] == -math.inf, f"schedule: log-SNR of {name} ends at {rows['log_snr'].iloc[-1]}")
        check(rows["beta_end"].isna().all() == (name == "cosine"), f"schedule: beta_end of {name}")


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "x.toml").write_text(EXPERIMENT, encoding="utf-8")
        ablate(program, folder, "run", "x.toml", "--quiet")
        runs = folder / "runs" / "x"
        scores = check_logs(runs)
        check_summary(runs, scores)
        check_compare(program, folder, scores)
        check_schedule(program, folder)
    print(f"pandas {pandas.__version__} reads all CSVs of 12 runs and of schedules as they are meant")


if __name__ == "__main__":
    main()

"""A tiny sweep over three axes with two seeds, and what its CSVs say, read with Python's own csv module."""

import csv
import os
import pathlib
import statistics
import subprocess

from browser import check

EXPERIMENT = """
description = "three axes, two seeds"
[data]
image_size = 8
in_channels = 1
limit = 256
[model]
base_channels = 8
channel_multipliers = [1, 1]
num_res_blocks = 1
attention_resolutions = []
norm_groups = 2
[training]
steps = 24
batch_size = 4
log_every = 1
[ema]
decay = 0.9
[evaluation]
every = 8
images = 16
[sampling]
every = 12
num_samples = 4
steps = 4
[runtime]
device = "cpu"
[sweep]
seeds = [0, 1]
[sweep.grid]
"diffusion.noise_schedule" = ["linear", "cosine"]
"diffusion.prediction_type" = ["epsilon", "v"]
"model.attention_resolutions" = [[], [4]]
"""
VARIANTS, SEEDS, STEPS = 8, 2, 24


def ablate(program, folder, *arguments, code=0):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ABLATE_")}
    command = [program, *arguments]
    ran = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    check(ran.returncode == code, f"{' '.join(command)}: exit {ran.returncode}\n{ran.stderr}")
    return ran


def train(program, folder):
    """Trains everything and returns the experiment's folder."""
    (folder / "demo.toml").write_text(EXPERIMENT, encoding="utf-8")
    ablate(program, folder, "run", "demo.toml", "--quiet")
    return folder / "runs" / "demo"


def rows(run, log):
    with open(run / log, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def variants(experiment):
    """The runs of each variant by its name, seeds rising."""
    found = {}
    for run in sorted(pathlib.Path(experiment).glob("*/seed-*"), key=lambda run: (run.parent.name, int(run.name[5:]))):
        found.setdefault(run.parent.name, []).append(run)
    return found


def last(run, log, column, weights=None):
    """The value in the last row of these weights."""
    chosen = [row for row in rows(run, log) if weights is None or row["weights"].startswith(weights)]
    return float(chosen[-1][column])


def summary(runs, log, column, weights=None):
    """Mean and standard deviation of the last values, as the report's table has them."""
    values = [last(run, log, column, weights) for run in runs]
    return statistics.fmean(values), statistics.stdev(values)


def at_step(runs, log, column, step, weights=None):
    """The mean over seeds at a step."""
    values = []
    for run in runs:
        for row in rows(run, log):
            if int(row["step"]) == step and row[column] and (weights is None or row["weights"].startswith(weights)):
                values.append(float(row[column]))
    return statistics.fmean(values)

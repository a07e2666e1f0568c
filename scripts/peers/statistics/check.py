"""Holds `compare --format json` to what pandas and scipy make of the same CSVs, within 1e-9.

usage: check.py PROGRAM [TREE]    a TREE of the experiment below is copied and not trained
"""

import json
import math
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import tomllib

import numpy
import pandas
from scipy import stats

EXPERIMENT = """
[data]
image_size = 8
in_channels = 1
limit = 256
[model]
base_channels = 8
channel_multipliers = [1, 2]
num_res_blocks = 1
attention_resolutions = []
norm_groups = 2
[training]
steps = 12
batch_size = 2
learning_rate = 3e-3
log_every = 2
[evaluation]
every = 4
images = 16
[sampling]
every = 0
[runtime]
device = "cpu"
[sweep]
seeds = [0, 1]
[sweep.grid]
"diffusion.noise_schedule" = ["linear", "cosine"]
"model.channel_multipliers" = [[1, 1], [1, 2]]
"training.learning_rate" = [1e-3, 3e-3]
"""
AXES = ["diffusion.noise_schedule", "model.channel_multipliers", "training.learning_rate"]
# What the experiment gives the keys where no axis does; the schedule's is the built-in default.
BASE = {
    "diffusion.noise_schedule": "linear",
    "model.channel_multipliers": [1, 2],
    "training.learning_rate": 3e-3,
}
TOLERANCE = 1e-9
checked = 0


def check(condition, message):
    global checked
    checked += 1
    if not condition:
        sys.exit(f"FAILED: {message}")


def close(what, found, expected):
    if found is None or expected is None:
        return check(found is None and expected is None, f"{what}: {found} instead of {expected}")
    error = abs(found - expected)
    check(error <= TOLERANCE * max(1.0, abs(expected)), f"{what}: {found} instead of {expected}")


def ablate(program, folder, *arguments):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ABLATE_")}
    command = [program, *arguments]
    ran = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    check(ran.returncode == 0, f"{' '.join(command)}: exit {ran.returncode}\n{ran.stderr}")
    return ran.stdout


def value_of(config, key):
    for part in key.split("."):
        config = config[part]
    return config


def key(value):
    return json.dumps(value)


class Run:
    """What one run's folder says."""

    def __init__(self, folder):
        self.variant = folder.parent.name
        self.seed = int(folder.name.removeprefix("seed-"))
        self.state = json.loads((folder / "status.json").read_text())["state"]
        config = tomllib.loads((folder / "config.toml").read_text())
        self.settings = {axis: value_of(config, axis) for axis in AXES}
        self.batch_size = config["training"]["batch_size"]
        self.timing = pandas.read_csv(folder / "timing.csv")
        self.levels = pandas.read_csv(folder / "levels.csv")
        self.images = pandas.read_csv(folder / "images.csv")
        frame = pandas.read_csv(folder / "eval.csv")
        self.rows = frame[frame["weights"].str.startswith("ema-")].set_index("step")
        self.track = self.rows["weights"].iloc[0]
        checkpoints = sorted((folder / "checkpoints").glob("step-*"))
        self.parameters = parameters(checkpoints[-1] / "model.safetensors")

    def shares(self, step):
        """What each held-out image has in the score at a step."""
        rows = self.images[(self.images["step"] == step) & (self.images["weights"] == self.track)]
        return rows.set_index("image")[["part", "denoise_score"]]

    def seconds_at(self, step):
        steps = [0, *self.timing["step"]]
        return float(numpy.interp(step, steps, [0, *self.timing["seconds"].cumsum()]))

    def memory_at(self, step):
        return float(self.timing.loc[self.timing["step"] <= step, "peak_memory_bytes"].max())


def parameters(path):
    """The number of weights in a safetensors file, from its header."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def summary(values):
    """n, mean, standard deviation, 95 % t-interval, and the p value of a mean of 0."""
    values = pandas.Series(list(values), dtype=float)
    n = len(values)
    if n == 0:
        return {"n": 0, "mean": None, "std": None, "ci95": None, "p": None}
    if n == 1:
        return {"n": 1, "mean": values.mean(), "std": None, "ci95": None, "p": None}
    interval = stats.t.interval(0.95, n - 1, loc=values.mean(), scale=stats.sem(values))
    p = stats.ttest_1samp(values, 0.0).pvalue
    return {"n": n, "mean": values.mean(), "std": values.std(), "ci95": interval, "p": p}


def holm(ps):
    """Adjusted p values by Holm's method; None stays None."""
    order = sorted((p, at) for at, p in enumerate(ps) if p is not None)
    adjusted, least = [None] * len(ps), 0.0
    for rank, (p, at) in enumerate(order):
        least = max(least, min(1.0, (len(order) - rank) * p))
        adjusted[at] = least
    return adjusted


def same_summary(what, found, expected):
    for name in ("mean", "std"):
        close(f"{what}: {name}", found[name], expected[name])
    check((found["ci95"] is None) == (expected["ci95"] is None), f"{what}: interval")
    for side in (0, 1) if expected["ci95"] is not None else ():
        close(f"{what}: interval", found["ci95"][side], expected["ci95"][side])


def same_differences(what, pairs):
    """Pairs of a difference as the program has it and the values that it is the mean of."""
    expected = [summary(values) for _, values in pairs]
    adjusted = holm([one["p"] for one in expected])
    for (found, values), one, p_holm in zip(pairs, expected, adjusted):
        if not values:
            check(found is None, f"{what}: a difference of nothing")
            continue
        same_summary(what, found, one)
        check(found["seeds"] == one["n"], f"{what}: {found['seeds']} seeds instead of {one['n']}")
        close(f"{what}: p", found["p"], one["p"])
        close(f"{what}: p by Holm", found["p_holm"], p_holm)


def image_error(terms):
    """The standard error over images of a sum of scores, each with its factor: the images are a stratified sample."""
    total = sum(factor * shares["denoise_score"] for factor, shares in terms)
    check(total.notna().all(), "images: not the same in all runs")
    parts = total.groupby(terms[0][1]["part"])
    return float(numpy.sqrt((parts.var() * parts.size()).sum()) / len(total))


class Tree:
    """Every run with a state of done, and those that are not."""

    def __init__(self, folder):
        runs = [Run(path) for path in sorted(folder.glob("*/seed-*"))]
        self.failed = [run for run in runs if run.state != "done"]
        self.runs = [run for run in runs if run.state == "done"]
        self.settings = {run.variant: run.settings for run in runs}
        self.by_name = {(run.variant, run.seed): run for run in runs}

    def image_error(self, pairs):
        """That of the mean over seeds of each seed's mean difference; pairs are (seed, left, right), at the last step."""
        count = pandas.Series([seed for seed, *_ in pairs]).value_counts()
        terms = []
        for seed, left, right in pairs:
            factor = 1 / (len(count) * count[seed])
            for variant, sign in ((left, 1), (right, -1)):
                run = self.by_name[variant, seed]
                terms.append((sign * factor, run.shares(run.rows.index[-1])))
        return image_error(terms)

    def values(self, metric="denoise_score", pick=None):
        """{variant: {seed: value}}; `pick` names the step of a run, or none where it has none.

        A run that failed has no last value, and counts at a step or within a budget that it reached.
        """
        values = {variant: {} for variant in self.settings}
        for run in self.runs + (self.failed if pick else []):
            step = pick(run) if pick else run.rows.index[-1]
            if step is not None:
                values[run.variant][run.seed] = float(run.rows.loc[step, metric])
        return values


def check_rows(tree, document, values):
    names = [row["variant"] for row in document["rows"]]
    check(sorted(names) == sorted(values), f"rows: {names}")
    means = {variant: summary(seeds.values())["mean"] for variant, seeds in values.items()}
    ranked = sorted((mean, variant) for variant, mean in means.items() if mean is not None)
    check(names[: len(ranked)] == [variant for _, variant in ranked], "rows: another order")
    for row in document["rows"]:
        what = f"row {row['variant']}"
        expected = summary(values[row["variant"]].values())
        check(row["n"] == expected["n"], f"{what}: n = {row['n']}")
        same_summary(what, row, expected)
        check(len(row["seeds"]) == 2, f"{what}: {len(row['seeds'])} seeds planned")
        for seed in row["seeds"]:
            close(what, seed["value"], values[row["variant"]].get(seed["seed"]))
        for axis in AXES:
            check(row["overrides"][axis] == tree.settings[row["variant"]][axis], f"{what}: {axis}")


def check_baseline(tree, document, values, name):
    base = document["baseline"]
    check(base["variant"] == name, f"baseline: {base['variant']}")
    pairs = []
    for found in base["differences"]:
        mine, theirs = values[found["variant"]], values[name]
        shared = sorted(set(mine) & set(theirs)) if found["variant"] != name else []
        pairs.append((found["difference"], [mine[seed] - theirs[seed] for seed in shared]))
        if shared:
            error = tree.image_error([(seed, found["variant"], name) for seed in shared])
            close("baseline: error over images", found["difference"]["image_se"], error)
    same_differences("baseline", pairs)


def contrast(settings, values, axis, value, reference, held):
    """Cells with a pair, pairs without a value, the per-seed means of the differences, and what they are between."""
    by_seed, cells, missing, pairs = {}, 0, 0, []
    for left in settings:
        if settings[left][axis] != value:
            continue
        for right in settings:
            alike = all(settings[left][other] == settings[right][other] for other in held)
            if settings[right][axis] != reference or not alike:
                continue
            shared = set(values[left]) & set(values[right])
            for seed in shared:
                by_seed.setdefault(seed, []).append(values[left][seed] - values[right][seed])
                pairs.append((seed, left, right))
            cells += bool(shared)
            missing += 2 - len(shared)
    return cells, missing, [float(numpy.mean(by_seed[seed])) for seed in sorted(by_seed)], pairs


def check_effects(tree, document, settings, values, axes):
    found = document["effects"]["axes"]
    check([axis["keys"] for axis in found] == [[axis] for axis in axes], f"effects: {found}")
    pairs = []
    for axis, entry in zip(axes, found):
        check(entry["reference"] == [BASE[axis]] and entry["reference_is_base"], f"effects: base of {axis}")
        for one in entry["contrasts"]:
            held = [other for other in axes if other != axis]
            cells, missing, expected, between = contrast(settings, values, axis, one["value"][0], BASE[axis], held)
            check((one["cells"], one["missing"]) == (cells, missing), f"effects: {one} not {cells}, {missing}")
            pairs.append((one["difference"], expected))
            if between:
                close("effects: error over images", one["difference"]["image_se"], tree.image_error(between))
    check(len(pairs) == len(axes), f"effects: {len(pairs)} contrasts")
    same_differences("effects", pairs)


def check_pareto(tree, document, values, cost):
    points = document["pareto"]["points"]
    expected = {}
    for variant, seeds in values.items():
        runs = [run for run in tree.runs if run.variant == variant]
        if not seeds:
            continue
        last = {run: run.rows.index[-1] for run in runs}
        costs = {
            "parameters": lambda run: run.parameters,
            "seconds": lambda run: run.seconds_at(last[run]),
            "memory": lambda run: run.memory_at(last[run]),
        }[cost]
        expected[variant] = (float(numpy.mean([costs(run) for run in runs])), summary(seeds.values())["mean"])
    check({point["variant"] for point in points} == set(expected), f"pareto {cost}: other variants")

    def beats(left, right):
        return left[0] <= right[0] and left[1] <= right[1] and left != right

    for point in points:
        mine = expected[point["variant"]]
        close(f"pareto {cost}", point["cost"], mine[0])
        close(f"pareto {cost}", point["mean"], mine[1])
        beaten = {variant for variant, other in expected.items() if beats(other, mine)}
        check(point["frontier"] == (not beaten), f"pareto {cost}: {point}")
        check(set(point["dominated_by"]) <= beaten and bool(point["dominated_by"]) == bool(beaten), f"{point}")


def check_groups(tree, document, values, axis):
    expected = {}
    for variant, seeds in values.items():
        for seed, value in seeds.items():
            group = expected.setdefault(key(tree.settings[variant][axis]), {})
            group.setdefault(seed, []).append(value)
    check(len(document["rows"]) == len(expected), "groups: another number")
    for row in document["rows"]:
        group = expected[key(row["overrides"][axis])]
        per_seed = [float(numpy.mean(group[seed])) for seed in sorted(group)]
        same_summary(f"group {row['variant']}", row, summary(per_seed))
        check(row["runs"]["all"] == 8, f"group: {row['runs']}")


def check_best(tree, document, values, over):
    """The best learning rate of each variant, and the effects between variants at their best."""
    groups = {}
    for variant, seeds in values.items():
        held = key([tree.settings[variant][axis] for axis in AXES if axis != over])
        mean = summary(seeds.values())["mean"]
        groups.setdefault(held, []).append((math.inf if mean is None else mean, variant))
    chosen = {min(group)[1] for group in groups.values()}
    check({row["variant"] for row in document["rows"]} == chosen, f"best: not {chosen}")
    for row in document["rows"]:
        check(row["best"]["value"] == tree.settings[row["variant"]][over], "best: value")
        close("best: mean on val", row["best"]["val_mean"], summary(values[row["variant"]].values())["mean"])
    settings = {variant: tree.settings[variant] for variant in chosen}
    kept = {variant: values[variant] for variant in chosen}
    check_effects(tree, document, settings, kept, [axis for axis in AXES if axis != over])


def weight(log_snr):
    """p(sigma) of EDM's loss: ln sigma ~ N(-1.2, 1.2^2)."""
    return stats.norm.pdf(-log_snr / 2, loc=-1.2, scale=1.2)


def over_window(curve, low, high):
    """denoise_score and denoise_bits of a curve between two log-SNR."""
    nodes, errors = curve["log_snr"].to_numpy(), curve["eps_mse"].to_numpy()
    targets = numpy.linspace(-6, 6, 33)
    inside = targets[(targets >= low) & (targets <= high)]
    p = weight(inside)
    score = (p * (1 + 4 * numpy.exp(-inside)) * numpy.interp(inside, nodes, errors)).sum() / p.sum()
    grid = numpy.unique([low, high, *nodes[(nodes > low) & (nodes < high)]])
    bits = numpy.trapezoid(numpy.interp(grid, nodes, errors), grid) / (2 * math.log(2))
    mass = p.sum() / weight(targets).sum()
    return {"denoise_score": score, "denoise_bits": bits, "mass": mass}


def check_window(program, folder, tree):
    curves = {}
    for run in tree.runs:
        step = run.rows.index[-1]
        rows = run.levels[(run.levels["step"] == step) & (run.levels["weights"] == run.track)]
        curves[run.variant, run.seed] = rows.sort_values("log_snr")
    low = max(-6.0, *(curve["log_snr"].min() for curve in curves.values()))
    high = min(6.0, *(curve["log_snr"].max() for curve in curves.values()))
    for metric in ("denoise_score", "denoise_bits"):
        document = compare(program, folder, "--metric", metric, "--window", "common")
        scores = {run: over_window(curve, low, high) for run, curve in curves.items()}
        values = {variant: {} for variant in tree.settings}
        for (variant, seed), found in scores.items():
            values[variant][seed] = found[metric]
        check_rows(tree, document, values)
        window = document["window"]
        close("window", window["low"], low)
        close("window", window["high"], high)
        close("window", window["mass"], next(iter(scores.values()))["mass"])
        # Where the whole window is covered, the numbers are those the run wrote itself.
        if (low, high) == (-6.0, 6.0):
            check_rows(tree, document, tree.values(metric))


def check_budgets(program, folder, tree):
    """The last row that a budget of images or seconds reaches."""
    images = 2 * tree.runs[0].batch_size * 4
    document = compare(program, folder, "--at", f"images={images + 3}")
    check_rows(tree, document, tree.values(pick=lambda run: 8))
    check(all(seed["spent"] == images for row in document["rows"] for seed in row["seeds"] if seed["value"]), "spent")

    # As long as the fastest run took in all: the others are somewhere on their way.
    budget = min(run.seconds_at(run.timing["step"].iloc[-1]) for run in tree.runs + tree.failed)

    def within(run):
        steps = [step for step in run.rows.index if run.seconds_at(step) <= budget]
        return steps[-1] if steps else None

    document = compare(program, folder, "--at", f"seconds={budget!r}")
    check_rows(tree, document, tree.values(pick=within))


def compare(program, folder, *arguments):
    return json.loads(ablate(program, folder, "compare", "runs/x", "--format", "json", *arguments))


def lose_some(folder):
    """One run fails, another is not there: both have to be counted, and neither may count as a value."""
    runs = sorted(folder.glob("*/seed-1"))
    status = json.loads((runs[0] / "status.json").read_text())
    (runs[0] / "status.json").write_text(json.dumps({**status, "state": "diverged"}))
    shutil.rmtree(runs[3])
    return runs[0].parent.name, runs[3].parent.name


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "x.toml").write_text(EXPERIMENT, encoding="utf-8")
        if len(sys.argv) > 2:
            shutil.copytree(sys.argv[2], folder / "runs" / "x")
        else:
            ablate(program, folder, "run", "x.toml", "--quiet")
        diverged, lost = lose_some(folder / "runs" / "x")
        tree = Tree(folder / "runs" / "x")
        values = tree.values()

        name = next(variant for variant in values if variant not in (diverged, lost))
        document = compare(program, folder, "--baseline", name, "--effects")
        check_rows(tree, document, values)
        states = {row["variant"]: [seed["state"] for seed in row["seeds"]] for row in document["rows"]}
        check(states[diverged] == ["done", "diverged"] and states[lost] == ["done", "planned"], f"states: {states}")
        check_baseline(tree, document, values, name)
        check_effects(tree, document, tree.settings, values, AXES)
        for cost in ("parameters", "seconds", "memory"):
            check_pareto(tree, compare(program, folder, "--pareto", f"denoise_score,{cost}"), values, cost)
        for axis in AXES:
            check_groups(tree, compare(program, folder, "--group-by", axis), values, axis)
        rate = "training.learning_rate"
        check_best(tree, compare(program, folder, "--best-over", rate, "--effects"), values, rate)
        only = compare(program, folder, "--where", "noise_schedule=cosine", "--at", "step=8")
        cosine = {v: seeds for v, seeds in tree.values(pick=lambda run: 8).items() if "cosine" in v}
        check(sorted(row["variant"] for row in only["rows"]) == sorted(cosine), "where: other rows")
        check_budgets(program, folder, tree)
        check_window(program, folder, tree)
    print(f"pandas {pandas.__version__} and scipy: {checked} statements about {len(tree.runs)} runs agree within {TOLERANCE}")


if __name__ == "__main__":
    main()

"""A training step against PyTorch with diffusers: the same network and first weights, the same images, noise and
timesteps, held in memory; forward, backward, global clipping, AdamW, one average. Losses and gradient norms of the first
steps of both sides are held together before a time of theirs is believed.

On a GPU the peer takes what makes it fast there: channels-last, cuDNN's benchmark, pinned uploads, autocast for bf16,
`max-autotune` for what is compiled. It compiles for minutes, so it stays while ours comes and goes.
"""

import contextlib
import json
import pathlib
import shutil
import statistics
import subprocess
import sys

from cases import CASES, batch_of, experiment
from machine import Failure, call, environment, in_turn, ratios, spread, table
from peer import Peer

FIRST_WEIGHTS = pathlib.Path(__file__).with_name("first_weights.py")
# Relative, for each precision; of the first steps, before rounding has been through many updates. 8 bits of mantissa
# leave a gradient within some hundredths of what 24 give, and both sides round at other places.
TOLERANCE = {"f32": 1e-4, "tf32": 5e-3, "bf16": 3e-2}
HELD_STEPS = 5


def ours(bench, file):
    command = [
        bench.program, "bench", file, "--json", "--step-only", "--steps", bench.steps, "--warmup", bench.warmup,
        "--threads", bench.threads,
    ]
    found = json.loads(call("ablate bench", command, bench.deadline, cwd=bench.folder, env=environment(bench.threads)))
    steps = found["steps"]
    return dict(
        seconds=steps["step_seconds"]["median"], losses=steps["losses"], norms=steps["gradient_norms"],
        before=steps["memory_before_bytes"], peak=steps["peak_memory_bytes"], device_peak=steps["peak_device_bytes"],
        parameters=found["parameters"], flops=found["step_flops"],
    )


def theirs(bench, name, weights, mode, stack):
    """What measures the peer: a process a time, or on a GPU one that stays until the stack is closed."""

    def once():
        with Peer(bench, name, weights, mode) as peer:
            return peer.measure()

    return once if bench.device == "cpu" else stack.enter_context(Peer(bench, name, weights, mode)).measure


def written(bench, name, more):
    """The experiment that both sides train, with more settings of ours, as a file."""
    case = CASES[name]
    settings = {
        "training.batch_size": batch_of(case, bench.device), "training.precision": bench.precision,
        "training.steps": 1000000, "runtime.device": bench.device,
    }
    file = bench.folder / f"{name}.toml"
    file.write_text(experiment(case["network"], settings | more))
    return file


def first_weights(bench, name):
    """As PyTorch draws them, as a file."""
    weights = bench.folder / f"{name}.safetensors"
    if not weights.exists():
        call("drawing the first weights", [*bench.python, FIRST_WEIGHTS, weights, name], bench.deadline)
    return weights


def measured(bench, name, modes):
    """Both sides, {side: [what it found in each round]}, and our experiment."""
    weights = first_weights(bench, name)
    file = written(bench, name, {"training.initial_weights": str(weights)})
    with contextlib.ExitStack() as stack:
        sides = {"ablate": lambda: ours(bench, file)}
        for mode in modes:
            sides[mode] = theirs(bench, name, weights, mode, stack)
        # Equal before anything is timed; the compiler fills its cache here.
        first = {side: once() for side, once in sides.items()}
        worst = max(hold(bench, name, mode, first["ablate"], first[mode]) for mode in modes)
        print(f"{name}: losses and gradient norms of the first steps agree to {worst:.1e}", flush=True)
        found = in_turn(bench.rounds, sides, bench.deadline)
    for mode in modes:
        for mine, other in zip(found["ablate"], found[mode]):
            hold(bench, name, mode, mine, other)
    return found, file


def hold(bench, name, mode, ours, theirs):
    """Ends everything unless both sides computed the same; the largest difference."""
    if ours["parameters"] != theirs["parameters"]:
        raise Failure(f"{name}: {ours['parameters']} parameters against {theirs['parameters']} of PyTorch's {mode}")
    worst = 0.0
    for what in ("losses", "norms"):
        for step, (a, b) in enumerate(zip(ours[what][:HELD_STEPS], theirs[what]), 1):
            difference = abs(a - b) / abs(b)
            worst = max(worst, difference)
            if not difference <= TOLERANCE[bench.precision]:
                raise Failure(f"{name}, step {step}: {what} {a} and {b} of PyTorch's {mode} differ by {difference:.1e}")
    return worst


def measure(bench):
    modes, notes = ["eager"], []
    if not bench.no_compile:
        reason = compiler_missing(bench)
        notes += [f"torch.compile is left out: {reason}."] if reason else []
        modes += [] if reason else ["compile"]
    rows, details = [], []
    for name in bench.networks:
        found, file = measured(bench, name, modes)
        for mode in modes:
            digits = 3 if bench.device == "cpu" else 5
            rows.append(row(bench, CASES[name], mode, found["ablate"], found[mode], digits))
            print(" | ".join(rows[-1]), flush=True)
        details.append(detail(bench, CASES[name], file))
    header = [
        "network", "batch", "PyTorch", "ablate s", "PyTorch s", "ratio", "ablate peak MiB", "PyTorch peak MiB", "ratio",
        "ratio without what was there before",
    ]
    of_sides = (
        ("a round is a process of each side, in turn", "Peak memory is the largest resident set of a process, of PyTorch's "
         "with its interpreter and libraries; the last column leaves out what each held before its first step.")
        if bench.device == "cpu" else
        ("both sides in turn", "Peak memory is what tensors on the GPU held at most.")
    )
    text = (
        f"Seconds of a step, median and range of {bench.rounds} rounds, each the median of {bench.steps} steps after "
        f"{bench.warmup}; {of_sides[0]}. Both start from the same weights and see the same images, noise and timesteps; "
        f"losses and gradient norms of the first steps of every round agree to {TOLERANCE[bench.precision]:.0e}. {of_sides[1]}"
    )
    text = " ".join([text, *notes])
    parts = "\n\n".join(details)
    return f"{text}\n\n{table(header, rows)}\n\nWhere our time goes, by `ablate bench`:\n\n{parts}"


def compiler_missing(bench):
    """Why torch.compile cannot work here, if it cannot: on a CPU it needs a C++ compiler, and says so late."""
    if bench.device == "cpu" and not any(shutil.which(name) for name in ("g++", "c++", "clang++")):
        return "there is no C++ compiler"
    tried = f"import torch; torch.compile(lambda x: (x * 2).sin())(torch.ones(8, device={bench.device!r}))"
    ran = subprocess.run([sys.executable, "-c", tried], capture_output=True, text=True)
    return None if ran.returncode == 0 else (ran.stderr.strip().splitlines() or ["no reason given"])[-1]


def row(bench, case, mode, ours, theirs, digits):
    of = lambda side, key: [found[key] for found in side]
    peak = "peak" if bench.device == "cpu" else "device_peak"
    mebibytes = lambda side: f"{statistics.median(of(side, peak)) / 2**20:.0f}"
    grown = lambda side: [found["peak"] - found["before"] for found in side]
    return [
        case["title"], str(batch_of(case, bench.device)), mode, spread(of(ours, "seconds"), digits),
        spread(of(theirs, "seconds"), digits), spread(ratios(of(ours, "seconds"), of(theirs, "seconds"))), mebibytes(ours),
        mebibytes(theirs), spread(ratios(of(ours, peak), of(theirs, peak)), 2),
        spread(ratios(grown(ours), grown(theirs)), 2) if bench.device == "cpu" else "",
    ]


def detail(bench, case, file):
    """Our own table of the step and its operations."""
    command = [bench.program, "bench", file, "--steps", bench.steps, "--warmup", bench.warmup, "--threads", bench.threads]
    told = call("ablate bench", command, cwd=bench.folder, env=environment(bench.threads))
    batch = batch_of(case, bench.device)
    return f"<details><summary>{case['title']}, batch {batch}</summary>\n\n```text\n{told.rstrip()}\n```\n\n</details>"

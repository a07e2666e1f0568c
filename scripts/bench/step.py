"""A training step against PyTorch with diffusers: the same network and first weights, the same images, noise and
timesteps, held in memory; forward, backward, global clipping, AdamW, one average. Losses and gradient norms of every step
of both sides are held together before a time of theirs is believed.
"""

import json
import pathlib
import shutil
import statistics
import subprocess
import sys

import torch
from cases import CASES, experiment
from machine import call, environment, in_turn, last_json, ratios, spread, table
from networks import build
from safetensors.torch import save_file

PEER = pathlib.Path(__file__).with_name("peer_step.py")
# Relative; of the first steps, before rounding has been through many updates.
TOLERANCE = 1e-4
HELD_STEPS = 5


def ours(bench, file):
    command = [
        bench.program, "bench", file, "--json", "--step-only", "--steps", bench.steps, "--warmup", bench.warmup,
        "--threads", bench.threads,
    ]
    found = json.loads(call("ablate bench", command, cwd=bench.folder, env=environment(bench.threads)))
    steps = found["steps"]
    return dict(
        seconds=steps["step_seconds"]["median"], losses=steps["losses"], norms=steps["gradient_norms"],
        before=steps["memory_before_bytes"], peak=steps["peak_memory_bytes"], parameters=found["parameters"],
    )


def theirs(bench, name, weights, mode):
    wanted = dict(
        name=name, weights=str(weights), mode=mode, threads=bench.threads, warmup=bench.warmup, steps=bench.steps,
    )
    found = last_json(call(f"PyTorch {mode}", [sys.executable, PEER, json.dumps(wanted)], env=environment(bench.threads)))
    found["seconds"] = statistics.median(found["seconds"])
    return found


def hold(name, mode, ours, theirs):
    """Ends everything unless both sides computed the same; the largest difference."""
    if ours["parameters"] != theirs["parameters"]:
        sys.exit(f"FAILED: {name}: {ours['parameters']} parameters against {theirs['parameters']} of PyTorch's {mode}")
    worst = 0.0
    for what in ("losses", "norms"):
        for step, (a, b) in enumerate(zip(ours[what][:HELD_STEPS], theirs[what]), 1):
            difference = abs(a - b) / abs(b)
            worst = max(worst, difference)
            if not difference <= TOLERANCE:
                sys.exit(f"FAILED: {name}, step {step}: {what} {a} and {b} of PyTorch's {mode} differ by {difference:.1e}")
    return worst


def measure(bench):
    modes, notes = ["eager"], []
    if not bench.no_compile:
        reason = compiler_missing()
        notes += [f"torch.compile is left out: {reason}."] if reason else []
        modes += [] if reason else ["compile"]
    rows, details = [], []
    for name in bench.networks:
        case = CASES[name]
        weights = bench.folder / f"{name}.safetensors"
        torch.manual_seed(5)
        save_file(build(case["network"])[0].state_dict(), weights)
        settings = {"training.batch_size": case["batch"], "training.initial_weights": str(weights), "training.steps": 1000000}
        file = bench.folder / f"{name}.toml"
        file.write_text(experiment(case["network"], settings))
        sides = {"ablate": lambda: ours(bench, file)}
        for mode in modes:
            sides[mode] = lambda mode=mode: theirs(bench, name, weights, mode)
        # Equal before anything is timed; the compiler fills its cache here.
        first = {side: once() for side, once in sides.items()}
        differences = [hold(name, mode, first["ablate"], first[mode]) for mode in modes]
        print(f"{name}: losses and gradient norms of the first steps agree to {max(differences):.1e}", flush=True)
        found = in_turn(bench.rounds, sides)
        for mode in modes:
            for mine, other in zip(found["ablate"], found[mode]):
                hold(name, mode, mine, other)
            rows.append(row(case, mode, found["ablate"], found[mode]))
            print(" | ".join(rows[-1]), flush=True)
        details.append(detail(bench, case, file))
    header = [
        "network", "batch", "PyTorch", "ablate s", "PyTorch s", "ratio", "ablate peak MiB", "PyTorch peak MiB", "ratio",
        "ratio without what was there before",
    ]
    text = (
        f"Seconds of a step, median and range of {bench.rounds} rounds, each the median of {bench.steps} steps after "
        f"{bench.warmup}; a round is a process of each side, in turn. Both start from the same weights and see the same "
        "images, noise and timesteps; losses and gradient norms of the first steps of every round agree to "
        f"{TOLERANCE:.0e}. Peak memory is the largest resident set of a process, of PyTorch's with its interpreter and "
        "libraries; the last column leaves out what each held before its first step."
    )
    text = " ".join([text, *notes])
    parts = "\n\n".join(details)
    return f"{text}\n\n{table(header, rows)}\n\nWhere our time goes, by `ablate bench`:\n\n{parts}"


def compiler_missing():
    """Why torch.compile cannot work here, if it cannot: on a CPU it needs a C++ compiler, and says so late."""
    if not any(shutil.which(name) for name in ("g++", "c++", "clang++")):
        return "there is no C++ compiler"
    tried = "import torch; torch.compile(lambda x: (x * 2).sin())(torch.ones(8))"
    ran = subprocess.run([sys.executable, "-c", tried], capture_output=True, text=True)
    return None if ran.returncode == 0 else (ran.stderr.strip().splitlines() or ["no reason given"])[-1]


def row(case, mode, ours, theirs):
    of = lambda side, key: [found[key] for found in side]
    mebibytes = lambda side: f"{statistics.median(of(side, 'peak')) / 2**20:.0f}"
    grown = lambda side: [found["peak"] - found["before"] for found in side]
    return [
        case["title"], str(case["batch"]), mode, spread(of(ours, "seconds")), spread(of(theirs, "seconds")),
        spread(ratios(of(ours, "seconds"), of(theirs, "seconds"))), mebibytes(ours), mebibytes(theirs),
        spread(ratios(of(ours, "peak"), of(theirs, "peak")), 2), spread(ratios(grown(ours), grown(theirs)), 2),
    ]


def detail(bench, case, file):
    """Our own table of the step and its operations."""
    command = [bench.program, "bench", file, "--steps", bench.steps, "--warmup", bench.warmup, "--threads", bench.threads]
    told = call("ablate bench", command, cwd=bench.folder, env=environment(bench.threads))
    return f"<details><summary>{case['title']}, batch {case['batch']}</summary>\n\n```text\n{told.rstrip()}\n```\n\n</details>"

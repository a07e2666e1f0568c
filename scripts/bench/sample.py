"""Images by DDIM against diffusers' DDIMPipeline: our network, exported, and the same first noise; the images are held
together in every round. Our time is that of the whole command, from its start to the files it writes; theirs is that of
the call of the pipeline alone, so that neither the interpreter nor the loading of libraries counts against it.
"""

import json
import pathlib
import sys
import time

import numpy as np
import torch
from cases import CASES, experiment
from machine import call, environment, in_turn, last_json, ratios, spread, table
from safetensors.torch import load_file, save_file

PEER = pathlib.Path(__file__).with_name("peer_sample.py")
CASE = CASES["32"]
# Of pixels from 0 to 1, on average over all: fifty steps of a network that has learnt nothing magnify rounding in some.
TOLERANCE = 2e-3


def measure(bench):
    network, folder = CASE["network"], bench.folder
    settings = {
        "training.steps": 1, "training.batch_size": 2, "evaluation.every": 0, "sampling.every": 0, "data.limit": 64,
        "runtime.threads": bench.threads, "runtime.tensorboard": False,
    }
    (folder / "one.toml").write_text(experiment(network, settings))
    start = dict(cwd=folder, env=environment(bench.threads))
    call("ablate run", [bench.program, "run", "one.toml", "--quiet"], **start)
    (run,) = (folder / "runs/one").glob("*/seed-0")
    call("ablate export", [bench.program, "export", run, "--to", "diffusers", "exported", "--weights", "raw"], **start)
    shape = (bench.images, network["channels"], network["size"], network["size"])
    # As the pipeline draws it from this generator.
    save_file(dict(samples=torch.randn(shape, generator=torch.Generator().manual_seed(0))), folder / "noise.safetensors")
    differences = []

    def ours():
        command = [
            bench.program, "sample", run, "--weights", "raw", "--sampler", "ddim", "--steps", bench.sampling_steps,
            "--initial-noise", "noise.safetensors", "--save-tensor", "ours.safetensors", "-o", "ours.png", "--quiet",
        ]
        began = time.perf_counter()
        call("ablate sample", command, **start)
        return time.perf_counter() - began

    def theirs():
        wanted = dict(folder="exported", images=bench.images, steps=bench.sampling_steps, threads=bench.threads, out="theirs.npy")
        return last_json(call("DDIMPipeline", [sys.executable, PEER, json.dumps(wanted)], **start))["seconds"]

    def compared():
        seconds = theirs()
        drawn = (load_file(folder / "ours.safetensors")["samples"] / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()
        difference = float(np.abs(drawn - np.load(folder / "theirs.npy")).mean())
        if not difference <= TOLERANCE:
            sys.exit(f"FAILED: the images differ by {difference:.1e} of white on average")
        differences.append(difference)
        return seconds

    ours()
    found = in_turn(bench.rounds, {"ablate": ours, "diffusers": compared})
    rows = [[
        CASE["title"], bench.images, bench.sampling_steps, spread(found["ablate"], 2), spread(found["diffusers"], 2),
        spread(ratios(found["ablate"], found["diffusers"])),
    ]]
    header = ["network", "images", "steps of DDIM", "ablate s", "diffusers s", "ratio"]
    text = (
        f"Seconds, median and range of {bench.rounds} rounds in turn: `ablate sample` as a whole command, against the call "
        "of diffusers' `DDIMPipeline` alone, without the start of its interpreter. The same weights, exported by `ablate "
        f"export`, and the same noise: pixels differ by {max(differences):.1e} of white on average."
    )
    return f"{text}\n\n{table(header, rows)}"

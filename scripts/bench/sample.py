"""Images by DDIM against diffusers' DDIMPipeline: our network, exported, and the same first noise; the images are held
together after a few steps. Our time is that of the whole command, from its start to the files it writes; theirs is that of
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
# Of pixels from 0 to 1, on average over all, after a few steps: a network that has learnt nothing magnifies rounding, by
# a thousand in ten steps and without end in fifty.
TOLERANCE = 1e-4
HELD_STEPS = 10


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

    def ours(steps=bench.sampling_steps):
        command = [
            bench.program, "sample", run, "--weights", "raw", "--sampler", "ddim", "--steps", steps,
            "--initial-noise", "noise.safetensors", "--save-tensor", "ours.safetensors", "-o", "ours.png", "--quiet",
        ]
        began = time.perf_counter()
        call("ablate sample", command, **start)
        return time.perf_counter() - began

    def theirs(steps=bench.sampling_steps):
        wanted = dict(folder="exported", images=bench.images, steps=steps, threads=bench.threads, out="theirs.npy")
        return last_json(call("DDIMPipeline", [sys.executable, PEER, json.dumps(wanted)], **start))["seconds"]

    def held(steps):
        ours(steps)
        theirs(steps)
        drawn = (load_file(folder / "ours.safetensors")["samples"] / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()
        difference = float(np.abs(drawn - np.load(folder / "theirs.npy")).mean())
        if not difference <= TOLERANCE:
            sys.exit(f"FAILED: the images differ by {difference:.1e} of white on average")
        return difference

    held_steps = min(HELD_STEPS, bench.sampling_steps)
    difference = held(held_steps)
    found = in_turn(bench.rounds, {"ablate": ours, "diffusers": theirs})
    rows = [[
        CASE["title"], bench.images, bench.sampling_steps, spread(found["ablate"], 2), spread(found["diffusers"], 2),
        spread(ratios(found["ablate"], found["diffusers"])),
    ]]
    header = ["network", "images", "steps of DDIM", "ablate s", "diffusers s", "ratio"]
    text = (
        f"Seconds, median and range of {bench.rounds} rounds in turn: `ablate sample` as a whole command, against the call "
        "of diffusers' `DDIMPipeline` alone, without the start of its interpreter. The same weights, exported by `ablate "
        f"export`, and the same noise: after {held_steps} steps pixels differ by {difference:.1e} of white on average."
    )
    return f"{text}\n\n{table(header, rows)}"

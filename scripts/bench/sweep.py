"""A sweep over learning rates against Hydra --multirun over a PyTorch script that does the same work: its basic launcher,
one training after the other with every core, and its joblib launcher, as many one-thread trainings at a time as there are
cores. The time is that of the whole command on all sides.
"""

import os
import pathlib
import shutil
import sys
import time

import numpy as np
from cases import CASES, experiment
from machine import call, environment, in_turn, ratios, spread, table
from PIL import Image

PEER = pathlib.Path(__file__).with_name("peer_sweep.py").resolve()
CASE = CASES["28"]
PICTURES = 2000
EVALUATED = 256
DRAWN = 16


def write_pictures(folder, size):
    """Soft blobs as PNG files for us; decoded already, as numbers, for the peer."""
    generator = np.random.default_rng(11)
    y, x = np.mgrid[0:size, 0:size] / size
    folder.mkdir()
    planes = []
    for i in range(PICTURES):
        a, b, width = generator.uniform(0, 1, 3)
        pixels = (255 * np.exp(-((x - a) ** 2 + (y - b) ** 2) / (0.02 + 0.1 * width))).round().astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:04}.png")
        planes.append(pixels)
    np.save(folder.with_suffix(".npy"), np.stack(planes)[:, None])


def measure(bench):
    network, folder, steps = CASE["network"], bench.folder, bench.training_steps
    write_pictures(folder / "pictures", network["size"])
    rates = [f"{1e-4 * (i + 1):g}" for i in range(bench.trainings)]
    settings = {
        "data.dataset": "folder", "data.root": str(folder / "pictures"), "data.validation_fraction": 0.15,
        "training.batch_size": CASE["batch"], "training.steps": steps, "training.log_every": 50,
        "evaluation.every": steps, "evaluation.images": EVALUATED, "evaluation.metrics": ["loss"],
        "sampling.every": steps, "sampling.num_samples": DRAWN, "sampling.steps": bench.sampling_steps, "sampling.sampler": "ddim",
        "checkpoint.every": 0, "runtime.data_dir": "data",
    }
    if bench.threads != os.cpu_count():
        # Left alone we take every core, which the peers then may not.
        settings |= {"runtime.jobs": bench.threads, "runtime.threads": 1}
    text = experiment(network, settings) + f"[sweep.grid]\n\"training.learning_rate\" = [{', '.join(rates)}]\n"

    def fresh(name):
        place = folder / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        return place

    def timed(what, command, place, threads):
        began = time.perf_counter()
        call(what, command, cwd=place, env=environment(threads))
        return time.perf_counter() - began

    def ours():
        place = fresh("ours")
        (place / "sweep.toml").write_text(text)
        seconds = timed("ablate run", [bench.program, "run", "sweep.toml", "--quiet"], place, bench.threads)
        done = len(list(place.glob("runs/sweep/*/seed-0/samples/*.png")))
        if done != bench.trainings:
            sys.exit(f"FAILED: {done} of {bench.trainings} runs drew images")
        return seconds

    def hydra(name, threads, more):
        place = fresh(name)
        command = [
            sys.executable, PEER, "--multirun", f"learning_rate={','.join(rates)}", f"steps={steps}", f"threads={threads}",
            f"pictures={folder / 'pictures.npy'}", f"evaluated={EVALUATED}", f"drawn={DRAWN}",
            f"sampling_steps={bench.sampling_steps}", "hydra.sweep.dir=multirun", *more,
        ]
        seconds = timed(f"Hydra ({name})", command, place, threads)
        done = len(list(place.glob("multirun/*/samples.png")))
        if done != bench.trainings:
            sys.exit(f"FAILED: {done} of {bench.trainings} trainings of Hydra's {name} launcher drew images")
        return seconds

    sides = {
        "ablate": ours,
        "basic": lambda: hydra("basic", bench.threads, []),
        "joblib": lambda: hydra("joblib", 1, ["hydra/launcher=joblib", f"hydra.launcher.n_jobs={bench.threads}"]),
    }
    found = in_turn(bench.rounds, sides)
    rows = [
        [name, spread(found["ablate"], 1), spread(found[side], 1), spread(ratios(found["ablate"], found[side]))]
        for name, side in [
            (f"basic, {bench.threads} threads", "basic"),
            (f"joblib, {bench.threads} jobs of one thread", "joblib"),
        ]
    ]
    about = (
        f"Seconds of a sweep of {bench.trainings} trainings, median and range of {bench.rounds} rounds in turn, from the "
        f"start of the command to its end: {CASE['title']}, batch {CASE['batch']}, {steps} steps, one evaluation of the loss "
        f"on {EVALUATED} held-out images with averaged and raw weights, {DRAWN} images by {bench.sampling_steps} steps of DDIM, a "
        "checkpoint. We read PNG files and choose jobs and threads ourselves; the peer is given decoded images."
    )
    return f"{about}\n\n{table(['launcher of Hydra', 'ablate s', 'Hydra s', 'ratio'], rows)}"

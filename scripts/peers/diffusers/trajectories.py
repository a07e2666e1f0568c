"""Holds whole trajectories through trained networks to diffusers: the same weights in its UNet2DModel, the same first
noise, the same fresh noise at every step, its own schedulers, and then the images against those of `ablate sample`.

usage: trajectories.py PROGRAM [--write FILE]

With --write it trains one network, small enough for the repository, and writes its weights, the first noise and the
images that diffusers draws: tests/data/diffusers/trajectories/v-linear.safetensors.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import tomllib

import numpy as np
import torch
from draws import normals
from networks import build
from safetensors.torch import load_file, save_file
from samplers import walk

# Largest difference of two images, whose values are about -1 to 1; where nothing clips a young network's images leave
# that range, and it is a share of their largest value.
TOLERANCE = 1e-4
IMAGES = 5
SEED = 3
# Images of a batch of ours: not a divisor of their number.
BATCH = 2

CASE = dict(size=16, channels=3, base=8, multipliers=[1, 2], layers=1, attention=[8], head_dim=8)
TRIALS = {
    "epsilon-linear": dict(prediction_type="epsilon", noise_schedule="linear"),
    "v-cosine": dict(prediction_type="v", noise_schedule="cosine"),
    "x0-scaled-linear": dict(prediction_type="x0", noise_schedule="scaled_linear"),
    "v-linear-zero": dict(prediction_type="v", noise_schedule="linear", zero_terminal_snr=True),
}
# 18,521 parameters.
SMALL = dict(size=8, channels=1, base=8, multipliers=[1, 1], layers=1, attention=[4], head_dim=8)

# Sampler, steps, spacing, and what differs from the plainest settings.
# Heun's last correction is that of a slope at the last sigma, 0.01 here, over half the step to it: with few steps it
# multiplies what two libraries round in a network that predicts x0.
CHAINS = [
    ("ddpm", 50, "leading", {}),
    ("ddpm", 50, "linspace", dict(variance="fixed_large")),
    ("ddpm", 40, "trailing", dict(clip_sample=False)),
    ("ddim", 50, "leading", {}),
    ("ddim", 20, "trailing", dict(eta=1.0)),
    ("ddim", 25, "leading", dict(eta=0.5, steps_offset=1, set_alpha_to_one=False)),
    ("ddim", 10, "linspace", dict(clip_sample_range=0.5)),
    ("dpm_solver_pp", 20, "linspace", {}),
    ("dpm_solver_pp", 15, "trailing", {}),
    ("dpm_solver_pp", 15, "leading", dict(steps_offset=1)),
    ("euler", 30, "linspace", {}),
    ("euler", 30, "trailing", {}),
    ("euler", 25, "leading", dict(steps_offset=1)),
    ("heun", 40, "linspace", {}),
    ("heun", 15, "trailing", dict(clip_sample=False)),
    ("heun", 40, "leading", dict(steps_offset=1)),
]
# Those that the repository keeps, in less than 100 kB.
KEPT = (0, 1, 3, 4, 5, 7, 8, 10, 12, 13, 14)
PLAIN = dict(
    eta=0.0, steps_offset=0, clip_sample=True, clip_sample_range=1.0, set_alpha_to_one=True, variance="fixed_small",
)


def experiment(case, trial, steps):
    model = build(case)[1]["model"]
    lines = ["[data]", 'dataset = "shapes"', f"image_size = {case['size']}", f"in_channels = {case['channels']}", "[model]"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in model.items()]
    lines += ["[diffusion]"] + [f"{key} = {json.dumps(value)}" for key, value in trial.items()]
    lines += ["[training]", f"steps = {steps}", "batch_size = 16", "learning_rate = 2e-3", "warmup_steps = 10"]
    lines += ["[ema]", "decay = 0.9", "[evaluation]", "every = 0", "[sampling]", "every = 0", "[runtime]", 'device = "cpu"', "threads = 1"]
    return "\n".join(lines) + "\n"


def train(program, folder, name, case, trial, steps):
    (folder / f"{name}.toml").write_text(experiment(case, trial, steps))
    subprocess.run([program, "run", f"{name}.toml", "--quiet"], cwd=folder, check=True)
    return next((folder / "runs" / name).glob("*/seed-0"))


class Peer:
    """A run's network in diffusers."""

    def __init__(self, run, case):
        self.config = tomllib.loads((run / "config.toml").read_text())
        self.shape = (case["channels"], case["size"], case["size"])
        (weights,) = run.glob("checkpoints/step-*/ema.safetensors")
        self.weights = load_file(weights)
        self.network, _ = build(case)
        self.network.load_state_dict(self.weights)
        self.network.eval()

    def settings(self, sampler, steps, spacing, other):
        """The settings of a chain, as `[sampling]` names them."""
        settings = {**PLAIN, **other, "sampler": sampler, "steps": steps, "timestep_spacing": spacing}
        if sampler in ("dpm_solver_pp", "euler"):
            settings["clip_sample"] = False
        return settings

    def draw(self, settings, first):
        diffusion = self.config["diffusion"]
        of = lambda section, *keys: [section[key] for key in keys]
        case = (
            settings["sampler"],
            *of(diffusion, "noise_schedule", "timesteps", "zero_terminal_snr", "prediction_type"),
            *of(settings, "steps", "timestep_spacing", "steps_offset", "clip_sample", "eta", "variance"),
            *of(settings, "clip_sample_range", "set_alpha_to_one"),
        )
        with torch.no_grad():
            return walk(case, first, lambda x, t: self.network(x, t).sample, self.fresh_noise)

    def first_noise(self, images):
        return torch.randn((images, *self.shape), generator=torch.Generator().manual_seed(11))

    def fresh_noise(self, step):
        """What we add after step `step`: draw step + 1 of the stream of each image."""
        count = int(np.prod(self.shape))
        noise = [normals(SEED, f"sample/{image}", step + 1, count) for image in range(self.images)]
        return torch.from_numpy(np.stack(noise)).reshape(-1, *self.shape)


def ours(program, folder, run, settings):
    """The images of `ablate sample` from the noise in noise.safetensors."""
    arguments = ["--initial-noise", "noise.safetensors", "--save-tensor", "drawn.safetensors", "-o", "drawn.png"]
    arguments += ["--seed", str(SEED), "--batch-size", str(BATCH), "--quiet"]
    for key, value in settings.items():
        plain = key in PLAIN and value == PLAIN[key]
        if not plain or key in ("clip_sample", "clip_sample_range"):
            arguments += ["--" + key.replace("_", "-"), str(value).lower()]
    subprocess.run([program, "sample", str(run), *arguments], cwd=folder, check=True)
    return load_file(folder / "drawn.safetensors")["samples"]


def left_out(chain, trial):
    """Leading never visits a last timestep without signal. And where sigma begins in the thousands, Heun's first
    correction is half of that times a difference of two slopes, so that the 32 bits in which diffusers keeps 1 - beta
    (4.7e-5 off at a cosine's last, 0.999) decide where it goes: there is nothing to compare with."""
    wide = trial.get("zero_terminal_snr", False) or trial["noise_schedule"] == "cosine"
    if chain[2] == "leading":
        return trial.get("zero_terminal_snr", False)
    return chain[0] == "heun" and wide


def compare(program, folder):
    worst, count = (0.0, ""), 0
    for name, trial in TRIALS.items():
        run = train(program, folder, name, CASE, trial, 600)
        peer = Peer(run, CASE)
        peer.images = IMAGES
        first = peer.first_noise(IMAGES)
        save_file({"samples": first}, folder / "noise.safetensors")
        for chain in CHAINS:
            if left_out(chain, trial):
                continue
            settings = peer.settings(*chain)
            theirs, drawn = peer.draw(settings, first), ours(program, folder, run, settings)
            difference = (theirs - drawn).abs().max().item() / max(1.0, theirs.abs().max().item())
            what = f"{name}, {' '.join(str(part) for part in chain)}"
            span = f"{theirs.min().item():.2f} to {theirs.max().item():.2f}"
            print(f"{what}: {difference:.1e} (values from {span})", flush=True)
            if not difference <= TOLERANCE:
                sys.exit(f"FAILED: {what}: images differ by {difference:.2e}, more than {TOLERANCE:.0e}")
            worst, count = max(worst, (difference, what)), count + 1
    print(
        f"{count} trajectories of {IMAGES} images through {len(TRIALS)} trained networks end where diffusers' do, the "
        f"worst off by {worst[0]:.1e} ({worst[1]})"
    )


def write(program, folder, path):
    run = train(program, folder, "small", SMALL, dict(prediction_type="v", noise_schedule="linear"), 400)
    peer = Peer(run, SMALL)
    peer.images = 2
    first = peer.first_noise(2)
    tensors = {f"weights/{name}": tensor for name, tensor in peer.weights.items()}
    tensors["first"] = first
    chains = {}
    for chain in (CHAINS[place] for place in KEPT):
        settings = peer.settings(*chain)
        name = f"{chain[0]}-{chain[2]}"
        if f"drawn/{name}" in tensors:
            name += "-2"
        chains[name] = {"every": 0, "num_samples": 0, **settings}
        tensors[f"drawn/{name}"] = peer.draw(settings, first).contiguous()
    config = {section: peer.config[section] for section in ("model", "data", "diffusion")}
    compact = lambda value: json.dumps(value, separators=(",", ":"))
    about = {"config": compact(config), "chains": compact(chains), "seed": str(SEED)}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata=about)
    print(f"{len(chains)} trajectories, {path.stat().st_size} bytes")


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        if "--write" in sys.argv:
            write(program, pathlib.Path(name), pathlib.Path(sys.argv[sys.argv.index("--write") + 1]))
        else:
            compare(program, pathlib.Path(name))


if __name__ == "__main__":
    main()

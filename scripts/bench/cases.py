"""The networks that are compared, each as diffusers builds it and as an experiment of ours."""

import json

from draws import normals, uniform
from networks import CASES as NETWORKS, build
import numpy as np
import torch

CASES = {
    "32": dict(
        title="32x32, channels 64,128,256, attention at 16 and 8, heads 64 wide", batch=16,
        network=dict(size=32, channels=3, base=64, multipliers=[1, 2, 4], layers=2, attention=[16, 8], head_dim=64, groups=32),
    ),
    "ho": dict(title="Ho et al.'s CIFAR-10 network", batch=4, network=NETWORKS["ho-cifar10"]),
    "28": dict(
        title="28x28 grey, channels 32,64,128, attention in the middle alone", batch=64,
        network=dict(size=28, channels=1, base=32, multipliers=[1, 2, 4], layers=2, attention=[], head_dim=32),
    ),
    "64": dict(
        title="64x64, channels 64,128,256,512, attention at 16 and 8, heads 64 wide", batch=2,
        network=dict(size=64, channels=3, base=64, multipliers=[1, 2, 4, 8], layers=2, attention=[16, 8], head_dim=64, groups=32),
    ),
}
SEED = 0
TIMESTEPS = 1000
RATE = 2e-4
DECAY = 0.999
CLIP = 1.0
# As `ablate bench` keeps them.
PRELOADED = 4


def experiment(network, settings):
    """An experiment: the network, and more settings by dotted key."""
    _, config = build(network)
    all_settings = {f"model.{key}": value for key, value in config["model"].items()}
    all_settings |= {
        "data.dataset": "shapes", "data.image_size": network["size"], "data.in_channels": network["channels"],
        "diffusion.timesteps": TIMESTEPS, "diffusion.noise_schedule": "linear", "training.seed": SEED,
        "training.learning_rate": RATE, "training.warmup_steps": 0, "training.optimizer": "adamw",
        "training.grad_clip": CLIP, "training.precision": "f32", "ema.kind": "decay", "ema.decay": DECAY,
        "ema.warmup": False, "ema.every": 1, "runtime.device": "cpu",
    }
    all_settings |= settings
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in all_settings.items())


def batch(network, size, step):
    """The images, noise and timesteps of a step, drawn as `ablate bench` draws them."""
    shape = (network["channels"], network["size"], network["size"])
    count = int(np.prod(shape))
    samples = range(step * size, (step + 1) * size)
    x0 = [np.clip(normals(SEED, "bench/image", k, count) * np.float32(0.5), -1, 1) for k in samples]
    noise = [normals(SEED, "train/noise", k, count) for k in samples]
    t = [min(int(uniform(SEED, "train/u", k) * TIMESTEPS), TIMESTEPS - 1) for k in samples]
    together = lambda values: torch.from_numpy(np.stack(values).reshape(size, *shape))
    return together(x0), together(noise), torch.tensor(t)

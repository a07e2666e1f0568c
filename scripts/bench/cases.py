"""The networks that are compared, and each as an experiment of ours. Needs no package."""

import json

from settings import CASES as NETWORKS, settings as settings_of

CASES = {
    "32": dict(
        title="32x32, channels 64,128,256, attention at 16 and 8, heads 64 wide", batch=16, gpu_batch=128,
        network=dict(size=32, channels=3, base=64, multipliers=[1, 2, 4], layers=2, attention=[16, 8], head_dim=64, groups=32),
    ),
    "ho": dict(title="Ho et al.'s CIFAR-10 network", batch=4, gpu_batch=128, network=NETWORKS["ho-cifar10"]),
    "28": dict(
        title="28x28 grey, channels 32,64,128, attention in the middle alone", batch=64, gpu_batch=256,
        network=dict(size=28, channels=1, base=32, multipliers=[1, 2, 4], layers=2, attention=[], head_dim=32),
    ),
    "64": dict(
        title="64x64, channels 64,128,256,512, attention at 16 and 8, heads 64 wide", batch=2, gpu_batch=64,
        network=dict(size=64, channels=3, base=64, multipliers=[1, 2, 4, 8], layers=2, attention=[16, 8], head_dim=64, groups=32),
    ),
}
# Compiled in seconds, for trials of what measures.
TINY = "tiny"
CASES[TINY] = dict(title="8x8 grey, channels 8,16", batch=4, gpu_batch=4, network=NETWORKS["modern"])
SEED = 0
TIMESTEPS = 1000
RATE = 2e-4
DECAY = 0.999
CLIP = 1.0
# As `ablate bench` keeps them.
PRELOADED = 4


def batch_of(case, device):
    """Images of a step: a GPU takes more at a time."""
    return case["batch" if device == "cpu" else "gpu_batch"]


def experiment(network, settings):
    """An experiment: the network, and more settings by dotted key."""
    all_settings = {f"model.{key}": value for key, value in settings_of(network)["model"].items()}
    all_settings |= {
        "data.dataset": "shapes", "data.image_size": network["size"], "data.in_channels": network["channels"],
        "diffusion.timesteps": TIMESTEPS, "diffusion.noise_schedule": "linear", "training.seed": SEED,
        "training.learning_rate": RATE, "training.warmup_steps": 0, "training.optimizer": "adamw",
        "training.grad_clip": CLIP, "training.precision": "f32", "ema.kind": "decay", "ema.decay": DECAY,
        "ema.warmup": False, "ema.every": 1, "runtime.device": "cpu",
    }
    all_settings |= settings
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in all_settings.items())

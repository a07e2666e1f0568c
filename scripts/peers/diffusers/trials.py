"""The trainings that training.py compares: networks, settings where nothing is said, and {name: settings} of each."""

import itertools
import random

GREY = dict(size=8, channels=1, base=4, multipliers=[1, 1], layers=1, attention=[4], head_dim=4, groups=2)
COLOUR = dict(
    size=8, channels=3, base=8, multipliers=[1, 1, 2], layers=1, attention=[8, 2], heads=1, padding=0, freq_shift=1,
    flip=False, eps=1e-6,
)
DEEP = dict(size=16, channels=1, base=8, multipliers=[1, 2, 2], layers=2, attention=[], head_dim=4, mid_attention=False)
NETWORKS = dict(grey=GREY, colour=COLOUR, deep=DEEP)

TARGETS = ["epsilon", "v", "x0"]
LOSSES = ["mse", "l1", "huber"]

# Where a trial says nothing.
PLAIN = {
    "network": "grey",
    "data.horizontal_flip": False,
    "diffusion.timesteps": 1000,
    "diffusion.noise_schedule": "linear",
    "diffusion.zero_terminal_snr": False,
    "diffusion.huber_delta": 0.1,
    "diffusion.loss_weighting": "uniform",
    "diffusion.min_snr_gamma": 5.0,
    "diffusion.timestep_sampler": "uniform",
    "training.seed": 0,
    "training.batch_size": 8,
    "training.gradient_accumulation": 1,
    "training.learning_rate": 5e-4,
    "training.warmup_steps": 0,
    "training.lr_schedule": "constant",
    "training.optimizer": "adamw",
    "training.betas": [0.9, 0.999],
    "training.eps": 1e-8,
    "training.weight_decay": 0.0,
    "training.grad_clip": 0.0,
    "ema.kind": "decay",
    "ema.decay": 0.999,
    "ema.sigma_rel": 0.05,
    "ema.warmup": False,
    "ema.every": 1,
}

# What the file of the tests holds: everything at once, three times.
KEPT = {
    "epsilon-mse-kept": {
        "data.horizontal_flip": True, "training.gradient_accumulation": 2, "training.warmup_steps": 4,
        "training.lr_schedule": "cosine", "training.weight_decay": 0.1, "training.grad_clip": 0.5,
        "ema.decay": [0.9, 0.5], "ema.warmup": True, "training.learning_rate": 2e-3,
    },
    "v-huber-kept": {
        "diffusion.timesteps": 200, "diffusion.noise_schedule": "cosine", "diffusion.loss_weighting": "min_snr",
        "diffusion.timestep_sampler": "stratified", "training.seed": 7, "training.batch_size": 6,
        "training.gradient_accumulation": 3, "training.lr_schedule": "linear", "training.warmup_steps": 2,
        "ema.kind": "power", "ema.sigma_rel": [0.1, 0.2], "ema.every": 2,
    },
    "x0-l1-kept": {
        "data.horizontal_flip": True, "diffusion.noise_schedule": "scaled_linear", "training.optimizer": "adam",
        "training.seed": 3, "training.weight_decay": 0.05, "training.grad_clip": 0.1, "training.warmup_steps": 3,
        "training.betas": [0.8, 0.99], "training.eps": 1e-6, "ema.every": 3,
    },
}


def trials():
    """{name: settings}: each target with each loss plain, what is kept, and each with each twice in random dress."""
    found = {}
    for target, loss in itertools.product(TARGETS, LOSSES):
        found[f"{target}-{loss}"] = {}
    found.update(KEPT)
    chance = random.Random(6)
    for dress, target, loss in itertools.product("ab", TARGETS, LOSSES):
        found[f"{target}-{loss}-{dress}"] = dressed(chance, target)
    named = lambda name: dict(zip(("diffusion.prediction_type", "diffusion.loss_type"), name.split("-")))
    return {name: {**PLAIN, **named(name), **settings} for name, settings in found.items()}


def dressed(chance, target):
    """Settings drawn from all that there are."""
    accumulation = chance.choice([1, 2, 3, 4])
    zero = target != "epsilon" and chance.random() < 0.4
    return {
        "network": chance.choice(list(NETWORKS)),
        "data.horizontal_flip": chance.random() < 0.5,
        "diffusion.timesteps": chance.choice([50, 200, 1000, 2000]),
        "diffusion.noise_schedule": chance.choice(["linear", "cosine", "scaled_linear", "sigmoid"]),
        "diffusion.zero_terminal_snr": zero,
        "diffusion.huber_delta": chance.choice([0.05, 0.1, 1.0]),
        "diffusion.loss_weighting": "uniform" if zero else chance.choice(["uniform", "min_snr"]),
        "diffusion.min_snr_gamma": chance.choice([1.0, 5.0]),
        "diffusion.timestep_sampler": chance.choice(["uniform", "stratified"]),
        "training.seed": chance.randrange(1000),
        "training.batch_size": accumulation * chance.choice([2, 3, 4]),
        "training.gradient_accumulation": accumulation,
        "training.learning_rate": chance.choice([1e-4, 5e-4, 2e-3]),
        "training.warmup_steps": chance.choice([0, 3, 6, 20]),
        "training.lr_schedule": chance.choice(["constant", "cosine", "linear"]),
        "training.optimizer": chance.choice(["adamw", "adam"]),
        "training.betas": chance.choice([[0.9, 0.999], [0.8, 0.99], [0.95, 0.95]]),
        "training.eps": chance.choice([1e-8, 1e-6]),
        "training.weight_decay": chance.choice([0.0, 0.01, 0.3]),
        "training.grad_clip": chance.choice([0.0, 0.1, 1.0]),
        "ema.kind": chance.choice(["decay", "power"]),
        "ema.decay": chance.choice([0.5, 0.999, [0.9, 0.3]]),
        "ema.sigma_rel": chance.choice([0.05, [0.1, 0.2]]),
        "ema.warmup": chance.random() < 0.5,
        "ema.every": chance.choice([1, 2, 3]),
    }

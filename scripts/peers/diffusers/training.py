"""Holds the first ten steps of training to PyTorch: the same weights, images, noise and timesteps, with diffusers'
network and noising and PyTorch's losses, clipping and optimizers; the losses, gradient norms, learning rates and decays
of metrics.csv, and the weights and every average after the last step.

usage: training.py PROGRAM [TRIAL ...]
       training.py PROGRAM --write FILE

Images, their order, flips, timesteps and noise are drawn here anew (draws.py). --write keeps what PyTorch had of the
trials of `KEPT`, for a test that has no Python.
"""

import collections
import csv
import json
import math
import pathlib
import subprocess
import sys
import tempfile

import blake3
import numpy as np
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr
from draws import Integers, normals, order, uniform
from networks import build
from PIL import Image
from safetensors.torch import load_file, save_file
from trials import KEPT, NETWORKS, trials

STEPS = 10
# The losses are held to what the issue names, the other columns too; decays and rates are plain arithmetic.
TOLERANCE = dict(loss=1e-4, grad_norm=1e-4, learning_rate=1e-12, ema_decay=1e-12)
# Of what the ten steps moved, norm against norm. Adam divides by the size of a gradient: where a gradient is next to
# nothing, its rounding moves a weight as far as a gradient would.
WEIGHTS_TOLERANCE = 1e-2


def write_pictures(folder, case, count=37):
    """PNG files of soft blobs; an epoch is shorter than ten steps."""
    generator = np.random.default_rng(11)
    y, x = np.mgrid[0 : case["size"], 0 : case["size"]] / case["size"]
    folder.mkdir(parents=True)
    for i in range(count):
        planes = []
        for _ in range(case["channels"]):
            a, b, width = generator.uniform(0, 1, 3)
            planes.append(255 * np.exp(-((x - a) ** 2 + (y - b) ** 2) / (0.05 + width)))
        pixels = np.stack(planes, -1).round().astype(np.uint8)
        Image.fromarray(pixels.squeeze(-1) if case["channels"] == 1 else pixels).save(folder / f"{i:03}.png")


def training_images(folder, held_out=0.05):
    """[image, C, H, W] in -1 to 1, in hash order without those held out for validation."""
    found = []
    for path in sorted(folder.iterdir()):
        hasher = blake3.blake3(b"train", derive_key_context="ablate folder image id v1")
        hasher.update(len(path.name).to_bytes(8, "little") + path.name.encode() + b"\xff" * 8 + path.read_bytes())
        pixels = np.atleast_3d(np.asarray(Image.open(path))).transpose(2, 0, 1)
        found.append((int.from_bytes(hasher.digest()[:8], "little"), pixels))
    found.sort(key=lambda pair: pair[0])
    kept = found[math.floor(held_out * len(found) + 0.5) :]
    return np.stack([pixels for _, pixels in kept]).astype(np.float32) / np.float32(127.5) - 1


class Batches:
    """The samples of each step: a pure function of the seed."""

    def __init__(self, trial, images):
        self.trial, self.images = trial, images

    def __getitem__(self, step):
        trial, count = self.trial, len(self.images)
        seed, size, timesteps = trial["training.seed"], trial["training.batch_size"], trial["diffusion.timesteps"]
        x0, noise, t = [], [], []
        for place in range(size):
            k = step * size + place
            image = self.images[order(seed, k // count, count)[k % count]]
            if trial["data.horizontal_flip"] and Integers(seed, "train/flip", k, 1).below(2) == 1:
                image = image[:, :, ::-1]
            u = uniform(seed, "train/u", k)
            if trial["diffusion.timestep_sampler"] == "stratified":
                u = (place + u) / size
            x0.append(image.copy())
            noise.append(normals(seed, "train/noise", k, image.size).reshape(image.shape))
            t.append(min(int(u * timesteps), timesteps - 1))
        return torch.from_numpy(np.stack(x0)), torch.from_numpy(np.stack(noise)), torch.tensor(t)


def chain(trial):
    """diffusers' schedule of the same chain; our betas are rescaled for chains that are not 1000 long."""
    names = dict(linear="linear", scaled_linear="scaled_linear", cosine="squaredcos_cap_v2", sigmoid="sigmoid")
    scale = 1000 / trial["diffusion.timesteps"]
    scheduler = DDPMScheduler(
        num_train_timesteps=trial["diffusion.timesteps"],
        beta_schedule=names[trial["diffusion.noise_schedule"]],
        beta_start=1e-4 * scale,
        beta_end=0.02 * scale,
        rescale_betas_zero_snr=trial["diffusion.zero_terminal_snr"],
    )
    # In 32 bits 1 - alpha_bar has three digits at the first timestep, and min-SNR divides by it.
    scheduler.alphas_cumprod = (1 - scheduler.betas.double()).cumprod(0)
    return scheduler


def losses_of(trial, network, scheduler, x0, noise, t):
    """The loss of each image."""
    kind = trial["diffusion.prediction_type"]
    output = network(scheduler.add_noise(x0, noise, t), t).sample
    target = {"epsilon": noise, "x0": x0, "v": scheduler.get_velocity(x0, noise, t)}[kind]
    elements = {
        "mse": lambda: torch.nn.functional.mse_loss(output, target, reduction="none"),
        "l1": lambda: torch.nn.functional.l1_loss(output, target, reduction="none"),
        "huber": lambda: torch.nn.functional.huber_loss(
            output, target, reduction="none", delta=trial["diffusion.huber_delta"]
        ),
    }[trial["diffusion.loss_type"]]()
    losses = elements.mean(dim=(1, 2, 3))
    if trial["diffusion.loss_weighting"] == "min_snr":
        snr = compute_snr(scheduler, t)
        capped = snr.clamp(max=trial["diffusion.min_snr_gamma"])
        losses = losses * {"epsilon": capped / snr, "v": capped / (snr + 1), "x0": capped}[kind].float()
    return losses


def rate_at(trial, step):
    """The learning rate as a share of its peak, `step` from 0."""
    warmup = trial["training.warmup_steps"]
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(STEPS - warmup, 1)
    return {"constant": 1.0, "cosine": (1 + math.cos(math.pi * done)) / 2, "linear": 1 - done}[
        trial["training.lr_schedule"]
    ]


def tracks(trial):
    """(label, decay after n steps of training, for a number of them) of each average."""
    if trial["ema.kind"] == "power":
        settings = np.atleast_1d(trial["ema.sigma_rel"]).tolist()
        return [(f"ema-{sigma:g}", power_decay(sigma)) for sigma in settings]
    settings = np.atleast_1d(trial["ema.decay"]).tolist()
    warm = lambda n: (1 + n) / (10 + n) if trial["ema.warmup"] else 1.0
    return [(f"ema-{decay:g}", lambda n, every, decay=decay: min(decay, warm(n)) ** every) for decay in settings]


def power_decay(sigma):
    """EDM2's beta, whose gamma solves sigma^2 = (gamma + 1) / ((gamma + 2)^2 (gamma + 3)): a root of a cubic."""
    # With g = gamma + 1: g = sigma^2 (g + 1)^2 (g + 2).
    square = sigma**2
    roots = np.roots([square, 4 * square, 5 * square - 1, 2 * square])
    exponent = max(root.real for root in roots if abs(root.imag) < 1e-9)
    return lambda n, every: math.prod((1 - 1 / m) ** exponent for m in range(n - every + 1, n + 1))


def train(trial, network, images):
    """PyTorch's ten steps: rows of metrics.csv, and the averages."""
    scheduler, batches = chain(trial), Batches(trial, images)
    kinds = dict(adamw=torch.optim.AdamW, adam=torch.optim.Adam)
    optimizer = kinds[trial["training.optimizer"]](
        network.parameters(), lr=trial["training.learning_rate"], betas=tuple(trial["training.betas"]),
        eps=trial["training.eps"], weight_decay=trial["training.weight_decay"],
    )
    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_at(trial, step))
    start = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    averages = {label: {name: weight.clone() for name, weight in start.items()} for label, _ in tracks(trial)}
    parts, clip, rows = trial["training.gradient_accumulation"], trial["training.grad_clip"], []
    for step in range(STEPS):
        batch = batches[step]
        optimizer.zero_grad()
        losses = []
        for micro in zip(*(tensor.chunk(parts) for tensor in batch)):
            found = losses_of(trial, network, scheduler, *micro)
            (found.mean() / parts).backward()
            losses.append(found.detach())
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), clip or math.inf)
        rate = rates.get_last_lr()[0]
        optimizer.step()
        rates.step()
        for label, decay in tracks(trial):
            if (step + 1) % trial["ema.every"] == 0:
                for name, weight in network.named_parameters():
                    averages[label][name].lerp_(weight.detach(), 1 - decay(step + 1, trial["ema.every"]))
        decay = tracks(trial)[0][1](step + 1, 1)
        rows.append(row(trial, torch.cat(losses).double(), batch[2], float(norm), rate, decay))
    return rows, averages


def row(trial, losses, t, norm, rate, decay):
    quarters = t * 4 // trial["diffusion.timesteps"]
    means = {f"loss_q{q + 1}": losses[quarters == q].mean().item() for q in range(4) if (quarters == q).any()}
    return dict(loss=losses.mean().item(), **means, grad_norm=norm, learning_rate=rate, ema_decay=decay)


def experiment(trial, weights, pictures):
    """The same training as an experiment of ours."""
    case = NETWORKS[trial["network"]]
    settings = {f"model.{key}": value for key, value in build(case)[1]["model"].items()}
    settings |= {key: value for key, value in trial.items() if key != "network"}
    settings |= {
        "data.dataset": "folder", "data.root": str(pictures), "data.image_size": case["size"],
        "data.in_channels": case["channels"], "training.initial_weights": str(weights), "training.steps": STEPS,
        "training.log_every": 1, "evaluation.every": 0, "sampling.every": 0, "runtime.device": "cpu",
        "runtime.threads": 1, "runtime.tensorboard": False,
    }
    if trial["diffusion.zero_terminal_snr"]:
        settings["sampling.timestep_spacing"] = "trailing"
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())


def start(network_name, folder):
    """A network whose every tensor is random, its file, and its pictures."""
    case = NETWORKS[network_name]
    weights, pictures = folder / f"{network_name}.safetensors", folder / network_name
    torch.manual_seed(5)
    network, _ = build(case)
    if weights.exists():
        network.load_state_dict(load_file(weights))
    else:
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.05 * torch.randn(parameter.shape))
        save_file(network.state_dict(), weights)
        write_pictures(pictures, case)
    return network, weights, pictures


class Differences:
    """The largest one of each kind, of all that were looked at."""

    def __init__(self):
        self.worst, self.values, self.failures = collections.defaultdict(float), 0, []

    def hold(self, what, kind, difference, tolerance):
        self.values += 1
        self.worst[kind] = max(self.worst[kind], difference)
        if not difference <= tolerance:
            self.failures.append(f"{what}: off by {difference:.1e} of it, more than {tolerance:.0e}")

    def hold_rows(self, name, ours, theirs):
        if len(ours) != len(theirs):
            sys.exit(f"FAILED: {name}: {len(ours)} rows instead of {len(theirs)}")
        for step, (found, expected) in enumerate(zip(ours, theirs), 1):
            for column, cell in found.items():
                kind = "loss" if column.startswith("loss") else column
                if kind not in TOLERANCE:
                    continue
                if (cell == "") != (column not in expected):
                    sys.exit(f"FAILED: {name}, step {step}: {column} is {cell!r}, PyTorch has {expected.get(column)}")
                if cell:
                    value = expected[column]
                    difference = abs(float(cell) - value) / max(abs(value), 1e-9)
                    self.hold(f"{name}, step {step}, {column}", kind, difference, TOLERANCE[kind])

    def hold_weights(self, name, kind, ours, theirs, before):
        for tensor, expected in theirs.items():
            # The softmax does not see a bias of all keys: its gradient is rounding alone.
            if tensor.endswith("to_k.bias"):
                continue
            moved = (expected - before[tensor]).norm().item()
            # An average of a decay near 1 moves by little more than its own rounding, once a step.
            rounding = STEPS * 2**-24 * expected.norm().item()
            difference = max((ours[tensor] - expected).norm().item() - rounding, 0) / max(moved, 1e-9)
            self.hold(f"{name}, {kind} of {tensor}", kind, difference, WEIGHTS_TOLERANCE)


def compare(program, folder, name, trial, differences):
    network, weights, pictures = start(trial["network"], folder)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    (folder / f"{name}.toml").write_text(experiment(trial, weights, pictures))
    ran = subprocess.run([program, "run", f"{name}.toml", "--quiet"], cwd=folder, capture_output=True, text=True)
    if ran.returncode != 0:
        sys.exit(f"FAILED: {name}: ablate run ended with {ran.returncode}\n{ran.stderr}")
    run = next((folder / "runs" / name).glob("*/seed-*"))
    with open(run / "metrics.csv", newline="") as file:
        ours = list(csv.DictReader(file))
    theirs, averages = train(trial, network, training_images(pictures))
    differences.hold_rows(name, ours, theirs)
    checkpoint = run / f"checkpoints/step-{STEPS:08}"
    found = load_file(checkpoint / "model.safetensors")
    differences.hold_weights(name, "weights", found, network.state_dict(), before)
    for place, (label, average) in enumerate(averages.items()):
        found = load_file(checkpoint / f"{label if place else 'ema'}.safetensors")
        differences.hold_weights(name, "averages", found, average, before)


def write(path):
    """One file: the first weights, the pictures, and for each trial its settings and what PyTorch had in the end."""
    with tempfile.TemporaryDirectory() as name:
        folder, tensors, metadata = pathlib.Path(name), {}, {}
        for trial_name, trial in trials().items():
            if trial_name not in KEPT:
                continue
            network, weights, pictures = start(trial["network"], folder)
            rows, averages = train(trial, network, training_images(pictures))
            told = experiment(trial, "weights.safetensors", "pictures")
            metadata[trial_name] = json.dumps(dict(experiment=told, rows=rows))
            # All tensors in the order of their names: two hundred entries would be larger than what they hold.
            average = next(iter(averages.values()))
            tensors[f"average/{trial_name}"] = torch.cat([average[key].flatten() for key in sorted(average)])
        tensors |= {f"weights/{key}": tensor for key, tensor in load_file(weights).items()}
        for picture in sorted(pictures.iterdir()):
            tensors[f"pictures/{picture.name}"] = torch.frombuffer(bytearray(picture.read_bytes()), dtype=torch.uint8)
        save_file(tensors, path, metadata=metadata)
    print(f"{path}: {len(metadata)} trials, {pathlib.Path(path).stat().st_size} bytes")


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    if sys.argv[2:3] == ["--write"]:
        return write(sys.argv[3])
    asked = {name: trial for name, trial in trials().items() if name in (sys.argv[2:] or trials())}
    differences = Differences()
    with tempfile.TemporaryDirectory() as name:
        for trial_name, trial in asked.items():
            compare(program, pathlib.Path(name), trial_name, trial, differences)
    worst = ", ".join(f"{kind} {value:.1e}" for kind, value in differences.worst.items())
    for failure in differences.failures[:20]:
        print(f"FAILED: {failure}")
    if differences.failures:
        sys.exit(f"{len(differences.failures)} of {differences.values} values differ; the worst: {worst}")
    print(
        f"{len(asked)} trainings of {STEPS} steps agree with PyTorch in {differences.values} values; "
        f"the worst relative differences: {worst}"
    )


if __name__ == "__main__":
    main()

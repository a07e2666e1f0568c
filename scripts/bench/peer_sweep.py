"""The PyTorch script that Hydra sweeps over: a training with its evaluation, images and checkpoint in the current output
folder. usage: peer_sweep.py --multirun learning_rate=1e-4,2e-4 pictures=FILE.npy ...
"""

import csv
import dataclasses
import pathlib

import hydra
import numpy as np
import torch
from cases import CASES, CLIP, DECAY, SEED, TIMESTEPS
from diffusers import DDIMScheduler, DDPMScheduler
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from networks import build
from PIL import Image
from safetensors.torch import save_file

CASE = CASES["28"]
HELD_OUT = 0.15
LOG_EVERY = 50


@dataclasses.dataclass
class Settings:
    pictures: str = "pictures.npy"
    learning_rate: float = 2e-4
    steps: int = 300
    threads: int = 1
    evaluated: int = 256
    drawn: int = 16
    sampling_steps: int = 50


ConfigStore.instance().store(name="settings", node=Settings)


def held_out_loss(network, scheduler, images):
    """Each image once, at a timestep of its own."""
    generator = torch.Generator().manual_seed(SEED)
    losses = []
    with torch.no_grad():
        for x0 in images.split(64):
            noise = torch.randn(x0.shape, generator=generator)
            t = torch.randint(0, TIMESTEPS, (len(x0),), generator=generator)
            predicted = network(scheduler.add_noise(x0, noise, t), t).sample
            losses.append(torch.nn.functional.mse_loss(predicted, noise, reduction="none").mean(dim=(1, 2, 3)))
    return torch.cat(losses).mean().item()


def draw(network, settings, shape):
    scheduler = DDIMScheduler(num_train_timesteps=TIMESTEPS, beta_schedule="linear")
    scheduler.set_timesteps(settings.sampling_steps)
    images = torch.randn((settings.drawn, *shape), generator=torch.Generator().manual_seed(SEED))
    with torch.no_grad():
        for t in scheduler.timesteps:
            images = scheduler.step(network(images, t).sample, t, images).prev_sample
    return images


def write_grid(path, images):
    side = int(len(images) ** 0.5)
    pixels = ((images[: side * side, 0] / 2 + 0.5).clamp(0, 1) * 255).round().byte().numpy()
    rows = [np.concatenate(list(pixels[row * side : (row + 1) * side]), axis=1) for row in range(side)]
    Image.fromarray(np.concatenate(rows, axis=0)).save(path)


@hydra.main(version_base=None, config_name="settings")
def main(settings):
    folder = pathlib.Path(HydraConfig.get().runtime.output_dir)
    torch.set_num_threads(settings.threads)
    torch.manual_seed(SEED)
    images = torch.from_numpy(np.load(settings.pictures)).float() / 127.5 - 1
    held = int(len(images) * HELD_OUT)
    evaluated, images = images[:held][: settings.evaluated], images[held:]
    network, _ = build(CASE["network"])
    parameters = list(network.parameters())
    averages = [parameter.detach().clone() for parameter in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate, fused=True)
    scheduler = DDPMScheduler(num_train_timesteps=TIMESTEPS, beta_schedule="linear")
    order, rows, pending = torch.randperm(len(images)), [], []
    place = 0
    for step in range(1, settings.steps + 1):
        if place + CASE["batch"] > len(images):
            order, place = torch.randperm(len(images)), 0
        x0 = images[order[place : place + CASE["batch"]]]
        place += CASE["batch"]
        noise = torch.randn_like(x0)
        t = torch.randint(0, TIMESTEPS, (len(x0),))
        loss = torch.nn.functional.mse_loss(network(scheduler.add_noise(x0, noise, t), t).sample, noise)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP, foreach=True)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(averages, parameters, 1 - DECAY)
        pending.append(loss.detach())
        if step % LOG_EVERY == 0 or step == settings.steps:
            rows.append((step, torch.stack(pending).mean().item()))
            pending = []
    with open(folder / "metrics.csv", "w", newline="") as file:
        csv.writer(file).writerows([("step", "loss"), *rows])
    network.eval()
    raw = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    losses = dict(raw=held_out_loss(network, scheduler, evaluated))
    with torch.no_grad():
        torch._foreach_copy_(parameters, averages)
    losses["ema"] = held_out_loss(network, scheduler, evaluated)
    with open(folder / "eval.csv", "w", newline="") as file:
        csv.writer(file).writerows([("weights", "loss"), *losses.items()])
    write_grid(folder / "samples.png", draw(network, settings, images.shape[1:]))
    save_file(raw, folder / "model.safetensors")
    save_file(network.state_dict(), folder / "ema.safetensors")
    torch.save(optimizer.state_dict(), folder / "optimizer.pt")


if __name__ == "__main__":
    main()

"""PyTorch's side of a training step, in a process of its own. In: what is wanted, as JSON; then a line on standard input
for each time that it is to measure. Out, for each: a line of JSON with the seconds of its steps, the losses and gradient
norms of all steps so far, and the memory. What was compiled for the first stays for the next.
"""

import json
import sys
import time

import numpy as np
import torch
from cases import CASES, CLIP, DECAY, PRELOADED, RATE, SEED, TIMESTEPS, batch_of
from diffusers import DDPMScheduler
from draws import normals, uniform
from machine import peak_memory
from networks import build
from safetensors.torch import load_file


def noising():
    scheduler = DDPMScheduler(num_train_timesteps=TIMESTEPS, beta_schedule="linear")
    # In 32 bits 1 - alpha_bar has three digits at the first timestep.
    scheduler.alphas_cumprod = (1 - scheduler.betas.double()).cumprod(0)
    return scheduler


def drawn(network, size, step):
    """The images, noise and timesteps of a step, drawn as `ablate bench` draws them."""
    shape = (network["channels"], network["size"], network["size"])
    count = int(np.prod(shape))
    samples = range(step * size, (step + 1) * size)
    x0 = [np.clip(normals(SEED, "bench/image", k, count) * np.float32(0.5), -1, 1) for k in samples]
    noise = [normals(SEED, "train/noise", k, count) for k in samples]
    t = [min(int(uniform(SEED, "train/u", k) * TIMESTEPS), TIMESTEPS - 1) for k in samples]
    together = lambda values: torch.from_numpy(np.stack(values).reshape(size, *shape))
    return together(x0), together(noise), torch.tensor(t)


def prepare(wanted):
    """What decides the arithmetic of this process, as its users would set it for speed."""
    torch.set_num_threads(wanted["threads"])
    allow_tf32 = wanted["precision"] == "tf32"
    torch.set_float32_matmul_precision("high" if allow_tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = allow_tf32
    torch.backends.cudnn.benchmark = True


class Training:
    """A network that is trained on batches held in host memory, pinned where they are uploaded."""

    def __init__(self, wanted):
        case, self.wanted = CASES[wanted["name"]], wanted
        self.device = torch.device(wanted["device"])
        self.gpu = self.device.type == "cuda"
        self.layout = torch.channels_last if self.gpu else torch.contiguous_format
        network, _ = build(case["network"])
        network.load_state_dict(load_file(wanted["weights"]))
        network.to(self.device, memory_format=self.layout).train()
        self.parameters = list(network.parameters())
        self.averages = [parameter.detach().clone() for parameter in self.parameters]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=RATE, fused=True)
        compiled, self.network = wanted["mode"] == "compile", network
        if compiled:
            self.network = torch.compile(network, mode="max-autotune" if self.gpu else "default")
        self.graphs = compiled and self.gpu
        self.scheduler = noising()
        kept = min(PRELOADED, wanted["warmup"] + wanted["steps"])
        self.batches = [drawn(case["network"], batch_of(case, wanted["device"]), step) for step in range(kept)]
        if self.gpu:
            self.batches = [tuple(tensor.pin_memory() for tensor in batch) for batch in self.batches]
        self.losses, self.norms = [], []

    def step(self):
        """One step; its seconds."""
        batch = self.batches[len(self.losses) % len(self.batches)]
        began = time.perf_counter()
        if self.graphs:
            torch.compiler.cudagraph_mark_step_begin()
        x0, noise, t = (tensor.to(self.device, non_blocking=True) for tensor in batch)
        noised = self.scheduler.add_noise(x0, noise, t).contiguous(memory_format=self.layout)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.wanted["precision"] == "bf16"):
            predicted = self.network(noised, t).sample
        loss = torch.nn.functional.mse_loss(predicted.float(), noise)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, CLIP, foreach=True)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.averages, self.parameters, 1 - DECAY)
        if self.gpu:
            torch.cuda.synchronize(self.device)
        seconds = time.perf_counter() - began
        self.losses.append(loss.item())
        self.norms.append(norm.item())
        return seconds

    def measure(self):
        before = peak_memory()
        if not self.losses:
            for _ in range(self.wanted["warmup"]):
                self.step()
        return dict(
            seconds=[self.step() for _ in range(self.wanted["steps"])], losses=self.losses, norms=self.norms, before=before,
            peak=peak_memory(), device_peak=torch.cuda.max_memory_allocated(self.device) if self.gpu else None,
            parameters=sum(parameter.numel() for parameter in self.parameters),
        )


def main():
    wanted = json.loads(sys.argv[1])
    prepare(wanted)
    training = Training(wanted)
    for _ in sys.stdin:
        print(json.dumps(training.measure()), flush=True)


if __name__ == "__main__":
    main()

"""PyTorch's side of a training step, in a process of its own. In: what is wanted, as JSON. Out: one line of JSON with the
seconds, losses and gradient norms of the steps, and the memory.
"""

import json
import sys
import time

import torch
from cases import CASES, CLIP, DECAY, PRELOADED, RATE, TIMESTEPS, batch
from diffusers import DDPMScheduler
from machine import peak_memory
from networks import build
from safetensors.torch import load_file


def noising():
    scheduler = DDPMScheduler(num_train_timesteps=TIMESTEPS, beta_schedule="linear")
    # In 32 bits 1 - alpha_bar has three digits at the first timestep.
    scheduler.alphas_cumprod = (1 - scheduler.betas.double()).cumprod(0)
    return scheduler


def main():
    wanted = json.loads(sys.argv[1])
    torch.set_num_threads(wanted["threads"])
    torch.set_float32_matmul_precision("highest")
    case, total = CASES[wanted["name"]], wanted["warmup"] + wanted["steps"]
    network, _ = build(case["network"])
    network.load_state_dict(load_file(wanted["weights"]))
    network.train()
    parameters = list(network.parameters())
    averages = [parameter.detach().clone() for parameter in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, fused=True)
    call = torch.compile(network) if wanted["mode"] == "compile" else network
    scheduler = noising()
    batches = [batch(case["network"], case["batch"], step) for step in range(min(PRELOADED, total))]
    before, seconds, losses, norms = peak_memory(), [], [], []
    for step in range(total):
        began = time.perf_counter()
        x0, noise, t = batches[step % len(batches)]
        noised = scheduler.add_noise(x0, noise, t)
        loss = torch.nn.functional.mse_loss(call(noised, t).sample, noise)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, CLIP, foreach=True)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(averages, parameters, 1 - DECAY)
        seconds.append(time.perf_counter() - began)
        losses.append(loss.item())
        norms.append(norm.item())
    found = dict(
        seconds=seconds[wanted["warmup"] :], losses=losses, norms=norms, before=before, peak=peak_memory(),
        parameters=sum(parameter.numel() for parameter in parameters),
    )
    print(json.dumps(found))


if __name__ == "__main__":
    main()

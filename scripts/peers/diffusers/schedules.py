"""Noise schedules, ours against diffusers': every beta and every alpha_bar of many chains.

Usage: schedules.py golden FILE      writes what diffusers has at a few timesteps, for tests/data/diffusers
       schedules.py compare PROGRAM  runs `PROGRAM schedule --format csv` and compares every timestep

diffusers works in 32-bit floats. Its betas are taken as they are; its rescaling to a zero terminal SNR and the product
alpha_bar, which gather roundings, are done by its own functions in 64 bits.
"""

import io
import subprocess
import sys

import numpy as np
import torch
from diffusers import DDPMScheduler
from diffusers.schedulers.scheduling_ddpm import rescale_zero_terminal_snr

# Ours, theirs.
SCHEDULES = {
    "linear": "linear",
    "cosine": "squaredcos_cap_v2",
    "scaled_linear": "scaled_linear",
    "sigmoid": "sigmoid",
}
TIMESTEPS = [50, 100, 1000, 4000]
TOLERANCE = 1e-6


def theirs(schedule, timesteps, zero_terminal_snr):
    """diffusers' betas and alpha_bars as 64-bit numbers; beta_start and beta_end are diffusers' own defaults."""
    betas = DDPMScheduler(num_train_timesteps=timesteps, beta_schedule=SCHEDULES[schedule]).betas.double()
    if zero_terminal_snr:
        betas = rescale_zero_terminal_snr(betas)
    return betas.numpy(), torch.cumprod(1 - betas, dim=0).numpy()


def chosen(timesteps):
    """Both ends, their neighbours, and three in between."""
    last = timesteps - 1
    return [0, 1, timesteps // 10, timesteps // 3, timesteps // 2, 9 * timesteps // 10, last - 1, last]


def golden(path):
    lines = ["noise_schedule,timesteps,zero_terminal_snr,t,beta,alpha_bar"]
    for schedule in SCHEDULES:
        for timesteps in TIMESTEPS:
            for zero in [False, True]:
                betas, alpha_bars = theirs(schedule, timesteps, zero)
                for t in chosen(timesteps):
                    lines.append(f"{schedule},{timesteps},{str(zero).lower()},{t},{betas[t]:.9g},{alpha_bars[t]:.9g}")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def ours(program, schedule, timesteps, zero_terminal_snr):
    command = [
        program, "schedule", "--format", "csv", "--noise-schedule", schedule, "--timesteps", str(timesteps),
        "-s", "diffusion.rescale_betas=false",
        "-s", f"diffusion.zero_terminal_snr={str(zero_terminal_snr).lower()}",
    ]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return np.genfromtxt(io.StringIO(text), delimiter=",", names=True)


def compare(program):
    failures = 0
    for schedule in SCHEDULES:
        for timesteps in TIMESTEPS:
            for zero in [False, True]:
                table = ours(program, schedule, timesteps, zero)
                betas, alpha_bars = theirs(schedule, timesteps, zero)
                assert list(table["t"]) == list(range(timesteps))
                beta_error = np.abs(table["beta"] - betas).max()
                alpha_bar_error = np.abs(table["alpha_bar"] - alpha_bars).max()
                good = max(beta_error, alpha_bar_error) < TOLERANCE
                failures += not good
                verdict = "ok" if good else "DIFFERS"
                print(
                    f"{schedule:14} T = {timesteps:4} zero terminal SNR {str(zero):5}  beta {beta_error:.1e}"
                    f"  alpha_bar {alpha_bar_error:.1e}  {verdict}"
                )
    return failures


if __name__ == "__main__":
    what, argument = sys.argv[1:]
    sys.exit(golden(argument) if what == "golden" else compare(argument))

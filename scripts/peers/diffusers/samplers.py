"""What diffusers' samplers make of a stand-in network, for ours to be held to.

Usage: samplers.py FILE [--all]

One line a chain: its settings, the sum of |x| at its end, and three values of x. The network is s*t/(t + 1), the first
sample arange(768)/768, as in diffusers' own scheduler tests; fresh noise is sqrt(2)*sin(0.37*i + k) for element i at
step k. Euler and Heun start from that sample as wide as their scheduler has it. Without --all, the cases that
tests/data/diffusers/samplers.csv holds. A chain whose end hangs on last bits is left out.
"""

import itertools
import sys

import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
)
from diffusers.schedulers import scheduling_ddpm
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr

COLUMNS = (
    "sampler,noise_schedule,timesteps,zero_terminal_snr,prediction_type,steps,timestep_spacing,steps_offset,"
    "clip_sample,eta,variance,clip_sample_range,set_alpha_to_one,sum_abs,x1,x400,x767"
)
SCHEDULES = {"linear": "linear", "cosine": "squaredcos_cap_v2", "scaled_linear": "scaled_linear"}
PREDICTIONS = {"epsilon": "epsilon", "v": "v_prediction", "x0": "sample"}
SHAPE = (1, 3, 16, 16)


def first_sample():
    """arange filled as [3, 16, 16, 1], the last axis moved to the front."""
    return (torch.arange(768, dtype=torch.float32) / 768).reshape(3, 16, 16, 1).permute(3, 0, 1, 2)


def fresh_noise(step):
    i = torch.arange(768, dtype=torch.float64)
    return (2**0.5 * torch.sin(0.37 * i + step)).float().reshape(SHAPE)


def scheduler_of(case):
    """diffusers' scheduler of these settings, ready to be asked for steps."""
    sampler, schedule, timesteps, zero, prediction, steps, spacing, offset, clip, eta, variance, reach, to_one = case
    settings = dict(
        num_train_timesteps=timesteps, beta_schedule=SCHEDULES[schedule], prediction_type=PREDICTIONS[prediction],
        timestep_spacing=spacing, steps_offset=offset, rescale_betas_zero_snr=zero,
    )
    clipping = dict(clip_sample=clip, clip_sample_range=reach)
    if sampler == "ddim":
        scheduler = DDIMScheduler(set_alpha_to_one=to_one, **clipping, **settings)
    elif sampler == "ddpm":
        scheduler = DDPMScheduler(variance_type=variance, **clipping, **settings)
    elif sampler == "dpm_solver_pp":
        scheduler = DPMSolverMultistepScheduler(**settings)
    else:
        scheduler = of_sigma(sampler, settings, clipping)
    scheduler.set_timesteps(steps)
    return scheduler


def of_sigma(sampler, settings, clipping):
    """A scheduler on the sigma scale, whose alpha-bar is worked out in 64 bits: in 32, 1 - alpha-bar of the first
    timesteps has three digits. HeunDiscreteScheduler has other betas than its siblings, and no rescale_betas_zero_snr:
    it gets what Euler's does."""
    zero = settings.pop("rescale_betas_zero_snr")
    if sampler == "euler":
        scheduler = EulerDiscreteScheduler(**settings)
    else:
        scheduler = HeunDiscreteScheduler(beta_start=0.0001, beta_end=0.02, **clipping, **settings)
    betas = scheduler.betas.double()
    if zero:
        betas = rescale_zero_terminal_snr(betas)
    scheduler.alphas_cumprod = torch.cumprod(1 - betas, dim=0)
    if zero:
        scheduler.alphas_cumprod[-1] = 2**-24
    return scheduler


class Wide(torch.Tensor):
    """64 bits that a scheduler may not round to 32. On the sigma scale it subtracts numbers as large as the first sigma,
    20,000 under a cosine, which leaves an image without its third digit; ours never has them."""

    def to(self, *arguments, **named):
        return self if arguments == (torch.float32,) else super().to(*arguments, **named)


def walk(case, x, network, noise, between=lambda x: x):
    """diffusers' chain of these settings from standard normal x; network(x, t) predicts, noise(k) is fresh at step k,
    and `between` changes what goes from one step to the next."""
    sampler, eta = case[0], case[9]
    scheduler = scheduler_of(case)
    ask = network
    if sampler in ("euler", "heun"):
        x, scheduler.sigmas = x.double().as_subclass(Wide), scheduler.sigmas.double()
        ask = lambda x, t: network(x.as_subclass(torch.Tensor).float(), t).double()
    x = x * scheduler.init_noise_sigma
    for k, t in enumerate(scheduler.timesteps):
        output = ask(scheduler.scale_model_input(x, t), t)
        if sampler == "ddim":
            x = scheduler.step(output, int(t), x, eta=eta, variance_noise=noise(k) if eta > 0 else None).prev_sample
            continue
        # The scheduler of DDPM draws its noise by this name.
        scheduling_ddpm.randn_tensor = lambda *_, k=k, **__: noise(k)
        x = between(scheduler.step(output, t, x).prev_sample)
    return x.as_subclass(torch.Tensor).float()


def stand_in(x, t):
    return x * (float(t) / (float(t) + 1))


def disturbed(x):
    """Every other element with the last of its 32 bits changed."""
    return x * (1 + 2**-23 * (torch.arange(x.numel()).reshape(x.shape) % 2))


def run(case):
    x = walk(case, first_sample(), stand_in, fresh_noise)
    values = x.flatten().double()
    return [values.abs().sum().item(), values[1].item(), values[400].item(), values[767].item()]


def decided(case):
    """Whether 32 bits decide the end of a chain: slopes on the sigma scale are differences, and a few wide steps magnify
    them up to 20,000 times."""
    if case[0] not in ("euler", "heun"):
        return True
    one, other = (walk(case, first_sample(), stand_in, fresh_noise, between) for between in (lambda x: x, disturbed))
    return (one - other).abs().max() <= 2e-4 * max(one.abs().mean().item(), 0.01)


def cases(everything):
    """Settings in the order of the columns."""
    kept = [
        # Golden sums of diffusers' own tests among them.
        ("ddim", "linear", 1000, False, "epsilon", 10, "leading", 0, True, 0.0, "fixed_small"),
        ("ddim", "linear", 1000, False, "v", 10, "leading", 0, True, 0.0, "fixed_small"),
        ("ddim", "linear", 1000, False, "x0", 10, "leading", 1, True, 0.0, "fixed_small"),
        ("ddim", "cosine", 1000, False, "epsilon", 50, "trailing", 0, True, 0.0, "fixed_small"),
        ("ddim", "cosine", 1000, False, "v", 7, "trailing", 0, False, 0.0, "fixed_small"),
        ("ddim", "scaled_linear", 1000, False, "v", 25, "linspace", 0, False, 0.0, "fixed_small"),
        ("ddim", "linear", 1000, False, "epsilon", 20, "leading", 1, True, 1.0, "fixed_small"),
        ("ddim", "linear", 1000, True, "v", 10, "trailing", 0, True, 0.0, "fixed_small"),
        ("ddim", "scaled_linear", 1000, True, "x0", 12, "trailing", 0, True, 0.5, "fixed_small"),
        ("ddim", "linear", 100, False, "v", 100, "leading", 0, False, 0.0, "fixed_small"),
        ("ddpm", "linear", 1000, False, "epsilon", 1000, "leading", 0, True, 0.0, "fixed_small"),
        ("ddpm", "linear", 1000, False, "epsilon", 1000, "leading", 0, True, 0.0, "fixed_large"),
        ("ddpm", "linear", 1000, False, "v", 50, "leading", 0, False, 0.0, "fixed_small"),
        ("ddpm", "cosine", 1000, False, "v", 50, "linspace", 0, True, 0.0, "fixed_large"),
        ("ddpm", "scaled_linear", 1000, False, "x0", 30, "trailing", 0, True, 0.0, "fixed_small"),
        ("ddpm", "linear", 1000, False, "epsilon", 20, "leading", 1, True, 0.0, "fixed_small"),
        ("ddpm", "linear", 1000, True, "v", 50, "trailing", 0, True, 0.0, "fixed_small"),
        ("ddpm", "cosine", 100, True, "x0", 25, "trailing", 0, False, 0.0, "fixed_small"),
        ("dpm_solver_pp", "linear", 1000, False, "epsilon", 10, "linspace", 0, False, 0.0, "fixed_small"),
        ("dpm_solver_pp", "linear", 1000, False, "v", 10, "leading", 0, False, 0.0, "fixed_small"),
        ("dpm_solver_pp", "linear", 1000, False, "v", 20, "leading", 1, False, 0.0, "fixed_small"),
        ("dpm_solver_pp", "linear", 1000, False, "x0", 20, "trailing", 0, False, 0.0, "fixed_small"),
        ("dpm_solver_pp", "scaled_linear", 1000, False, "epsilon", 25, "linspace", 0, False, 0.0, "fixed_small"),
        ("dpm_solver_pp", "cosine", 1000, False, "v", 15, "trailing", 0, False, 0.0, "fixed_small"),
        ("dpm_solver_pp", "linear", 1000, True, "v", 10, "trailing", 0, False, 0.0, "fixed_small"),
        ("dpm_solver_pp", "scaled_linear", 1000, True, "x0", 20, "trailing", 0, False, 0.0, "fixed_small"),
        ("dpm_solver_pp", "linear", 100, False, "v", 1, "linspace", 0, False, 0.0, "fixed_small"),
        ("dpm_solver_pp", "linear", 100, False, "v", 2, "leading", 0, False, 0.0, "fixed_small"),
        ("dpm_solver_pp", "cosine", 100, False, "v", 99, "linspace", 0, False, 0.0, "fixed_small"),
    ]
    kept = [(*case, 1.0, True) for case in kept] + [
        # DDIM whose last step leads to the first timestep's noise level: 149.0784 of the specification among them.
        ("ddim", "linear", 1000, False, "epsilon", 10, "leading", 0, True, 0.0, "fixed_small", 1.0, False),
        ("ddim", "cosine", 1000, False, "v", 20, "trailing", 0, True, 0.5, "fixed_small", 0.3, False),
        ("ddim", "linear", 1000, False, "v", 20, "leading", 0, True, 0.0, "fixed_small", 0.2, True),
        ("ddpm", "linear", 1000, False, "epsilon", 50, "leading", 0, True, 0.0, "fixed_small", 2.0, True),
        ("ddpm", "cosine", 1000, False, "v", 50, "linspace", 0, True, 0.0, "fixed_large", 0.2, True),
        # The chain of diffusers' own tests of these two first.
        ("euler", "linear", 1100, False, "epsilon", 10, "linspace", 0, False, 0.0, "fixed_small", 1.0, True),
        ("euler", "linear", 1100, False, "v", 10, "linspace", 0, False, 0.0, "fixed_small", 1.0, True),
        ("heun", "linear", 1100, False, "epsilon", 10, "linspace", 0, False, 0.0, "fixed_small", 1.0, True),
        ("euler", "linear", 1000, False, "x0", 20, "trailing", 0, False, 0.0, "fixed_small", 1.0, True),
        ("euler", "cosine", 1000, False, "v", 25, "trailing", 0, False, 0.0, "fixed_small", 1.0, True),
        ("euler", "scaled_linear", 1000, False, "epsilon", 25, "leading", 1, False, 0.0, "fixed_small", 1.0, True),
        ("euler", "linear", 1000, True, "v", 10, "trailing", 0, False, 0.0, "fixed_small", 1.0, True),
        ("euler", "linear", 100, False, "v", 1, "trailing", 0, False, 0.0, "fixed_small", 1.0, True),
        ("heun", "linear", 1000, False, "v", 12, "linspace", 0, True, 0.0, "fixed_small", 1.0, True),
        ("heun", "cosine", 1000, False, "x0", 25, "trailing", 0, False, 0.0, "fixed_small", 1.0, True),
        ("heun", "scaled_linear", 1000, False, "epsilon", 25, "leading", 1, True, 0.0, "fixed_small", 0.3, True),
        ("heun", "linear", 1000, True, "v", 10, "trailing", 0, True, 0.0, "fixed_small", 1.0, True),
    ]
    if not everything:
        return kept
    product = itertools.product(
        ["ddim", "ddpm", "dpm_solver_pp", "euler", "heun"], SCHEDULES, [100, 1000, 4000], [False, True], PREDICTIONS,
        [1, 2, 10, 50], ["leading", "linspace", "trailing"], [0, 1], [False, True], [0.0, 1.0],
        ["fixed_small", "fixed_large"], [1.0, 0.3], [True, False],
    )
    return [case for case in product if sensible(*case)]


def sensible(sampler, _, timesteps, zero, prediction, steps, spacing, offset, clip, eta, variance, reach, to_one):
    """Whether these settings belong together: ours refuses the rest, or a key among them has no effect."""
    if zero and (prediction == "epsilon" or spacing == "leading"):
        return False
    if (offset and spacing != "leading") or (clip and sampler in ("dpm_solver_pp", "euler")):
        return False
    if (eta or not to_one) and sampler != "ddim" or (variance == "fixed_large" and sampler != "ddpm"):
        return False
    # Another reach, or another end, is tried with some steps; of 1 minus the first alpha_bar of 4,000, which that end
    # depends on, diffusers' 32 bits leave too few digits.
    if (reach != 1.0 and not (clip and steps == 10)) or (not to_one and (steps not in (2, 50) or timesteps == 4000)):
        return False
    # Without rescaled betas 4,000 timesteps have less signal long before the end than what stands for none there, and
    # diffusers starts as wide as the widest level, which is not the first.
    if sampler in ("euler", "heun") and zero and timesteps == 4000:
        return False
    # A last step above 0 would leave the noise of fixed_large in the image.
    return not (variance == "fixed_large" and (offset or spacing == "trailing")) and steps < timesteps


def main():
    path, everything = sys.argv[1], "--all" in sys.argv
    lines = [COLUMNS]
    every = cases(everything)
    kept = [case for case in every if decided(case)]
    for case in kept:
        settings = ",".join(str(value).lower() for value in case)
        lines.append(settings + "," + ",".join(f"{value:.7g}" for value in run(case)))
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    print(f"{len(kept)} chains, and {len(every) - len(kept)} left out that a last bit moves")


if __name__ == "__main__":
    main()

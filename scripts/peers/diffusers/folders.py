"""Writes folders as diffusers saves them, with what diffusers answers for them, for `ablate import` to be held to.

Usage: folders.py FOLDER

`present/` is a pipeline saved today; `early/` is the same kind of network in the layout and under the tensor names of
diffusers' first versions, which diffusers itself still loads. Beside each, NAME.safetensors holds inputs `x` and `t` and
the `output` of the network as diffusers runs it, and initial noise `noise` with the `samples` that DDIM makes of it in
five steps, in the model's range.
"""

import json
import pathlib
import shutil
import sys

import torch
from diffusers import DDIMPipeline, DDIMScheduler, DDPMPipeline, DDPMScheduler, UNet2DModel
from safetensors.torch import load_file, save_file

SEED = 20
STEPS = 5
EARLY_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def network(**more):
    """A small network with weights that are not near zero anywhere."""
    torch.manual_seed(SEED)
    unet = UNet2DModel(
        sample_size=8,
        block_out_channels=(4, 8),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=2,
        **more,
    )
    with torch.no_grad():
        for parameter in unet.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return unet.eval()


def present(folder):
    unet = network(in_channels=1, out_channels=1, attention_head_dim=4)
    scheduler = DDIMScheduler(
        beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction", steps_offset=1, set_alpha_to_one=False,
        clip_sample_range=1.5,
    )
    DDIMPipeline(unet=unet, scheduler=scheduler).save_pretrained(folder)


def early(folder):
    """Root layout, early tensor names, fields that were added later left out."""
    unet = network(
        attention_head_dim=None, downsample_padding=0, flip_sin_to_cos=False, freq_shift=1, norm_eps=1e-6,
    )
    scheduler = DDPMScheduler(variance_type="fixed_large")
    pipeline = folder / "pipeline"
    DDPMPipeline(unet=unet, scheduler=scheduler).save_pretrained(pipeline)
    tensors = load_file(pipeline / "unet" / "diffusion_pytorch_model.safetensors")
    save_file({renamed(name): tensor for name, tensor in tensors.items()},
              folder / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
    known = (
        "act_fn", "attention_head_dim", "block_out_channels", "center_input_sample", "down_block_types",
        "downsample_padding", "flip_sin_to_cos", "freq_shift", "in_channels", "layers_per_block",
        "mid_block_scale_factor", "norm_eps", "norm_num_groups", "out_channels", "sample_size", "time_embedding_type",
        "up_block_types", "_class_name",
    )
    thin(pipeline / "unet" / "config.json", folder / "config.json", known, "0.0.4")
    known = (
        "_class_name", "beta_end", "beta_schedule", "beta_start", "clip_sample", "num_train_timesteps",
        "trained_betas", "variance_type",
    )
    thin(pipeline / "scheduler" / "scheduler_config.json", folder / "scheduler_config.json", known, "0.1.1")
    shutil.rmtree(pipeline)


def renamed(name):
    for now, before in EARLY_NAMES.items():
        if ".attentions." in name:
            name = name.replace(f".{now}.", f".{before}.")
    return name


def thin(source, target, fields, version):
    config = json.loads(source.read_text())
    config = {name: config[name] for name in fields} | {"_diffusers_version": version}
    target.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


@torch.no_grad()
def answers(unet, scheduler, path):
    torch.manual_seed(SEED + 1)
    config = unet.config
    shape = (2, config.in_channels, config.sample_size, config.sample_size)
    x, t, noise = torch.randn(shape), torch.tensor([3, 977]), torch.randn(shape)
    output = unet(x, t).sample
    scheduler.set_timesteps(STEPS)
    samples = noise
    for step in scheduler.timesteps:
        samples = scheduler.step(unet(samples, step).sample, step, samples).prev_sample
    found = {"x": x, "t": t.float(), "output": output, "noise": noise, "samples": samples}
    save_file({name: tensor.contiguous() for name, tensor in found.items()}, path)


def main(folder):
    for make in (present, early):
        target = folder / make.__name__
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        make(target)
        # What was written is what is loaded, early names included.
        unet = UNet2DModel.from_pretrained(target, subfolder="unet" if make is present else None)
        scheduler = DDIMScheduler.from_pretrained(target, subfolder="scheduler" if make is present else None)
        answers(unet.eval(), scheduler, folder / f"{make.__name__}.safetensors")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))

"""Networks of random configurations on their way to us and back: 20 of diffusers, saved as pipelines for
`ablate import`, and 20 of ours, trained by `ablate run` and loaded from what `ablate export` wrote. For each a file
holds what PyTorch makes of random inputs at random timesteps, and for five each way the gradients of all parameters; a
test of ours holds our network to them.

usage: exchange.py FOLDER PROGRAM
       exchange.py --write FOLDER

A file has the inputs `x` and `t`, the `output`, and with gradients a random `cotangent`, the gradients of
sum(output * cotangent) as `grad/NAME` and `grad_x`. A pipeline lies in it as `pipeline/PATH`, the bytes of its files;
of a run of ours the texts `run` and `weights` say where it is and which of its weights were exported. --write keeps two
pipelines for a test that has no Python.
"""

import json
import math
import pathlib
import random
import subprocess
import sys
import tempfile

import numpy as np
import torch
from diffusers import DDIMPipeline, DDIMScheduler, DDPMPipeline, DDPMScheduler, UNet2DModel
from diffusers.utils import logging
from PIL import Image
from safetensors.torch import save_file

COUNT = 20
WITH_GRADIENTS = 5

# The two that are kept: between them every choice that a network has.
KEPT = {
    "colour": dict(
        sample_size=8, in_channels=3, out_channels=3, block_out_channels=(5, 4, 6), layers_per_block=1,
        down_block_types=("AttnDownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "AttnUpBlock2D"),
        attention_head_dim=None, norm_num_groups=1, norm_eps=1e-6, downsample_padding=0, freq_shift=1,
        flip_sin_to_cos=False,
    ),
    "grey": dict(
        sample_size=12, in_channels=1, out_channels=1, block_out_channels=(4, 6), layers_per_block=2,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=3, norm_num_groups=2, add_attention=False, time_embedding_dim=10,
    ),
}


def network_of_diffusers(chance, levels):
    """Arguments of a UNet2DModel."""
    unit = 2 ** (levels - 1)
    size = unit * chance.randint(-(-8 // unit), 32 // unit)
    groups = chance.choice([1, 2, 3, 4, 8])
    # One channel a group is nothing to train with, but such a network can be imported.
    channels = [groups * chance.randint(1, 5) for _ in range(levels)]
    channels[0] = max(channels[0], 4)
    channels[0] += -channels[0] % groups
    attention = [chance.random() < 0.4 for _ in range(levels)]
    middle = chance.random() < 0.7
    attended = [width for width, has in zip(channels, attention) if has] + [channels[-1]] * middle
    common = math.gcd(*attended) if attended else 8
    return dict(
        sample_size=size,
        in_channels=(colours := chance.choice([1, 3])),
        out_channels=colours,
        block_out_channels=tuple(channels),
        layers_per_block=chance.randint(1, 3),
        down_block_types=tuple("AttnDownBlock2D" if has else "DownBlock2D" for has in attention),
        up_block_types=tuple("AttnUpBlock2D" if has else "UpBlock2D" for has in reversed(attention)),
        add_attention=middle,
        attention_head_dim=chance.choice([None] + [d for d in range(1, common + 1) if common % d == 0]),
        norm_num_groups=groups,
        norm_eps=chance.choice([1e-5, 1e-6]),
        downsample_padding=chance.choice([0, 1]),
        freq_shift=chance.choice([0, 1]),
        flip_sin_to_cos=chance.choice([False, True]),
        time_embedding_dim=chance.choice([None, None, chance.randint(5, 40)]),
    )


def scheduler_of_diffusers(chance):
    """A scheduler and the pipeline that goes with it."""
    scheduler, pipeline = chance.choice([(DDPMScheduler, DDPMPipeline), (DDIMScheduler, DDIMPipeline)])
    return pipeline, scheduler(
        num_train_timesteps=chance.choice([200, 1000]),
        beta_start=chance.choice([1e-4, 8.5e-4]),
        beta_end=chance.choice([0.012, 0.02]),
        beta_schedule=chance.choice(["linear", "scaled_linear", "squaredcos_cap_v2"]),
        prediction_type=chance.choice(["epsilon", "sample", "v_prediction"]),
        clip_sample=chance.choice([True, False]),
        timestep_spacing=chance.choice(["leading", "trailing", "linspace"]),
    )


def randomize(network, generator):
    """Every tensor random, so that what starts as zero or one hides no mistake."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))


def asked(network, timesteps, generator, with_gradients):
    """What PyTorch makes of random inputs at random timesteps."""
    network.eval()
    shape = (2, network.config.in_channels, network.config.sample_size, network.config.sample_size)
    x = torch.randn(shape, generator=generator).requires_grad_(with_gradients)
    t = torch.randint(0, timesteps, (2,), generator=generator)
    with torch.set_grad_enabled(with_gradients):
        output = network(x, t).sample
    tensors = dict(x=x.detach(), t=t.float(), output=output.detach())
    if with_gradients:
        cotangent = torch.randn(shape, generator=generator)
        network.zero_grad()
        (output * cotangent).sum().backward()
        tensors |= dict(cotangent=cotangent, grad_x=x.grad)
        tensors |= {f"grad/{name}": parameter.grad for name, parameter in network.named_parameters()}
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def save_pipeline(path, network, pipeline, scheduler, seed, with_gradients):
    """One file with a pipeline in it, as diffusers saves it."""
    generator = torch.Generator().manual_seed(seed)
    randomize(network, generator)
    tensors = asked(network, scheduler.config.num_train_timesteps, generator, with_gradients)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        pipeline(unet=network, scheduler=scheduler).save_pretrained(folder)
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                content = torch.frombuffer(bytearray(file.read_bytes()), dtype=torch.uint8)
                tensors[f"pipeline/{file.relative_to(folder)}"] = content
    save_file(tensors, path)


def of_diffusers(folder):
    chance = random.Random(20)
    for i in range(COUNT):
        settings = network_of_diffusers(chance, i % 5 + 1)
        torch.manual_seed(i)
        network = UNet2DModel(**settings)
        pipeline, scheduler = scheduler_of_diffusers(chance)
        save_pipeline(folder / f"import-{i:02}.safetensors", network, pipeline, scheduler, i, i < WITH_GRADIENTS)


def experiment_of_ours(chance, levels, seed):
    """Settings of a short training, and the images' shape."""
    unit = 2 ** (levels - 1)
    size = unit * chance.randint(-(-8 // unit), 24 // unit)
    groups = chance.choice([1, 2, 4])
    base = groups * chance.choice([2, 3, 4]) * (2 if groups == 1 else 1)
    multipliers = [chance.choice([1, 1, 2, 3]) for _ in range(levels)]
    multipliers[0] = 1
    resolutions = [size >> level for level in range(levels) if chance.random() < 0.4]
    middle = chance.random() < 0.7
    colours = chance.choice([1, 3])
    settings = {
        "data.dataset": "folder",
        "data.root": f"pictures-{colours}",
        "data.image_size": size,
        "data.in_channels": colours,
        "model.base_channels": base,
        "model.channel_multipliers": multipliers,
        "model.num_res_blocks": chance.randint(1, 3),
        "model.attention_resolutions": resolutions,
        "model.mid_attention": middle,
        "model.norm_groups": groups,
        "model.norm_eps": chance.choice([1e-5, 1e-6]),
        "model.init": chance.choice(["torch", "ddpm"]),
        "model.dropout": chance.choice([0.0, 0.1]),
        "model.downsample_padding": chance.choice([0, 1]),
        "model.freq_shift": chance.choice([0.0, 1.0]) if base >= 4 else 0.0,
        "model.flip_sin_to_cos": chance.choice([False, True]),
        "diffusion.timesteps": chance.choice([100, 1000]),
        "diffusion.noise_schedule": chance.choice(["linear", "cosine", "scaled_linear", "sigmoid"]),
        "diffusion.prediction_type": chance.choice(["epsilon", "v", "x0"]),
        "training.seed": seed,
        "training.steps": 3,
        "training.batch_size": 2,
        "training.warmup_steps": 0,
        # Far enough for scales to leave 1 and biases 0.
        "training.learning_rate": 0.02,
        "ema.decay": 0.5,
        "ema.warmup": False,
        "evaluation.every": 0,
        "sampling.every": 0,
        "runtime.device": "cpu",
        "runtime.threads": 1,
        "runtime.tensorboard": False,
    }
    # What diffusers has a word for: one width of a head everywhere, or one head a level.
    heads = chance.choice(["width", "one", "widest"])
    if heads == "width":
        settings["model.attention_head_dim"] = chance.choice([d for d in range(1, base + 1) if base % d == 0])
    elif heads == "one":
        settings["model.num_attention_heads"] = 1
    else:
        settings["model.attention_head_dim"] = base * max(multipliers)
    if chance.random() < 0.3:
        settings["model.time_embed_dim"] = chance.randint(5, 40)
    return settings


def write_pictures(folder, colours):
    generator = np.random.default_rng(colours)
    folder.mkdir()
    for i in range(24):
        pixels = generator.integers(0, 256, (24, 24, colours), dtype=np.uint8)
        Image.fromarray(pixels.squeeze(-1) if colours == 1 else pixels).save(folder / f"{i}.png")


def call(program, folder, *arguments):
    ran = subprocess.run([program, *map(str, arguments)], cwd=folder, capture_output=True, text=True)
    if ran.returncode != 0:
        sys.exit(f"FAILED: ablate {' '.join(map(str, arguments))} ended with {ran.returncode}\n{ran.stderr}")


def of_ours(folder, program):
    chance = random.Random(21)
    for colours in (1, 3):
        write_pictures(folder / f"pictures-{colours}", colours)
    for i in range(COUNT):
        name = f"export-{i:02}"
        settings = experiment_of_ours(chance, i % 5 + 1, i)
        text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
        (folder / f"{name}.toml").write_text(text)
        call(program, folder, "run", f"{name}.toml", "--quiet")
        run = next((folder / "runs" / name).glob("*/seed-*"))
        weights, stem = chance.choice([("raw", "model"), ("ema", "ema"), ("ema-0.5", "ema")])
        call(program, folder, "export", run, "--to", "diffusers", f"{name}.pipeline", "--weights", weights)
        exported = folder / f"{name}.pipeline"
        sampled(exported, settings)
        network = UNet2DModel.from_pretrained(exported, subfolder="unet")
        generator = torch.Generator().manual_seed(i)
        tensors = asked(network, settings["diffusion.timesteps"], generator, i < WITH_GRADIENTS)
        metadata = dict(run=str(run.relative_to(folder)), weights=stem)
        save_file(tensors, folder / f"{name}.safetensors", metadata=metadata)


def sampled(exported, settings):
    """Both pipelines load it and draw images from it."""
    for pipeline in (DDPMPipeline, DDIMPipeline):
        loaded = pipeline.from_pretrained(exported)
        loaded.set_progress_bar_config(disable=True)
        images = loaded(2, torch.Generator().manual_seed(0), num_inference_steps=2, output_type="np").images
        size, colours = settings["data.image_size"], settings["data.in_channels"]
        if images.shape != (2, size, size, colours) or not np.isfinite(images).all():
            sys.exit(f"FAILED: {pipeline.__name__} draws {images.shape} from {exported.name}")


def main():
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    if sys.argv[1] == "--write":
        folder = pathlib.Path(sys.argv[2])
        for i, (name, settings) in enumerate(KEPT.items()):
            torch.manual_seed(i)
            kinds = [(DDPMPipeline, DDPMScheduler), (DDIMPipeline, DDIMScheduler)][i]
            path = folder / f"{name}.safetensors"
            save_pipeline(path, UNet2DModel(**settings), kinds[0], kinds[1](), i, True)
            print(f"{path}: {path.stat().st_size} bytes")
        return
    folder, program = pathlib.Path(sys.argv[1]), str(pathlib.Path(sys.argv[2]).resolve())
    folder.mkdir(parents=True, exist_ok=True)
    of_diffusers(folder)
    of_ours(folder, program)
    print(f"{COUNT} networks of diffusers and {COUNT} of ours, which both pipelines sampled from, are in {folder}")


if __name__ == "__main__":
    main()

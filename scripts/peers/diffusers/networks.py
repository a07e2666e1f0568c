"""Writes networks of diffusers' UNet2DModel with their outputs and gradients, for our U-Net to be held to.

Usage: networks.py FOLDER [CASE ...]

One safetensors file a case: `weights/NAME`, inputs `x` and `t`, `output`, a random `cotangent`, and the gradients of
sum(output * cotangent) as `grad/NAME` and `grad_x`. The metadata key `config` holds our own [model] and [data]
settings of the same network as JSON.
"""

import json
import pathlib
import sys

import torch
from diffusers import UNet2DModel
from safetensors.torch import save_file

# Sizes are small, since three of these files live in the repository; together they reach every branch of the network.
CASES = {
    "modern": dict(size=8, channels=1, base=8, multipliers=[1, 2], layers=1, attention=[4], head_dim=8),
    "ddpm": dict(
        size=8, channels=3, base=8, multipliers=[1, 1], layers=2, attention=[4], heads=1,
        padding=0, freq_shift=1, flip=False, eps=1e-6,
    ),
    "deep": dict(
        size=8, channels=1, base=8, multipliers=[1, 2, 1], layers=1, attention=[8, 2], head_dim=4, mid_attention=False,
    ),
    # From here on for the long tier: sizes as they are trained.
    "mnist": dict(size=28, channels=1, base=32, multipliers=[1, 2, 4], layers=2, attention=[14, 7], head_dim=32),
    "cifar10": dict(size=32, channels=3, base=64, multipliers=[1, 2, 4], layers=2, attention=[16, 8], head_dim=64),
    "ho-cifar10": dict(
        size=32, channels=3, base=128, multipliers=[1, 2, 2, 2], layers=2, attention=[16], heads=1,
        padding=0, freq_shift=1, flip=False, eps=1e-6,
    ),
}


def norm_groups(base):
    """Largest power of two that is at most min(32, base / 4)."""
    limit = min(32, base // 4)
    return 1 << (limit.bit_length() - 1)


def build(case):
    """The same network twice: as diffusers builds it and as our configuration names it."""
    levels = len(case["multipliers"])
    channels = [case["base"] * m for m in case["multipliers"]]
    attention = [(case["size"] >> i) in case["attention"] for i in range(levels)]
    groups = case.get("groups", norm_groups(case["base"]))
    network = UNet2DModel(
        sample_size=case["size"],
        in_channels=case["channels"],
        out_channels=case["channels"],
        block_out_channels=channels,
        layers_per_block=case["layers"],
        down_block_types=["AttnDownBlock2D" if a else "DownBlock2D" for a in attention],
        up_block_types=["AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attention)],
        attention_head_dim=case.get("head_dim"),
        add_attention=case.get("mid_attention", True),
        downsample_padding=case.get("padding", 1),
        freq_shift=case.get("freq_shift", 0),
        flip_sin_to_cos=case.get("flip", True),
        norm_eps=case.get("eps", 1e-5),
        norm_num_groups=groups,
    )
    model = {
        "base_channels": case["base"],
        "channel_multipliers": case["multipliers"],
        "num_res_blocks": case["layers"],
        "attention_resolutions": case["attention"],
        "dropout": 0.0,
        "time_embed_dim": 4 * channels[0],
        "norm_groups": groups,
        "norm_eps": case.get("eps", 1e-5),
        "mid_attention": case.get("mid_attention", True),
        "downsample_padding": case.get("padding", 1),
        "freq_shift": float(case.get("freq_shift", 0)),
        "flip_sin_to_cos": case.get("flip", True),
    }
    if "head_dim" in case:
        model["attention_head_dim"] = case["head_dim"]
    else:
        model["num_attention_heads"] = case["heads"]
    data = {
        "dataset": "shapes",
        "image_size": case["size"],
        "in_channels": case["channels"],
        "validation_fraction": 0.05,
    }
    return network, {"model": model, "data": data}


def tensors_of(network, case, generator):
    """Inputs, output and gradients of one pass; every weight is disturbed so that no zero bias hides a mistake."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    shape = (2, case["channels"], case["size"], case["size"])
    x = torch.randn(shape, generator=generator).requires_grad_()
    t = torch.tensor([3, 871])
    output = network(x, t).sample
    cotangent = torch.randn(shape, generator=generator)
    (output * cotangent).sum().backward()
    tensors = {"x": x.detach(), "t": t.float(), "output": output.detach(), "cotangent": cotangent, "grad_x": x.grad}
    for name, parameter in network.named_parameters():
        tensors[f"weights/{name}"] = parameter.detach().clone()
        tensors[f"grad/{name}"] = parameter.grad
    return tensors


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:] or CASES:
        torch.manual_seed(0)
        case = CASES[name]
        network, config = build(case)
        generator = torch.Generator().manual_seed(1)
        tensors = tensors_of(network, case, generator)
        save_file(tensors, folder / f"{name}.safetensors", metadata={"config": json.dumps(config)})
        print(f"{name}: {sum(p.numel() for p in network.parameters())} parameters")


if __name__ == "__main__":
    main()

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
from settings import CASES, norm_groups, settings


def build(case):
    """The same network twice: as diffusers builds it and as our configuration names it."""
    levels = len(case["multipliers"])
    channels = [case["base"] * m for m in case["multipliers"]]
    attention = [(case["size"] >> i) in case["attention"] for i in range(levels)]
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
        norm_num_groups=case.get("groups", norm_groups(case["base"])),
    )
    return network, settings(case)


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

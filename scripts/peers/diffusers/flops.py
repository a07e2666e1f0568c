"""Parameters and floating-point operations, ours against those of diffusers' UNet2DModel as PyTorch counts them.

Usage: flops.py golden FILE      writes what PyTorch counts, for tests/data/diffusers
       flops.py compare PROGRAM  runs `PROGRAM plan --json --verbose` on each network and compares

`torch.utils.flop_counter.FlopCounterMode` watches a forward pass and a training step. It has no formula for the CPU's
fused attention, so attention works with its scores in memory, as two matrix products. Networks live on the meta device:
shapes are worked out, nothing is computed, and the largest ones fit any machine.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from diffusers.models.attention_processor import Attention, AttnProcessor
from networks import build
from torch.utils.flop_counter import FlopCounterMode

IMAGES = 2
TOLERANCE = 0.005

# The presets; the sizes that guides give for 128, 256 and 512 pixels; and what none of them has.
NETWORKS = {
    "mnist": dict(size=28, channels=1, base=32, multipliers=[1, 2, 4], layers=2, attention=[14, 7], head_dim=64),
    "cifar10": dict(size=32, channels=3, base=64, multipliers=[1, 2, 4], layers=2, attention=[16, 8], head_dim=64),
    "ddpm-cifar10": dict(
        size=32, channels=3, base=128, multipliers=[1, 2, 2, 2], layers=2, attention=[16], heads=1,
        padding=0, freq_shift=1, flip=False, eps=1e-6,
    ),
    "celeba64": dict(size=64, channels=3, base=64, multipliers=[1, 2, 4, 8], layers=2, attention=[16, 8], head_dim=64),
    "imagenet256": dict(
        size=256, channels=3, base=128, multipliers=[1, 2, 3, 4], layers=2, attention=[32], head_dim=64,
    ),
    "128-pixels": dict(
        size=128, channels=3, base=96, multipliers=[1, 2, 4, 8], layers=2, attention=[32, 16], head_dim=64,
    ),
    "512-pixels": dict(size=512, channels=3, base=160, multipliers=[1, 2, 2, 4], layers=2, attention=[], head_dim=64),
    "attention-everywhere": dict(
        size=32, channels=3, base=32, multipliers=[1, 2, 3], layers=3, attention=[32, 16, 8], head_dim=8,
    ),
    "no-attention": dict(
        size=48, channels=3, base=24, multipliers=[1, 3, 2, 2], layers=1, attention=[], mid_attention=False, head_dim=8,
    ),
    "one-level": dict(size=16, channels=1, base=20, multipliers=[2], layers=2, attention=[16], head_dim=10),
    "six-levels": dict(
        size=256, channels=3, base=128, multipliers=[1, 1, 2, 2, 4, 4], layers=2, attention=[16], head_dim=64,
    ),
}


def network(case):
    with torch.device("meta"):
        built, config = build(case)
    for module in built.modules():
        if isinstance(module, Attention):
            module.set_processor(AttnProcessor())
    return built, config


def inputs(case):
    shape = (IMAGES, case["channels"], case["size"], case["size"])
    return torch.empty(shape, device="meta"), torch.empty(IMAGES, dtype=torch.long, device="meta")


def level(name):
    """What the names of a level's tensors begin with, the last norm being a part of the end."""
    words = name.split(".")
    if words[0] == "conv_norm_out":
        return "conv_out"
    return ".".join(words[:2]) if words[0] in ("down_blocks", "up_blocks") else words[0]


def part(name):
    words = name.split(".")
    if "attentions" in words:
        return "attention"
    if "norm" in words[-1]:
        return "norm"
    return "embedding" if "time_embedding" in words or "time_emb_proj" in words else "convolution"


def operations(built, counter):
    """Each layer's operations, an attention's as a whole: its products are counted at the module around its maps."""
    prefix = type(built).__name__ + "."
    for path, counts in counter.get_flop_counts().items():
        if not path.startswith(prefix):
            continue
        name = path.removeprefix(prefix)
        module = built.get_submodule(name)
        within = "attentions" in name.split(".")
        if isinstance(module, Attention) or not within and not list(module.children()):
            yield name, sum(counts.values()) // IMAGES


def counted(case):
    """What PyTorch counts for one image: in all, and of parameters and the forward pass by level and by part."""
    built, config = network(case)
    x, t = inputs(case)
    with FlopCounterMode(display=False, depth=None) as forward, torch.no_grad():
        built(x, t)
    with FlopCounterMode(display=False) as training:
        built(x, t).sample.sum().backward()
    sizes = [(name.rpartition(".")[0], tensor.numel()) for name, tensor in built.named_parameters()]
    levels, parts = {}, {}
    for key, counts in ("parameters", sizes), ("forward_flops", operations(built, forward)):
        for name, count in counts:
            for table, place in (levels, level(name)), (parts, part(name)):
                table.setdefault(place, {"parameters": 0, "forward_flops": 0})[key] += count
    return config | {
        "parameters": sum(count for _, count in sizes),
        "forward_flops": forward.get_total_flops() // IMAGES,
        "train_flops": training.get_total_flops() // IMAGES,
        "levels": levels,
        "parts": parts,
    }


def golden(path):
    rows = [json.dumps({"name": name, **counted(case)}) for name, case in NETWORKS.items()]
    pathlib.Path(path).write_text("[\n" + ",\n".join(rows) + "\n]\n", encoding="utf-8")


def toml(settings):
    """Our settings as an experiment; lists and plain values are written in TOML as in JSON."""
    lines = []
    for section, keys in settings.items():
        lines += [f"[{section}]"] + [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n".join(lines) + "\n"


def ours(program, config):
    """What our plan says of a network."""
    with tempfile.TemporaryDirectory() as folder:
        experiment = pathlib.Path(folder, "x.toml")
        experiment.write_text(toml({key: config[key] for key in ("model", "data")}), encoding="utf-8")
        command = [program, "plan", str(experiment), "--json", "--verbose"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)["variants"][0]


def by_part(levels):
    """Our costs of each part, over all levels."""
    found = {}
    for level in levels:
        for name, cost in level["parts"].items():
            total = found.setdefault(name, {key: 0 for key in cost})
            for key, value in cost.items():
                total[key] += value
    return found


def differences(row, theirs):
    """Every number of ours that is not PyTorch's: parameters exactly, operations within the tolerance."""
    levels = {level["name"]: level for level in row["network"]}
    whole = {key: theirs[key] for key in ("parameters", "forward_flops", "train_flops")}
    mine = row | {"forward_flops": row["forward_flops_per_image"], "train_flops": row["train_flops_per_image"]}
    places = [("the network", mine, whole)]
    places += [(name, levels[name], costs) for name, costs in theirs["levels"].items()]
    places += [(name, by_part(row["network"])[name], costs) for name, costs in theirs["parts"].items()]
    for place, found, costs in places:
        for key, count in costs.items():
            if abs(found[key] - count) > (0 if key == "parameters" else TOLERANCE * count):
                yield f"{place}: {key} {found[key]:,}, where PyTorch has {count:,}"


def compare(program):
    print(f"{'':21}{'parameters':>12}{'forward GFLOP':>16}{'/ PyTorch':>11}{'training GFLOP':>16}{'/ PyTorch':>11}")
    wrong = []
    for name, case in NETWORKS.items():
        theirs = counted(case)
        row = ours(program, theirs)
        wrong += [f"{name}, {difference}" for difference in differences(row, theirs)]
        forward, training = row["forward_flops_per_image"], row["train_flops_per_image"]
        print(f"{name:21}{row['parameters']:>12,}{forward / 1e9:>16.3f}{forward / theirs['forward_flops']:>11.6f}"
              f"{training / 1e9:>16.3f}{training / theirs['train_flops']:>11.6f}")
    for line in wrong:
        print(line)
    print(f"{len(NETWORKS)} networks with their levels and parts: {len(wrong)} differences (parameters exact, "
          f"operations within {TOLERANCE:.1%})")
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("golden", "compare"):
        sys.exit(__doc__)
    sys.exit(golden(sys.argv[2]) if sys.argv[1] == "golden" else compare(sys.argv[2]))

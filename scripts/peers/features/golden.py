"""Writes sets of features with what torch-fidelity and torchmetrics make of them, and pictures and patches with what
scipy makes of those: the golden numbers of src/fidelity.

usage: golden.py FOLDER [--large]    small sets for tests/data/features, or large ones that are not kept
"""

import json
import pathlib
import sys

import numpy
import torch
import torch_fidelity.metric_fid as fidelity_fid
import torch_fidelity.metric_kid as fidelity_kid
import torch_fidelity.metric_prc as fidelity_prc
from safetensors.numpy import save_file
from scipy import ndimage, stats
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

# Name: real images, drawn images, features. With `square` sets KID over all images needs no random subset.
SMALL = {"more_images": (60, 50, 12), "fewer_images": (20, 24, 48), "square": (40, 40, 16)}
LARGE = {"more_images": (3000, 2500, 192), "fewer_images": (500, 400, 1024), "square": (1000, 1000, 256)}


class Identity(torch.nn.Module):
    """An extractor for torchmetrics whose images are the features themselves."""

    def __init__(self, width):
        super().__init__()
        self.num_features = width

    def forward(self, x):
        return x


def sets(generator, real, drawn, width):
    """Features as they look behind a rectifier: a few causes, a little noise, the drawn ones off in mean and spread."""
    causes = 6
    mixing = generator.standard_normal((causes, width)) / numpy.sqrt(causes)

    def features(count, spread, shift):
        cause = spread * generator.standard_normal((count, causes)) + shift
        noise = 0.05 * generator.standard_normal((count, width))
        return numpy.maximum(cause @ mixing + noise + 0.5, 0.0).astype(numpy.float32)

    return features(real, 1.0, 0.0), features(drawn, 1.1, 0.2)


def fid(real, drawn):
    """By both libraries, in 64 bits."""
    statistics = [fidelity_fid.fid_features_to_statistics(torch.from_numpy(x).double()) for x in (real, drawn)]
    theirs = fidelity_fid.fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]
    metric = FrechetInceptionDistance(feature=Identity(real.shape[1])).set_dtype(torch.float64)
    metric.update(torch.from_numpy(real).double(), real=True)
    metric.update(torch.from_numpy(drawn).double(), real=False)
    return theirs, float(metric.compute())


def kid(real, drawn, subsets, size):
    """Mean and standard deviation by both libraries, in 64 bits."""
    first, second = [torch.from_numpy(x).double() for x in (real, drawn)]
    kwargs = dict(kid_subsets=subsets, kid_subset_size=size, kid_kernel="poly", kid_kernel_poly_degree=3)
    kwargs |= dict(kid_kernel_poly_gamma=None, kid_kernel_poly_coef0=1.0, rng_seed=1, verbose=False)
    found = fidelity_kid.kid_features_to_metric(second, first, **kwargs)
    metric = KernelInceptionDistance(feature=Identity(real.shape[1]), subsets=subsets, subset_size=size)
    metric.update(first, real=True)
    metric.update(second, real=False)
    names = ("kernel_inception_distance_mean", "kernel_inception_distance_std")
    return tuple(found[name] for name in names), tuple(float(value) for value in metric.compute())


def precision_recall(real, drawn):
    first, second = [torch.from_numpy(x).double() for x in (drawn, real)]
    found = fidelity_prc.prc_features_to_metric(
        first, second, prc_neighborhood=3, prc_batch_size=10000, save_cpu_ram=False, verbose=False
    )
    return found["precision"], found["recall"]


def compared(name, real, drawn, large):
    torch_fidelity, torchmetrics = fid(real, drawn)
    precision, recall = precision_recall(real, drawn)
    entry = {
        "fid": {"torch_fidelity": torch_fidelity, "torchmetrics": torchmetrics},
        "precision": precision,
        "recall": recall,
    }
    if name == "square":
        (one, _), (two, _) = kid(real, drawn, 1, len(real))
        entry["kid"] = {"torch_fidelity": one, "torchmetrics": two}
    elif large and name == "more_images":
        (mean, std), (other, _) = kid(real, drawn, 100, 1000)
        entry["kid_of_subsets"] = {"torch_fidelity": mean, "torchmetrics": other, "std": std}
    return entry


def bands(image):
    """The Laplacian pyramid of one plane, down to 16 pixels."""
    taps = numpy.array([1, 4, 6, 4, 1]) / 16
    kernel = numpy.outer(taps, taps)
    out = [image.astype(numpy.float64)]
    while out[-1].shape[0] % 2 == 0 and out[-1].shape[0] // 2 >= 16:
        small = ndimage.convolve(out[-1], kernel, mode="mirror")[::2, ::2]
        wide = numpy.zeros_like(out[-1])
        wide[::2, ::2] = small
        out[-1] = out[-1] - ndimage.convolve(wide, 4 * kernel, mode="mirror")
        out.append(small)
    return out


def sliced(left, right, directions):
    distances = [stats.wasserstein_distance(left @ direction, right @ direction) for direction in directions]
    return float(numpy.mean(distances))


def main(folder, large):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    generator = numpy.random.default_rng(20)
    tensors, expected = {}, {"sets": {}, "sliced": {}}
    for name, sizes in (LARGE if large else SMALL).items():
        real, drawn = sets(generator, *sizes)
        tensors |= {f"{name}.real": real, f"{name}.drawn": drawn}
        expected["sets"][name] = compared(name, real, drawn, large)
    image = generator.integers(0, 256, (64, 64) if not large else (256, 256)).astype(numpy.uint8)
    tensors["picture"] = image.astype(numpy.float32)
    for place, band in enumerate(bands(image)):
        tensors[f"band.{place}"] = band.astype(numpy.float32)
    count = 4000 if large else 60
    directions = generator.standard_normal((16, 18))
    directions /= numpy.linalg.norm(directions, axis=1, keepdims=True)
    tensors["directions"] = directions.astype(numpy.float32)
    directions = tensors["directions"].astype(numpy.float64)
    for name, others in (("equal", count), ("unequal", count * 2 // 3)):
        left = generator.standard_normal((count, 18)).astype(numpy.float32)
        right = (0.7 * generator.standard_normal((others, 18)) + 0.2).astype(numpy.float32)
        tensors |= {f"sliced.{name}.left": left, f"sliced.{name}.right": right}
        expected["sliced"][name] = sliced(left.astype(numpy.float64), right.astype(numpy.float64), directions)
    save_file({name: numpy.ascontiguousarray(value) for name, value in tensors.items()}, folder / "features.safetensors")
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], "--large" in sys.argv[2:])

"""Writes two tiny feature extractors as TorchScript: extractor.pt has the conventions of the published ones (8-bit
images [N, 3, H, W], class scores unless `return_features` is set, and then features [N, D, 1, 1]); uneven.pt gives each
image more features the more images it is asked about.

usage: extractor.py FOLDER
"""

import io
import pathlib
import sys
import zipfile

import torch


class Extractor(torch.nn.Module):
    """Sixteen features: what a fixed convolution finds on average, and how much it varies."""

    def __init__(self):
        super().__init__()
        values = torch.sin(torch.arange(8 * 3 * 3 * 3, dtype=torch.float64) * 1.7)
        self.register_buffer("weight", values.reshape(8, 3, 3, 3).to(torch.float32))

    def forward(self, images: torch.Tensor, low: float = 0.0, return_features: bool = False) -> torch.Tensor:
        if images.dtype != torch.uint8 or images.size(1) != 3:
            raise RuntimeError("wanted are 8-bit images of 3 channels")
        x = images.to(torch.float32) / 127.5 - 1.0
        x = torch.clamp(torch.nn.functional.conv2d(x, self.weight, padding=1), min=low)
        features = torch.cat([x.mean(dim=[2, 3]), x.std(dim=[2, 3])], dim=1)
        if return_features:
            return features[:, :, None, None]
        return torch.softmax(features, dim=1)[:, :10]


class Uneven(torch.nn.Module):
    """Three features for each image of the batch."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.to(torch.float32).mean(dim=[2, 3]).repeat(1, images.size(0))


def write(module, path):
    """Without the records of where the source was on this machine."""
    saved = io.BytesIO()
    torch.jit.save(torch.jit.script(module.eval()), saved)
    with zipfile.ZipFile(saved) as whole, zipfile.ZipFile(path, "w") as kept:
        for entry in whole.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                kept.writestr(zipfile.ZipInfo(entry.filename), whole.read(entry))


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    write(Extractor(), folder / "extractor.pt")
    write(Uneven(), folder / "uneven.pt")

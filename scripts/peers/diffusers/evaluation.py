"""Holds every held-out number to PyTorch: trains tiny networks, loads their weights into diffusers' UNet2DModel and
computes levels.csv, denoise_score, denoise_bits, the loss and bits_per_dim anew, from the definitions, in float64.

usage: evaluation.py PROGRAM

Noise is drawn anew (draws.py); images are those of IDX files that this script writes.
"""

import csv
import gzip
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import tomllib

import blake3
import numpy as np
import torch
from draws import normals, normals_after, uniform
from networks import build
from safetensors.torch import load_file

SIZE = 28
CASE = dict(size=SIZE, channels=1, base=8, multipliers=[1, 2], layers=1, attention=[14], head_dim=8)
COUNTS = {"train": 200, "t10k": 24}
# Relative to each value: two ways to add up 32-bit products.
TOLERANCE = 2e-5
TRIALS = {
    "epsilon-linear": dict(prediction_type="epsilon", noise_schedule="linear", timesteps=100),
    "v-cosine": dict(prediction_type="v", noise_schedule="cosine", timesteps=64),
    "x0-linear": dict(prediction_type="x0", noise_schedule="linear", timesteps=200),
}


def write_images(folder):
    """Two IDX files of soft blobs."""
    generator = np.random.default_rng(3)
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    images = {}
    for part, count in COUNTS.items():
        centre, width = generator.uniform(6, 22, (2, count, 1, 1)), generator.uniform(2, 8, (count, 1, 1))
        blob = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / width**2)
        pixels = np.clip(blob * 255 + generator.normal(0, 4, blob.shape), 0, 255).round().astype(np.uint8)
        header = np.array([0x803, count, SIZE, SIZE], dtype=">u4").tobytes()
        with gzip.open(folder / f"{part}-images-idx3-ubyte.gz", "wb") as file:
            file.write(header + pixels.tobytes())
        images["train" if part == "train" else "test"] = pixels
    return images


def image_ids(part, images):
    ids = []
    for position, pixels in enumerate(images):
        content = f"mnist/{part}/".encode() + position.to_bytes(8, "little") + pixels.tobytes()
        digest = blake3.blake3(content, derive_key_context="ablate image id v1").digest()
        ids.append(int.from_bytes(digest[:8], "little"))
    return ids


def in_hash_order(part, images):
    """(id, image) by rising id."""
    return sorted(zip(image_ids(part, images), images), key=lambda pair: pair[0])


class Chain:
    """A schedule and a network, both from the run's own files."""

    def __init__(self, run, weights):
        config = tomllib.loads((run / "config.toml").read_text())["diffusion"]
        self.kind, self.steps = config["prediction_type"], config["timesteps"]
        if config["noise_schedule"] == "cosine":
            at = lambda i: math.cos((i / self.steps + 0.008) / 1.008 * math.pi / 2) ** 2
            betas = np.array([min(1 - at(i + 1) / at(i), 0.999) for i in range(self.steps)])
        else:
            scale = 1000 / self.steps if config["rescale_betas"] else 1
            betas = np.linspace(config["beta_start"] * scale, config["beta_end"] * scale, self.steps)
        self.betas, self.alpha_bars = betas, np.cumprod(1 - betas)
        self.log_snr = np.log(self.alpha_bars / (1 - self.alpha_bars))
        self.network, _ = build(CASE)
        self.network.load_state_dict(load_file(weights))
        self.network.eval()

    def ask(self, images, stream, number, t):
        """Errors of one timestep: clean, noise, noised and what the network makes of it, each [image, pixel]."""
        clean = np.stack([pixels.reshape(-1) for _, pixels in images]).astype(np.float32) / np.float32(127.5) - 1
        noise = np.stack([normals(id, stream, number, clean.shape[1]) for id, _ in images])
        return self.answer(clean, noise, np.full(len(images), t))

    def answer(self, clean, noise, t):
        clean, noise = clean.astype(np.float64), noise.astype(np.float64)
        signal, spread = np.sqrt(self.alpha_bars[t])[:, None], np.sqrt(1 - self.alpha_bars[t])[:, None]
        noised = (signal * clean + spread * noise).astype(np.float32)
        with torch.no_grad():
            x = torch.from_numpy(noised).reshape(-1, 1, SIZE, SIZE)
            output = self.network(x, torch.from_numpy(t)).sample.reshape(len(t), -1).double().numpy()
        noised = noised.astype(np.float64)
        if self.kind == "epsilon":
            eps, x0, target = output, (noised - spread * output) / signal, noise
        elif self.kind == "v":
            eps, x0 = signal * output + spread * noised, signal * noised - spread * output
            target = signal * noise - spread * clean
        else:
            eps, x0, target = (noised - signal * output) / spread, output, clean
        return dict(clean=clean, noise=noise, noised=noised, eps=eps, x0=x0, loss=((output - target) ** 2).mean(1))

    def nodes(self):
        """{k: t}, each timestep once; the targets come before the two outermost."""
        found = {k: int(np.abs(self.log_snr - (-6 + 12 * k / 32)).argmin()) for k in range(33)}
        below, above = np.flatnonzero(self.log_snr <= -6), np.flatnonzero(self.log_snr >= 6)
        if len(below):
            found[-1] = int(below[0])
        if len(above):
            found[33] = int(above[-1])
        once = {}
        for k, t in found.items():
            if t not in once.values():
                once[k] = t
        return once

    def levels(self, images, stride):
        rows = {}
        for k, t in self.nodes().items():
            asked = [pair for place, pair in enumerate(images) if place % stride == k % stride]
            if asked:
                found = self.ask(asked, "eval", k % 2**64, t)
                errors = ((found["eps"] - found["noise"]) ** 2).mean(1)
                se = errors.std(ddof=1) / math.sqrt(len(asked)) if len(asked) > 1 else 0.0
                x0 = ((found["x0"] - found["clean"]) ** 2).mean()
                rows[k] = dict(t=t, log_snr=self.log_snr[t], eps_mse=errors.mean(), x0_mse=x0, n=len(asked), se=se)
        return rows

    def loss(self, images):
        clean = np.stack([pixels.reshape(-1) for _, pixels in images]).astype(np.float32) / np.float32(127.5) - 1
        t, noise = [], []
        for id, _ in images:
            # One number for the timestep, then the noise goes on in the same draw.
            t.append(int(uniform(id, "eval/loss", 0) * self.steps))
            noise.append(normals_after(id, "eval/loss", 0, 1, clean.shape[1]))
        return self.answer(clean, np.stack(noise), np.array(t))["loss"].mean()

    def bits_per_dim(self, images):
        """The bound of Ho et al. (2020): x0 clipped, posterior variance with its first entry replaced, 256 levels."""
        before = np.append(1.0, self.alpha_bars[:-1])
        variance = self.betas * (1 - before) / (1 - self.alpha_bars)
        log_variance = np.log(np.append(variance[1], variance[1:]))
        of_x0 = self.betas * np.sqrt(before) / (1 - self.alpha_bars)
        of_xt = (1 - before) * np.sqrt(1 - self.betas) / (1 - self.alpha_bars)
        terms = []
        for t in range(self.steps):
            found = self.ask(images, "eval/chain", t, t)
            true = of_x0[t] * found["clean"] + of_xt[t] * found["noised"]
            mean = of_x0[t] * found["x0"].clip(-1, 1) + of_xt[t] * found["noised"]
            if t > 0:
                terms.append(((true - mean) ** 2 / (2 * np.exp(log_variance[t]))).mean() / math.log(2))
                continue
            normal = torch.distributions.Normal(torch.from_numpy(mean), math.exp(0.5 * log_variance[0]))
            clean = torch.from_numpy(found["clean"])
            high, low = normal.cdf(clean + 1 / 255), normal.cdf(clean - 1 / 255)
            high, low = torch.where(clean > 0.999, 1.0, high), torch.where(clean < -0.999, 0.0, low)
            decoder = float(-(high - low).clamp_min(1e-12).log().mean() / math.log(2))
            terms.append(decoder)
        last = self.alpha_bars[-1]
        clean = found["clean"]
        prior = (0.5 * (-1 - np.log(1 - last) + (1 - last) + last * clean**2)).mean() / math.log(2)
        return dict(bits_per_dim=sum(terms) + prior, prior_bits=prior, decoder_bits=decoder, timesteps=self.steps)


def scores(levels):
    points = sorted((row["log_snr"], row["eps_mse"]) for row in levels.values())
    x, y = (np.array(column) for column in zip(*points))
    if x[0] > -6 or x[-1] < 6:
        return dict(denoise_score=None, denoise_bits=None)
    grid = np.concatenate([[-6.0], x[(x > -6) & (x < 6)], [6.0]])
    bits = np.trapezoid(np.interp(grid, x, y), grid) / (2 * math.log(2))
    targets = -6 + 12 * np.arange(33) / 32
    sigma = np.exp(-targets / 2)
    density = np.exp(-((np.log(sigma) + 1.2) ** 2) / (2 * 1.2**2))
    score = (density * (1 + 4 * sigma**2) * np.interp(targets, x, y)).sum() / density.sum()
    return dict(denoise_score=score, denoise_bits=bits)


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


class Differences:
    """The largest one, of all that were looked at."""

    def __init__(self):
        self.worst, self.values = 0.0, 0

    def hold(self, what, found, expected):
        if expected is None or found == "":
            if not (expected is None and found == ""):
                sys.exit(f"FAILED: {what}: ablate has {found!r}, PyTorch {expected!r}")
            return
        difference = abs(float(found) - expected) / max(abs(expected), 1e-6)
        if not difference <= TOLERANCE:
            sys.exit(f"FAILED: {what}: ablate has {found}, PyTorch {expected}: off by {difference:.2e} of it")
        self.worst, self.values = max(self.worst, difference), self.values + 1

    def hold_levels(self, what, rows, expected):
        if sorted(int(row["k"]) for row in rows) != sorted(expected):
            sys.exit(f"FAILED: {what}: other nodes than {sorted(expected)}")
        for row in rows:
            for column, value in expected[int(row["k"])].items():
                self.hold(f"{what}, k = {row['k']}, {column}", row[column], value)


def experiment(data, trial):
    model = dict(build(CASE)[1]["model"])
    lines = ["[data]", 'dataset = "mnist"', f"root = {json.dumps(str(data))}", f"image_size = {SIZE}", "in_channels = 1",
             "validation_fraction = 0.1", "[model]"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in model.items()]
    lines += ["[diffusion]"] + [f"{key} = {json.dumps(value)}" for key, value in trial.items()]
    lines += ["[training]", "steps = 40", "batch_size = 8", "learning_rate = 1e-3", "warmup_steps = 0"]
    lines += ["[ema]", "decay = 0.9", "[evaluation]", "every = 40", "images = 20", "[sampling]", "every = 0", "[runtime]", 'device = "cpu"']
    return "\n".join(lines) + "\n"


def check(program, folder, data, images, name, trial):
    (folder / f"{name}.toml").write_text(experiment(data, trial))
    subprocess.run([program, "run", f"{name}.toml", "--quiet"], cwd=folder, check=True)
    run = next((folder / "runs" / name).glob("*/seed-0"))
    checkpoint = run / "checkpoints/step-00000040"
    differences = Differences()

    held_out = in_hash_order("train", images["train"])[:20]
    for row in rows_of(run / "eval.csv"):
        weights = row["weights"]
        chain = Chain(run, checkpoint / ("model.safetensors" if weights == "raw" else "ema.safetensors"))
        levels = chain.levels(held_out, 4)
        mine = [level for level in rows_of(run / "levels.csv") if level["weights"] == weights]
        differences.hold_levels(f"{name}, training, {weights}", mine, levels)
        for column, value in scores(levels).items():
            differences.hold(f"{name}, training, {weights}, {column}", row[column], value)
        differences.hold(f"{name}, training, {weights}, loss", row["loss"], chain.loss(held_out))

    metrics = "denoise_score,denoise_bits,loss,bits_per_dim"
    asked = ["eval", str(run), "--metrics", metrics, "--split", "test", "--images", "20", "--json"]
    answer = subprocess.run([program, *asked], cwd=folder, check=True, stdout=subprocess.PIPE)
    written = folder / json.loads(answer.stdout)["path"]
    chain = Chain(run, checkpoint / "ema.safetensors")
    tested = in_hash_order("test", images["test"])[:20]
    levels = chain.levels(tested, 1)
    differences.hold_levels(f"{name}, test", rows_of(written.with_suffix(".levels.csv")), levels)
    (row,) = rows_of(written)
    for column, value in {**scores(levels), "loss": chain.loss(tested), **chain.bits_per_dim(tested)}.items():
        differences.hold(f"{name}, test, {column}", row[column], value)
    print(
        f"{name}: {differences.values} values agree, the worst off by {differences.worst:.1e} of it "
        f"(denoise_score {row['denoise_score'] or '-'}, bits_per_dim {row['bits_per_dim']})"
    )


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        data = folder / "mnist"
        data.mkdir()
        images = write_images(data)
        for name, trial in TRIALS.items():
            check(program, folder, data, images, name, trial)


if __name__ == "__main__":
    main()

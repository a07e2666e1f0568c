"""Decodes the same pictures with Pillow and with `ablate data check`: how fast, and how near the pixels are.

usage: compare.py PROGRAM
"""

import json
import multiprocessing
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import time

import numpy
import PIL
from PIL import Image, ImageOps

SIZE = 64
COUNT = 1000
# As photographs in common data sets: faces, thumbnails, downscaled photographs, a few large ones.
SIZES = [(178, 218), (256, 256), (333, 500), (500, 375), (500, 333), (375, 500), (640, 480), (1024, 768)]
# Both bounds are levels of 255. The decoders round differently (about 0.3), nothing else may differ.
MEAN_BOUND = 0.5
WORST_IMAGE_BOUND = 1.0
HEADER_BYTES = 96


def texture(rng, height, width):
    """Noise with the spectrum of photographs, three related channels."""
    frequency = numpy.hypot(numpy.fft.fftfreq(height)[:, None], numpy.fft.fftfreq(width)[None])
    frequency[0, 0] = 1
    planes = []
    base = None
    for _ in range(3):
        phase = numpy.exp(2j * numpy.pi * rng.random((height, width)))
        plane = numpy.fft.ifft2(phase / frequency**1.2).real
        base = plane if base is None else base
        plane = base + 0.3 * plane
        planes.append(128 + 55 * (plane - plane.mean()) / plane.std())
    return numpy.clip(numpy.stack(planes, -1), 0, 255).astype(numpy.uint8)


def write_photographs(folder):
    """Crops of a few large textures, at the qualities and subsamplings that cameras and sites use."""
    rng = numpy.random.default_rng(0)
    textures = [texture(rng, 900, 1200) for _ in range(8)]
    for i in range(COUNT):
        width, height = SIZES[i % len(SIZES)]
        source = textures[rng.integers(len(textures))]
        top, left = rng.integers(900 - height + 1), rng.integers(1200 - width + 1)
        options = {"quality": [75, 85, 92][i % 3], "subsampling": [2, 2, 0][i % 3], "progressive": i % 20 == 0}
        crop = source[top : top + height, left : left + width]
        Image.fromarray(crop).save(folder / f"{i:04}.jpg", **options)


def write_kinds(folder):
    """One picture of every kind, and what it should look like before it is resized."""
    rng = numpy.random.default_rng(1)
    pixels = texture(rng, 210, 300)
    picture = Image.fromarray(pixels)
    grey = picture.convert("L")
    alpha = Image.fromarray(numpy.tile(numpy.linspace(0, 255, 300).astype(numpy.uint8), (210, 1)))
    see_through = picture.copy()
    see_through.putalpha(alpha)
    on_white = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), see_through).convert("RGB")
    deep = numpy.asarray(grey).astype(numpy.uint16) * 257
    deep[deep > 0] -= 40
    expected = {}

    def save(name, image, meant=None, **options):
        image.save(folder / name, **options)
        expected[name] = meant or (lambda path: Image.open(path).convert("RGB"))

    exif = Image.Exif()
    for orientation in range(1, 9):
        exif[0x0112] = orientation
        name = f"orientation-{orientation}.jpg"
        save(name, picture, lambda path: ImageOps.exif_transpose(Image.open(path)), exif=exif.tobytes())
    save("baseline.jpg", picture, quality=90)
    save("progressive.jpg", picture, progressive=True)
    save("restarts.jpg", picture, restart_marker_blocks=3)
    save("optimized.jpg", picture, optimize=True, comment=b"a comment", dpi=(72, 72), icc_profile=b"\0" * 3000)
    for i, subsampling in enumerate(["4:4:4", "4:2:2", "4:2:0"]):
        save(f"subsampling-{i}.jpg", picture, subsampling=subsampling)
    save("grey.jpg", grey)
    save("cmyk.jpg", picture.convert("CMYK"))
    save("padded.jpg", picture)
    with open(folder / "padded.jpg", "ab") as file:
        file.write(bytes(1000))
    save("odd.jpg", picture.crop((0, 0, 299, 173)))
    save("plain.png", picture)
    save("grey.png", grey)
    save("palette.png", picture.quantize(64))
    save("bits.png", grey.convert("1"))
    save("alpha.png", see_through, lambda path: on_white)
    save("grey-16.png", Image.fromarray(deep), lambda path: grey.convert("RGB"))
    save("lossless.webp", picture, lossless=True)
    save("lossy.webp", picture, quality=90)
    save("alpha.webp", see_through, lambda path: on_white, lossless=True, exact=True)
    return {name: expected[name] for name in sorted(expected)}


def fit(image):
    return numpy.asarray(ImageOps.fit(image, (SIZE, SIZE), Image.BICUBIC))


def with_pillow(path):
    with Image.open(path) as image:
        return fit(image.convert("RGB"))


def pillow_speed(paths, cores):
    """Images per second: one process on one core, or one on each, started before the clock is."""
    if cores == 1:
        begun = time.perf_counter()
        for path in paths:
            with_pillow(path)
        return len(paths) / (time.perf_counter() - begun)
    with multiprocessing.Pool(cores) as pool:
        pool.map(with_pillow, paths[: 4 * cores])
        begun = time.perf_counter()
        for _ in pool.imap_unordered(with_pillow, paths, chunksize=16):
            pass
        return len(paths) / (time.perf_counter() - begun)


def check(program, folder, pictures, data_dir):
    """What `data check` reports about a folder of pictures that it sees for the first time."""
    experiment = folder / f"{data_dir}.toml"
    experiment.write_text(
        f'[data]\ndataset = "folder"\nroot = "{pictures}"\nimage_size = {SIZE}\nin_channels = 3\n'
        f"[model]\nattention_resolutions = [16]\n"
        f'[runtime]\ndata_dir = "{folder / data_dir}"\n',
        encoding="utf-8",
    )
    ran = subprocess.run([program, "data", "check", str(experiment), "--json"], capture_output=True, text=True)
    if ran.returncode != 0:
        sys.exit(f"data check failed:\n{ran.stderr}")
    return json.loads(ran.stdout)[0]


def cached_images(folder):
    """The images in a cache, in the order of the files."""
    (path,) = (folder / "cache").glob("*.bin")
    content = path.read_bytes()
    _, channels, height, width, train, test = struct.unpack("<6Q", content[8:56])
    count = train + test
    values = channels * height * width
    pixels = numpy.frombuffer(content, numpy.uint8, count * values, HEADER_BYTES)
    return pixels.reshape(count, channels, height, width).transpose(0, 2, 3, 1)


def compare(what, ours, theirs, names):
    """Fails unless the pixels are as near as the bounds say."""
    difference = numpy.abs(ours.astype(int) - theirs.astype(int))
    means = difference.mean(axis=(1, 2, 3))
    worst = int(means.argmax())
    print(
        f"{what}: mean difference {means.mean():.3f} of 255 levels (at most {MEAN_BOUND}), "
        f"worst image {means[worst]:.3f} ({names[worst]}, at most {WORST_IMAGE_BOUND}), "
        f"worst value {difference.max()}"
    )
    if means.mean() > MEAN_BOUND or means[worst] > WORST_IMAGE_BOUND:
        sys.exit(f"{what}: the pixels are not Pillow's")


def compare_speeds(program, folder, photographs, paths):
    cores = sorted(os.sched_getaffinity(0))
    for used in [cores[:1], cores] if len(cores) > 1 else [cores]:
        os.sched_setaffinity(0, used)
        # In turns, so that neither has the machine's better moments to itself; the best of three.
        ours, theirs = [], []
        for attempt in range(3):
            theirs.append(pillow_speed(paths, len(used)))
            report = check(program, folder, photographs, f"data-{len(used)}-{attempt}")
            ours.append(report["images_per_second"])
        ours, theirs = max(ours), max(theirs)
        on = "1 core" if len(used) == 1 else f"{len(used)} cores"
        print(f"{on}: {ours:.0f} images/s, Pillow {theirs:.0f} images/s, ratio {ours / theirs:.2f}")
    os.sched_setaffinity(0, cores)


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        photographs, kinds = folder / "photographs", folder / "kinds"
        photographs.mkdir()
        kinds.mkdir()
        write_photographs(photographs)
        paths = sorted(photographs.iterdir())
        print(f"{COUNT} JPEG files, {sum(path.stat().st_size for path in paths) / 1e6:.0f} MB, to {SIZE} x {SIZE}, "
              f"Pillow {PIL.__version__}")
        compare_speeds(program, folder, photographs, paths)
        theirs = numpy.stack([with_pillow(path) for path in paths])
        compare("photographs", cached_images(folder / "data-1-0"), theirs, [path.name for path in paths])

        expected = write_kinds(kinds)
        check(program, folder, kinds, "data-kinds")
        theirs = numpy.stack([fit(meant(kinds / name)) for name, meant in expected.items()])
        compare("every kind of file", cached_images(folder / "data-kinds"), theirs, list(expected))


if __name__ == "__main__":
    main()

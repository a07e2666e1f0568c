"""The machine that measures: what it is, whether others use it, and how processes are run and watched on it."""

import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import statistics
import subprocess
import time

import torch


class Failure(Exception):
    """What went wrong, for people."""


class Expired(Exception):
    """The time that was given is over."""


def busy_share(seconds=2.0):
    """The share of all cores that somebody used for a moment, from 0 to 1."""

    def ticks():
        fields = [int(field) for field in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
        # user nice system idle iowait ...
        return sum(fields), fields[3] + fields[4]

    all_before, idle_before = ticks()
    time.sleep(seconds)
    all_after, idle_after = ticks()
    return 1 - (idle_after - idle_before) / max(all_after - all_before, 1)


def about(program, threads, device="cpu", precision="f32"):
    """One paragraph: date, machine, versions."""
    cpu = next(
        (line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")),
        platform.machine(),
    )
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    cores = "1 thread" if threads == 1 else f"{threads} threads"
    kib = int(next(line for line in open("/proc/meminfo") if line.startswith("MemTotal")).split()[1])
    gpu = "" if device == "cpu" else f"{torch.cuda.get_device_name(device)} with CUDA {torch.version.cuda}, "
    return (
        f"{datetime.date.today()}, {gpu}{cpu}, {os.cpu_count()} cores, {kib / 2**20:.0f} GiB, {cores} on both sides, "
        f"{precision}. {version} ({revision or 'no checkout'}), PyTorch {torch.__version__}, {diffusers()}, "
        f"Python {platform.python_version()}."
    )


def diffusers():
    """Its version, in words."""
    try:
        return f"diffusers {importlib.metadata.version('diffusers')}"
    except importlib.metadata.PackageNotFoundError:
        return "no diffusers"


def environment(threads, **more):
    """What both sides are started with: as many threads, from before their libraries are loaded."""
    return os.environ | dict(OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads)) | more


def call(what, command, deadline=None, **options):
    """Standard output of a command that must succeed, and before the deadline (of `time.monotonic`), where there is one."""
    try:
        ran = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=left(deadline), **options)
    except subprocess.TimeoutExpired:
        raise Expired(what) from None
    if ran.returncode != 0:
        raise Failure(f"{what} ended with {ran.returncode}\n{ran.stdout[-2000:]}\n{ran.stderr[-6000:]}")
    return ran.stdout


def left(deadline):
    """Seconds until then; None for ever."""
    return None if deadline is None else max(deadline - time.monotonic(), 0.1)


def last_json(text):
    """The object on the last line: libraries may have said something before it."""
    return json.loads(text.strip().splitlines()[-1])


def peak_memory():
    """Largest resident memory of this process so far, in bytes, where the system tells."""
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None


def in_turn(rounds, sides, deadline=None):
    """Measures every side once a round, forwards and backwards: {name: [what it returned, ...]}. After the first round no
    other begins that would not end before the deadline.
    """
    found, longest = {name: [] for name in sides}, 0.0
    for turn in range(rounds):
        began = time.monotonic()
        if deadline is not None and turn > 0 and began + longest > deadline:
            break
        names = list(sides) if turn % 2 == 0 else list(sides)[::-1]
        for name in names:
            found[name].append(sides[name]())
        longest = max(longest, time.monotonic() - began)
    return found


def spread(values, digits=3):
    """`0.893 (0.880-0.910)`: the median, and the range."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def ratios(ours, theirs):
    """Of each round."""
    return [a / b for a, b in zip(ours, theirs)]


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)

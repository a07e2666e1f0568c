"""The machine that measures: what it is, whether others use it, and how processes are run and watched on it."""

import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

import diffusers
import torch


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


def about(program, threads):
    """One paragraph: date, machine, versions."""
    cpu = next(
        (line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")),
        platform.machine(),
    )
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    cores = "1 thread" if threads == 1 else f"{threads} threads"
    kib = int(next(line for line in open("/proc/meminfo") if line.startswith("MemTotal")).split()[1])
    return (
        f"{datetime.date.today()}, {cpu}, {os.cpu_count()} cores, {kib / 2**20:.0f} GiB, {cores} on both sides, "
        f"f32. {version} ({revision or 'no checkout'}), PyTorch {torch.__version__}, diffusers {diffusers.__version__}, "
        f"Python {platform.python_version()}."
    )


def environment(threads, **more):
    """What both sides are started with: as many threads, from before their libraries are loaded."""
    return os.environ | dict(OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads)) | more


def call(what, command, **options):
    """Standard output of a command that must succeed."""
    ran = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if ran.returncode != 0:
        sys.exit(f"FAILED: {what} ended with {ran.returncode}\n{ran.stdout[-2000:]}\n{ran.stderr[-6000:]}")
    return ran.stdout


def last_json(text):
    """The object on the last line: libraries may have said something before it."""
    return json.loads(text.strip().splitlines()[-1])


def peak_memory():
    """Largest resident memory of this process so far, in bytes, where the system tells."""
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None


def in_turn(rounds, sides):
    """Measures every side once a round, forwards and backwards: {name: [what it returned, ...]}."""
    found = {name: [] for name in sides}
    for turn in range(rounds):
        names = list(sides) if turn % 2 == 0 else list(sides)[::-1]
        for name in names:
            found[name].append(sides[name]())
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

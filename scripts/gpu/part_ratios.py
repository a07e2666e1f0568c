"""A training step of ours against PyTorch's on the device, eager and compiled with `max-autotune`, in turn, after equal
losses; peak memory; and what share of the device's matrix product our steps reach.
"""

import functools
import statistics
import sys

import step
from cases import CASES, batch_of
from machine import Expired, Failure, call, environment, in_turn, last_json, spread, table

HEADER = ["network", "batch", "precision", "PyTorch", "ablate ms", "PyTorch ms", "ratio", "ablate MiB", "PyTorch MiB", "ratio"]
SPEED = ["network", "batch", "precision", "ablate ms", "TFLOP/s", "of the matrix product", "MiB"]


def run(check):
    rows, speeds, modes = [], [], modes_of(check)
    # What compiles may take all the time there is, so it comes last.
    wanted = [(mode, precision, name) for mode in modes for precision in check.precisions for name in check.networks]
    for mode, precision, name in wanted:
        what = f"{name} in {precision}" + (f" against {mode}" if mode else "")
        try:
            bench = check.bench(precision)
            found = measured(bench, name, mode)
            if mode == modes[0]:
                speeds.append(speed(check, bench, name, found["ablate"]))
        except Expired:
            check.report.without(f"{what}: the time was over (--networks, --precisions and --modes choose)")
            continue
        except Failure as failure:
            check.report.bad(f"{what}: {failure}")
            continue
        if mode:
            rows.append(row(bench, name, mode, found))
            check.report.ok(f"{what}: equal losses; times {rows[-1][6]}, memory {rows[-1][9]} of PyTorch's")
        else:
            check.report.ok(f"{what}: {speeds[-1][3]} ms a step")
    for header, lines in ((HEADER, rows), (SPEED, speeds)):
        if lines:
            print("\n" + table(header, lines), flush=True)


def modes_of(check):
    """Those of PyTorch that can be measured here; of ours alone, if there is none."""
    modes = sorted(set(check.modes), key=lambda mode: mode == "compile") if check.peers() else []
    if "compile" in modes and (reason := step.compiler_missing(check.bench("f32"))):
        check.report.without(f"torch.compile: {reason}")
        modes.remove("compile")
    return modes or [None]


def measured(bench, name, mode):
    if mode:
        return step.measured(bench, name, [mode])[0]
    file = step.written(bench, name, {})
    return in_turn(bench.rounds, {"ablate": lambda: step.ours(bench, file)}, bench.deadline)


def milliseconds(side):
    return [found | dict(seconds=found["seconds"] * 1e3) for found in side]


def row(bench, name, mode, found):
    sides = milliseconds(found["ablate"]), milliseconds(found[mode])
    title, batch, _, *rest = step.row(bench, CASES[name], mode, *sides, digits=2)
    # The last column is of host memory alone.
    return [title, batch, bench.precision, mode, *rest[:6]]


def speed(check, bench, name, ours):
    """Counted are convolutions, linear maps and attention, forward and backward; nothing that is computed again."""
    seconds = [found["seconds"] for found in ours]
    reached, product = ours[0]["flops"] / statistics.median(seconds), matrix_product(check, bench.precision)
    peak = ours[0]["device_peak" if check.gpu else "peak"]
    return [
        CASES[name]["title"], batch_of(CASES[name], check.device), bench.precision, spread([s * 1e3 for s in seconds], 2),
        f"{reached / 1e12:.2f}", f"{reached / product:.1%} of {product / 1e12:.2f}", f"{peak / 2**20:.0f}",
    ]


@functools.cache
def matrix_product(check, precision):
    """Operations per second."""
    command = [sys.executable, check.scripts / "gpu/product.py", check.device, precision, 8192 if check.gpu else 512]
    return last_json(call("a matrix product", command, check.deadline, env=environment(check.threads)))["flops_per_second"]

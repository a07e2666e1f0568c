"""Runs the comparisons and writes their sections of BENCHMARKS.md.

usage: bench.py PROGRAM [step | sample | sweep | scheduler]... [options]

Called by scripts/bench/run, which brings PROGRAM and the peers. Each comparison is a module with `measure(bench)`, which
returns the Markdown of its section.
"""

import argparse
import os
import pathlib
import sys
import tempfile

import machine
import sample
import scheduler
import step
import sweep
from cases import CASES, TINY

COMPARISONS = dict(step=step, sample=sample, sweep=sweep, scheduler=scheduler)
# Sizes of `--trial`. One thread: several wait for each other where the machine is busy.
TRIAL = dict(
    rounds=1, threads=1, networks=["28"], steps=1, warmup=1, no_compile=True, images=2, sampling_steps=2, trainings=2, training_steps=2,
)


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench/run", description="Pairs ablate with other programs.")
    parser.add_argument("program", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("comparison", nargs="*", help=f"of {', '.join(COMPARISONS)}; none: all")
    parser.add_argument("--rounds", type=positive, default=5, help="how often each side is measured (5)")
    parser.add_argument("--threads", type=positive, default=os.cpu_count(), help="of both sides (every core)")
    parser.add_argument("--output", type=pathlib.Path, help="the file to update (BENCHMARKS.md)")
    parser.add_argument("--trial", action="store_true", help="one round of next to nothing, to see that all of it works; keeps no figure")
    of_step = parser.add_argument_group("step")
    networks = [name for name in CASES if name != TINY]
    of_step.add_argument("--networks", nargs="+", choices=CASES, default=networks, metavar="NAME", help="some of " + ", ".join(networks))
    of_step.add_argument("--steps", type=positive, default=10, help="steps that count in a round (10)")
    of_step.add_argument("--warmup", type=positive, default=3, help="steps before them (3)")
    of_step.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    of_step.add_argument("--device", default="cpu", help="where both sides train, as runtime.device (cpu)")
    of_step.add_argument("--precision", choices=step.TOLERANCE, default="f32", help="of both sides (f32)")
    of_sample = parser.add_argument_group("sample")
    of_sample.add_argument("--images", type=positive, default=64, help="images to draw (64)")
    of_sample.add_argument("--sampling-steps", type=positive, default=50, help="steps of DDIM, of the sweep too (50)")
    of_sweep = parser.add_argument_group("sweep")
    of_sweep.add_argument("--trainings", type=positive, default=8, help="trainings of the sweep (8)")
    of_sweep.add_argument("--training-steps", type=positive, default=300, help="steps of each (300)")
    parsed = parser.parse_args()
    unknown = [name for name in parsed.comparison if name not in COMPARISONS]
    if unknown:
        parser.error(f"{unknown[0]} is no comparison; there are {', '.join(COMPARISONS)}")
    parsed.program = parsed.program.resolve()
    parsed.python, parsed.deadline = [sys.executable], None
    if parsed.trial:
        vars(parsed).update(TRIAL)
    return parsed


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def put_section(path, name, text):
    """Replaces what stands between the marks of a section; a file without them gets them at its end."""
    begin, end = f"<!-- {name}: written by scripts/bench/run -->", f"<!-- end of {name} -->"
    whole = path.read_text() if path.exists() else ""
    section = f"{begin}\n{text.rstrip()}\n{end}"
    if begin in whole and end in whole:
        before, rest = whole.split(begin, 1)
        whole = before + section + rest.split(end, 1)[1]
    else:
        whole = f"{whole.rstrip()}\n\n{section}\n".lstrip()
    path.write_text(whole)


def main():
    try:
        compare(arguments())
    except machine.Failure as failure:
        sys.exit(f"FAILED: {failure}")


def compare(bench):
    for name in bench.comparison or COMPARISONS:
        print(f"== {name} ==", flush=True)
        busy = machine.busy_share()
        with tempfile.TemporaryDirectory() as folder:
            bench.folder = pathlib.Path(folder)
            text = COMPARISONS[name].measure(bench)
        how = (bench.device, bench.precision) if name == "step" else ("cpu", "f32")
        about = machine.about(bench.program, bench.threads, *how)
        if busy > 0.1:
            warning = f"Before it began, other programs kept {busy:.0%} of this machine busy: take the figures for noise."
            print(f"warning: {warning}", file=sys.stderr)
            about += f"\n\n**{warning}**"
        command = f"Command: `scripts/bench/run {' '.join(sys.argv[2:])}`."
        print(text, flush=True)
        output = bench.output or (None if bench.trial else pathlib.Path("BENCHMARKS.md"))
        if output:
            section = name if how == ("cpu", "f32") else f"{name} on {how[0]} in {how[1]}"
            put_section(output, section, f"{about}\n\n{command}\n\n{text}")
            print(f"\nwritten: {output}", flush=True)


if __name__ == "__main__":
    main()

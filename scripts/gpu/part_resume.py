"""A training with `runtime.deterministic` that was stopped, killed and resumed, against one that ran through: weights,
averages, moments and rows byte for byte. And what determinism costs a step.
"""

import contextlib
import os
import shutil
import signal
import statistics
import subprocess
import time

import step
from cases import experiment
from machine import Expired, Failure, call, in_turn, left, ratios, spread

NETWORK = dict(size=16, channels=3, base=32, multipliers=[1, 2, 2], layers=1, attention=[8], head_dim=32)
STEPS, EVERY = 600, 100
# Times of a checkpoint at which a run is stopped, and how: politely, then not.
STOPS = [(1 * EVERY, signal.SIGINT), (3 * EVERY, signal.SIGKILL)]
ROWS = ["metrics.csv", "eval.csv", "levels.csv", "images.csv"]
# A launcher that was killed leaves a worker that notices within a moment.
FOLDER_IN_USE = 4


def run(check):
    for precision in check.precisions:
        try:
            compare(check, precision)
        except (Failure, Expired) as failure:
            check.report.bad(f"resume in {precision}: {failure}")
    try:
        cost(check)
    except Expired:
        check.report.without("what determinism costs: the time was over")
    except Failure as failure:
        check.report.bad(f"what determinism costs: {failure}")


def compare(check, precision):
    place = check.folder / f"resume-{precision}"
    runs = {}
    for name in ("through", "resumed"):
        (place / name).mkdir(parents=True)
        (place / name / "x.toml").write_text(text(check, precision))
    command = [check.program, "run", "x.toml", "--quiet"]
    call("ablate run", command, check.deadline, cwd=place / "through", env=check.environment)
    stops = [stop(check, place / "resumed", command, *when) for when in STOPS]
    finish(check, place / "resumed", command)
    for name in ("through", "resumed"):
        (runs[name],) = (place / name).glob("runs/x/*/seed-0")
    compared = [file.relative_to(runs["through"]) for file in sorted(newest(runs["through"]).iterdir()) if file.name != "manifest.json"]
    compared += [row for row in ROWS if (runs["through"] / row).exists()]
    different = [
        str(file) for file in compared
        if not (runs["resumed"] / file).exists() or (runs["resumed"] / file).read_bytes() != (runs["through"] / file).read_bytes()
    ]
    if different:
        raise Failure(f"other bytes in {', '.join(different)}")
    check.report.ok(
        f"a deterministic run of {STEPS} steps in {precision}, stopped after {stops[0]} and killed after {stops[1]}, ends in "
        f"the bytes of one that ran through: {len(compared)} files"
    )
    shutil.rmtree(place)


def text(check, precision):
    return experiment(NETWORK, {
        "data.limit": 512, "model.dropout": 0.1, "training.batch_size": 16, "training.steps": STEPS, "training.log_every": 10,
        "training.precision": precision, "checkpoint.every": EVERY, "evaluation.every": 3 * EVERY, "evaluation.images": 16,
        "sampling.every": 0, "runtime.device": check.device, "runtime.deterministic": True, "runtime.tensorboard": False,
        "runtime.threads": 1,
    })


def newest(run):
    return max(run.glob("checkpoints/step-*"))


def reached(place):
    """The step of the newest checkpoint of the only run in a folder; 0 without one."""
    steps = [int(path.name.split("-")[1]) for path in place.glob("runs/x/*/seed-0/checkpoints/step-*")]
    return max(steps, default=0)


def stop(check, place, command, at, how):
    """Starts the run and stops it when it has a checkpoint of this step; the step it was stopped at."""
    with start(check, place, command) as process:
        while reached(place) < at:
            if process.poll() == FOLDER_IN_USE:
                return stop(check, place, command, at, how)
            if process.poll() is not None:
                said = (place / "launcher.log").read_text()[-3000:]
                raise Failure(f"the run ended with {process.returncode} before step {at}\n{said}")
            if time.monotonic() > check.deadline:
                raise Expired("the time was over before a checkpoint")
            time.sleep(0.01)
        process.send_signal(how)
        try:
            process.wait(left(check.deadline))
        except subprocess.TimeoutExpired:
            raise Expired("the time was over before the run had stopped") from None
    if reached(place) >= STEPS:
        raise Failure(f"the run was over before it could be stopped at step {at}")
    return reached(place)


@contextlib.contextmanager
def start(check, place, command):
    """A launcher in a session of its own, which is killed with the context."""
    with open(place / "launcher.log", "a") as log:
        process = subprocess.Popen(command, cwd=place, env=check.environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def finish(check, place, command):
    """Runs to the end, once what was killed is gone."""
    while True:
        with start(check, place, command) as process:
            try:
                status = process.wait(left(check.deadline))
            except subprocess.TimeoutExpired:
                raise Expired("the time was over before the resumed run had ended") from None
        if status == 0:
            return
        if status != FOLDER_IN_USE:
            raise Failure(f"the resumed run ended with {status}\n{(place / 'launcher.log').read_text()[-3000:]}")
        time.sleep(0.2)


def cost(check):
    """Steps with and without, in turn."""
    bench = check.bench(check.precisions[0])
    files = {}
    for name, on in (("with", True), ("without", False)):
        file = step.written(bench, check.networks[0], {"runtime.deterministic": on})
        files[name] = file.rename(bench.folder / f"{name}.toml")
    sides = {name: (lambda file=file: step.ours(bench, file)["seconds"]) for name, file in files.items()}
    found = in_turn(bench.rounds, sides, check.deadline)
    ratio, seconds = ratios(found["with"], found["without"]), statistics.median(found["without"])
    check.report.ok(
        f"what determinism costs, {check.networks[0]} in {bench.precision}: {spread(ratio)} times a step of {seconds * 1e3:.2f} ms"
    )

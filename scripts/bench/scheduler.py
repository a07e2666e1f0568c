"""What our scheduler adds: a plan of 10,000 points, and runs whose workers do nothing, by `ablate bench --scheduler`; and
how long a real worker takes from the start of its process to its first step.
"""

import datetime
import json
import shutil

from cases import CASES, experiment
from machine import call, environment, in_turn, spread, table

CASE = CASES["28"]


def measure(bench):
    command = [bench.program, "bench", "--scheduler", "--json"]
    once = lambda: json.loads(call("ablate bench --scheduler", command, cwd=bench.folder))
    worker = prepared(bench)
    both = in_turn(bench.rounds, {"ablate": once, "worker": lambda: seconds_to_first_step(bench, worker)})
    found = both["ablate"]
    milliseconds = lambda values: spread([value * 1e3 for value in values], 2)
    rows = []
    for place, launch in enumerate(found[0]["launches"]):
        of = lambda key: milliseconds([report["launches"][place][key] for report in found])
        parts = [of(f"{part}_seconds") for part in ("prepare", "launch", "summary", "total")]
        rows.append([launch["runs"], launch["slots"], *parts])
    plan = spread([report["plan"]["total_seconds"] for report in found])
    bare = milliseconds([report["bare_process_seconds"] for report in found])
    text = (
        f"Median and range of {bench.rounds} rounds. A plan of {found[0]['plan']['points']:,} points takes {plan} s. A worker "
        f"begins its first step {spread(both['worker'])} s after its process was started: {CASE['title']}, images of the "
        "built-in data set. The scheduler's part of a run, in milliseconds, with workers that do nothing: making folder and "
        f"configuration, starting and reaping the process, the summary. Starting and ending such a process alone takes {bare} ms."
    )
    return f"{text}\n\n{table(['runs', 'at a time', 'prepare', 'launch', 'summary', 'all'], rows)}"


def prepared(bench):
    """The folder of a run of one step, whose images are in the cache by now."""
    settings = {
        "training.steps": 1, "training.batch_size": 1, "evaluation.every": 0, "sampling.every": 0, "runtime.tensorboard": False,
        "runtime.threads": 1,
    }
    (bench.folder / "start.toml").write_text(experiment(CASE["network"], settings))
    call("ablate run", [bench.program, "run", "start.toml", "--quiet"], cwd=bench.folder, env=environment(1))
    (run,) = (bench.folder / "runs/start").glob("*/seed-0")
    return run


def seconds_to_first_step(bench, run):
    """By the clock of the worker's own log."""
    again = bench.folder / "again/seed-0"
    shutil.rmtree(again, ignore_errors=True)
    again.mkdir(parents=True)
    shutil.copy(run / "config.toml", again)
    began = datetime.datetime.now(datetime.timezone.utc)
    call("ablate worker", [bench.program, "worker", again], cwd=bench.folder, env=environment(1))
    lines = map(json.loads, (again / "log.jsonl").read_text().splitlines())
    starts = next(line["timestamp"] for line in lines if line["fields"].get("message") == "training starts")
    return (datetime.datetime.fromisoformat(starts.replace("Z", "+00:00")) - began).total_seconds()

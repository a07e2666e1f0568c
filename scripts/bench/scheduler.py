"""What our scheduler adds: a plan of 10,000 points, and runs whose workers do nothing, by `ablate bench --scheduler`."""

import json

from machine import call, in_turn, spread, table


def measure(bench):
    command = [bench.program, "bench", "--scheduler", "--json"]
    once = lambda: json.loads(call("ablate bench --scheduler", command, cwd=bench.folder))
    found = in_turn(bench.rounds, {"ablate": once})["ablate"]
    milliseconds = lambda values: spread([value * 1e3 for value in values], 2)
    rows = []
    for place, launch in enumerate(found[0]["launches"]):
        of = lambda key: milliseconds([report["launches"][place][key] for report in found])
        parts = [of(f"{part}_seconds") for part in ("prepare", "launch", "summary", "total")]
        rows.append([launch["runs"], launch["slots"], *parts])
    plan = spread([report["plan"]["total_seconds"] for report in found])
    bare = milliseconds([report["bare_process_seconds"] for report in found])
    text = (
        f"Median and range of {bench.rounds} rounds. A plan of {found[0]['plan']['points']:,} points takes {plan} s. The "
        "scheduler's part of a run, in milliseconds, with workers that do nothing: making folder and configuration, starting "
        f"and reaping the process, the summary. Starting and ending such a process alone takes {bare} ms."
    )
    return f"{text}\n\n{table(['runs', 'at a time', 'prepare', 'launch', 'summary', 'all'], rows)}"

"""Makes the golden runs of a format with the program `./ablate` in the current folder: seed 0 done, seed 1 killed.

In: `ablate` and `golden.toml`, in a folder `/golden`. Out: `runs/golden`. See README.md.
"""

import glob
import os
import shutil
import signal
import subprocess
import time

# Rows of metrics.csv after which the second run is killed: past its second checkpoint, before its third.
ROWS = 9


def rows(seed):
    """Whole rows that a run has logged so far."""
    found = glob.glob(f"runs/golden/*/seed-{seed}/metrics.csv")
    if not found:
        return 0
    with open(found[0], encoding="utf-8") as log:
        return log.read().count("\n") - 1


def workers(launcher):
    """The launcher's children."""
    with open(f"/proc/{launcher}/task/{launcher}/children", encoding="ascii") as children:
        return [int(pid) for pid in children.read().split()]


def main():
    for folder in ("runs", "data"):
        shutil.rmtree(folder, ignore_errors=True)
    train = ["./ablate", "run", "golden.toml", "--quiet", "--only"]
    subprocess.run([*train, "*/seed-0"], check=True)
    launcher = subprocess.Popen([*train, "*/seed-1"])
    while rows(1) < ROWS:
        if launcher.poll() is not None:
            raise SystemExit("the run ended before it could be killed; try again")
        time.sleep(0.0005)
    for pid in [*workers(launcher.pid), launcher.pid]:
        os.kill(pid, signal.SIGKILL)
    launcher.wait()
    print(f"killed after {rows(1)} rows")


main()

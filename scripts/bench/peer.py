"""PyTorch's side of a step, as a process that is asked and answers."""

import json
import os
import pathlib
import signal
import statistics
import subprocess
import tempfile
import threading
import time

from machine import Expired, Failure, environment, last_json, left

SCRIPT = pathlib.Path(__file__).with_name("peer_step.py")


class Peer:
    """A context: the process ends with it."""

    def __init__(self, bench, name, weights, mode):
        self.what, self.deadline, self.errors = f"PyTorch {mode}", bench.deadline, tempfile.TemporaryFile("w+")
        wanted = dict(
            name=name, weights=str(weights), mode=mode, threads=bench.threads, warmup=bench.warmup, steps=bench.steps,
            device=bench.device, precision=bench.precision,
        )
        # In a session of its own, with whatever compiles for it.
        self.process = subprocess.Popen(
            [*bench.python, SCRIPT, json.dumps(wanted)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
            text=True, env=environment(bench.threads), start_new_session=True,
        )

    def measure(self):
        """What it says of its next steps, `seconds` being their median."""
        timer = threading.Timer(left(self.deadline) or 0, self.kill)
        if self.deadline is not None:
            timer.start()
        try:
            found = self.ask()
        finally:
            timer.cancel()
        if found is None:
            if self.deadline is not None and time.monotonic() >= self.deadline:
                raise Expired(self.what)
            status = self.process.wait()
            self.errors.seek(0)
            raise Failure(f"{self.what} ended with {status}\n{self.errors.read()[-6000:]}")
        found["seconds"] = statistics.median(found["seconds"])
        return found

    def ask(self):
        """Its next answer; None where it ends instead."""
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return None
        for line in self.process.stdout:
            # Libraries may say something as well.
            if line.startswith("{"):
                return last_json(line)
        return None

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.errors.close()

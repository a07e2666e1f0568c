"""Trains a tiny run, ends it by SIGTERM and by SIGKILL on its way, and holds what TensorBoard reads to the CSVs.

usage: check.py PROGRAM | check.py --read RUN...

With --read nothing is trained: the event files of these run folders are compared with the logs beside them.
"""

import csv
import io
import logging
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import numpy
from PIL import Image
from tensorboard.backend.event_processing import event_accumulator, plugin_event_multiplexer
from tensorboard.plugins.hparams import metadata, plugin_data_pb2
from tensorboard.util import tensor_util

EXPERIMENT = """
[data]
image_size = 8
in_channels = 1
limit = 256
[model]
base_channels = 8
channel_multipliers = [1, 1]
num_res_blocks = 1
attention_resolutions = [4]
norm_groups = 2
[training]
steps = 600
batch_size = 2
log_every = 5
[checkpoint]
every = 200
[evaluation]
every = 100
images = 8
[sampling]
every = 100
num_samples = 2
steps = 2
[runtime]
device = "cpu"
threads = 1
"""
# Columns of each log that are curves, and the group of their tags.
TRAIN = ["loss", "loss_q1", "loss_q2", "loss_q3", "loss_q4", "grad_norm", "learning_rate", "ema_decay"]
EVAL = ["loss", "denoise_score", "denoise_bits"]
TIME = ["images_per_second"]
# Keep every event, however many there are.
ALL = {kind: 0 for kind in event_accumulator.DEFAULT_SIZE_GUIDANCE}
PATIENCE = 120


def check(condition, message):
    if not condition:
        sys.exit(f"FAILED: {message}")


def rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def expected(run):
    """Tag to its points as the CSVs have them: step and value in 32 bits."""
    points = {}

    def add(group, row, columns):
        for column in columns:
            if row[column] != "":
                point = (int(row["step"]), numpy.float32(float(row[column])))
                points.setdefault(f"{group}/{column}", []).append(point)

    for row in rows(run / "metrics.csv"):
        add("train", row, TRAIN)
    for row in rows(run / "timing.csv"):
        add("time", row, TIME)
    for row in rows(run / "eval.csv"):
        add(f"eval/{row['weights']}", row, EVAL)
    return points


def equal(where, tag, found, wanted):
    check([step for step, _ in found] == [step for step, _ in wanted], f"{where}: {tag} has other steps: {found}")
    for (step, value), (_, cell) in zip(found, wanted):
        check(numpy.float32(value) == cell, f"{where}: {tag} at {step} is {value}, the CSV has {cell}")


def check_accumulator(where, events, run):
    """Everything that one loader has read."""
    wanted = expected(run)
    check(sorted(events.scalars.Keys()) == sorted(wanted), f"{where}: tags {events.scalars.Keys()}")
    for tag, points in wanted.items():
        found = events.Scalars(tag)
        equal(where, tag, [(event.step, event.value) for event in found], points)
        times = [event.wall_time for event in found]
        check(times == sorted(times), f"{where}: the times of {tag} do not rise")
    last = max(step for points in wanted.values() for step, _ in points)
    grids = {int(path.stem.removeprefix("step-")): path for path in (run / "samples").glob("step-*.png")}
    grids = {step: path for step, path in sorted(grids.items()) if step <= last}
    images = events.Images("samples") if grids else []
    check([image.step for image in images] == list(grids), f"{where}: images {[image.step for image in images]}")
    for image, path in zip(images, grids.values()):
        check(image.encoded_image_string == path.read_bytes(), f"{where}: another image than {path.name}")
        picture = Image.open(io.BytesIO(image.encoded_image_string))
        picture.load()
        check(picture.size == (image.width, image.height), f"{where}: {picture.size} for {path.name}")
    content = events.PluginTagToContent(metadata.PLUGIN_NAME)
    check_settings(where, metadata.parse_session_start_info_plugin_data(content[metadata.SESSION_START_INFO_TAG]), run)
    return content, sum(map(len, wanted.values())), len(images)


def check_settings(where, info, run):
    settings = {name: getattr(value, value.WhichOneof("kind")) for name, value in info.hparams.items()}
    config = (run / "config.toml").read_text(encoding="utf-8")
    for key, value in settings.items():
        leaf = key.rpartition(".")[2]
        line = next((line for line in config.splitlines() if line.startswith(f"{leaf} = ")), None)
        check(line is not None, f"{where}: {key} is not in config.toml")
        if isinstance(value, float) and sum(text.startswith(f"{leaf} = ") for text in config.splitlines()) == 1:
            check(float(line.partition(" = ")[2]) == value, f"{where}: {key} is {value}, config.toml has {line}")
    check(len(settings) > 20 and "model.base_channels" in settings, f"{where}: settings {settings}")
    check(info.group_name == run.parent.name, f"{where}: group {info.group_name}")


def check_server(root, run):
    """What the server behind the page has read: the same, of the only run there is."""
    multiplexer = plugin_event_multiplexer.EventMultiplexer(tensor_size_guidance={"scalars": 0})
    multiplexer.AddRunsFromDirectory(str(root)).Reload()
    name = str((run / "tensorboard").relative_to(root))
    check(list(multiplexer.Runs()) == [name], f"runs {list(multiplexer.Runs())}, not {name}")
    for tag, points in expected(run).items():
        found = multiplexer.Tensors(name, tag)
        values = [(event.step, tensor_util.make_ndarray(event.tensor_proto).item()) for event in found]
        equal("the server", tag, values, points)


def accumulator(run):
    return event_accumulator.EventAccumulator(str(run / "tensorboard"), size_guidance=ALL).Reload()


def start(program, folder):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ABLATE_")}
    log = open(folder / "log.txt", "ab")
    return subprocess.Popen([program, "run", "x.toml", "--quiet"], cwd=folder, env=environment, stdout=log, stderr=log)


def wait_for(what, condition, process):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        check(process.poll() is None, f"the program ended with {process.returncode} before {what}")
        check(time.monotonic() < deadline, f"no {what} after {PATIENCE} s")
        time.sleep(0.02)


def reached(folder, step):
    def look():
        found = list(folder.glob("runs/x/*/seed-0/metrics.csv"))
        return bool(found) and any(int(row["step"] or 0) >= step for row in rows(found[0])[:-1])

    return look


def end(process, number, folder):
    process.send_signal(number)
    code = process.wait(PATIENCE)
    wanted = 75 if number == signal.SIGTERM else -signal.SIGKILL
    check(code == wanted, f"signal {number} ended the program with {code}\n{(folder / 'log.txt').read_text()}")
    # A worker outlives its launcher for an instant.
    time.sleep(1.0)


def train(program, folder):
    """Three attempts; the reader that watches is asked after each."""
    watching = None
    for step, number in [(150, signal.SIGTERM), (330, signal.SIGKILL)]:
        process = start(program, folder)
        wait_for(f"step {step}", reached(folder, step), process)
        end(process, number, folder)
        run = next(folder.glob("runs/x/*/seed-0"))
        if watching is None:
            check_accumulator("after the first interruption", accumulator(run), run)
            watching = accumulator(run)
        else:
            watching.Reload()
    process = start(program, folder)
    check(process.wait(PATIENCE) == 0, f"the program failed\n{(folder / 'log.txt').read_text()}")
    watching.Reload()
    return run, watching


def main():
    # A reader that watches says that it forgets what an earlier attempt wrote; that is what it should do.
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    if sys.argv[1] == "--read":
        for name in sys.argv[2:]:
            _, points, images = check_accumulator(name, accumulator(pathlib.Path(name)), pathlib.Path(name))
            print(f"{name}: {points} points and {images} images as in the logs")
        return
    program = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "x.toml").write_text(EXPERIMENT, encoding="utf-8")
        run, watching = train(program, folder)
        rewound = list(run.glob("metrics.rewound-*.csv"))
        check(rewound, "no attempt had rows to take back: the check shows nothing")
        content, points, images = check_accumulator("a fresh reader", accumulator(run), run)
        check_accumulator("a reader that watched", watching, run)
        ended = plugin_data_pb2.SessionEndInfo()
        ended.CopyFrom(metadata.parse_session_end_info_plugin_data(content[metadata.SESSION_END_INFO_TAG]))
        check(ended.status == 1, f"the session ended with status {ended.status}")
        check_server(folder / "runs", run)
        checked = subprocess.run([program, "check", "runs"], cwd=folder, stdout=subprocess.PIPE, text=True)
        check(checked.returncode == 0, f"ablate check: {checked.stdout}")
    print(f"TensorBoard reads {points} points and {images} images of a run in three attempts as its logs have them")


if __name__ == "__main__":
    main()

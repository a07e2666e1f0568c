"""Every fused operation on the device against its plain form on the host, forward and every gradient, in f32 and in the
16-bit formats; a network's gradient, the optimizer, the norms and averages likewise: the library's own tests.
"""

import re
import subprocess

from machine import left

# By module. Those of the rest compute in host memory alone.
TESTS = ["ops::", "train::step::", "train::optimizer::", "train::state::"]
# Reads a file of the repository, on the CPU.
SKIPPED = "ops::extractor::"


def run(check):
    command = [check.tests, "--show-output", "--test-threads", "4", "--skip", SKIPPED, *TESTS]
    environment = dict(check.environment, ABLATE_TEST_DEVICE=check.device)
    try:
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=left(check.deadline))
    except subprocess.TimeoutExpired:
        return check.report.bad(f"the operations against their plain forms took more than {check.minutes} minutes")
    counted = re.search(r"test result: \w+\. (\d+) passed; (\d+) failed", ran.stdout)
    if ran.returncode != 0 or counted is None or counted[1] == "0":
        print(ran.stdout[-8000:] + ran.stderr[-4000:])
        what = f"{counted[2]} of {int(counted[1]) + int(counted[2])} tests" if counted else f"the tests, with status {ran.returncode}"
        return check.report.bad(f"operations against their plain forms: {what}")
    check.report.ok(f"operations against their plain forms on {check.device}: {counted[1]} tests")
    for words in sorted(set(re.findall(r"^skipped: (.*)$", ran.stdout, re.MULTILINE))):
        # A GPU that is meant here computes in bf16.
        (check.report.bad if check.gpu and "BF16" in words else check.report.without)(f"operations: {words}")

"""The same page through `ablate serve`: who may see it, and curves that grow while rows are appended."""

import contextlib
import http.client
import re
import signal
import subprocess
import urllib.parse

from browser import check
from report import CHART, LEGEND
from selenium.webdriver.common.keys import Keys
from sweep import rows

NEW_STEPS = 6


@contextlib.contextmanager
def serve(program, folder, *arguments):
    """Yields the printed address; the server ends on SIGINT with exit status 0."""
    command = [program, "serve", *arguments, "--port", "0"]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = server.stdout.readline()
        found = re.search(r"\S+://\S+", line)
        check(found, f"serve prints {line!r} {server.stderr.read() if server.poll() is not None else ''}")
        yield found.group()
        server.send_signal(signal.SIGINT)
        check(server.wait(10) == 0, f"serve ends with {server.returncode}")
    finally:
        server.kill()
        server.wait()


def ask(address, path="/", method="GET", **headers):
    place = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    return answer


def access(program, folder, experiment):
    """Methods, hosts, paths and tokens."""
    with serve(program, folder, str(experiment)) as address:
        answer = ask(address)
        check(answer.status == 200, f"the page has status {answer.status}")
        headers = {name.lower(): value for name, value in answer.getheaders()}
        for name, word in (("content-security-policy", "frame-ancestors 'none'"), ("x-content-type-options", "nosniff"),
                           ("referrer-policy", "no-referrer"), ("cache-control", "no-store")):
            check(word in headers.get(name, ""), f"header {name} is {headers.get(name)}")
        check(ask(address, method="POST").status == 405, "a POST is answered")
        check(ask(address, Host="evil.example").status == 403, "another host is answered")
        for path in ("/../../etc/passwd", "/%2e%2e/plan.json", "/plan.json", "/sample?variant=..&seed=0&step=1"):
            check(ask(address, path).status == 404, f"{path} is answered")
    with serve(program, folder, str(experiment), "--token", "0123456789abcdef") as address:
        check(address.endswith("?token=0123456789abcdef"), f"the printed address is {address}")
        check(ask(address).status == 403, "the page is shown without the token")
        check(ask(address, "/?token=0123456789abcdeg").status == 403, "the page is shown for another token")
        answer = ask(address, "/?token=0123456789abcdef")
        check(answer.status == 303 and "HttpOnly" in answer.getheader("Set-Cookie"), "the token gives no cookie")


def grow(run):
    """Appends whole rows to a log, as a worker does."""
    log = rows(run, "metrics.csv")
    last = log[-1]
    with open(run / "metrics.csv", "a", encoding="utf-8", newline="") as file:
        for more in range(1, NEW_STEPS + 1):
            file.write(",".join({**last, "step": str(int(last["step"]) + more), "loss": "0.125"}.values()) + "\n")
    return int(last["step"]) + NEW_STEPS


def growing(page, program, folder, experiment):
    """New rows appear in the curve of a page that nobody loads again."""
    with serve(program, folder, str(experiment), "--token", "0123456789abcdef") as address:
        page.open(address)
        check("token" not in page.driver.current_url, "the token stays in the address")
        page.wait(lambda: page.all(f"{CHART} .line.main"), "the live page draws no curve")
        page.choose("#curve", "train:loss")
        page.run("(window.sameDocument = true)")
        runs = sorted(experiment.glob("*/seed-*"))
        step = grow(runs[0])
        name = runs[0].parent.name

        def seen():
            page.press(page.one(CHART), Keys.END)
            entries = page.run("[...document.querySelectorAll(arguments[0])].map((node) => [node.querySelector('.name').textContent, node.dataset.x, node.dataset.value])", LEGEND)
            return [name, str(step), "0.125"] in entries

        page.wait(seen, f"{NEW_STEPS} new rows of {name} do not show", seconds=30)
        check(page.run("window.sameDocument"), "the page was loaded again")
        pictures = "[...document.querySelectorAll('#samples-body img')].filter((image) => image.complete && image.naturalWidth > 0).length"
        page.run("document.querySelector('#samples').scrollIntoView()")
        page.wait(lambda: page.run(pictures) > 0, "the live page shows no samples")
        check(page.text("#live") == "live", f"the live page says {page.text('#live')!r}")
        page.is_clean("the live page", (address.split("?")[0], "data:"))

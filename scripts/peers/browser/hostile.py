"""A run tree in which everything that can be named or printed is markup or a terminal escape; nothing of it may run."""

import json
import shutil

from browser import check
from sweep import ablate

ESCAPE = "\x1b[2J\x1b]0;title\x07\x9b31m"
MARKUP = "<script>window.hit = 1</script>"
IMAGE = "\"><img src=x onerror=\"window.hit = 1\">"
CLOSING = "</script><script>window.hit = 1</script><!--"


def spoil(experiment, folder):
    """A copy of the experiment under a hostile name, every text in it spoilt; returns its folder."""
    spoilt = folder / "runs" / IMAGE.replace("/", "")
    shutil.copytree(experiment, spoilt)
    (spoilt / "report.html").unlink(missing_ok=True)
    runs = sorted(spoilt.glob("*/seed-*"))

    status = json.loads((runs[0] / "status.json").read_text(encoding="utf-8"))
    status.update(state="failed", error=f"{MARKUP}{ESCAPE}\nsecond line")
    (runs[0] / "status.json").write_text(json.dumps(status), encoding="utf-8")
    (runs[0] / "stderr.log").write_bytes(f"{MARKUP}{CLOSING}\n{IMAGE}{ESCAPE}\n".encode() + b"\xff\xfe\x00\n")

    plan = json.loads((spoilt / "plan.json").read_text(encoding="utf-8"))
    for variant in plan["variants"]:
        variant["overrides"]["model.dropout"] = f"{CLOSING}{ESCAPE}"
        variant["overrides"][f"{IMAGE}"] = MARKUP
    # Never started, so that the page shows what the plan says.
    plan["variants"].append({**plan["variants"][0], "name": "zz-00000000", "id": "00000000"})
    (spoilt / "plan.json").write_text(json.dumps(plan), encoding="utf-8")

    # A column of that name, and folders that no program of ours would make.
    log = runs[1] / "metrics.csv"
    log.write_text(log.read_text(encoding="utf-8").replace("grad_norm", MARKUP, 1), encoding="utf-8")
    for name in (MARKUP.replace("/", ""), f"a\n{ESCAPE}", IMAGE.replace("/", "")):
        (spoilt / name / "seed-0").mkdir(parents=True)
        (spoilt / name / "seed-0" / "status.json").write_text("{}", encoding="utf-8")
    for sample in (runs[2] / "samples").iterdir():
        sample.write_text("<svg onload='window.hit = 1'>", encoding="utf-8")
    (runs[3] / "eval.csv").write_bytes(b"\x00\xff" * 500)
    (runs[4] / "config.toml").write_text(f"{MARKUP}{ESCAPE}", encoding="utf-8")
    return spoilt


def check_spoilt(page, program, spoilt, folder):
    """The report of it shows the words and runs none of them; the terminal gets no escape."""
    target = folder / "hostile.html"
    ran = ablate(program, folder, "report", str(spoilt), "-o", str(target))
    for stream in (ran.stdout, ran.stderr):
        raw = [character for character in stream if ord(character) < 32 and character != "\n" or 127 <= ord(character) < 160]
        check(not raw, f"the terminal gets {raw[:5]}")
    page.open(target.as_uri())
    nothing_ran(page, "the hostile report")
    shown = page.run("document.body.textContent")
    check(MARKUP in shown and IMAGE.replace("/", "") in shown, "the hostile words are not shown")
    check("\x1b" not in page.run("document.documentElement.outerHTML"), "an escape is in the page")
    check("\x1b" not in target.read_text(encoding="utf-8"), "an escape is in the file")
    check(len(page.all("#failures-body details")) == 1, "the failed run is not among the failures")
    return target


def nothing_ran(page, name):
    # What was injected would have had its time by now.
    page.driver.implicitly_wait(0)
    page.run("new Promise((done) => setTimeout(done, 300))")
    check(page.run("window.hit") is None, f"{name}: an injected script ran")
    check(len(page.all("script")) == 2, f"{name}: {len(page.all('script'))} scripts")
    check(not page.all("img[onerror], svg[onload]"), f"{name}: injected markup")

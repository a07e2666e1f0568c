"""Holds the report of a trained sweep, seen in a browser, to the CSVs it was made of.

usage: check.py PROGRAM [--screenshots DIR]
"""

import pathlib
import sys
import tempfile

import hostile
import live
import report
import sweep
from browser import Page, check

MOST_BYTES = 2_000_000


def screenshots(page, folder, address):
    """Light and dark, wide and narrow, whole pages; and what a printer gets."""
    folder.mkdir(parents=True, exist_ok=True)
    page.open(address)
    for theme in ("light", "dark"):
        page.run("(document.documentElement.dataset.theme = arguments[0])", theme)
        for name, width in (("wide", 1400), ("narrow", 390)):
            page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600})
            page.run("new Promise((done) => setTimeout(done, 400))")
            height = page.run("document.documentElement.scrollHeight")
            page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
            page.driver.save_screenshot(str(folder / f"{theme}-{name}.png"))
    page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    pictures = pathlib.Path(sys.argv[3]).resolve() if sys.argv[2:3] == ["--screenshots"] else None
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        experiment = sweep.train(program, folder)
        sweep.ablate(program, folder, "report")
        file = experiment / "report.html"
        check(file.is_file() and file.stat().st_size < MOST_BYTES, f"{file}: no report, or a large one")
        page = Page(folder / "profile")
        try:
            address = file.as_uri()
            page.open(address)
            report.table(page, experiment)
            report.curves(page, experiment)
            report.handling(page)
            report.panels(page, experiment)
            report.appearance(page)
            page.is_clean("the report", (address, "data:"))
            if pictures:
                screenshots(page, pictures, address)
            live.access(program, folder, experiment)
            live.growing(page, program, folder, experiment)
            spoilt = hostile.spoil(experiment, folder)
            target = hostile.check_spoilt(page, program, spoilt, folder)
            page.is_clean("the hostile report", (target.as_uri(), "data:"))
            with live.serve(program, folder, str(spoilt)) as address:
                page.open(address)
                hostile.nothing_ran(page, "the hostile live page")
                page.is_clean("the hostile live page", (address, "data:"))
        finally:
            page.quit()
    print(f"Chromium shows the report of {sweep.VARIANTS} variants with {sweep.SEEDS} seeds as its CSVs have it, from a file of "
          f"its own and live, and runs nothing that is written in a run folder")


if __name__ == "__main__":
    main()

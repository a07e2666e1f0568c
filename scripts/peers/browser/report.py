"""The report of a real sweep: what its table, charts and panels say must be what its CSVs say."""

import math

from selenium.webdriver.common.keys import Keys

from browser import check
from sweep import SEEDS, STEPS, VARIANTS, at_step, last, rows, summary, variants

CHART = "#curves-chart svg.chart"
LEGEND = "#curves-chart .legend .entry"
# A curve that can be chosen, with its log, column and weights.
CURVES = {
    "train:loss": ("metrics.csv", "loss", None),
    "train:grad_norm": ("metrics.csv", "grad_norm", None),
    "train:learning_rate": ("metrics.csv", "learning_rate", None),
    "eval:denoise_score:ema": ("eval.csv", "denoise_score", "ema-"),
    "eval:loss:raw": ("eval.csv", "loss", "raw"),
}
METRICS = {
    "eval:denoise_score:ema": ("eval.csv", "denoise_score", "ema-"),
    "eval:denoise_bits:ema": ("eval.csv", "denoise_bits", "ema-"),
    "eval:denoise_score:raw": ("eval.csv", "denoise_score", "raw"),
    "train:loss": ("metrics.csv", "loss", None),
}


def same(left, right):
    return math.isclose(left, right, rel_tol=1e-12)


def cells(page, column):
    """One column of the table of variants, top to bottom."""
    keys = page.attributes("#results-table thead button", "data-key")
    place = keys.index(column) + 1
    return page.attributes(f"#results-table tbody tr > :nth-child({place})", "data-value")


def table(page, experiment):
    """Sorting, the metrics, and each value of them."""
    found = variants(experiment)
    check(len(found) == VARIANTS, f"{len(found)} variants")
    for metric, (log, column, weights) in METRICS.items():
        page.choose("#ranking", metric)
        expected = {name: summary(runs, log, column, weights) for name, runs in found.items()}
        names, means = cells(page, "variant"), [float(value) for value in cells(page, "mean")]
        stds = [float(value) for value in page.attributes("#results-table tbody [data-std]", "data-std")]
        check(len(names) == VARIANTS, f"{metric}: {len(names)} rows")
        for name, mean, std in zip(names, means, stds):
            good = same(mean, expected[name][0]) and math.isclose(std, expected[name][1], rel_tol=1e-9)
            check(good, f"{metric} of {name} is shown as {mean} ± {std}, the CSVs say {expected[name]}")
        check(cells(page, "n") == [str(SEEDS)] * VARIANTS, f"{metric}: {cells(page, 'n')} seeds")
    sorting(page)
    page.choose("#ranking", "eval:denoise_score:ema")


def sorting(page):
    page.click('#results-table [data-key="mean"]')
    rising = [float(value) for value in cells(page, "mean")]
    check(rising == sorted(rising), "the table is not sorted by the metric")
    page.press(page.one('#results-table [data-key="mean"]'), Keys.ENTER)
    check([float(value) for value in cells(page, "mean")] == rising[::-1], "the keyboard does not turn the order round")
    sort = page.attributes('#results-table th:has([data-key="mean"])', "aria-sort")
    check(sort == ["descending"], f"aria-sort is {sort}")
    page.click('#results-table [data-key="key:diffusion.noise_schedule"]')
    schedules = cells(page, "key:diffusion.noise_schedule")
    check(schedules == ["cosine"] * 4 + ["linear"] * 4, f"sorted by schedule: {schedules}")


def legend(page):
    """Name to (x, value) under the cursor."""
    names = page.run("[...document.querySelectorAll(arguments[0])].map((node) => node.querySelector('.name').textContent)", LEGEND)
    return dict(zip(names, zip(page.attributes(LEGEND, "data-x"), page.attributes(LEGEND, "data-value"))))


def curves(page, experiment):
    """Values under the cursor at both ends and in the middle, for several curves."""
    found = variants(experiment)
    chart = page.one(CHART)
    for curve, (log, column, weights) in CURVES.items():
        page.choose("#curve", curve)
        steps = set()
        for keys in ([Keys.HOME], [Keys.END], [Keys.END, Keys.LEFT]):
            page.press(chart, *keys)
            shown = legend(page)
            check(set(shown) == set(found), f"{curve}: the legend has {sorted(shown)}")
            for name, (step, value) in shown.items():
                expected = at_step(found[name], log, column, int(step), weights)
                check(same(float(value), expected), f"{curve} of {name} at {step} is {value}, the CSVs say {expected}")
                steps.add(int(step))
        check(STEPS in steps and len(steps) == 3, f"{curve}: the cursor was at {sorted(steps)}")
    page.choose("#curve", "train:loss")


def lines(page):
    return page.run("document.querySelectorAll(arguments[0]).length", f"{CHART} .line.main")


def handling(page):
    """Zoom by drag, by key and back; lines off and on; log scale; smoothing; bands."""
    chart = page.one(CHART)
    page.drag(chart, 0.4, 0.7)
    where = page.wait(lambda: page.text("#curves-chart .where"), "a drag does not zoom")
    check("showing step" in where, f"after a drag: {where!r}")
    page.click("#reset")
    check("showing" not in page.text("#curves-chart .where"), "reset does not show everything")
    page.press(chart, "+")
    check("showing step" in page.text("#curves-chart .where"), "the + key does not zoom")
    page.press(chart, "0")
    check("showing" not in page.text("#curves-chart .where"), "the 0 key does not show everything")

    check(lines(page) == VARIANTS, f"{lines(page)} lines")
    page.click(LEGEND)
    check(lines(page) == VARIANTS - 1, f"{lines(page)} lines after one was switched off")
    check(page.attributes(LEGEND, "aria-pressed").count("false") == 1, "the legend does not say so")
    check(page.attributes("#results-table .entry", "aria-pressed").count("false") == 1, "the table does not say so")
    page.click(LEGEND)
    check(lines(page) == VARIANTS, "a line does not come back")

    drawn = page.attributes(f"{CHART} .line.main", "d")
    page.click("#log")
    check(page.attributes(f"{CHART} .line.main", "d") != drawn, "a log scale draws the same lines")
    page.click("#log")
    page.run("(arguments[0].value = 0.8, arguments[0].dispatchEvent(new Event('input', { bubbles: true })))", page.one("#smoothing"))
    check(page.attributes(f"{CHART} .line.main", "d") != drawn, "smoothing draws the same lines")
    check(len(page.all(f"{CHART} .line.behind")) == VARIANTS, "the lines themselves are not behind the smoothed ones")
    page.run("(arguments[0].value = 0, arguments[0].dispatchEvent(new Event('input', { bubbles: true })))", page.one("#smoothing"))
    check(page.attributes(f"{CHART} .line.main", "d") == drawn, "without smoothing the lines are others than before")
    check(len(page.all(f"{CHART} .band")) == VARIANTS, "not every line has a band")
    page.choose("#band", "seeds")
    check(len(page.all(f"{CHART} .line.thin")) == VARIANTS * SEEDS, "not every seed has a line")
    page.choose("#band", "range")


def panels(page, experiment):
    """The denoising curve, costs, samples and schedules."""
    found = variants(experiment)
    page.press(page.one("#denoising-chart svg.chart"), Keys.HOME)
    entries = "#denoising-chart .legend .entry"
    shown = zip(page.run("[...document.querySelectorAll(arguments[0])].map((node) => node.querySelector('.name').textContent)", entries),
                page.attributes(entries, "data-x"), page.attributes(entries, "data-value"))
    count = 0
    for name, log_snr, value in shown:
        levels = [[row for row in rows(run, "levels.csv") if row["weights"].startswith("ema-") and int(row["step"]) == STEPS] for run in found[name]]
        errors = [float(row["eps_mse"]) for of_run in levels for row in of_run if float(row["log_snr"]) == float(log_snr)]
        check(same(float(value), sum(errors) / len(errors)), f"denoising curve of {name} at {log_snr}: {value}, {errors}")
        count += 1
    check(count == VARIANTS, f"the denoising curve has {count} lines")

    points = page.attributes("#cost-chart g.series", "data-value")
    expected = sorted(sum(last(run, "eval.csv", "denoise_score", "ema-") for run in runs) / SEEDS for runs in found.values())
    check(all(same(left, right) for left, right in zip(sorted(map(float, points)), expected)), f"costs: {points}")
    page.choose("#sample-seed", "all")
    pictures = page.run("[...document.querySelectorAll('#samples-body img')].filter((image) => image.complete && image.naturalWidth > 0).length")
    check(pictures == VARIANTS * SEEDS, f"{pictures} of {VARIANTS * SEEDS} sample grids are shown")
    page.choose("#sample-seed", "0")
    check(len(page.all("#schedules-body svg.chart .line.main")) == 6, "two schedules in three pictures")
    check(len(page.all("#settings-body dt")) == VARIANTS, "settings of every variant")


def appearance(page):
    """The theme's button goes from light to dark, the skip link is first, and a phone needs no sideways scrolling."""
    ground = "getComputedStyle(document.body).backgroundColor"
    colours = set()
    for _ in range(3):
        page.click("#theme")
        colours.add(page.run(ground))
    check(len(colours) == 2, f"themes: {colours}")
    check(page.run("document.querySelector('a, button').className") == "skip", "the skip link is not first")
    page.driver.set_window_size(500, 900)
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True})
    wide = page.run("document.documentElement.scrollWidth")
    check(wide <= 390, f"a phone of 390 pixels has to show {wide}")
    page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    page.driver.set_window_size(1400, 1000)

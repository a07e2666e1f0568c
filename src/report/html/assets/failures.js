// Runs that failed, with the last lines of their logs.

function drawFailures() {
  const { failures } = page.data;
  show("failures", failures.length > 0);
  const open = new Set([...document.querySelectorAll("#failures-body details[open]")].map((one) => one.dataset.run));
  replace(byId("failures-body"), failures.map((failure) => {
    const run = `${page.data.variants[failure.variant].key}-${failure.seed}`;
    const log = failure.log.length
      ? element("pre", { tabindex: 0 }, failure.log.join("\n"))
      : element("p", { class: "muted" }, failure.no_log);
    return element("details", { "data-run": run, open: open.has(run) || failures.length <= 3 },
      element("summary", {}, badge(failure.state), ` ${label(failure.variant)}, seed ${failure.seed}, step ${count(failure.step)}`,
        failure.error ? element("span", { class: "reason" }, failure.error) : null),
      log);
  }));
}

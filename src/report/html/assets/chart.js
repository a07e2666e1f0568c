// A line chart with bands, a cursor and a legend that says the exact values under it.
//
// makeChart(container, options) -> chart; chart.series = [...]; chart.draw()
//   options: height, xLabel, xText(value), yLabel(), log(), legend (false: none), toggle(series)
//   series: { key, name, place, x, y, low, high, faint, lines, shown, text(at) }
//     x, y       the line; y may have gaps (NaN)
//     low, high  the band, or null
//     faint      a second line behind, or null
//     lines      columns that are drawn thin instead of a band, or null
//     exact      values of x that the legend names, where the line is smoothed: { y, text(at) }

let charts = 0;

function makeChart(container, options) {
  charts += 1;
  const chart = { container, options, series: [], zoom: null, cursor: null, id: `chart${charts}` };
  chart.picture = svg("svg", { class: "chart", role: "application", tabindex: 0, "aria-roledescription": "chart" });
  chart.legend = element("div", { class: "legend" });
  chart.where = element("p", { class: "where muted", role: "status" });
  container.append(chart.picture);
  if (options.legend !== false) container.append(chart.where, chart.legend);
  chart.draw = () => drawChart(chart);
  whenResized(container, chart.draw);
  listenTo(chart);
  return chart;
}

function visible(chart) {
  return chart.series.filter((series) => series.shown);
}

function drawChart(chart) {
  const { options } = chart;
  const width = Math.max(280, chart.container.clientWidth);
  const height = options.height ?? Math.max(260, Math.min(420, Math.round(width * 0.48)));
  const log = options.log?.() ?? false;
  const shown = visible(chart);
  furnish(chart.picture, { viewBox: `0 0 ${width} ${height}`, height, "aria-label": described(chart, shown) }, []);
  const xRange = chart.zoom ?? range(shown.map((series) => series.x));
  const yRange = xRange && padded(inside(shown, xRange), log);
  if (!yRange) {
    chart.plan = null;
    const text = chart.series.length ? "Nothing to draw: all are switched off, or none has a value here." : "No data yet.";
    chart.picture.replaceChildren(svg("text", { class: "axis-label", x: width / 2, y: height / 2, "text-anchor": "middle" }, text));
  } else {
    chart.plan = layout({ width, height, xRange, yRange, yLog: log, yLabel: options.yLabel?.() });
    chart.picture.replaceChildren(
      svg("defs", {}, svg("clipPath", { id: chart.id }, area(chart.plan, {}))),
      frame(chart.plan, options.xLabel, options.yLabel?.()),
      svg("g", { "clip-path": `url(#${chart.id})` }, shown.map((series) => drawSeries(chart.plan, series))),
      svg("g", { class: "cursor" }),
      svg("rect", { class: "selection", y: chart.plan.y.end, height: chart.plan.y.start - chart.plan.y.end, width: 0 }),
    );
  }
  drawLegend(chart);
  drawCursor(chart);
}

function described(chart, shown) {
  const what = chart.options.yLabel?.() ?? "";
  return `${what} by ${chart.options.xLabel}: ${plural(shown.length, "line")}. `
    + "Left and right move the cursor, plus and minus zoom, 0 shows everything.";
}

function area({ x, y }, attributes) {
  return svg("rect", { x: x.start, y: y.end, width: x.end - x.start, height: y.start - y.end, ...attributes });
}

function range(columns) {
  let [low, high] = [Infinity, -Infinity];
  for (const column of columns) {
    if (!column.length) continue;
    low = Math.min(low, column[0]);
    high = Math.max(high, column[column.length - 1]);
  }
  if (low > high) return null;
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

// The values that are drawn between the ends of the horizontal axis.
function* inside(shown, [from, to]) {
  for (const series of shown) {
    for (const column of [series.y, series.low, series.high, ...(series.lines ?? [])]) {
      if (!column) continue;
      for (let at = 0; at < column.length; at += 1) {
        if (series.x[at] >= from && series.x[at] <= to) yield column[at];
      }
    }
  }
}

function drawSeries(plan, series) {
  const classes = (extra) => `line ${colour(series.place)} ${extra}`;
  const parts = [];
  if (series.low) parts.push(svg("path", { class: `band ${colour(series.place)}`, d: bandPath(plan, series) }));
  if (series.faint) parts.push(svg("path", { class: classes("behind"), d: linePath(plan, series.x, series.faint) }));
  for (const column of series.lines ?? []) {
    parts.push(svg("path", { class: classes("thin"), d: linePath(plan, series.x, column) }));
  }
  const d = linePath(plan, series.x, series.y);
  parts.push(svg("path", { class: classes("main"), d, "stroke-dasharray": dash(series.place), "data-series": series.key }));
  parts.push(...markersOf(plan, series));
  const group = svg("g", { class: "series" }, parts);
  if (series.variant !== undefined) group.setAttribute("data-variant", series.variant);
  return group;
}

// A few marks along the line, so that lines differ without colour too; all of them where points are few.
function markersOf({ x, y }, series) {
  const marks = [];
  let last = -Infinity;
  const gap = series.x.length <= 30 ? 12 : 90;
  for (let at = 0; at < series.x.length; at += 1) {
    const place = x(series.x[at]);
    if (!drawable(y, series.y[at]) || place - last < gap || place < x.start - 1 || place > x.end + 1) continue;
    // Lines begin their marks at different places.
    if (last === -Infinity && series.x.length > 30 && place < x.start + 12 + (series.place % 6) * 14) continue;
    marks.push(marker(series.place, place, y(series.y[at]), 3));
    last = place;
  }
  return marks;
}

function drawable(y, value) {
  return Number.isFinite(value) && (!y.log || value > 0);
}

function linePath({ x, y }, steps, values) {
  let path = "";
  let pen = "M";
  for (let at = 0; at < steps.length; at += 1) {
    // A seed without a row at this step is no gap in its line; a value that is missing everywhere leaves no point.
    if (!drawable(y, values[at])) continue;
    path += `${pen}${x(steps[at]).toFixed(1)},${y(values[at]).toFixed(1)}`;
    pen = "L";
  }
  return path;
}

function bandPath({ x, y }, series) {
  const [there, back] = [[], []];
  for (let at = 0; at < series.x.length; at += 1) {
    if (!drawable(y, series.high[at])) continue;
    const low = drawable(y, series.low[at]) ? y(series.low[at]) : y.start;
    const place = x(series.x[at]).toFixed(1);
    there.push(`${place},${y(series.high[at]).toFixed(1)}`);
    back.unshift(`${place},${low.toFixed(1)}`);
  }
  return there.length > 1 ? `M${there.join("L")}L${back.join("L")}Z` : "";
}

// A button for each line: what it is, its value under the cursor, and whether it is drawn.
function drawLegend(chart) {
  if (chart.options.legend === false) return;
  replace(chart.legend, chart.series.map((series) => {
    const at = chart.cursor === null || !series.shown ? -1 : nearest(series.x, chart.cursor);
    const value = at < 0 ? NaN : (series.exact ?? series.y)[at];
    const text = at < 0 ? "" : series.text(at);
    const button = element("button", {
      type: "button",
      class: "entry",
      "aria-pressed": String(series.shown),
      "data-key": series.key,
      "data-x": at < 0 ? null : series.x[at],
      "data-value": Number.isNaN(value) ? null : value,
    }, swatch(series.place), element("span", { class: "name" }, series.name), element("span", { class: "value" }, text));
    button.addEventListener("click", () => chart.options.toggle(series));
    return series.variant === undefined ? button : lights(button, series.variant);
  }));
}

// The place in a rising column that is nearest to a value; -1 where there is none.
function nearest(column, value) {
  let best = -1;
  for (let at = 0; at < column.length; at += 1) {
    if (best < 0 || Math.abs(column[at] - value) < Math.abs(column[best] - value)) best = at;
  }
  return best;
}

function drawCursor(chart) {
  const group = chart.picture.querySelector(".cursor");
  const { plan, cursor } = chart;
  if (!group) return;
  if (!plan || cursor === null || cursor < plan.x.from || cursor > plan.x.to) {
    group.replaceChildren();
    chart.where.textContent = chart.zoom ? zoomText(chart) : "";
    return;
  }
  const place = plan.x(cursor);
  const marks = visible(chart).flatMap((series) => {
    const at = nearest(series.x, cursor);
    if (at < 0 || !drawable(plan.y, series.y[at])) return [];
    return [marker(series.place, plan.x(series.x[at]), plan.y(series.y[at]), 4.4, { class: "at" })];
  });
  group.replaceChildren(svg("line", { class: "rule", x1: place, x2: place, y1: plan.y.end, y2: plan.y.start }), ...marks);
  chart.where.textContent = `${chart.options.xText(cursor)}${chart.zoom ? ` · ${zoomText(chart)}` : ""}`;
}

function zoomText(chart) {
  return `showing ${chart.zoom.map((end) => chart.options.xText(end)).join(" to ")}`;
}

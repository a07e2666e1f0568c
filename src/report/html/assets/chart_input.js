// Pointer and keyboard on a chart: the cursor follows, a drag zooms, a double click or 0 shows everything again.

function listenTo(chart) {
  const { picture } = chart;
  let start = null;
  picture.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !chart.plan) return;
    start = event.pointerType === "touch" ? null : pointed(chart, event);
    if (start !== null) picture.setPointerCapture(event.pointerId);
    moveTo(chart, pointed(chart, event));
  });
  picture.addEventListener("pointermove", (event) => {
    if (!chart.plan) return;
    const at = pointed(chart, event);
    moveTo(chart, at);
    if (start !== null) select(chart, start, at);
  });
  picture.addEventListener("pointerup", (event) => {
    if (start === null || !chart.plan) return;
    const at = pointed(chart, event);
    const wide = Math.abs(chart.plan.x(at) - chart.plan.x(start)) > 6;
    const ends = [Math.min(start, at), Math.max(start, at)];
    start = null;
    if (wide) zoomTo(chart, ends);
    else select(chart, 0, 0);
  });
  picture.addEventListener("pointerleave", () => {
    if (start === null && document.activeElement !== picture) moveTo(chart, null);
  });
  picture.addEventListener("dblclick", () => zoomTo(chart, null));
  picture.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !chart.plan) return;
    if (keyed(chart, event.key)) event.preventDefault();
  });
  picture.addEventListener("blur", () => moveTo(chart, null));
}

// Whether the key means something here.
function keyed(chart, key) {
  switch (key) {
    case "ArrowLeft": return step(chart, -1);
    case "ArrowRight": return step(chart, 1);
    case "Home": return step(chart, -Infinity);
    case "End": return step(chart, Infinity);
    case "+":
    case "=": return narrow(chart, 0.5);
    case "-": return narrow(chart, 2);
    case "0":
    case "Escape": zoomTo(chart, null); return true;
    default: return false;
  }
}

// The horizontal value under the pointer. The picture may be shown smaller than it was drawn.
function pointed(chart, event) {
  const box = chart.picture.getBoundingClientRect();
  const { x } = chart.plan;
  const pixel = (event.clientX - box.left) * (chart.picture.viewBox.baseVal.width / box.width);
  return x.back(Math.max(x.start, Math.min(x.end, pixel)));
}

function moveTo(chart, value) {
  if (chart.cursor === value) return;
  chart.cursor = value;
  drawCursor(chart);
  drawLegend(chart);
}

function select(chart, from, to) {
  const selection = chart.picture.querySelector(".selection");
  const [left, right] = [chart.plan.x(Math.min(from, to)), chart.plan.x(Math.max(from, to))];
  furnish(selection, { x: left, width: right - left }, []);
}

function zoomTo(chart, ends) {
  chart.zoom = ends;
  chart.draw();
}

// To the next point that any line has.
function step(chart, by) {
  const { x } = chart.plan;
  const all = visible(chart).flatMap((series) => [...series.x]).filter((value) => value >= x.from && value <= x.to);
  const points = [...new Set(all)].sort((left, right) => left - right);
  if (!points.length) return true;
  const at = chart.cursor === null ? (by > 0 ? -1 : points.length) : nearest(points, chart.cursor);
  moveTo(chart, points[Math.max(0, Math.min(points.length - 1, at + by))]);
  return true;
}

function narrow(chart, factor) {
  const { x } = chart.plan;
  const whole = range(visible(chart).map((series) => series.x));
  const centre = chart.cursor ?? (x.from + x.to) / 2;
  const half = ((x.to - x.from) * factor) / 2;
  const ends = [Math.max(whole[0], centre - half), Math.min(whole[1], centre + half)];
  zoomTo(chart, ends[0] <= whole[0] && ends[1] >= whole[1] ? null : ends);
  return true;
}

// Quality against cost: a point a variant, with the interval of its metric, and the front that nothing dominates.

const COSTS = [
  ["parameters", "parameters", short],
  ["seconds", "seconds of training", duration],
  ["memory_bytes", "peak memory", bytes],
];

function drawCost() {
  const chosen = ranking();
  const has = (kind) => page.data.variants.some((variant) => variant.costs[kind] !== null);
  const kinds = COSTS.filter(([kind]) => has(kind));
  const valued = chosen?.rows.filter((row) => row.mean !== null) ?? [];
  show("cost", kinds.length > 0 && valued.length > 1);
  if (byId("cost").hidden) return;
  const kind = choices(byId("cost-kind"), kinds.map(([key, title]) => [key, title]));
  const points = valued.map((row, at) => ({ ...row, rank: at + 1, cost: page.data.variants[row.variant].costs[kind] }))
    .filter((point) => point.cost !== null);
  const front = frontOf(points, chosen.goal);
  drawCostChart(points, front, chosen, kinds.find(([key]) => key === kind));
  const names = front.map((point) => label(point.variant));
  byId("cost-note").textContent = `Numbers are ranks. ${plural(front.length, "variant")} that no other beats in both: ${names.join(", ")}.`;
}

// Points that none beats in one and equals or beats in the other, from the cheapest on.
function frontOf(points, goal) {
  const sign = goal === "min" ? 1 : -1;
  const beats = (left, right) => left.cost <= right.cost && sign * left.mean <= sign * right.mean
    && (left.cost < right.cost || left.mean !== right.mean);
  return points.filter((point) => !points.some((other) => beats(other, point))).sort((left, right) => left.cost - right.cost);
}

function drawCostChart(points, front, chosen, [, title, text]) {
  const container = byId("cost-chart");
  const width = Math.max(280, container.clientWidth);
  const height = Math.max(260, Math.min(380, Math.round(width * 0.5)));
  const xRange = padded(points.map((point) => point.cost), true);
  const yRange = padded(points.flatMap((point) => [point.mean, ...(spreadOf(point) ?? [])]), false);
  if (!xRange || !yRange) return;
  const plan = layout({ width, height, xRange, yRange, xLog: true, yLog: false, yLabel: chosen.title });
  plan.xTexts = plan.xTicks.map(text);
  const path = front.map((point, at) => `${at ? "L" : "M"}${plan.x(point.cost)},${plan.y(point.mean)}`).join("");
  replace(container, svg("svg", { class: "chart still", viewBox: `0 0 ${width} ${height}`, height, role: "group",
    "aria-label": `${chosen.title} against ${title}` },
  frame(plan, title, chosen.title),
  svg("path", { class: "front", d: path }),
  points.map((point) => costPoint(plan, point, text))));
}

// One standard deviation to each side.
function spreadOf({ mean: value, std }) {
  return std === null ? null : [value - std, value + std];
}

function costPoint({ x, y }, point, text) {
  const said = `${label(point.variant)}: ${plusMinus(point.mean, point.std)}, ${text(point.cost)}, rank ${point.rank}`;
  const [left, top] = [x(point.cost), y(point.mean)];
  const spread = spreadOf(point);
  const group = svg("g", { class: "series", tabindex: 0, role: "img", "aria-label": said, "data-cost": point.cost, "data-value": point.mean },
    svg("title", {}, said),
    spread ? svg("line", { class: `line thin ${colour(point.variant)}`, x1: left, x2: left, y1: y(spread[0]), y2: y(spread[1]) }) : null,
    marker(point.variant, left, top, 5),
    // Neighbours in rank are often neighbours in place.
    svg("text", { class: "tick halo", x: left + (point.rank % 2 ? 9 : -9), y: top + 4, "text-anchor": point.rank % 2 ? "start" : "end" },
      String(point.rank)));
  return lights(group, point.variant);
}

function listenToCost() {
  whenChosen("cost-kind", drawCost);
}

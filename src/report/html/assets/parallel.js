// Parallel coordinates: an axis for each varying key, the metric last.

const AXIS_GAP = 150;

function drawParallel() {
  const { keys } = page.data;
  const chosen = ranking();
  const rows = chosen?.rows.filter((row) => row.mean !== null) ?? [];
  show("parallel", keys.length > 0 && rows.length > 1);
  if (byId("parallel").hidden) return;
  const container = byId("parallel-chart");
  const width = Math.max(container.clientWidth, (keys.length + 1) * AXIS_GAP);
  const height = 340;
  const axes = [...keys.map((key, at) => settingAxis(key, at, rows)), metricAxis(chosen, rows)];
  axes.forEach((axis, at) => {
    axis.x = 70 + (at * (width - 150)) / (axes.length - 1);
    axis.place = scale(axis.range[0], axis.range[1], height - 24, 46, false);
  });
  // The best are drawn last, on top.
  const lines = [...rows].reverse().map((row) => parallelLine(axes, row, rows.indexOf(row)));
  const picture = svg("svg", { class: "chart still broad", viewBox: `0 0 ${width} ${height}`, width, height, role: "group",
    "aria-label": "Parallel coordinates of settings and result" },
  axes.map(drawAxisLine), lines, axes.map(drawAxisTexts));
  replace(container, picture);
}

// Every value that occurs, evenly: numbers in their order, words as they were declared.
function settingAxis(key, at, rows) {
  const settings = rows.map((row) => page.data.variants[row.variant].values[at]);
  const distinct = [...new Map(settings.map(([text, value]) => [text, value])).entries()];
  if (distinct.every(([, value]) => value !== null)) distinct.sort((left, right) => left[1] - right[1]);
  const texts = distinct.map(([text]) => text);
  const placeOf = (row) => texts.indexOf(page.data.variants[row.variant].values[at][0]);
  return {
    title: key.title,
    range: [-0.5, texts.length - 0.5],
    ticks: texts.map((text, place) => [place, text]),
    // Lines through the same value lie side by side.
    value: (row) => {
      const together = rows.filter((other) => placeOf(other) === placeOf(row));
      const share = (together.indexOf(row) + 0.5) / together.length - 0.5;
      return placeOf(row) + share * 0.5;
    },
  };
}

function metricAxis(chosen, rows) {
  const [low, high] = padded(rows.map((row) => row.mean), false);
  const range = chosen.goal === "min" ? [high, low] : [low, high];
  const rising = { from: low, to: high, log: false };
  const values = ticks(rising, 5);
  const texts = tickTexts(values);
  return { title: chosen.title.split(" ")[0], range, ticks: values.map((value, at) => [value, texts[at]]), value: (row) => row.mean };
}

function drawAxisLine(axis) {
  return svg("line", { class: "axis", x1: axis.x, x2: axis.x, y1: axis.place.start, y2: axis.place.end });
}

function drawAxisTexts(axis) {
  const title = svg("text", { class: "axis-label", x: axis.x, y: 22, "text-anchor": "middle" }, shortened(axis.title, 22));
  const texts = axis.ticks.map(([value, text]) =>
    svg("text", { class: "tick halo strong", x: axis.x + 10, y: axis.place(value) + 4 }, shortened(text, 16)));
  return svg("g", { class: "above" }, title, texts);
}

function shortened(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

function parallelLine(axes, row, rank) {
  const place = row.variant;
  const points = axes.map((axis) => `${axis.x.toFixed(1)},${axis.place(axis.value(row)).toFixed(1)}`);
  const last = axes[axes.length - 1];
  const said = `${label(place)}: ${plusMinus(row.mean, row.std)}, rank ${rank + 1}`;
  const line = svg("g", { class: "series", tabindex: 0, role: "img", "aria-label": said }, svg("title", {}, said),
    svg("polyline", { class: "touch", points: points.join(" ") }),
    svg("polyline", { class: `line ${colour(place)} ${rank === 0 ? "first" : ""}`, points: points.join(" "), "stroke-dasharray": dash(place) }),
    marker(place, last.x, last.place(row.mean), 4));
  return lights(line, place);
}

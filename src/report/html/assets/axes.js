// The frame of a chart: grid, ticks and the words beside them.

const GLYPH = 6.7;

// Space that the texts of the vertical axis need.
function leftMargin(texts) {
  return 14 + GLYPH * Math.max(3, ...texts.map((text) => text.length));
}

// The scales of a chart of this size, from ranges of values; its parts for the frame come with them.
function layout({ width, height, xRange, yRange, xLog, yLog, yLabel }) {
  const top = yLabel ? 26 : 12;
  const bottom = height - 44;
  const y = scale(yRange[0], yRange[1], bottom, top, yLog);
  const yTicks = ticks(y, Math.max(3, Math.round((bottom - top) / 50)));
  const yTexts = tickTexts(yTicks);
  const x = scale(xRange[0], xRange[1], leftMargin(yTexts), width - 14, xLog);
  const xTicks = ticks(x, Math.max(2, Math.floor((x.end - x.start) / 84)));
  return { x, y, xTicks, yTicks, xTexts: tickTexts(xTicks), yTexts };
}

function frame({ x, y, xTicks, yTicks, xTexts, yTexts }, xLabel, yLabel) {
  const parts = [];
  yTicks.forEach((value, at) => {
    const place = y(value);
    parts.push(svg("line", { class: "grid", x1: x.start, x2: x.end, y1: place, y2: place }));
    parts.push(svg("text", { class: "tick", x: x.start - 7, y: place + 4, "text-anchor": "end" }, yTexts[at]));
  });
  xTicks.forEach((value, at) => {
    const place = x(value);
    parts.push(svg("line", { class: "grid faint", x1: place, x2: place, y1: y.end, y2: y.start }));
    parts.push(svg("text", { class: "tick", x: place, y: y.start + 17, "text-anchor": "middle" }, xTexts[at]));
  });
  parts.push(svg("line", { class: "axis", x1: x.start, x2: x.end, y1: y.start, y2: y.start }));
  parts.push(svg("text", { class: "axis-label", x: (x.start + x.end) / 2, y: y.start + 36, "text-anchor": "middle" }, xLabel));
  if (yLabel) parts.push(svg("text", { class: "axis-label", x: 4, y: 13 }, yLabel));
  return svg("g", { "aria-hidden": "true" }, parts);
}

// Draws again whenever the width of the container changes, and never for anything else.
function whenResized(container, draw) {
  let known = 0;
  new ResizeObserver(() => {
    const width = Math.round(container.clientWidth);
    if (width !== known && width > 0) {
      known = width;
      draw();
    }
  }).observe(container);
}

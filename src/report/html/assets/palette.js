// How variants are told apart: by colour, and without it by dash and marker. The colours are those of Okabe and Ito,
// which stay apart for the colour-blind; the style sheet has them for light and dark.

const COLOURS = 8;
const DASHES = ["", "7 3", "2 3", "9 3 2 3", "13 4"];
const MARKERS = ["circle", "square", "triangle", "diamond", "down", "cross", "plus"];

// One of eight colours; the dash changes with every variant, so that neighbours differ twice.
function colour(place) {
  return `c${place % COLOURS}`;
}

function dash(place) {
  return DASHES[(place + Math.floor(place / COLOURS)) % DASHES.length];
}

function marker(place, x, y, size, attributes) {
  const kind = MARKERS[(place + Math.floor(place / COLOURS)) % MARKERS.length];
  const all = { ...attributes, class: `marker ${colour(place)} ${attributes?.class ?? ""}` };
  const s = size;
  const corners = {
    square: `M${x - s},${y - s}h${2 * s}v${2 * s}h${-2 * s}z`,
    triangle: `M${x},${y - 1.2 * s}l${1.2 * s},${2.2 * s}h${-2.4 * s}z`,
    diamond: `M${x},${y - 1.35 * s}l${1.35 * s},${1.35 * s}l${-1.35 * s},${1.35 * s}l${-1.35 * s},${-1.35 * s}z`,
    down: `M${x},${y + 1.2 * s}l${1.2 * s},${-2.2 * s}h${-2.4 * s}z`,
    cross: `M${x - s},${y - s}l${2 * s},${2 * s}m0,${-2 * s}l${-2 * s},${2 * s}`,
    plus: `M${x},${y - 1.2 * s}v${2.4 * s}m${-1.2 * s},${-1.2 * s}h${2.4 * s}`,
  };
  if (kind === "circle") return svg("circle", { cx: x, cy: y, r: 1.1 * s, ...all });
  return svg("path", { d: corners[kind], ...all });
}

// A piece of the line as it is drawn, with its marker.
function swatch(place) {
  return svg("svg", { class: "swatch", width: 34, height: 12, viewBox: "0 0 34 12", "aria-hidden": "true" },
    svg("line", { x1: 1, x2: 33, y1: 6, y2: 6, class: `line ${colour(place)}`, "stroke-dasharray": dash(place) }),
    marker(place, 17, 6, 3.4));
}

// What the page shows and what its user has chosen. Panels listen for a change of a part and draw themselves again.

const page = {
  data: JSON.parse(byId("data").textContent),
  // By the key of a variant; in a file all are there from the start.
  curves: new Map(),
  // Places of the variants that are drawn.
  shown: new Set(),
  // Of a chosen ranking.
  ranking: null,
};

const listeners = new Map();

function on(part, listener) {
  listeners.set(part, [...(listeners.get(part) ?? []), listener]);
}

function changed(part) {
  for (const listener of listeners.get(part) ?? []) listener();
}

// A column of 64-bit floats, written little-endian as every machine with a browser has them.
function unpack(text) {
  const raw = atob(text);
  return new Float64Array(Uint8Array.from(raw, (character) => character.charCodeAt(0)).buffer);
}

function unpackCurves(curves) {
  const steps = curves.steps.map(unpack);
  const series = new Map(curves.series.map((one) => [
    one.id,
    { steps: steps[one.steps], values: one.values.map(unpack), rows: one.rows },
  ]));
  const levels = curves.levels.map((level) => ({
    ...level,
    log_snr: unpack(level.log_snr),
    eps_mse: unpack(level.eps_mse),
  }));
  return { seeds: curves.seeds, series, levels };
}

function takeCurves(list) {
  for (const curves of list) page.curves.set(curves.variant, unpackCurves(curves));
}

function curvesOf(place) {
  return page.curves.get(page.data.variants[place].key);
}

function ranking() {
  return page.data.rankings.find((one) => one.id === page.ranking) ?? page.data.rankings[0];
}

// Places of all variants, the best under the chosen metric first.
function ranked() {
  const places = ranking()?.rows.map((row) => row.variant) ?? [];
  const rest = page.data.variants.map((_, place) => place).filter((place) => !places.includes(place));
  return [...places, ...rest];
}

function label(place) {
  return page.data.variants[place].label;
}

// At first so many are drawn that they can be told apart.
const SHOWN_AT_FIRST = 8;

function showBest(amount) {
  page.shown = new Set(ranked().slice(0, amount));
  changed("shown");
}

function toggle(place) {
  // What is drawn anew does not hear that the pointer leaves.
  light(null);
  if (!page.shown.delete(place)) page.shown.add(place);
  changed("shown");
}

// Everything that belongs to a variant is lit while one part of it is pointed at.
function light(place) {
  for (const lit of document.querySelectorAll(".lit")) lit.classList.remove("lit");
  document.body.classList.toggle("lighting", place !== null);
  if (place === null) return;
  for (const part of document.querySelectorAll(`[data-variant="${place}"]`)) part.classList.add("lit");
}

function lights(node, place) {
  node.setAttribute("data-variant", place);
  for (const event of ["pointerenter", "focusin"]) node.addEventListener(event, () => light(place));
  for (const event of ["pointerleave", "focusout"]) node.addEventListener(event, () => light(null));
  return node;
}

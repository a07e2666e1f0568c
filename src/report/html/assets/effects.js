// What each setting changes by itself: a dot with its interval for every value of an axis against the base's.

const EFFECT_WIDTH = 320;

function drawEffects() {
  const chosen = ranking();
  const axes = chosen?.effects.filter((axis) => axis.contrasts.some((contrast) => contrast.mean !== null)) ?? [];
  show("effects", axes.length > 0);
  if (!axes.length) return;
  const ends = axes.flatMap((axis) => axis.contrasts.flatMap(({ mean: value, ci95 }) => [value, ...clipped(value, ci95, axes)]));
  const [low, high] = padded([0, ...ends.filter((end) => end !== null)], false);
  const x = scale(low, high, 8, EFFECT_WIDTH - 8, false);
  byId("effects-caption").textContent = `Change of ${chosen.title} against the reference, over variants that match in everything `
    + `else: mean over seeds with its 95% interval, and its standard error over images; p adjusted by Holm's method. ${chosen.goal === "min" ? "Left" : "Right"} of the line is better.`;
  const head = ["setting", "", "change", "95% interval", "se over images", "p", "cells × seeds"].map((title, at) =>
    element("th", { scope: "col", class: at > 1 ? "numeric" : null }, element("span", { class: "head" }, title)));
  const rows = axes.flatMap((axis) => [axisRow(axis), ...axis.contrasts.map((contrast) => contrastRow(axis, contrast, x))]);
  const scaleRow = element("tr", {}, element("td", {}), element("td", {}, effectScale(x)), element("td", { colspan: 5 }));
  replace(byId("effects-body"), element("table", { class: "effects" },
    element("caption", { class: "unseen" }, "Effects of each setting"),
    element("thead", {}, element("tr", {}, head)), element("tbody", {}, rows, scaleRow)));
}

// With two seeds an interval may be a hundred times as wide as any effect: it is drawn to the edge then.
function clipped(value, ci95, axes) {
  if (ci95 === null) return [];
  const greatest = Math.max(...axes.flatMap((axis) => axis.contrasts.map((contrast) => Math.abs(contrast.mean ?? 0))));
  return ci95.map((end) => Math.max(-3 * greatest, Math.min(3 * greatest, end)));
}

function axisRow({ keys, reference, reference_is_base: base }) {
  const against = `against ${reference}${base ? " (base)" : " (first declared)"}`;
  return element("tr", { class: "group" }, element("th", { scope: "rowgroup", colspan: 7 },
    element("code", {}, keys.join(" with ")), " ", element("span", { class: "muted" }, against)));
}

function contrastRow(axis, contrast, x) {
  const { value, mean: change, ci95, image_se: se, p_holm: p, cells, seeds, missing, told } = contrast;
  const lost = missing ? ` (${missing} missing)` : "";
  return element("tr", { class: told ? "told" : null, "data-effect": `${axis.keys.join(" ")}=${value}` },
    element("th", { scope: "row" }, value),
    element("td", {}, change === null ? "" : effectPicture(contrast, x)),
    element("td", { class: "numeric", "data-value": change }, change === null ? "–" : signed(change)),
    element("td", { class: "numeric", "data-value": ci95?.join(" ") }, ci95 === null ? "–" : ci95.map(signed).join(" to ")),
    element("td", { class: "numeric", "data-value": se }, se === null ? "–" : number(se)),
    element("td", { class: "numeric", "data-value": p }, p === null ? "–" : `${p < 0.001 ? "< 0.001" : p.toFixed(3)}${told ? " *" : ""}`),
    element("td", { class: "numeric" }, `${cells} × ${seeds}${lost}`));
}

function signed(value) {
  return `${value > 0 ? "+" : ""}${number(value)}`;
}

function effectPicture({ mean: change, ci95, told }, x) {
  const within = (value) => Math.max(x.start, Math.min(x.end, x(value)));
  const parts = [svg("line", { class: "zero", x1: x(0), x2: x(0), y1: 0, y2: 22 })];
  if (ci95) parts.push(svg("line", { class: "whisker", x1: within(ci95[0]), x2: within(ci95[1]), y1: 11, y2: 11 }));
  parts.push(svg("circle", { class: told ? "estimate told" : "estimate", cx: x(change), cy: 11, r: 5 }));
  return svg("svg", { class: "effect", width: EFFECT_WIDTH, height: 22, viewBox: `0 0 ${EFFECT_WIDTH} 22`, "aria-hidden": "true" }, parts);
}

function effectScale(x) {
  const values = ticks(x, 5);
  const texts = tickTexts(values);
  return svg("svg", { class: "effect chart still", width: EFFECT_WIDTH, height: 24, viewBox: `0 0 ${EFFECT_WIDTH} 24`, "aria-hidden": "true" },
    svg("line", { class: "axis", x1: x.start, x2: x.end, y1: 2, y2: 2 }),
    values.map((value, at) => svg("text", { class: "tick", x: x(value), y: 18, "text-anchor": "middle" }, texts[at])));
}

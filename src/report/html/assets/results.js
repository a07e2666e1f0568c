// The table of variants under the chosen metric: varying keys, mean ± std (n), interval, states.

const results = sortable(byId("results-table"), "Variants, their settings and results", "rank");

function drawResults() {
  const { data } = page;
  show("results", data.variants.length > 0);
  if (!data.variants.length) return;
  page.ranking = choices(byId("ranking"), data.rankings.map(({ id, title }) => [id, title]));
  const chosen = ranking();
  byId("results-caption").textContent = `${chosen.caption}. Mean ± standard deviation over seeds; the interval is Student's, 95%.`;
  const columns = [
    { key: "variant", title: "variant" },
    { key: "rank", title: "rank", numeric: true },
    ...data.keys.map(({ key, title }) => ({ key: `key:${key}`, title, hint: key })),
    { key: "mean", title: chosen.title.split(" ")[0], numeric: true, hint: chosen.title },
    { key: "n", title: "n", numeric: true, hint: "seeds with a value" },
    { key: "low", title: "95% interval", numeric: true },
    { key: "states", title: "runs" },
  ];
  results.fill(columns, ranked().map((place, at) => resultRow(place, at, chosen)));
}

function resultRow(place, at, chosen) {
  const variant = page.data.variants[place];
  const row = chosen.rows.find((one) => one.variant === place) ?? { n: 0, mean: null, std: null, ci95: null };
  const rank = row.mean === null ? null : at + 1;
  return {
    key: variant.key,
    variant: place,
    best: chosen.verdict.kind === "winner" && chosen.verdict.variants[0] === place,
    cells: [
      { sort: variant.label, value: variant.label, content: variantCell(place, variant) },
      { sort: rank, value: rank, content: rank ?? "–" },
      ...variant.values.map(([text, value]) => ({ sort: value ?? text, value: text, content: text })),
      { sort: row.mean, value: row.mean, content: meanOf(row) },
      { sort: row.n, value: row.n, content: row.n },
      { sort: row.ci95?.[0] ?? null, value: row.ci95?.join(" "), content: row.ci95 ? row.ci95.map(number).join(" to ") : "–" },
      { sort: stateText(variant.runs), value: stateText(variant.runs), content: stateBadges(variant.runs) },
    ],
  };
}

// The exact spread stands beside the exact mean.
function meanOf({ mean: value, std }) {
  return element("span", { "data-std": std, title: value === null ? null : `${value}${std === null ? "" : ` ± ${std}`}` },
    plusMinus(value, std));
}

// Whether it is drawn, how, and its name.
function variantCell(place, variant) {
  const drawn = page.shown.has(place);
  const button = element("button", {
    type: "button",
    class: "entry small",
    "aria-pressed": String(drawn),
    "aria-label": `draw ${variant.label}`,
    "data-key": variant.key,
  }, swatch(place));
  button.addEventListener("click", () => toggle(place));
  const dropped = variant.asked ? "" : element("span", { class: "muted" }, " (no longer asked for)");
  return element("span", { class: "variant" }, button, element("span", {}, breakable(variant.label), dropped));
}

function statesOf(runs) {
  return STATES.map((state) => [state, runs.filter((run) => run.state === state).length]).filter(([, some]) => some);
}

function stateText(runs) {
  return statesOf(runs).map(([state, some]) => `${some} ${state}`).join(", ");
}

function stateBadges(runs) {
  const inexact = runs.some((run) => !run.exact) ? element("span", { class: "muted" }, " inexact") : "";
  const parts = statesOf(runs).map(([state, some]) => element("span", { class: "together" }, badge(state), some > 1 ? ` ${some} ` : " "));
  return [...parts, inexact];
}

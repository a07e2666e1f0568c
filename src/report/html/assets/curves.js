// Curves over training: any column of the logs, one line a variant.

const curvesChart = makeChart(byId("curves-chart"), {
  xLabel: "step",
  xText: (value) => `step ${count(Math.round(value))}`,
  yLabel: () => page.data.curve_names.find(({ id }) => id === byId("curve").value)?.title ?? "",
  log: () => byId("log").checked,
  toggle: (series) => toggle(series.variant),
});
curvesChart.container.append(legendTools());

// Columns that are looked at first.
const FIRST_CURVE = "train:loss";

function drawCurves() {
  const names = page.data.curve_names;
  show("curves", names.length > 0);
  if (!names.length) return;
  const select = byId("curve");
  const fresh = !select.options.length;
  choices(select, names.map(({ id, title }) => [id, title]));
  if (fresh && names.some(({ id }) => id === FIRST_CURVE)) select.value = FIRST_CURVE;
  choices(byId("band"), BANDS);
  const weight = Number(byId("smoothing").value);
  byId("smoothing-value").textContent = weight.toFixed(2);
  const how = { band: byId("band").value, weight };
  curvesChart.series = ranked().flatMap((place) => {
    const series = curvesOf(place)?.series.get(select.value);
    return series ? [variantSeries(place, series.steps, series.values, how)] : [];
  });
  curvesChart.draw();
}

function legendTools() {
  const button = (text, act) => {
    const made = element("button", { type: "button" }, text);
    made.addEventListener("click", act);
    return made;
  };
  return element("div", { class: "controls" },
    button(`Best ${SHOWN_AT_FIRST}`, () => showBest(SHOWN_AT_FIRST)),
    button("All", () => showBest(Infinity)),
    button("None", () => showBest(0)));
}

function listenToCurves() {
  for (const id of ["curve", "band", "smoothing", "log"]) whenChosen(id, drawCurves);
  whenChosen("curve", () => zoomTo(curvesChart, null));
  byId("reset").addEventListener("click", () => zoomTo(curvesChart, null));
}

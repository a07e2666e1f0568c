// From the seeds of a variant to a line with its band.

const BANDS = [["range", "least to greatest seed"], ["std", "± standard deviation"], ["seeds", "each seed"], ["none", "none"]];

// columns: one a seed. Means and bands over the seeds that have a value at that step.
function overSeeds(columns, band) {
  const rows = columns[0].length;
  const made = { y: new Float64Array(rows), low: null, high: null, lines: null, n: new Array(rows) };
  const many = columns.length > 1;
  if (many && (band === "range" || band === "std")) {
    made.low = new Float64Array(rows);
    made.high = new Float64Array(rows);
  }
  if (many && band === "seeds") made.lines = columns;
  for (let at = 0; at < rows; at += 1) {
    const values = columns.map((column) => column[at]).filter((value) => !Number.isNaN(value));
    made.n[at] = values.length;
    made.y[at] = values.length ? mean(values) : NaN;
    if (!made.low) continue;
    const spread = band === "std" ? deviation(values) ?? 0 : 0;
    made.low[at] = band === "std" ? made.y[at] - spread : Math.min(...values);
    made.high[at] = band === "std" ? made.y[at] + spread : Math.max(...values);
  }
  return made;
}

// A moving average that forgets, without the pull of its start (as TensorBoard smooths). Gaps stay gaps.
function smooth(column, weight) {
  if (!column || weight === 0) return column;
  let [sum, mass] = [0, 0];
  return Float64Array.from(column, (value) => {
    if (!Number.isFinite(value)) return NaN;
    sum = weight * sum + (1 - weight) * value;
    mass = weight * mass + (1 - weight);
    return sum / mass;
  });
}

// One line of a chart for a variant. The legend says the mean of the values themselves, however much is smoothed.
function variantSeries(place, x, columns, { band, weight }) {
  const made = overSeeds(columns, band);
  const spread = (at) => deviation(columns.map((column) => column[at]).filter((value) => !Number.isNaN(value)));
  return {
    key: page.data.variants[place].key,
    name: label(place),
    place,
    variant: place,
    shown: page.shown.has(place),
    x,
    y: smooth(made.y, weight),
    exact: made.y,
    low: smooth(made.low, weight),
    high: smooth(made.high, weight),
    faint: weight > 0 ? made.y : null,
    lines: made.lines?.map((column) => smooth(column, weight)) ?? null,
    text: (at) => `${plusMinus(made.y[at], spread(at))}${columns.length > 1 ? ` (${made.n[at]})` : ""}`,
  };
}

// The held-out denoising curve of each variant: mean over seeds at their latest evaluation.

const denoisingChart = makeChart(byId("denoising-chart"), {
  xLabel: "log-SNR",
  xText: (value) => `log-SNR ${value.toFixed(2)}`,
  yLabel: () => "mean squared error of ε",
  log: () => byId("level-log").checked,
  toggle: (series) => toggle(series.variant),
});

function drawDenoising() {
  const all = page.data.variants.flatMap((_, place) => curvesOf(place)?.levels ?? []);
  show("denoising", all.length > 0);
  if (!all.length) return;
  const weights = choices(byId("level-weights"), [...new Set(all.map((level) => level.weights))].map((word) => [word, word]));
  denoisingChart.series = ranked().flatMap((place) => {
    const levels = (curvesOf(place)?.levels ?? []).filter((level) => level.weights === weights);
    return levels.length ? [levelSeries(place, levels)] : [];
  });
  denoisingChart.draw();
}

// Seeds of a variant share their noise levels; a damaged log may lack some of them. The curve rises with log-SNR.
function levelSeries(place, levels) {
  const x = [...new Set(levels.flatMap((level) => [...level.log_snr]))].sort((left, right) => left - right);
  const columns = levels.map((level) => {
    const known = new Map([...level.log_snr].map((value, at) => [value, level.eps_mse[at]]));
    return Float64Array.from(x, (value) => known.get(value) ?? NaN);
  });
  return variantSeries(place, Float64Array.from(x), columns, { band: "range", weight: 0 });
}

function listenToDenoising() {
  for (const id of ["level-weights", "level-log"]) whenChosen(id, drawDenoising);
}

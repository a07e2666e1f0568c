// Brings the page to life: which panel draws itself again when what has changed.

function drawContents() {
  const sections = [...document.querySelectorAll("main > section")].filter((section) => !section.hidden);
  replace(byId("contents"), element("ul", {}, sections.map((section) =>
    element("li", {}, element("a", { href: `#${section.id}`, "data-key": section.id }, section.querySelector("h2").textContent)))));
}

const PANELS = {
  ranking: [drawSummary, drawResults, drawCurves, drawDenoising, drawEffects, drawParallel, drawCost, drawSamples, drawSettings, drawNotes],
  shown: [drawResults, drawCurves, drawDenoising],
  data: [drawSummary, drawResults, drawCurves, drawDenoising, drawEffects, drawParallel, drawCost, drawSamples, drawSchedules, drawSettings,
    drawRuns, drawFailures, drawNotes, drawContents],
};

for (const [part, panels] of Object.entries(PANELS)) {
  for (const panel of panels) on(part, panel);
}
startTheme();
whenChosen("ranking", () => {
  page.ranking = byId("ranking").value;
  changed("ranking");
});
listenToCurves();
listenToDenoising();
listenToCost();
listenToSamples();
takeCurves(page.data.curves);
page.shown = new Set(ranked().slice(0, SHOWN_AT_FIRST));
changed("data");
for (const [id, draw] of [["parallel-chart", drawParallel], ["cost-chart", drawCost]]) whenResized(byId(id), draw);
startLive();

// The noise schedules: β, ᾱ and log-SNR along the chain, against t/T so that chains of any length lie side by side.

const KINDS = [
  ["beta", "β", true],
  ["alpha_bar", "ᾱ", false],
  ["log_snr", "log-SNR", false],
];

const scheduleCharts = KINDS.map(([kind, title, log]) => {
  const container = element("div", {});
  byId("schedules-body").append(container);
  const chart = makeChart(container, {
    height: 240,
    xLabel: "t / T",
    xText: (value) => value.toFixed(2),
    yLabel: () => (log ? `${title} (log scale)` : title),
    log: () => log,
    legend: false,
  });
  return { kind, chart };
});

function drawSchedules() {
  const { schedules } = page.data;
  show("schedules", schedules.length > 0);
  replace(byId("schedules-legend"), schedules.map((schedule, place) => element("span", { class: "entry", title: usersOf(schedule) },
    swatch(place), element("span", { class: "name" }, schedule.name), element("span", { class: "value" }, plural(schedule.variants.length, "variant")))));
  for (const { kind, chart } of scheduleCharts) {
    chart.series = schedules.map((schedule, place) => ({
      key: String(place),
      name: schedule.name,
      place,
      shown: true,
      x: unpack(schedule.t).map((t) => t / Math.max(1, schedule.timesteps - 1)),
      y: unpack(schedule[kind]),
    }));
    chart.draw();
  }
}

function usersOf(schedule) {
  return schedule.variants.map(label).join("\n");
}

// Every run: state, progress, speed, time left.

const runsTable = sortable(byId("runs-body"), "Runs", "variant");

const RUN_COLUMNS = [
  { key: "variant", title: "variant" },
  { key: "seed", title: "seed", numeric: true },
  { key: "state", title: "state" },
  { key: "step", title: "step", numeric: true },
  { key: "progress", title: "progress" },
  { key: "speed", title: "images/s", numeric: true },
  { key: "left", title: "left", numeric: true },
];

function drawRuns() {
  const { variants } = page.data;
  show("runs", variants.length > 0);
  const rows = variants.flatMap((variant, place) => variant.runs.map((run) => runRow(variant, place, run)));
  runsTable.fill(RUN_COLUMNS, rows);
}

function runRow(variant, place, run) {
  const share = run.total_steps ? Math.min(1, run.step / run.total_steps) : null;
  const total = run.total_steps ? ` / ${count(run.total_steps)}` : "";
  const bar = element("progress", { max: 1, value: share ?? 0, "aria-label": `progress of ${variant.label} seed ${run.seed}` });
  const speed = run.images_per_second;
  return {
    key: `${variant.key}-${run.seed}`,
    variant: place,
    cells: [
      { sort: variant.label, value: variant.label, content: breakable(variant.label) },
      { sort: run.seed, value: run.seed, content: run.seed },
      { sort: STATES.indexOf(run.state), value: run.state, content: [badge(run.state), run.exact ? "" : " inexact"] },
      { sort: run.step, value: run.step, content: `${count(run.step)}${total}` },
      { sort: share, value: share, content: share === null ? "" : [bar, ` ${Math.floor(share * 100)}%`] },
      { sort: speed, value: speed, content: speed === null ? "" : speed < 10 ? speed.toFixed(1) : count(Math.round(speed)) },
      { sort: run.seconds_left, value: run.seconds_left, content: duration(run.seconds_left) },
    ],
  };
}

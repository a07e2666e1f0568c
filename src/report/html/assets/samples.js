// Sample grids side by side: of every variant, at one step and seed.

// What is shown already: a live page must not load every picture again.
let gallery = "";

function drawSamples() {
  const { items, left_out: leftOut } = page.data.samples;
  show("samples", items.length > 0 || leftOut > 0);
  if (byId("samples").hidden) return;
  const steps = [...new Set(items.map((item) => item.step))].sort((left, right) => right - left);
  const seeds = [...new Set(items.map((item) => item.seed))].sort((left, right) => left - right);
  const step = Number(choices(byId("sample-step"), steps.map((value) => [value, count(value)])));
  const seed = choices(byId("sample-seed"), [...seeds.map((value) => [value, String(value)]), ["all", "all"]]);
  const wanted = seed === "all" ? seeds : [Number(seed)];
  byId("samples-note").textContent = leftOut
    ? `To stay small, this file leaves out ${plural(leftOut, "grid")} of ${count(leftOut + items.length)}; they are in the run folders.`
    : "Equal seeds start from equal noise.";
  const pairs = ranked().flatMap((place) => wanted.map((one) => [place, one]));
  const now = JSON.stringify(pairs.map(([place, one]) => [label(place), one, step, sourceOf(place, one, step)?.source]));
  if (now === gallery) return;
  gallery = now;
  replace(byId("samples-body"), pairs.map(([place, one]) => sampleOf(place, one, step)));
}

function sourceOf(place, seed, step) {
  return page.data.samples.items.find((one) => one.variant === place && one.seed === seed && one.step === step);
}

function sampleOf(place, seed, step) {
  const item = sourceOf(place, seed, step);
  const run = page.data.variants[place].runs.find((one) => one.seed === seed);
  const words = item ? "" : run?.found ? "no samples here at this step" : "not started";
  const name = `${label(place)}, seed ${seed}`;
  const picture = item
    ? element("img", { src: item.source, alt: `samples of ${name} at step ${step}`, loading: page.data.live ? "lazy" : null, width: item.size?.[0], height: item.size?.[1] })
    : element("p", { class: "missing muted" }, words);
  const caption = element("figcaption", {}, swatch(place), element("span", {}, breakable(label(place)), `, seed ${seed}`));
  return lights(element("figure", {}, picture, caption), place);
}

function listenToSamples() {
  for (const id of ["sample-step", "sample-seed"]) whenChosen(id, drawSamples);
}

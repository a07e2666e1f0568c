// The head of the page: what was found, who won and by how much.

const STATES = ["done", "running", "submitted", "planned", "interrupted", "paused", "failed", "diverged"];

function drawSummary() {
  const { data } = page;
  const runs = Object.values(data.counts).reduce((sum, some) => sum + some, 0);
  const read = data.generated.replace("T", " ").replace("Z", " UTC");
  byId("subtitle").textContent = `${plural(data.variants.length, "variant")}, ${plural(runs, "run")} · read ${read}`;
  byId("footer").textContent = `Written by ${data.program}. Values are those of the CSV files; long curves are thinned, `
    + "and keep the least and the greatest value of each part.";
  show("summary", true);
  const chosen = ranking();
  const parts = [];
  if (!data.variants.length) {
    parts.push(element("p", { class: "verdict" }, "There are no runs here."));
  } else {
    parts.push(verdict(chosen));
  }
  parts.push(element("ul", { class: "states", "aria-label": "Runs by state" }, STATES
    .filter((state) => data.counts[state])
    .map((state) => element("li", {}, badge(state), ` ${count(data.counts[state])}`))));
  replace(byId("summary-body"), parts);
}

function badge(state) {
  return element("span", { class: `state ${state}` }, state);
}

const HEADINGS = { winner: "Winner", tie: "Tie", unknown: "No winner named", refused: "Not comparable" };

function verdict({ verdict: said, title, goal }) {
  const cards = [card(HEADINGS[said.kind], said.kind === "winner" ? label(said.variants[0]) : tied(said), "wide text")];
  if (said.margin !== null) {
    const before = said.kind === "winner" ? "Margin" : "First two differ by";
    cards.push(card(before, number(said.margin), "", said.margin));
    cards.push(card("95% interval", said.ci95.map(number).join(" to ")));
  }
  cards.push(card("Metric", `${title}, ${goal === "min" ? "lower" : "higher"} is better`, "text"));
  return [element("div", { class: "cards" }, cards), element("p", { class: `verdict ${said.kind}` }, said.text)];
}

function tied({ kind, variants }) {
  return kind === "tie" ? `among ${plural(variants.length, "variant")}` : "–";
}

function card(name, text, extra, exact) {
  return element("div", { class: `card ${extra ?? ""}` },
    element("span", { class: "card-name" }, name),
    element("span", { class: "card-value", "data-value": exact }, text));
}

// Sentences about the chosen metric first, then those about the files.
function drawNotes() {
  const about = ranking()?.notes ?? [];
  const all = [...about, ...page.data.notes.filter((note) => !about.includes(note))];
  show("notes", all.length > 0);
  replace(byId("notes-body"), all.map((note) => element("li", {}, note)));
}

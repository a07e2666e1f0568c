// A live page asks its server what changed: soon again while somebody looks, seldom in a hidden tab, and ever less
// often while the server does not answer.

const SECONDS = { shown: 3, hidden: 60, most: 60 };

const live = { revision: "", curves: new Map(), failed: 0, timer: null };

function startLive() {
  if (!page.data.live) return;
  byId("live").hidden = false;
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) ask();
  });
  ask();
}

async function ask() {
  clearTimeout(live.timer);
  try {
    await refresh();
    live.failed = 0;
    say("live", true);
  } catch (error) {
    live.failed += 1;
    say(error.message === "403" ? "not allowed any more: open the printed address again" : "the server does not answer", false);
  }
  const pause = document.hidden ? SECONDS.hidden : Math.min(SECONDS.most, SECONDS.shown * 2 ** Math.min(live.failed, 8));
  clearTimeout(live.timer);
  live.timer = setTimeout(ask, pause * 1000);
}

function say(text, well) {
  const node = byId("live");
  if (node.textContent !== text) node.textContent = text;
  node.classList.toggle("lost", !well);
}

async function get(address) {
  const answer = await fetch(address, { cache: "no-store", credentials: "same-origin", redirect: "error" });
  if (answer.status === 204) return null;
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

// The whole document when anything in it changed, and the curves of those variants alone that have new rows.
async function refresh() {
  const update = await get(`data.json?since=${live.revision}`);
  if (!update) return;
  const stale = Object.entries(update.curves).filter(([key, revision]) => live.curves.get(key) !== revision);
  for (const [key, revision] of stale) {
    const curves = await get(`curves.json?variant=${key}`);
    if (curves) takeCurves([curves]);
    live.curves.set(key, revision);
  }
  const known = new Set(page.data.variants.map((variant) => variant.key));
  const drawn = new Set([...page.shown].map((place) => page.data.variants[place].key));
  page.data = update.document;
  const room = page.data.variants.length <= SHOWN_AT_FIRST;
  page.shown = new Set(page.data.variants.flatMap((variant, place) =>
    (drawn.has(variant.key) || (room && !known.has(variant.key)) ? [place] : [])));
  live.revision = update.revision;
  changed("data");
}
